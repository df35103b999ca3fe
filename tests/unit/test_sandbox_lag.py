"""Lists that lag show exactly what was bound so long ago."""

import copy
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from bulkbind.sandbox import lists, state
from bulkbind.sandbox.lag import Lag
from bulkbind.sandbox.memory import MemoryWorld
from bulkbind.sandbox.world import PluginSeed, PublishedSlot

APIS = [f"a{no}" for no in range(6)]
ENVS = ("e1", "e2")
LAG_S = 3.0

changes = st.tuples(
    st.sampled_from([state.attach_apis, state.detach_apis]),
    st.sampled_from(["cors1", "cors2", "rate"]),
    st.sampled_from(ENVS),
    st.lists(st.sampled_from([*APIS, "nope"]), min_size=1, max_size=4),
    st.sampled_from([0.5, 1.0, 2.5, 4.0]),
)
queries = st.fixed_dictionaries(
    {"env_id": st.sampled_from(ENVS)},
    optional={
        "limit": st.sampled_from(["1", "2", "500"]),
        "offset": st.sampled_from(["0", "1", "4"]),
        "api_id": st.sampled_from(APIS),
        "api_name": st.sampled_from(["api_a1", "api_a", "x"]),
    },
)
READS = (lists.attached_apis, lists.attachable_apis, lists.attached_plugins)


def make_world():
    world = MemoryWorld()
    for gateway in ("gw", "other"):
        slots = [PublishedSlot(gateway, env, one) for env in ENVS for one in APIS]
        world.add_slots(slots[:-1])
        world.add_plugins(
            PluginSeed(gateway, plugin_id, plugin_id.rstrip("12"))
            for plugin_id in ("cors1", "cors2", "rate")
        )
    return world


@settings(max_examples=200, deadline=None)
@given(
    st.lists(changes, max_size=8),
    st.sampled_from(READS),
    queries,
    st.sampled_from(["gw", "other"]),
    st.sampled_from([0.0, 1.0, 2.9, 3.0]),
)
def test_a_lagging_list_is_the_list_of_then(done, rule, query, gateway, wait):
    world, lag, now = make_world(), Lag(LAG_S), 100.0
    history = [(0.0, copy.deepcopy(world))]
    for change, plugin_id, env_id, api_ids, pause in done:
        path = {"instance_id": "gw", "plugin_id": plugin_id}
        body = json.dumps({"env_id": env_id, "api_ids": api_ids}).encode()
        lag.note(world, "gw", api_ids, now=now)
        change(world, state.Change(path, body, int(now * 1e9)))
        history.append((now, copy.deepcopy(world)))
        now += pause
    now += wait
    then = [old for changed_at, old in history if changed_at <= now - LAG_S][-1]
    path = {"instance_id": gateway, "plugin_id": "cors1", "api_id": "a1"}
    shown = lag.shown(world, now=now)

    assert rule(world, lists.Ask(path, query, shown=shown)) == rule(
        then, lists.Ask(path, query)
    )


def test_an_unknown_gateway_has_no_past():
    lag = Lag(LAG_S)
    lag.note(make_world(), "nowhere", APIS, now=0.0)

    assert lag._changed == {}


def test_the_past_is_forgotten_when_it_is_over():
    world, lag = make_world(), Lag(LAG_S)
    lag.note(world, "gw", APIS, now=0.0)
    lag.shown(world, now=3.0)

    assert lag._changed == {}
