"""The search for the bad ids of a batch, alone and with its batch's history."""

from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkbind.isolate import Search
from bulkbind.model import Action, Batch, Record, RecordKind, Scope, Target, Why
from bulkbind.run.progress import Progress
from bulkbind.verdict import Stops, judge
from tests.unit.test_report_source import answer, intent

TARGET = Target(
    no=0,
    account="default",
    project_id="p",
    instance_id="gw",
    plugin_id="plug",
    env_id="env",
    lane=0,
)


def batch_of(size: int) -> Batch:
    return Batch(
        id=1,
        target=0,
        lane=0,
        action=Action.ATTACH,
        rows=tuple(range(size)),
        api_ids=tuple(f"api{place}" for place in range(size)),
    )


def gateway(span: tuple[int, ...], bad: frozenset[int]) -> Record:
    """Answer as an atomic gateway does: all of a request, or none of it."""
    if bad.intersection(span):
        return answer(span, Scope.ITEM, status=404, code="APIG.3002")
    return answer(span, Scope.DONE, named=span)


def work(
    batch: Batch,
    bad: frozenset[int],
    history: list[Record],
    *,
    steps: int | None = None,
) -> list[Record]:
    """Go on with a batch from its history, for some requests or to the end."""
    records = list(history)
    progress = Progress(batch, records)
    asks = iter(progress.ask, ())
    for span in islice(asks, steps):
        left = intent(span)
        progress.leave(left)
        came = gateway(span, bad)
        progress.learn(came)
        records += [left, came]
    return records


def spans(records: list[Record]) -> list[tuple[int, ...]]:
    return [record.span for record in records if record.kind is RecordKind.INTENT]


def verdicts(batch: Batch, records: list[Record]):
    return [
        found.verdict for found in judge(batch, records, target=TARGET, stops=Stops())
    ]


# --- the search alone -----------------------------------------------------------------


def test_everything_is_asked_for_first():
    assert Search(range(4)).ask() == (0, 1, 2, 3)


def test_nothing_is_asked_for_when_nothing_is_open():
    assert Search(()).ask() == ()


def test_a_part_of_a_refused_group_comes_next():
    search = Search(range(5))
    search.refuse((0, 1, 2, 3, 4))

    assert 0 < len(search.ask()) < 5
    assert search.ask()[0] == 0


def test_settled_ids_make_room_for_the_others():
    search = Search(range(4))
    search.refuse((0, 1, 2, 3))
    search.settle((0, 1))

    assert search.ask()
    assert set(search.ask()) <= {2, 3}


def test_a_group_that_is_settled_in_part_is_asked_for_without_it():
    search = Search(range(4))
    search.settle((1, 2))

    assert search.ask() == (0, 3)


def test_settling_nothing_changes_nothing():
    search = Search(range(4))
    search.settle(())

    assert search.ask() == (0, 1, 2, 3)


def test_a_group_that_is_not_asked_for_cannot_be_refused():
    search = Search(range(4))
    search.refuse((7, 8))

    assert search.ask() == (0, 1, 2, 3)


# --- laws -----------------------------------------------------------------------------


@st.composite
def puzzles(draw):
    """Draw a batch and the set of its bad positions: none, some or all of them."""
    size = draw(st.integers(1, 60))
    positions = st.integers(0, size - 1)
    bad = draw(
        st.one_of(
            st.frozensets(positions),
            st.frozensets(positions, max_size=3),
            st.just(frozenset(range(size))),
            st.tuples(positions, positions).map(
                lambda ends: frozenset(range(min(ends), max(ends) + 1))
            ),
        )
    )
    return batch_of(size), bad


@given(puzzles())
def test_the_search_ends_and_every_id_has_its_own_answer(puzzle):
    batch, bad = puzzle
    records = work(batch, bad, [])

    assert Progress(batch, records).ask() == ()
    assert verdicts(batch, records) == [
        "failed" if place in bad else "bound" for place in range(len(batch.api_ids))
    ]


@given(puzzles())
def test_every_bad_id_is_sent_alone_exactly_once(puzzle):
    batch, bad = puzzle
    alone = [span[0] for span in spans(work(batch, bad, [])) if len(span) == 1]

    assert bad <= set(alone)
    assert len(alone) == len(set(alone))


@given(puzzles())
def test_no_good_id_is_sent_again_after_it_was_taken(puzzle):
    batch, bad = puzzle
    taken: set[int] = set()
    for record in work(batch, bad, []):
        if record.kind is RecordKind.INTENT:
            assert not taken.intersection(record.span)
        elif record.scope is Scope.DONE:
            taken.update(record.span)

    assert taken == set(range(len(batch.api_ids))) - bad


@given(puzzles())
def test_the_search_takes_no_more_requests_than_twice_the_ids(puzzle):
    batch, bad = puzzle

    assert len(spans(work(batch, bad, []))) <= max(1, 2 * len(batch.api_ids) - 1)


@given(puzzles())
def test_ids_go_out_in_manifest_order_within_a_request(puzzle):
    batch, bad = puzzle

    for span in spans(work(batch, bad, [])):
        assert all(before < after for before, after in pairwise(span))


@given(puzzle=puzzles(), data=st.data())
def test_a_restart_in_the_middle_goes_on_as_if_nothing_had_happened(puzzle, data):
    batch, bad = puzzle
    whole = work(batch, bad, [])
    kept = data.draw(st.integers(0, len(whole)))
    resumed = work(batch, bad, whole[:kept])

    assert verdicts(batch, resumed) == verdicts(batch, whole)
    repeated = 1 if kept % 2 else 0
    assert len(spans(resumed)) == len(spans(whole)) + repeated


@given(puzzle=puzzles(), losses=st.lists(st.booleans(), max_size=40))
def test_answers_that_are_lost_now_and_then_change_no_verdict(puzzle, losses):
    batch, bad = puzzle
    lost = iter(losses)
    records: list[Record] = []
    progress = Progress(batch, records)
    while span := progress.ask():
        left = intent(span)
        progress.leave(left)
        is_lost = next(lost, False)
        came = answer(span, Scope.AMBIGUOUS) if is_lost else gateway(span, bad)
        progress.learn(came)
        records += [left, came]

    assert verdicts(batch, records) == verdicts(batch, work(batch, bad, []))


@given(puzzle=puzzles(), data=st.data())
def test_an_id_that_is_mended_meanwhile_ends_bound(puzzle, data):
    batch, bad = puzzle
    whole = work(batch, bad, [])
    kept = data.draw(st.integers(0, len(whole)))
    resumed = work(batch, frozenset(), whole[:kept])

    assert Progress(batch, resumed).ask() == ()
    assert set(verdicts(batch, resumed)) <= {"bound", "failed"}


@pytest.mark.parametrize(("bad", "most"), [(0, 1), (1, 19), (2, 35), (5, 75)])
def test_500_ids_take_no_more_requests_than_halving_does(bad, most):
    batch = batch_of(500)
    spread = frozenset(range(0, 500, 500 // bad)) if bad else frozenset()
    requests = spans(work(batch, frozenset(sorted(spread)[:bad]), []))

    assert len(requests) <= most


def test_requests_of_a_search_say_so():
    batch = batch_of(2)
    progress = Progress(batch, [])

    assert progress.why(failures=0) is Why.FIRST
    progress.leave(intent((0, 1)))
    progress.learn(answer((0, 1), Scope.ITEM, status=404))
    assert progress.why(failures=0) is Why.ISOLATION
