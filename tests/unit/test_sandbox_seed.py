"""Filling a world from a manifest's rows, and planting what shall fail in it."""

import random

import pytest

from bulkbind.errors import Fault
from bulkbind.model import Row
from bulkbind.sandbox import oracle, seed, state
from bulkbind.sandbox.memory import MemoryWorld
from bulkbind.sandbox.seed import fill
from bulkbind.sandbox.sqlite import SqliteWorld

ENVS = ("DEFAULT_ENVIRONMENT_RELEASE_ID", "canary")


def row(api_id, *, gateway="gw", plugin="p1", env=ENVS[0], type_="", fault=None):
    return Row(
        0, 2, "default", "project", gateway, plugin, type_, env, api_id, fault=fault
    )


def many(count=200):
    """Rows over two gateways, two environments; each API in both environments."""
    return [
        row(f"api{no:04}", gateway=f"gw{no % 2}", env=env)
        for no in range(count)
        for env in ENVS
    ]


@pytest.fixture(params=["memory", "sqlite"])
def world(request):
    if request.param == "memory":
        yield MemoryWorld()
    else:
        with SqliteWorld(":memory:") as world:
            yield world


def attach(world, api_ids, *, gateway="gw", plugin="p1", env=ENVS[0]):
    quoted = ",".join(f'"{api_id}"' for api_id in api_ids)
    body = f'{{"env_id":"{env}","api_ids":[{quoted}]}}'.encode()
    path = {"instance_id": gateway, "plugin_id": plugin}
    return state.attach_apis(world, state.Change(path, body, 0))


def code(answer):
    return answer.status, (answer.body or {}).get("error_code")


def planted(world, kind):
    return {slot[1:] for slot in world.planted() if slot.kind == kind}


def test_everything_the_rows_name_can_be_attached(world):
    fill(world, [row("a"), row("b"), row("a", env="canary", plugin="p2")])

    assert attach(world, ["a", "b"]).status == 201
    assert attach(world, ["a"], env="canary", plugin="p2").status == 201
    assert code(attach(world, ["b"], env="canary")) == (409, "APIG.3707")


def test_rows_with_a_fault_count_for_nothing(world):
    fault = Fault("apis.csv", 2, "api_id", "bad", "mend it")
    fill(world, [row("a"), row("b", fault=fault)])

    assert code(attach(world, ["b"])) == (404, "APIG.3002")


def test_a_plugin_has_the_first_type_a_row_gives_or_is_cors(world):
    fill(world, [row("a"), row("a", type_="breaker"), row("a", plugin="p2")])
    gateway = world.find_instance("gw")

    types = {one.plugin_id: one.plugin_type for one in world.plugins(gateway)}
    assert types == {"p1": "breaker", "p2": "cors"}


def test_missing_apis_do_not_exist_on_any_gateway(world):
    fill(world, many(), missing=7)
    gone = {api_id for *_, api_id in planted(world, "missing")}

    assert len(gone) == 7
    for gateway_id, _, api_id in planted(world, "missing"):
        gateway = world.find_instance(gateway_id)
        assert world.find_api(gateway, api_id=api_id) is None
    assert len(planted(world, "missing")) == 14


def test_unpublished_slots_exist_and_are_not_published_there(world):
    fill(world, many(), missing=3, unpublished=9)
    offline = planted(world, "unpublished")
    gone = {api_id for *_, api_id in planted(world, "missing")}

    assert len(offline) == 9
    assert not gone & {api_id for *_, api_id in offline}
    for gateway, env, api_id in offline:
        answer = attach(world, [api_id], gateway=gateway, env=env)
        assert code(answer) == (409, "APIG.3707")


def test_every_other_slot_can_be_attached(world):
    rows = many()
    fill(world, rows, missing=3, unpublished=9)
    bad = planted(world, "missing") | planted(world, "unpublished")

    refused = {
        (one.instance_id, one.env_id, one.api_id)
        for one in rows
        if attach(world, [one.api_id], gateway=one.instance_id, env=one.env_id).status
        != 201
    }
    assert refused == bad


def test_the_choice_does_not_depend_on_the_order_of_rows_or_the_kind_of_world():
    rows = many()
    shuffled = random.Random(1).sample(rows, len(rows))  # noqa: S311
    memory = MemoryWorld()
    fill(memory, rows, missing=5, unpublished=5, seed=3)
    with SqliteWorld(":memory:") as sqlite:
        fill(sqlite, shuffled, missing=5, unpublished=5, seed=3)

        assert set(sqlite.planted()) == set(memory.planted())


def test_another_seed_is_another_choice(world):
    fill(world, many(), missing=5, seed=1)
    first = set(world.planted())
    fill(world, many(), missing=5, seed=2)

    assert set(world.planted()) != first
    assert len({slot.api_id for slot in world.planted()}) == 5


def test_filling_again_changes_nothing(world):
    fill(world, many(), missing=5, unpublished=5)
    first, slots = set(world.planted()), set(world.published_slots())
    sound = next(slot for slot in slots if slot.instance_id == "gw0")
    attach(world, [sound.api_id], gateway="gw0", env=sound.env_id)
    fill(world, many(), missing=5, unpublished=5)

    assert set(world.planted()) == first
    assert set(world.published_slots()) == slots
    gateway = world.find_instance("gw0")
    assert world.bindings_of(world.find_api(gateway, api_id=sound.api_id))


def test_what_is_planted_stays_when_more_rows_come(world):
    fill(world, many(100), missing=5, unpublished=5)
    first = set(world.planted())
    fill(world, many(300), missing=5, unpublished=5)

    assert set(world.planted()) == first
    assert len(set(world.published_slots())) == 600 - 5 * 2 - 5


def test_a_missing_api_is_missing_in_environments_that_come_later(world):
    fill(world, [row("a"), row("b")], missing=1)
    ((_, gone),) = {slot[2:] for slot in world.planted()}
    fill(world, [row(gone, env="canary"), row("b")], missing=1)

    assert planted(world, "missing") == {("gw", ENVS[0], gone), ("gw", "canary", gone)}
    assert code(attach(world, [gone], env="canary"))[0] == 404


def test_planting_nothing_puts_back_what_was_planted(world):
    fill(world, many(), missing=5, unpublished=5)
    fill(world, many())

    assert world.planted() == []
    assert len(set(world.published_slots())) == 400


def test_more_planted_than_there_is_plants_everything(world):
    fill(world, many(3), missing=10, unpublished=10)

    assert len(planted(world, "missing")) == 6
    assert planted(world, "unpublished") == set()


def test_rows_are_streamed_in_chunks(world, monkeypatch):
    monkeypatch.setattr(seed, "CHUNK", 7)
    fill(world, iter(many(50)), missing=4)

    assert len(set(world.published_slots())) == 92


def test_no_rows_make_an_empty_world(world):
    fill(world, [], missing=3, unpublished=3)

    assert world.instances() == []


def test_the_oracle_tells_what_a_world_file_says(tmp_path):
    path = tmp_path / "a world?.db"
    with SqliteWorld(path) as world:
        fill(world, [row("a"), row("b"), row("c")], missing=1, unpublished=1)
        (good,) = {"a", "b", "c"} - {slot.api_id for slot in world.planted()}
        attach(world, [good])

        assert list(oracle.bindings(path)) == [("gw", ENVS[0], good, "p1")]
        assert set(oracle.planted(path)) == set(world.planted())
