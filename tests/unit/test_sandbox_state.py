"""The rules of attach and detach, on a world in memory."""

import json
from itertools import pairwise

import pytest

from bulkbind.sandbox import records, state
from bulkbind.sandbox.answers import Answer, Rules
from bulkbind.sandbox.memory import MemoryWorld
from bulkbind.sandbox.world import PluginSeed, PublishedSlot

NOW = 1_767_323_045_123_456_789


@pytest.fixture
def world():
    world = MemoryWorld()
    world.add_slots([PublishedSlot("gw", "env", f"api{no}") for no in range(5)])
    world.add_slots([PublishedSlot("gw", "other", "draft")])
    world.add_plugins(
        PluginSeed("gw", plugin_id, plugin_type)
        for plugin_id, plugin_type in (
            ("cors1", "cors"),
            ("cors2", "cors"),
            ("rate", "rate_limit"),
        )
    )
    return world


def send(world, rule=state.attach_apis, *, rules=Rules(), now_ns=NOW, **fields):  # noqa: B008
    names = ("instance_id", "plugin_id", "api_id")
    path = {name: fields.pop(name) for name in names if name in fields}
    path = {"instance_id": "gw", "plugin_id": "cors1", **path}
    body = json.dumps({"env_id": "env", **fields}).encode()
    return rule(world, state.Change(path, body, now_ns, rules))


def bound(world):
    gateway = world.find_instance("gw")
    return {
        (bond.api.api_id, bond.env.env_id, bond.plugin.plugin_id)
        for api_id in (*(f"api{no}" for no in range(5)), "draft")
        for bond in world.bindings_of(world.find_api(gateway, api_id=api_id))
    }


def refused(answer: Answer) -> tuple[int, str, str]:
    assert answer.body is not None
    assert set(answer.body) == {"error_code", "error_msg"}
    return answer.status, answer.body["error_code"], answer.body["error_msg"]


def test_attach_answers_one_record_for_each_api(world):
    answer = send(world, api_ids=["api1", "api0"])

    assert answer.status == 201
    assert answer.body is not None
    first = answer.body["attached_plugins"][0]
    assert len(first["plugin_attach_id"]) == 32
    assert first | {"plugin_attach_id": ""} == {
        "plugin_attach_id": "",
        "plugin_id": "cors1",
        "plugin_name": "plugin_cors1",
        "plugin_type": "cors",
        "plugin_scope": "global",
        "env_id": "env",
        "env_name": "env_env",
        "api_id": "api1",
        "api_name": "api_api1",
        "attached_time": "2026-01-02T03:04:05.123456789Z",
    }
    assert [item["api_id"] for item in answer.body["attached_plugins"]] == [
        "api1",
        "api0",
    ]


def test_a_plugin_of_the_same_type_is_replaced_silently(world):
    send(world, plugin_id="cors1", api_ids=["api0", "api1"])
    send(world, plugin_id="rate", api_ids=["api0"])
    send(world, plugin_id="cors2", api_ids=["api0"])

    assert bound(world) == {
        ("api0", "env", "cors2"),
        ("api0", "env", "rate"),
        ("api1", "env", "cors1"),
    }


def attach_ids(answer):
    return [item["plugin_attach_id"] for item in answer.body["attached_plugins"]]


def test_attaching_again_keeps_the_record_and_renews_its_time(world):
    first = send(world, api_ids=["api0"])
    again = send(world, api_ids=["api0"], now_ns=NOW + 1)

    assert attach_ids(again) == attach_ids(first)
    assert again.body["attached_plugins"][0]["attached_time"].endswith("790Z")


def test_attaching_again_may_make_a_new_record(world):
    first = send(world, api_ids=["api0"])
    again = send(world, api_ids=["api0"], rules=Rules(reattach="renew"))

    assert attach_ids(again) != attach_ids(first)


def test_what_comes_back_after_being_replaced_has_a_new_record(world):
    first = send(world, api_ids=["api0"])
    send(world, plugin_id="cors2", api_ids=["api0"])
    again = send(world, api_ids=["api0"])

    assert attach_ids(again) != attach_ids(first)


def test_an_id_given_twice_has_one_record(world):
    answer = send(world, api_ids=["api0", "api1", "api0"])

    assert [item["api_id"] for item in answer.body["attached_plugins"]] == [
        "api0",
        "api1",
    ]


