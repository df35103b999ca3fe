"""After a second refused batch the gateway's list settles what it rules out."""

from dataclasses import replace

import pytest

from bulkbind.model import OurCode, RecordKind, Scope
from bulkbind.run import MaxFailed
from bulkbind.run.limits import MAX_FAILED
from bulkbind.run.preflight import ENOUGH, Preflight
from bulkbind.sandbox.faults import Fault
from bulkbind.sandbox.weather import Outage, Weather
from tests.unit.test_report_source import answer, intent
from tests.unit.test_run_reading import Scene, failing, play

ALL = range(5)


def refused(scene: Scene, number: int) -> None:
    """Let the ledger say that a batch was refused as a whole."""
    batch = scene.batches[number].id
    scene.write(
        intent(ALL, batch=batch),
        *_of(batch, answer(ALL, Scope.ITEM, status=404, code="APIG.3002")),
    )


def _of(batch, *records):
    return [replace(record, batch=batch) for record in records]


def codes(scene: Scene, number: int) -> dict[str, str]:
    """Return what the ledger's readings say of a batch's ids."""
    api_ids = scene.batches[number].api_ids
    return {
        api_ids[position]: record.code
        for record in scene.records(number)
        if record.kind is RecordKind.READING
        for position in record.span
    }


def planted(scene: Scene, number: int) -> dict[str, str]:
    """Return what the world says of a batch's ids."""
    words = {
        "missing": OurCode.API_UNKNOWN,
        "unpublished": OurCode.API_UNPUBLISHED,
    }
    known = {slot.api_id: str(words[slot.kind]) for slot in scene.world.planted()}
    return {one: known[one] for one in scene.batches[number].api_ids if one in known}


async def poison(scene: Scene, preflight: Preflight, *numbers: int) -> None:
    for number in numbers:
        await preflight.poisoned(scene.progress(number), scene.target)


def preflight_of(scene: Scene) -> Preflight:
    return Preflight(scene.tools, scene.reading)


# --- when the list is read ------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "reads"), [((), 0), ((0,), 0), ((0, 0, 0), 0), ((0, 1), 1)]
)
def test_the_list_is_read_after_the_second_refused_batch(tmp_path, numbers, reads):
    async def story(scene):
        await poison(scene, preflight_of(scene), *numbers)
        return len(scene.way.asked)

    assert play(tmp_path, story, batches=3, missing=3) == reads


def test_the_list_is_read_once_however_many_batches_are_refused(tmp_path):
    async def story(scene):
        await poison(scene, preflight_of(scene), 0, 1, 2, 0, 1)
        return scene.way.asked

    assert play(tmp_path, story, batches=3, missing=3) == ["apis 0"]


def test_a_clean_lane_reads_nothing(tmp_path):
    async def story(scene):
        preflight = preflight_of(scene)
        await preflight.restore(0)
        await preflight.strike(scene.progress(0), scene.target)
        return scene.way.asked, scene.records(0)

    assert play(tmp_path, story) == ([], [])


@pytest.mark.parametrize(("before", "reads"), [(0, 0), (1, 0), (2, 1), (3, 1)])
def test_a_resumed_lane_reads_where_an_undisturbed_one_would_have(
    tmp_path, before, reads
):
    async def story(scene):
        for number in range(before):
            refused(scene, number)
        preflight = preflight_of(scene)
        await preflight.restore(0)
        await preflight.strike(scene.progress(3), scene.target)
        return len(scene.way.asked)

    assert play(tmp_path, story, batches=4, missing=3) == reads


def test_a_batch_that_was_refused_before_and_now_counts_once(tmp_path):
    async def story(scene):
        refused(scene, 0)
        preflight = preflight_of(scene)
        await preflight.restore(0)
        await poison(scene, preflight, 0)
        return scene.way.asked

    assert ENOUGH == 2
    assert play(tmp_path, story, batches=3, missing=3) == []


# --- what it settles ------------------------------------------------------------------


def test_what_the_list_rules_out_fails_with_our_codes(tmp_path):
    async def story(scene):
        await poison(scene, preflight_of(scene), 0, 1)
        return codes(scene, 1), planted(scene, 1)

    found, wanted = play(tmp_path, story, batches=2, missing=4, unpublished=4)
    assert found == wanted
    assert set(wanted.values()) == {OurCode.API_UNKNOWN, OurCode.API_UNPUBLISHED}


