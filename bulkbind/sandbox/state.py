"""The rules of attach and detach. Pure: a world, a request and a time in, an answer out.

Rules of this file: no I/O, no event loop, no clock, no chance. Whoever calls sees to
it that one gateway runs one change at a time. A rule refuses before it changes
anything: an answer of 4xx has had no effect, unless ``Rules.on_bad`` says otherwise.

Source: apig-contract.md sections 1 and 3; SEED "Binding a Plug-in to APIs".
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from itertools import takewhile
from typing import Any, NamedTuple, ParamSpec

import msgspec

from bulkbind.model import MAX_API_IDS
from bulkbind.sandbox import answers, records
from bulkbind.sandbox.answers import Answer, Blame, Effect, Refused, Rules
from bulkbind.sandbox.world import Binding, Env, Instance, Plugin, Slot, World

P = ParamSpec("P")


class Change(NamedTuple):
    """An attach or detach as it came in."""

    path: Mapping[str, str]
    """``instance_id``, ``product`` if it has one, and ``plugin_id`` or ``api_id``."""
    body: bytes
    now_ns: int
    """Nanoseconds since the epoch, UTC."""
    rules: Rules = Rules()
    failing: frozenset[str] = frozenset()
    """API ids that an attach fails to bind, for no fault of theirs."""

    @property
    def product(self) -> str:
        """The path segment that names the product; empty: the route has none."""
        return self.path.get("product", "")


class _Sorted(NamedTuple):
    """The ids of an attach, each list in the request's order."""

    good: list[str]
    missing: list[str]
    offline: list[str]
    failing: list[str]

    def bad(self) -> set[str]:
        return {*self.missing, *self.offline, *self.failing}


def answered(rule: Callable[P, Answer]) -> Callable[P, Answer]:
    """Turn a refusal raised inside the rule into the answer it carries."""

    @wraps(rule)
    def answering(*args: P.args, **kwargs: P.kwargs) -> Answer:
        try:
            return rule(*args, **kwargs)
        except Refused as refused:
            return refused.answer

    return answering


@answered
def attach_apis(world: World, change: Change) -> Answer:
    """Attach one plug-in to 1-500 APIs in one environment.

    A slot holds one plug-in of a type: another one there is replaced, silently.

    Source: SEED AttachApiToPlugin.
    """
    env_id, api_ids = _read_body(change, field="api_ids")
    with world.atomic():
        instance = find_instance(world, change.path["instance_id"])
        plugin = find_plugin(world, instance, change.path["plugin_id"])
        env = find_env(world, instance, env_id)
        slots = world.slots(
            instance, env=env, plugin_type=plugin.plugin_type, api_ids=api_ids
        )
        ids = _sort_out(api_ids, slots, failing=change.failing)
        taken = _taken(api_ids, ids, plugin=plugin, rules=change.rules)
        attached = _bind(world, [slots[one] for one in taken], plugin, env, change)
    effect = _effect(taken, api_ids)
    if ids.bad() and change.rules.on_bad in {"bind_good", "bind_until"}:
        return replace(_blame(ids, plugin=plugin, rules=change.rules), effect=effect)
    if ids.bad() and change.rules.on_bad == "bindings_named":
        failing = [slots[api_id] for api_id in ids.failing]
        attached += _claimed(failing, plugin, env, change)
    return Answer(201, _told(ids, attached, rules=change.rules), effect=effect)


@answered
def attach_plugins(world: World, change: Change) -> Answer:
    """Attach 1-500 plug-ins to one API in one environment, in the order given.

    Source: OAS AttachPluginToApi.
    """
    env_id, plugin_ids = _read_body(change, field="plugin_ids")
    api_id = change.path["api_id"]
    attached: list[dict[str, Any]] = []
    with world.atomic():
        instance = find_instance(world, change.path["instance_id"])
        env = find_env(world, instance, env_id)
        plugins = [find_plugin(world, instance, one) for one in plugin_ids]
        for plugin in plugins:
            slots = world.slots(
                instance, env=env, plugin_type=plugin.plugin_type, api_ids=[api_id]
            )
            ids = _sort_out([api_id], slots)
            _taken([api_id], ids, plugin=plugin, rules=Rules(hint=change.rules.hint))
            attached += _bind(world, [slots[api_id]], plugin, env, change)
    return Answer(201, {"attached_plugins": attached}, effect=Effect.WHOLE)


