"""Laws: both worlds give the same answers, and the answers obey the contract."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkbind.errors import StateError
from bulkbind.sandbox import lists, state
from bulkbind.sandbox.memory import MemoryWorld
from bulkbind.sandbox.sqlite import SqliteWorld
from bulkbind.sandbox.world import PluginSeed, PublishedSlot

GATEWAYS = ("gw1", "gw2", "nogw")
ENVS = ("DEFAULT_ENVIRONMENT_RELEASE_ID", "env-2", "noenv")
APIS = ("a1", "a2", "a3", "a4", "noapi")
TYPES = {"p1": "cors", "p2": "cors", "p3": "rate_limit", "p4": "breaker"}
PLUGINS = (*TYPES, "noplugin")
CHANGES = {
    "attach_apis": state.attach_apis,
    "detach_apis": state.detach_apis,
    "attach_plugins": state.attach_plugins,
    "detach_plugins": state.detach_plugins,
}


def fill_by_hand(world):
    with world.atomic():
        world.add_slots(
            [
                PublishedSlot(gateway, env, api)
                for gateway in GATEWAYS[:2]
                for env in ENVS[:2]
                for api in APIS[:4]
                if (env, api) != ("env-2", "a4")
            ]
        )
        world.add_plugins(
            PluginSeed(gateway, plugin_id, plugin_type)
            for gateway in GATEWAYS[:2]
            for plugin_id, plugin_type in TYPES.items()
        )
    return world


changes = st.fixed_dictionaries(
    {
        "rule": st.sampled_from(sorted(CHANGES)),
        "instance_id": st.sampled_from(GATEWAYS),
        "plugin_id": st.sampled_from(PLUGINS),
        "api_id": st.sampled_from(APIS),
        "env_id": st.sampled_from(ENVS),
        "api_ids": st.lists(st.sampled_from(APIS), min_size=0, max_size=6),
        "plugin_ids": st.lists(st.sampled_from(PLUGINS), min_size=0, max_size=4),
    }
)
#: Changes that name only what exists and is published.
sound_changes = st.fixed_dictionaries(
    {
        "rule": st.sampled_from(["attach_apis", "detach_apis"]),
        "instance_id": st.just("gw1"),
        "plugin_id": st.sampled_from(sorted(TYPES)),
        "env_id": st.sampled_from(ENVS[:2]),
        "api_ids": st.lists(st.sampled_from(APIS[:3]), min_size=1, max_size=4),
    }
)
queries = st.fixed_dictionaries(
    {},
    optional={
        "offset": st.integers(-3, 9).map(str),
        "limit": st.integers(-2, 600).map(str),
        "env_id": st.sampled_from(ENVS),
        "env_name": st.sampled_from(["RELEASE", "env_env_2"]),
        "api_id": st.sampled_from(APIS),
        "id": st.sampled_from(APIS),
        "api_name": st.sampled_from(["api_", "a1", "api_a2", "x"]),
        "name": st.sampled_from(["api_", "a1", "api_a2", "RELEASE"]),
        "precise_search": st.sampled_from(["name", "plugin_name", "req_uri"]),
        "plugin_id": st.sampled_from(PLUGINS),
        "plugin_name": st.sampled_from(["p1", "plugin_p3"]),
        "plugin_type": st.sampled_from(["cors", "breaker"]),
        "req_method": st.sampled_from(["GET", "POST"]),
        "req_uri": st.sampled_from(["/a1", "/x"]),
        "tags": st.sampled_from(["#no_tags#", "blue"]),
        "group_id": st.sampled_from(["nogroup"]),
    },
)
READS = (
    lists.attached_apis,
    lists.attachable_apis,
    lists.attached_plugins,
    lists.attachable_plugins,
    lists.apis,
    lists.api,
    lists.api_groups,
    lists.plugins,
    lists.plugin,
    lists.envs,
    lists.instances,
    lists.instance,
)
asks = st.fixed_dictionaries(
    {
        "rule": st.sampled_from(READS),
        "instance_id": st.sampled_from(GATEWAYS),
        "plugin_id": st.sampled_from(PLUGINS),
        "api_id": st.sampled_from(APIS),
        "query": queries,
    }
)


def apply(world, change, *, now_ns):
    body = {
        name: change[name]
        for name in ("env_id", "api_ids", "plugin_ids")
        if name in change
    }
    request = state.Change(change, json.dumps(body).encode(), now_ns)
    return CHANGES[change["rule"]](world, request)


def read(world, ask):
    path = {
        "project_id": "project",
        **{name: ask[name] for name in ("instance_id", "plugin_id", "api_id")},
    }
    return ask["rule"](world, lists.Ask(path, ask["query"]))


def snapshot(world):
    return [
        (gateway.instance_id, bond.env.env_id, api.api_id, bond.plugin)
        for gateway in world.instances()
        for name in APIS
        for api in [world.find_api(gateway, api_id=name)]
        if api
        for bond in world.bindings_of(api)
    ]


@settings(max_examples=150, deadline=None)
@given(st.lists(changes, max_size=8), st.lists(asks, min_size=1, max_size=8))
def test_both_worlds_give_the_same_answers(done, asked):
    memory = fill_by_hand(MemoryWorld())
    with fill_by_hand(SqliteWorld(":memory:")) as sqlite:
        for now_ns, change in enumerate(done):
            assert apply(memory, change, now_ns=now_ns) == apply(
                sqlite, change, now_ns=now_ns
            )
        for ask in asked:
            assert read(memory, ask) == read(sqlite, ask)


@settings(max_examples=150, deadline=None)
@given(st.lists(changes, max_size=8), changes)
def test_a_refused_change_changes_nothing(done, change):
    with fill_by_hand(SqliteWorld(":memory:")) as world:
        for now_ns, earlier in enumerate(done):
            apply(world, earlier, now_ns=now_ns)
        before = snapshot(world)
        answer = apply(world, change, now_ns=99)

        assert answer.status < 300 or snapshot(world) == before


@settings(max_examples=100, deadline=None)
@given(st.lists(sound_changes, max_size=12))
def test_a_slot_holds_the_last_plugin_of_its_type(done):
    expected: dict[tuple[str, str, str], str] = {}
    with fill_by_hand(SqliteWorld(":memory:")) as world:
        for now_ns, change in enumerate(done):
            assert apply(world, change, now_ns=now_ns).status < 300
            plugin_id = change["plugin_id"]
            for api_id in change["api_ids"]:
                slot = change["env_id"], api_id, TYPES[plugin_id]
                if change["rule"] == "attach_apis":
                    expected[slot] = plugin_id
                elif expected.get(slot) == plugin_id:
                    del expected[slot]
        found = {
            (env_id, api_id, plugin.plugin_type): plugin.plugin_id
            for _, env_id, api_id, plugin in snapshot(world)
        }

    assert found == expected


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 60), st.integers(-5, 700), st.integers(-5, 70))
def test_a_page_is_the_part_of_the_list_that_was_asked_for(count, limit, offset):
    world = MemoryWorld()
    ids = [f"api{no:02}" for no in range(count)]
    world.add_slots([PublishedSlot("gw", "env", api_id) for api_id in ids or ["x"]])
    query = {"limit": str(limit), "offset": str(offset), "env_id": "env"}
    path = {"instance_id": "gw", "project_id": "p"}
    answer = lists.apis(world, lists.Ask(path, query))

    assert answer.body is not None
    size = 20 if limit <= 0 else min(limit, 500)
    part = (ids or ["x"])[max(0, offset) :][:size]
    assert [item["id"] for item in answer.body["apis"]] == part
    assert answer.body["size"] == len(part)
    assert answer.body["total"] == len(ids or ["x"])


@pytest.mark.parametrize(
    ("query", "window"),
    [
        ({}, (0, 20)),
        ({"offset": "", "limit": ""}, (0, 20)),
        ({"offset": "-1", "limit": "0"}, (0, 20)),
        ({"offset": "7", "limit": "-3"}, (7, 20)),
        ({"limit": "500"}, (0, 500)),
        ({"limit": "501"}, (0, 500)),
        ({"limit": "1"}, (0, 1)),
    ],
)
def test_paging_parameters_out_of_range_are_set_right(query, window):
    assert tuple(lists.window(query)) == window


@pytest.mark.parametrize("value", ["x", "1.5", str(2**63)])
@pytest.mark.parametrize("name", ["offset", "limit"])
def test_paging_parameters_that_are_no_numbers_are_refused(name, value):
    world = fill_by_hand(MemoryWorld())
    answer = lists.envs(world, lists.Ask({"instance_id": "gw1"}, {name: value}))

    assert answer.status == 400
    assert answer.body is not None
    assert f"parameterName:{name}" in answer.body["error_msg"]


def test_attached_and_attachable_cover_what_is_published():
    world = fill_by_hand(MemoryWorld())
    for plugin_id in ("p2", "p1"):
        change = {
            "rule": "attach_apis",
            "instance_id": "gw1",
            "plugin_id": plugin_id,
            "env_id": ENVS[0],
            "api_ids": ["a1", "a2"] if plugin_id == "p2" else ["a1"],
        }
        apply(world, change, now_ns=0)
    path = {"instance_id": "gw1", "plugin_id": "p1"}
    ask = lists.Ask(path, {"env_id": ENVS[0]})
    attached = lists.attached_apis(world, ask).body
    attachable = lists.attachable_apis(world, ask).body

    assert attached is not None
    assert attachable is not None
    assert [item["api_id"] for item in attached["apis"]] == ["a1"]
    assert [item["api_id"] for item in attachable["apis"]] == ["a2", "a3", "a4"]
    assert {item["plugin_attach_id"] for item in attachable["apis"]} == {""}


def test_attachable_apis_need_an_environment():
    world = fill_by_hand(MemoryWorld())
    path = {"instance_id": "gw1", "plugin_id": "p1"}

    assert lists.attachable_apis(world, lists.Ask(path, {})).status == 400


def test_an_api_says_where_it_is_published():
    world = fill_by_hand(MemoryWorld())
    path = {"instance_id": "gw1", "api_id": "a1"}
    body = lists.api(world, lists.Ask(path, {})).body

    assert body is not None
    assert body["run_env_id"] == "DEFAULT_ENVIRONMENT_RELEASE_ID|env-2"
    assert body["run_env_name"] == "RELEASE|env_env_2"
    assert len(body["publish_id"].split("|")) == 2


def test_a_file_that_is_no_world_is_refused(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be read as one\n" * 100)

    with pytest.raises(StateError, match=r"notes\.txt cannot be used"):
        SqliteWorld(path)


def test_a_world_of_another_version_is_refused(tmp_path):
    path = tmp_path / "world.db"
    with SqliteWorld(path) as world:
        world._db.execute("PRAGMA user_version=99")

    with pytest.raises(StateError, match="schema version 99"):
        SqliteWorld(path)


def test_what_raises_in_a_change_is_undone():
    def fail_half_way(world):
        with world.atomic():
            world.add_slots([PublishedSlot("gw", "env", "api")])
            raise RuntimeError

    with SqliteWorld(":memory:") as world:
        with pytest.raises(RuntimeError):
            fail_half_way(world)

        assert world.instances() == []


def test_a_full_disk_is_told_and_changes_nothing(tmp_path):
    with SqliteWorld(tmp_path / "world.db") as world:
        (pages,) = world._db.execute("PRAGMA page_count").fetchone()
        world._db.execute(f"PRAGMA max_page_count={pages + 1}")
        slots = [PublishedSlot("gw", "env", f"{no:032x}") for no in range(5_000)]
        full = pytest.raises(StateError, match=r"world\.db cannot be used.*full")
        with full, world.atomic():
            world.add_slots(slots)

        assert world.instances() == []
