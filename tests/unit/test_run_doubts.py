"""Batches whose ids are neither yes nor no: read back, and read back again."""

from dataclasses import replace

import anyio
import pytest

from bulkbind.model import Action, Record, RecordKind, Scope
from bulkbind.run.doubts import Doubts
from bulkbind.run.progress import Progress
from bulkbind.sandbox.faults import Fault
from bulkbind.sandbox.weather import Weather
from tests.unit.test_report_source import answer, intent
from tests.unit.test_run_reading import CALM, POLICY, Scene, failing, play

ALL = range(5)
FAILED_500 = answer(ALL, Scope.AMBIGUOUS, code="APIG.9999", message="system error")
LOST = replace(FAILED_500, status=0, code="BULKBIND.ANSWER_LOST")
MALFORMED = replace(FAILED_500, status=201, code="BULKBIND.REPLY_MALFORMED")


def doubtful(scene: Scene, number: int = 0, last: Record = FAILED_500) -> Progress:
    """Return a batch that was sent, and whose last answer said nothing."""
    batch = scene.batches[number].id
    scene.write(intent(ALL, batch=batch), replace(last, batch=batch))
    return scene.progress(number)


def doubts_of(scene: Scene) -> Doubts:
    return Doubts(scene.lane, scene.tools, scene.reading, scene.waiting)


async def look(
    scene: Scene,
    doubts: Doubts,
    progress: Progress,
    *,
    last: Record = FAILED_500,
    may_end: bool = True,
) -> None:
    last = replace(last, batch=progress.batch.id)
    await doubts.first_look(progress, last, scene.target, may_end=may_end)


def readings(scene: Scene, number: int = 0) -> list[Record]:
    return [
        record for record in scene.records(number) if record.kind is RecordKind.READING
    ]


def seen(progress: Progress) -> tuple[int, int, int]:
    """Return how many ids are bound, failed and unknown."""
    return progress.settled.done, progress.settled.failed, len(progress.unknown)


# --- what is there --------------------------------------------------------------------


def test_what_the_first_list_shows_is_bound_with_its_receipt(tmp_path):
    async def story(scene):
        reply = await scene.bind(scene.ids[:3])
        progress = doubtful(scene)
        await look(scene, doubts_of(scene), progress)
        return seen(progress), readings(scene), reply.named

    counts, (reading,), named = play(tmp_path, story)
    assert counts == (3, 0, 2)
    assert reading.scope is Scope.DONE
    assert reading.receipts.attach_ids == named.attach_ids
    assert reading.receipts.times == named.times


def test_a_batch_that_is_shown_whole_is_settled_and_read_once(tmp_path):
    async def story(scene):
        await scene.bind(scene.ids)
        doubts, progress = doubts_of(scene), doubtful(scene)
        await look(scene, doubts, progress)
        await doubts.second_look([scene.target])
        (tally,) = scene.ledger.tally()
        return tally.settled_batches, tally.bound, scene.way.asked, scene.waits.why

    assert play(tmp_path, story) == (1, 5, ["attached-apis 0"], [])


def test_what_a_lagging_list_shows_only_later_is_bound_after_all(tmp_path):
    async def story(scene):
        scene.way.change(Weather(lag_s=POLICY.second_look_s / 2))
        await scene.bind(scene.ids)
        doubts, progress = doubts_of(scene), doubtful(scene)
        await look(scene, doubts, progress)
        first = seen(progress)
        await doubts.second_look([scene.target])
        return first, seen(progress)

    assert play(tmp_path, story) == ((0, 0, 5), (5, 0, 0))


# --- what is not there ----------------------------------------------------------------


def test_one_list_never_ends_what_it_does_not_show(tmp_path):
    async def story(scene):
        progress = doubtful(scene)
        await look(scene, doubts_of(scene), progress)
        return seen(progress), readings(scene)

    assert play(tmp_path, story) == ((0, 0, 5), [])


def test_what_two_lists_miss_fails_with_the_5xx_that_was_its_last_answer(tmp_path):
    async def story(scene):
        await scene.bind(scene.ids[:2])
        doubts, progress = doubts_of(scene), doubtful(scene)
        await look(scene, doubts, progress)
        await doubts.second_look([scene.target])
        return seen(progress), readings(scene)[-1]

    counts, ended = play(tmp_path, story)
    assert counts == (2, 3, 0)
    assert ended.span == (2, 3, 4)
    assert (ended.status, ended.code) == (500, "APIG.9999")
    assert ended.message == "system error; then read twice as not bound"


def test_the_two_lists_are_read_some_seconds_apart(tmp_path):
    async def story(scene):
        doubts, progress = doubts_of(scene), doubtful(scene)
        await look(scene, doubts, progress)
        began = anyio.current_time()
        await doubts.second_look([scene.target])
        return anyio.current_time() - began, scene.way.asked, scene.waits.why

    seconds, asked, why = play(tmp_path, story)
    assert seconds >= POLICY.second_look_s
    assert asked == ["attached-apis 0"] * 2
    assert why == ["second look"]