@answered
def detach_apis(world: World, change: Change) -> Answer:
    """Detach one plug-in from the APIs named, in one environment.

    Source: OTC DetachApiFromPlugin; only the ids sent are detached.
    """
    env_id, api_ids = _read_body(change, field="api_ids")
    with world.atomic():
        instance = find_instance(world, change.path["instance_id"])
        plugin = find_plugin(world, instance, change.path["plugin_id"])
        env = find_env(world, instance, env_id)
        slots = world.slots(
            instance, env=env, plugin_type=plugin.plugin_type, api_ids=api_ids
        )
        taken = _bound_slots(api_ids, slots, plugin=plugin, rules=change.rules)
        world.unbind(plugin, env=env, api_nos=taken)
    return Answer(204, effect=Effect.WHOLE)


@answered
def detach_plugins(world: World, change: Change) -> Answer:
    """Detach the plug-ins named from one API, in one environment.

    Source: OTC DetachPluginFromApi.
    """
    env_id, plugin_ids = _read_body(change, field="plugin_ids")
    api_id = change.path["api_id"]
    with world.atomic():
        instance = find_instance(world, change.path["instance_id"])
        env = find_env(world, instance, env_id)
        plugins = [find_plugin(world, instance, one) for one in plugin_ids]
        taken: set[int] = set()
        for plugin in plugins:
            slots = world.slots(
                instance, env=env, plugin_type=plugin.plugin_type, api_ids=[api_id]
            )
            taken |= set(
                _bound_slots([api_id], slots, plugin=plugin, rules=change.rules)
            )
        for plugin in plugins:
            world.unbind(plugin, env=env, api_nos=sorted(taken))
    return Answer(204, effect=Effect.WHOLE)


# --- looking up, or refusing ----------------------------------------------------------


def find_instance(world: World, instance_id: str) -> Instance:
    """Find a gateway, or refuse."""
    instance = world.find_instance(instance_id)
    if instance is None:
        raise Refused(answers.no_instance(instance_id))
    return instance


def find_plugin(world: World, instance: Instance, plugin_id: str) -> Plugin:
    """Find a plug-in of the gateway, or refuse."""
    plugin = world.find_plugin(instance, plugin_id=plugin_id)
    if plugin is None:
        raise Refused(answers.no_plugin(plugin_id))
    return plugin


def find_env(world: World, instance: Instance, env_id: str) -> Env:
    """Find an environment of the gateway, or refuse."""
    env = world.find_env(instance, env_id=env_id)
    if env is None:
        raise Refused(answers.no_env(env_id))
    return env


def _sort_out(
    api_ids: Sequence[str],
    slots: Mapping[str, Slot],
    *,
    failing: frozenset[str] = frozenset(),
) -> _Sorted:
    ids = _Sorted([], [], [], [])
    for api_id in api_ids:
        if api_id not in slots:
            ids.missing.append(api_id)
        elif not slots[api_id].published:
            ids.offline.append(api_id)
        elif api_id in failing:
            ids.failing.append(api_id)
        else:
            ids.good.append(api_id)
    return ids


def _taken(
    api_ids: Sequence[str], ids: _Sorted, *, plugin: Plugin, rules: Rules
) -> list[str]:
    """Pick the ids to bind, or refuse."""
    bad = ids.bad()
    if bad and rules.on_bad == "refuse":
        raise Refused(_blame(ids, plugin=plugin, rules=rules))
    if rules.on_bad == "bind_until":
        return list(takewhile(lambda api_id: api_id not in bad, api_ids))
    return ids.good


def _blame(ids: _Sorted, *, plugin: Plugin, rules: Rules) -> Answer:
    """Refuse for the APIs at fault: those that do not exist come first."""
    if ids.missing:
        blame = Blame(ids.missing, ids.good, plugin.plugin_id)
        return answers.no_api(blame, rules=rules)
    if ids.offline:
        blame = Blame(ids.offline, ids.good, plugin.plugin_id)
        return answers.not_published(blame, rules=rules)
    return answers.OVERLAP


def _effect(taken: Sequence[str], api_ids: Sequence[str]) -> Effect:
    if len(taken) == len(api_ids):
        return Effect.WHOLE
    return Effect.PART if taken else Effect.NONE


# --- failures told in a 201 -----------------------------------------------------------