def test_an_id_given_twice_may_be_refused(world):
    answer = send(world, api_ids=["api0"] * 2, rules=Rules(duplicate_ids="refuse"))

    assert refused(answer)[:2] == (400, "APIG.2012")


def test_an_unknown_api_refuses_all_and_is_named(world):
    answer = send(world, api_ids=["api0", "nope", "draft", "nada"])

    assert refused(answer) == (404, "APIG.3002", "API nope does not exist")
    assert bound(world) == set()


def test_an_unpublished_api_refuses_all_and_is_named(world):
    answer = send(world, api_ids=["api0", "draft"])

    status, code, text = refused(answer)
    assert (status, code) == (409, "APIG.3707")
    assert "draft" in text
    assert bound(world) == set()


@pytest.mark.parametrize("bad", ["nope", "draft"])
def test_a_refusal_may_name_nobody(world, bad):
    answer = send(world, api_ids=["api0", bad], rules=Rules(hint="absent"))

    assert bad not in refused(answer)[2]


@pytest.mark.parametrize(
    ("fields", "status", "code", "text"),
    [
        ({"instance_id": "x"}, 404, "APIG.3030", "The instance does not exist;id:x"),
        ({"plugin_id": "x"}, 404, "APIG.3068", "Plugin x does not exist"),
        ({"env_id": "x"}, 404, "APIG.3003", "Environment x does not exist"),
    ],
)
@pytest.mark.parametrize("rule", [state.attach_apis, state.detach_apis])
def test_what_a_target_names_must_exist(world, rule, fields, status, code, text):
    answer = send(world, rule, **{"api_ids": ["api0"], **fields})

    assert refused(answer) == (status, code, text)


@pytest.mark.parametrize("rule", [state.attach_apis, state.detach_apis])
@pytest.mark.parametrize(
    "api_ids",
    [[], [f"a{no}" for no in range(501)], ["a"] * 501, "api0", None, [1], [""], {}],
)
def test_one_to_500_ids_are_allowed(world, rule, api_ids):
    answer = send(world, rule, api_ids=api_ids)

    status, code, text = refused(answer)
    assert (status, code) == (400, "APIG.2012")
    assert "parameterName:api_ids" in text


def test_500_ids_are_allowed(world):
    ids = [f"many{no}" for no in range(500)]
    world.add_slots([PublishedSlot("gw", "env", api_id) for api_id in ids])

    answer = send(world, api_ids=ids)

    assert answer.status == 201
    assert len(set(attach_ids(answer))) == 500


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b"null"])
def test_a_body_that_is_no_object_is_refused(world, body):
    path = {"instance_id": "gw", "plugin_id": "cors1"}
    answer = state.attach_apis(world, state.Change(path, body, NOW))

    assert refused(answer)[:2] == (400, "APIG.2012")


@pytest.mark.parametrize("env_id", [None, "", 7])
def test_the_environment_is_required(world, env_id):
    answer = send(world, env_id=env_id, api_ids=["api0"])

    assert "parameterName:env_id" in refused(answer)[2]


def test_detach_takes_away_the_ids_sent_and_no_others(world):
    send(world, api_ids=["api0", "api1"])
    send(world, plugin_id="cors2", api_ids=["api2"])

    answer = send(world, state.detach_apis, api_ids=["api0", "api2", "api3"])

    assert (answer.status, answer.body) == (204, None)
    assert bound(world) == {("api1", "env", "cors1"), ("api2", "env", "cors2")}


def test_detaching_what_is_not_bound_may_be_refused(world):
    send(world, api_ids=["api0"])
    rules = Rules(unbound_detach="refuse")

    answer = send(world, state.detach_apis, api_ids=["api0", "api1"], rules=rules)

    assert answer.status == 400
    assert bound(world) == {("api0", "env", "cors1")}


def test_detaching_an_unknown_api_is_refused(world):
    answer = send(world, state.detach_apis, api_ids=["nope"])

    assert refused(answer)[:2] == (404, "APIG.3002")


def test_plugins_are_attached_to_one_api_in_the_order_given(world):
    answer = send(
        world,
        state.attach_plugins,
        api_id="api0",
        plugin_ids=["cors1", "rate", "cors2"],
    )

    assert answer.status == 201
    assert bound(world) == {("api0", "env", "cors2"), ("api0", "env", "rate")}