def test_every_later_batch_is_struck_before_it_is_sent(tmp_path):
    async def story(scene):
        preflight = preflight_of(scene)
        await poison(scene, preflight, 0, 1)
        progress = scene.progress(2)
        await preflight.strike(progress, scene.target)
        left = {scene.batches[2].api_ids[place] for place in progress.open}
        return codes(scene, 2), planted(scene, 2), left, scene.batches[2].api_ids

    found, wanted, left, api_ids = play(tmp_path, story, batches=3, missing=8)
    assert found == wanted != {}
    assert left == set(api_ids) - set(wanted)


def test_a_batch_without_bad_ids_gets_no_record(tmp_path):
    async def story(scene):
        preflight = preflight_of(scene)
        await poison(scene, preflight, 0, 1)
        return scene.records(0), scene.records(1)

    assert play(tmp_path, story, batches=2) == ([], [])


def test_a_batch_that_is_ruled_out_whole_is_settled_in_the_ledger(tmp_path):
    async def story(scene):
        await poison(scene, preflight_of(scene), 0, 1, 2)
        whole = [len(planted(scene, number)) == 5 for number in (1, 2)]
        (tally,) = scene.ledger.tally()
        return tally.settled_batches, whole.count(True)

    settled, whole = play(tmp_path, story, batches=3, missing=14)
    assert settled == whole > 0


def test_a_gateway_without_any_api_rules_out_every_id(tmp_path):
    async def story(scene):
        await poison(scene, preflight_of(scene), 0, 1)
        return set(codes(scene, 1).values()), len(codes(scene, 1))

    ended = play(tmp_path, story, batches=2, missing=10)
    assert ended == ({OurCode.API_UNKNOWN}, 5)


def test_ids_that_have_their_own_answer_keep_it(tmp_path):
    async def story(scene):
        batch = scene.batches[1].id
        scene.write(
            intent([0], batch=batch),
            *_of(batch, answer([0], Scope.ITEM, status=404, code="APIG.3002")),
        )
        await poison(scene, preflight_of(scene), 0, 1)
        return set(codes(scene, 1)), set(planted(scene, 1)), scene.batches[1].api_ids

    ended, wanted, api_ids = play(tmp_path, story, batches=2, missing=9)
    assert ended == wanted - {api_ids[0]} != set()


def test_rows_that_the_list_ends_count_for_max_failed(tmp_path):
    async def story(scene):
        await poison(scene, preflight_of(scene), 0, 1)
        return scene.tools.halt.reason

    reason = play(tmp_path, story, batches=2, missing=9, max_failed=MaxFailed(3))
    assert reason == MAX_FAILED


# --- a list that proves nothing -------------------------------------------------------


@pytest.mark.parametrize(
    "weather",
    [
        failing(Fault.REPEATED_PAGE, in_a_row=0, page_limit=4),
        failing(Fault.MOVING_TOTAL, in_a_row=0, page_limit=4),
        failing(Fault.READ_ERROR, in_a_row=0),
        Weather(outages=(Outage("away", 0.0, 1e9),)),
    ],
    ids=["repeats a page", "changes its total", "cannot be read", "gateway is gone"],
)
def test_a_list_that_is_odd_or_unreadable_ends_no_row_and_is_not_read_again(
    tmp_path, weather
):
    async def story(scene):
        scene.way.change(weather)
        preflight = preflight_of(scene)
        await poison(scene, preflight, 0, 1)
        asked = len(scene.way.asked)
        await poison(scene, preflight, 2)
        again = len(scene.way.asked) - asked
        return [codes(scene, number) for number in range(3)], asked > 0, again

    ended, has_asked, again = play(tmp_path, story, batches=3, missing=5)
    assert ended == [{}, {}, {}]
    assert (has_asked, again) == (True, 0)


def test_a_halted_run_reads_no_list(tmp_path):
    async def story(scene):
        scene.tools.halt.stop("SIGINT")
        await poison(scene, preflight_of(scene), 0, 1)
        return scene.way.asked, codes(scene, 1)

    assert play(tmp_path, story, batches=2, missing=5) == ([], {})
