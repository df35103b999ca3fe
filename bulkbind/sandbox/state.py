"""The rules of attach and detach. Pure: a world, a request and a time in, an answer out.

Rules of this file: no I/O, no event loop, no clock, no chance. Whoever calls sees to
it that one gateway runs one change at a time. A rule refuses before it changes
anything: an answer of 4xx has had no effect.

Source: apig-contract.md sections 1 and 3; SEED "Binding a Plug-in to APIs".
"""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, NamedTuple, ParamSpec

import msgspec

from bulkbind.model import MAX_API_IDS
from bulkbind.sandbox import answers, records
from bulkbind.sandbox.answers import Answer, Refused, Rules
from bulkbind.sandbox.world import Binding, Env, Instance, Plugin, Slot, World

P = ParamSpec("P")


class Change(NamedTuple):
    """An attach or detach as it came in."""

    path: Mapping[str, str]
    """``instance_id``, and ``plugin_id`` or ``api_id``."""
    body: bytes
    now_ns: int
    """Nanoseconds since the epoch, UTC."""
    rules: Rules = Rules()


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
        _refuse_bad(api_ids, slots, rules=change.rules)
        attached = _bind(
            world, [slots[api_id] for api_id in api_ids], plugin, env, change
        )
    return Answer(201, {"attached_plugins": attached})


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
            _refuse_bad([api_id], slots, rules=change.rules)
            attached += _bind(world, [slots[api_id]], plugin, env, change)
    return Answer(201, {"attached_plugins": attached})


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
    return Answer(204)


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
    return Answer(204)


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


def _refuse_bad(
    api_ids: Sequence[str], slots: Mapping[str, Slot], *, rules: Rules
) -> None:
    """Refuse the request if one API is bad; the first in its order is named."""
    for api_id in api_ids:
        if api_id not in slots:
            raise Refused(answers.no_api(api_id, rules=rules))
    for api_id in api_ids:
        if not slots[api_id].published:
            raise Refused(answers.not_published(api_id, rules=rules))


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
    return records.receipts(
        plugin, env=env, slots=slots, bindings=bindings, now_ns=change.now_ns
    )


def _bound_slots(
    api_ids: Sequence[str], slots: Mapping[str, Slot], *, plugin: Plugin, rules: Rules
) -> list[int]:
    """Pick the APIs the plug-in is bound to; what must not be detached is refused."""
    for api_id in api_ids:
        if api_id not in slots:
            raise Refused(answers.no_api(api_id, rules=rules))
    bound = [slots[one].api_no for one in api_ids if slots[one].plugin_no == plugin.no]
    if rules.unbound_detach == "refuse" and len(bound) < len(api_ids):
        raise Refused(answers.invalid("api_ids"))
    return bound