def _told(
    ids: _Sorted, attached: list[dict[str, Any]], *, rules: Rules
) -> dict[str, Any]:
    """Make the body of a 201: as documented, or with failures in a shape of its own.

    Source: apig-contract.md 3.4 (TF reads ``bindings``) and 2.2 (BatchPublish).
    """
    if rules.on_bad in {"bindings", "bindings_named"} and ids.bad():
        results = [
            {"api_id": one, "binding_result": {"status": "SUCCESS"}} for one in ids.good
        ]
        results += [
            {"api_id": one, "binding_result": {"status": "FAILED", **why}}
            for one, why in _failures(ids)
        ]
        return {"attached_plugins": attached, "bindings": results}
    if rules.on_bad == "lists" and ids.bad():
        failure = [
            {"api_id": one, "api_name": f"api_{one}", **why}
            for one, why in _failures(ids)
        ]
        return {"success": attached, "failure": failure}
    return {"attached_plugins": attached}


def _failures(ids: _Sorted) -> Iterator[tuple[str, Mapping[str, Any]]]:
    rules = Rules()
    for api_id in ids.missing:
        yield api_id, answers.no_api(Blame([api_id]), rules=rules).body or {}
    for api_id in ids.offline:
        yield api_id, answers.not_published(Blame([api_id]), rules=rules).body or {}
    for api_id in ids.failing:
        yield api_id, answers.OVERLAP.body or {}


def _claimed(
    slots: list[Slot], plugin: Plugin, env: Env, change: Change
) -> list[dict[str, Any]]:
    """Make records of bindings that were not made."""
    bindings = [Binding(slot.api_no, 0, change.now_ns) for slot in slots]
    return _receipts(slots, bindings, plugin, env, change)


def _receipts(
    slots: list[Slot], bindings: list[Binding], plugin: Plugin, env: Env, change: Change
) -> list[dict[str, Any]]:
    """Make the records that an attach answers."""
    return records.receipts(
        plugin,
        product=change.product,
        env=env,
        slots=slots,
        bindings=bindings,
        now_ns=change.now_ns,
    )


def _read_body(change: Change, *, field: str) -> tuple[str, list[str]]:
    """Read the environment and the distinct ids, in their order.

    Source: OAS PluginOperApiInfo, ApiOperPluginInfo: both fields required, 1-500
    ids.
    """
    try:
        body = msgspec.json.decode(change.body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(answers.invalid("body")) from error
    env_id, ids = body.get("env_id"), body.get(field)
    if not isinstance(env_id, str) or not env_id:
        raise Refused(answers.invalid("env_id"))
    if not isinstance(ids, list) or not 1 <= len(ids) <= MAX_API_IDS:
        raise Refused(answers.invalid(field))
    if not all(isinstance(item, str) and item for item in ids):
        raise Refused(answers.invalid(field))
    distinct = list(dict.fromkeys(ids))
    if change.rules.duplicate_ids == "refuse" and len(distinct) < len(ids):
        raise Refused(answers.invalid(field))
    return env_id, distinct


# --- changing -------------------------------------------------------------------------


def _bind(
    world: World, slots: list[Slot], plugin: Plugin, env: Env, change: Change
) -> list[dict[str, Any]]:
    number = world.last_attach_no()
    bindings = []
    for slot in slots:
        if slot.plugin_no == plugin.no and change.rules.reattach == "keep":
            bindings.append(Binding(slot.api_no, slot.attach_no, change.now_ns))
        else:
            number += 1
            bindings.append(Binding(slot.api_no, number, change.now_ns))
    world.bind(plugin, env=env, bindings=bindings)
    return _receipts(slots, bindings, plugin, env, change)


def _bound_slots(
    api_ids: Sequence[str], slots: Mapping[str, Slot], *, plugin: Plugin, rules: Rules
) -> list[int]:
    """Pick the APIs the plug-in is bound to; what must not be detached is refused."""
    missing = [api_id for api_id in api_ids if api_id not in slots]
    if missing:
        blame = Blame(missing, list(slots), plugin.plugin_id)
        raise Refused(answers.no_api(blame, rules=rules))
    bound = [slots[one].api_no for one in api_ids if slots[one].plugin_no == plugin.no]
    if rules.unbound_detach == "refuse" and len(bound) < len(api_ids):
        raise Refused(answers.invalid("api_ids"))
    return bound