def test_plugins_are_detached_from_one_api(world):
    send(world, state.attach_plugins, api_id="api0", plugin_ids=["cors1", "rate"])

    answer = send(world, state.detach_plugins, api_id="api0", plugin_ids=["cors1"])

    assert answer.status == 204
    assert bound(world) == {("api0", "env", "rate")}


@pytest.mark.parametrize("rule", [state.attach_plugins, state.detach_plugins])
def test_an_unknown_plugin_among_several_is_refused(world, rule):
    send(world, plugin_id="rate", api_ids=["api0"])
    plugin_ids = ["cors1", "rate", "nope"]

    answer = send(world, rule, api_id="api0", plugin_ids=plugin_ids)

    assert refused(answer) == (404, "APIG.3068", "Plugin nope does not exist")
    assert bound(world) == {("api0", "env", "rate")}


def test_times_have_nine_digits_and_a_z():
    assert records.utc_text(0) == "1970-01-01T00:00:00.000000000Z"
    assert records.utc_text(NOW).endswith(".123456789Z")


def test_attach_ids_differ_and_have_32_hexadecimal_digits():
    ids = [records.attach_id(number) for number in range(1, 2_000)]

    assert all(len(one) == 32 and int(one, 16) for one in ids)
    assert all(a != b for a, b in pairwise(sorted(ids)))


# --- an attach that names an API at fault ---------------------------------------------

MIXED = ["api0", "nope", "api1", "draft", "api2"]


@pytest.mark.parametrize(
    ("on_bad", "status", "effect", "taken"),
    [
        ("refuse", 404, "none", set()),
        ("bind_good", 404, "part", {"api0", "api1", "api2"}),
        ("bind_until", 404, "part", {"api0"}),
        ("omit", 201, "part", {"api0", "api1", "api2"}),
        ("bindings", 201, "part", {"api0", "api1", "api2"}),
        ("bindings_named", 201, "part", {"api0", "api1", "api2"}),
        ("lists", 201, "part", {"api0", "api1", "api2"}),
    ],
)
def test_what_becomes_of_the_good_apis_is_a_rule(world, on_bad, status, effect, taken):
    answer = send(world, api_ids=MIXED, rules=Rules(on_bad=on_bad))

    assert (answer.status, answer.effect) == (status, effect)
    assert {api_id for api_id, *_ in bound(world)} == taken


@pytest.mark.parametrize("on_bad", ["bind_good", "bind_until", "omit", "bindings"])
def test_nothing_is_bound_where_every_api_is_at_fault(world, on_bad):
    answer = send(world, api_ids=["nope", "draft"], rules=Rules(on_bad=on_bad))

    assert answer.effect == "none"
    assert bound(world) == set()


def test_rules_for_bad_apis_change_nothing_without_one(world):
    plain = send(world, api_ids=["api0", "api1"])
    for on_bad in ("bind_good", "omit", "bindings", "bindings_named", "lists"):
        answer = send(world, api_ids=["api0", "api1"], rules=Rules(on_bad=on_bad))

        assert answer == plain


def test_an_effect_is_whole_when_all_was_done(world):
    assert send(world, api_ids=["api0"]).effect == "whole"
    assert send(world, state.detach_apis, api_ids=["api0"]).effect == "whole"
    assert send(world, api_ids=["nope"]).effect == "none"


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        ("present", "API nope does not exist"),
        ("all", "API nope,nada does not exist"),
        ("lying", "API api0 does not exist"),
        ("plugin", "The API to bind to plugin cors1 does not exist"),
        ("absent", "The API does not exist"),
    ],
)
@pytest.mark.parametrize("rule", [state.attach_apis, state.detach_apis])
def test_a_hint_is_a_rule(world, rule, hint, text):
    answer = send(world, rule, api_ids=["nope", "api0", "nada"], rules=Rules(hint=hint))

    assert refused(answer)[2] == text


def test_an_attach_may_fail_for_no_fault_of_its_apis(world):
    path = {"instance_id": "gw", "plugin_id": "cors1"}
    body = json.dumps({"env_id": "env", "api_ids": ["api0", "api1"]}).encode()
    rules = Rules(on_bad="bind_good")
    change = state.Change(path, body, NOW, rules, frozenset({"api1"}))
    answer = state.attach_apis(world, change)

    assert refused(answer)[:2] == (500, "APIG.3500")
    assert bound(world) == {("api0", "env", "cors1")}
