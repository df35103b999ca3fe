"""Before a batch's first request: an old picture is taken again, a young one is not."""

from dataclasses import replace

import anyio
import pytest

from bulkbind.live import Lists, Pictures
from bulkbind.model import Record, RecordKind, Scope
from bulkbind.plan import OnReplace
from bulkbind.run import Leave
from bulkbind.run.looking import Looking
from bulkbind.sandbox import fill
from bulkbind.sandbox.weather import Outage, Weather
from tests.factories import bindings as factory_bindings
from tests.factories import hex_id, rows_of
from tests.unit.test_report_source import intent
from tests.unit.test_run_reading import Scene, play, wall

AGE_S = 900.0


def looking_of(
    scene: Scene,
    *,
    policy: OnReplace = OnReplace.STOP,
    left: float = 0,
    looks_anew: bool = False,
) -> Looking:
    tools = scene.tools
    settings = replace(tools.settings, live_max_age_s=AGE_S, looks_anew=looks_anew)
    pictures = Pictures(Lists({"default": tools}), [scene.lane])
    return Looking(
        scene.lane,
        replace(tools, settings=settings, pictures=pictures, leave=Leave(policy, left)),
    )


def pictured(scene: Scene, *, age_s: float, others: tuple[str, ...] = ("",) * 5):
    """Let an earlier look have seen a batch's slots."""
    batch = scene.batches[0].id
    scene.write(
        Record(
            batch=batch,
            kind=RecordKind.PICTURE,
            invocation=0,
            at=wall() - age_s,
            span=tuple(range(5)),
            scope=Scope.KEPT,
            others=others,
        )
    )


async def occupy(scene: Scene, count: int) -> str:
    """Bind another plug-in of the type to some APIs."""
    rival = hex_id("plugin", "rival")
    rows = [row._replace(plugin_id=rival) for row in factory_bindings(5)]
    fill(scene.world, rows_of(rows))
    target = replace(scene.target, plugin_id=rival)
    await scene.gateway.apply(scene.batches[0].action, target, scene.ids[:count])
    return rival


def kinds(scene: Scene) -> list[tuple[RecordKind, Scope]]:
    return [(record.kind, record.scope) for record in scene.records()]


def test_a_batch_that_nobody_looked_at_is_looked_at(tmp_path):
    async def story(scene):
        await scene.bind(scene.ids[:2])
        progress = scene.progress()
        stop = await looking_of(scene).look(progress, scene.target)
        return stop, progress.ask(), kinds(scene)

    stop, left, written = play(tmp_path, story)
    assert stop is None
    assert left == (2, 3, 4)
    assert sorted(written) == [
        (RecordKind.PICTURE, Scope.KEPT),
        (RecordKind.READING, Scope.DONE),
    ]


@pytest.mark.parametrize(("age_s", "asked"), [(AGE_S - 1, 0), (AGE_S + 1, 4)])
def test_a_picture_is_taken_again_when_it_is_old(tmp_path, age_s, asked):
    async def story(scene):
        pictured(scene, age_s=age_s)
        await looking_of(scene).look(scene.progress(), scene.target)
        return len(scene.way.asked)

    assert play(tmp_path, story) == asked


def test_an_undo_looks_when_it_comes_to_a_target_and_not_again(tmp_path):
    async def story(scene):
        pictured(scene, age_s=1.0)
        looking = looking_of(scene, looks_anew=True, policy=OnReplace.KEEP)
        await looking.look(scene.progress(), scene.target)
        first = len(scene.way.asked)
        await looking.look(scene.progress(), scene.target)
        return first, len(scene.way.asked)

    assert play(tmp_path, story) == (4, 4)


def test_a_row_that_was_sent_is_not_looked_at(tmp_path):
    async def story(scene):
        scene.write(intent(range(5), batch=scene.batches[0].id))
        await looking_of(scene).look(scene.progress(), scene.target)
        return scene.way.asked

    assert play(tmp_path, story) == []


def test_somebody_new_in_the_slot_stops_the_run(tmp_path):
    async def story(scene):
        pictured(scene, age_s=AGE_S + 1)
        rival = await occupy(scene, 1)
        stop = await looking_of(scene).look(scene.progress(), scene.target)
        return stop, rival, scene.ids[0]

    stop, rival, api_id = play(tmp_path, story)
    assert stop.scope is Scope.DONE
    assert rival in stop.message
    assert api_id in stop.message


def test_somebody_whom_an_earlier_picture_showed_does_not(tmp_path):
    async def story(scene):
        rival = await occupy(scene, 2)
        pictured(scene, age_s=AGE_S + 1, others=(rival, rival, "", "", ""))
        progress = scene.progress()
        stop = await looking_of(scene).look(progress, scene.target)
        return stop, progress.ask()

    assert play(tmp_path, story) == (None, (0, 1, 2, 3, 4))


def test_a_skipping_run_leaves_them(tmp_path):
    async def story(scene):
        await occupy(scene, 2)
        progress = scene.progress()
        looking = looking_of(scene, policy=OnReplace.SKIP)
        await looking.look(progress, scene.target)
        return progress.ask(), kinds(scene)

    left, written = play(tmp_path, story)
    assert left == (2, 3, 4)
    assert (RecordKind.READING, Scope.KEPT) in written


@pytest.mark.parametrize(("left", "stops"), [(2, False), (1, True)])
def test_leave_that_is_used_up_stops_the_run(tmp_path, left, stops):
    async def story(scene):
        await occupy(scene, 2)
        looking = looking_of(scene, policy=OnReplace.ALLOW, left=left)
        return await looking.look(scene.progress(), scene.target)

    assert (play(tmp_path, story) is not None) is stops


def test_a_gateway_that_cannot_be_read_is_parked_in_its_own_words(tmp_path):
    async def story(scene):
        scene.way.change(Weather(outages=(Outage("away", 0.0, 1e9),)))
        return await looking_of(scene).look(scene.progress(), scene.target)

    stop = play(tmp_path, story)
    assert (stop.scope, stop.key, stop.code) == (Scope.GATEWAY, "0", "APIG.3030")


def test_a_halted_run_looks_at_nothing(tmp_path):
    async def story(scene):
        scene.tools.halt.stop("SIGINT")
        stop = await looking_of(scene).look(scene.progress(), scene.target)
        return stop, scene.way.asked

    assert play(tmp_path, story) == (None, [])


def test_lists_are_shared_by_the_batches_of_a_target(tmp_path):
    async def story(scene):
        looking = looking_of(scene)
        for number in range(3):
            await looking.look(scene.progress(number), scene.target)
        return scene.way.asked

    asked = play(tmp_path, story, batches=3)
    assert sorted(asked) == ["apis 0", "attached-apis 0", "envs 0", "plugins 0"]


def test_time_passes_between_looks(tmp_path):
    async def story(scene):
        looking = looking_of(scene)
        await looking.look(scene.progress(0), scene.target)
        await anyio.sleep(AGE_S + 1)
        await looking.look(scene.progress(1), scene.target)
        return len(scene.way.asked)

    assert play(tmp_path, story, batches=2) == 8