def test_time_that_has_passed_meanwhile_is_not_waited_for_again(tmp_path):
    async def story(scene):
        doubts, progress = doubts_of(scene), doubtful(scene)
        await look(scene, doubts, progress)
        await anyio.sleep(POLICY.second_look_s)
        await doubts.second_look([scene.target])
        return seen(progress), scene.waits.why

    assert play(tmp_path, story) == ((0, 5, 0), [])


@pytest.mark.parametrize(
    ("last", "may_end"),
    [(LOST, True), (MALFORMED, True), (FAILED_500, False)],
    ids=["no whole answer", "a 201 that cannot be read", "an outage"],
)
def test_absence_alone_fails_no_row(tmp_path, last, may_end):
    async def story(scene):
        doubts, progress = doubts_of(scene), doubtful(scene, last=last)
        await look(scene, doubts, progress, last=last, may_end=may_end)
        await doubts.second_look([scene.target])
        return seen(progress), readings(scene), len(scene.way.asked)

    assert play(tmp_path, story) == ((0, 0, 5), [], 2)


@pytest.mark.parametrize("odd_one", [1, 2])
def test_a_list_that_is_odd_proves_no_absence_whichever_it_is(tmp_path, odd_one):
    odd = failing(Fault.MOVING_TOTAL, in_a_row=0, page_limit=1)

    async def story(scene):
        await scene.bind(scene.ids[:2])
        doubts, progress = doubts_of(scene), doubtful(scene)
        scene.way.change(odd if odd_one == 1 else CALM)
        await look(scene, doubts, progress)
        scene.way.change(odd if odd_one == 2 else CALM)
        await doubts.second_look([scene.target])
        return progress.settled.failed, len(progress.unknown) >= 3

    assert play(tmp_path, story) == (0, True)


@pytest.mark.parametrize("dark_one", [1, 2])
def test_a_list_that_cannot_be_read_ends_no_row_whichever_it_is(tmp_path, dark_one):
    dark = failing(Fault.READ_ERROR, in_a_row=0)

    async def story(scene):
        doubts, progress = doubts_of(scene), doubtful(scene)
        scene.way.change(dark if dark_one == 1 else CALM)
        await look(scene, doubts, progress)
        scene.way.change(dark if dark_one == 2 else CALM)
        await doubts.second_look([scene.target])
        return seen(progress), readings(scene)

    assert play(tmp_path, story) == ((0, 0, 5), [])


# --- who is read back -----------------------------------------------------------------


def test_one_list_serves_every_batch_of_a_target(tmp_path):
    async def story(scene):
        doubts = doubts_of(scene)
        several = [doubtful(scene, number) for number in range(3)]
        for progress in several:
            await look(scene, doubts, progress)
        first = len(scene.way.asked)
        await doubts.second_look([scene.target])
        return first, len(scene.way.asked) - first, [seen(one) for one in several]

    first, second, counts = play(tmp_path, story, batches=3)
    assert (first, second) == (3, 1)
    assert counts == [(0, 5, 0)] * 3


def test_the_second_look_waits_for_the_youngest_of_the_first_ones(tmp_path):
    async def story(scene):
        doubts = doubts_of(scene)
        await look(scene, doubts, doubtful(scene, 0))
        await anyio.sleep(POLICY.second_look_s - 1.0)
        await look(scene, doubts, doubtful(scene, 1))
        began = anyio.current_time()
        await doubts.second_look([scene.target])
        return anyio.current_time() - began

    assert play(tmp_path, story, batches=2) >= POLICY.second_look_s


def test_a_detach_is_not_read_back(tmp_path):
    async def story(scene):
        batch = replace(scene.batches[0], action=Action.DETACH)
        progress = Progress(batch, [intent(ALL), FAILED_500])
        doubts = doubts_of(scene)
        await look(scene, doubts, progress)
        await doubts.second_look([scene.target])
        return scene.way.asked

    assert play(tmp_path, story) == []


@pytest.mark.parametrize(
    ("failures", "may_end", "reads"),
    [
        (POLICY.breaker_failures, False, 0),
        (POLICY.breaker_failures, True, 1),
        (POLICY.breaker_failures - 1, False, 1),
    ],
)
def test_a_gateway_that_is_out_is_not_asked(tmp_path, failures, may_end, reads):
    async def story(scene):
        for _ in range(failures):
            scene.tools.breaker.fail(0)
        await look(scene, doubts_of(scene), doubtful(scene), may_end=may_end)
        return len(scene.way.asked)

    assert play(tmp_path, story) == reads


def test_a_lane_without_doubts_looks_at_nothing(tmp_path):
    async def story(scene):
        await doubts_of(scene).second_look([scene.target])
        return scene.way.asked, scene.waits.why

    assert play(tmp_path, story) == ([], [])


def test_a_halt_ends_the_wait_and_no_row(tmp_path):
    async def story(scene):
        doubts, progress = doubts_of(scene), doubtful(scene)
        await look(scene, doubts, progress)
        began = anyio.current_time()
        async with anyio.create_task_group() as group:
            group.start_soon(scene.halt_in, 1.0)
            await doubts.second_look([scene.target])
        return anyio.current_time() - began, seen(progress), len(scene.way.asked)

    seconds, counts, asked = play(tmp_path, story)
    assert seconds < 1.1
    assert (counts, asked) == ((0, 0, 5), 1)
