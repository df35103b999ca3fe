"""Where one batch stands while its lane works on it."""

from dataclasses import replace

import pytest

from bulkbind.model import Action, Batch, Record, Scope, Why
from bulkbind.run.progress import Progress
from tests.unit.test_report_source import answer, intent

ALL = (0, 1, 2, 3)


def batch_of(size=4, action=Action.ATTACH) -> Batch:
    return Batch(
        id=1,
        target=0,
        lane=0,
        action=action,
        rows=tuple(range(size)),
        api_ids=tuple(f"api{place}" for place in range(size)),
    )


def refused(span) -> Record:
    return answer(span, Scope.ITEM, status=404, code="APIG.3002")


def taken(span, named=None) -> Record:
    return answer(span, Scope.DONE, named=span if named is None else named)


def told(*records: Record, **how) -> Progress:
    return Progress(batch_of(), records, **how)


def in_turn(invocation: int, *records: Record) -> list[Record]:
    """Give records the number of the invocation that wrote them."""
    return [replace(record, invocation=invocation) for record in records]


def test_a_fresh_batch_is_sent_whole():
    progress = told()

    assert progress.ask() == ALL
    assert progress.why(failures=0) is Why.FIRST


def test_a_batch_that_was_taken_has_nothing_left():
    progress = told(intent(ALL), taken(ALL))

    assert progress.ask() == ()
    assert (progress.settled.done, progress.settled.failed) == (4, 0)


def test_ids_that_a_receipt_leaves_out_are_sent_again_without_the_others():
    assert told(intent(ALL), taken(ALL, named=(0, 2))).ask() == (1, 3)


def test_a_request_without_an_answer_is_sent_again_as_it_was():
    assert told(intent(ALL)).ask() == ALL


def test_a_lost_answer_is_sent_again_as_it_was():
    progress = told(intent(ALL), answer(ALL, Scope.AMBIGUOUS))

    assert progress.ask() == ALL
    assert progress.why(failures=1) is Why.RETRY


@pytest.mark.parametrize(
    "scope", [Scope.TARGET, Scope.GATEWAY, Scope.ACCOUNT, Scope.THROTTLE, Scope.BUSY]
)
def test_a_failure_that_reaches_further_than_an_id_starts_no_search(scope):
    progress = told(intent(ALL), answer(ALL, scope))

    assert progress.ask() == ALL
    assert progress.why(failures=0) is Why.FIRST


def test_a_busy_gateway_in_the_middle_of_a_search_is_not_taken_for_a_refusal():
    progress = told(
        intent(ALL), refused(ALL), intent((0, 1)), answer((0, 1), Scope.BUSY)
    )

    assert progress.ask() == (0, 1)


def test_a_refused_batch_is_halved():
    progress = told(intent(ALL), refused(ALL))

    assert progress.ask() == (0, 1)
    assert progress.why(failures=0) is Why.ISOLATION


def test_an_id_that_is_refused_alone_is_done():
    progress = told(intent(ALL), refused(ALL), intent((0, 1)), refused((0, 1)))
    progress.leave(intent((0,)))

    assert progress.learn(refused((0,)))
    assert progress.settled.failed == 1
    assert progress.ask()[0] == 1


def test_a_restart_goes_on_in_the_middle_of_the_search():
    undisturbed = told()
    records = []
    for came in (refused(ALL), refused((0, 1)), refused((0,))):
        left = intent(undisturbed.ask())
        assert left.span == came.span
        undisturbed.leave(left)
        undisturbed.learn(came)
        records += [left, came]
    killed = told(*records, intent(undisturbed.ask()))

    assert killed.ask() == undisturbed.ask()
    assert killed.why(failures=0) is Why.ISOLATION


@pytest.mark.parametrize(
    ("came", "stepped"),
    [
        (taken(ALL), True),
        (taken(ALL, named=(2,)), True),
        (taken(ALL, named=()), False),
        (refused(ALL), True),
        (answer(ALL, Scope.AMBIGUOUS), False),
        (answer(ALL, Scope.BUSY), False),
        (answer(ALL, Scope.THROTTLE), False),
        (answer(ALL, Scope.TRANSIENT), False),
    ],
)
def test_an_answer_says_whether_it_brought_the_batch_further(came, stepped):
    progress = told()
    progress.leave(intent(ALL))

    assert progress.learn(came) is stepped


# --- resume --failed ------------------------------------------------------------------


FAILED_AND_BOUND = [
    intent(ALL),
    refused(ALL),
    intent((0, 1)),
    refused((0, 1)),
    intent((0,)),
    refused((0,)),
    intent((1,)),
    refused((1,)),
    intent((2, 3)),
    taken((2, 3)),
]


def test_ids_that_were_refused_are_left_alone():
    progress = told(*FAILED_AND_BOUND)

    assert progress.ask() == ()
    assert (progress.settled.done, progress.settled.failed) == (2, 2)


def test_ids_that_were_refused_by_an_earlier_invocation_are_sent_again_together():
    progress = told(*FAILED_AND_BOUND, retry_before=2)

    assert progress.ask() == (0, 1)
    assert progress.why(failures=0) is Why.FIRST


def test_a_batch_that_was_refused_id_by_id_is_sent_again_whole():
    records = [intent((0, 1)), refused((0, 1))]
    for place in (0, 1):
        records += [intent((place,)), refused((place,))]
    progress = Progress(batch_of(2), records, retry_before=2)

    assert progress.ask() == (0, 1)


def test_an_id_that_is_refused_once_more_is_left_alone_now():
    again = in_turn(2, intent((0, 1)), refused((0, 1)), intent((0,)), refused((0,)))
    progress = told(*FAILED_AND_BOUND, *again, retry_before=2)

    assert progress.ask() == (1,)
    assert progress.settled.failed == 1


def test_a_later_plain_resume_goes_on_where_taking_the_failed_broke_off():
    again = in_turn(2, intent((0, 1)))
    progress = told(*FAILED_AND_BOUND, *again)

    assert progress.ask() == (0, 1)


def test_a_later_plain_resume_leaves_alone_what_was_not_taken_again():
    records = [
        intent(ALL),
        refused(ALL),
        intent((0, 1)),
        refused((0, 1)),
        intent((0,)),
        refused((0,)),
        intent((1,)),
        refused((1,)),
    ]
    progress = told(*records, *in_turn(2, intent((2, 3))))

    assert progress.ask() == (2, 3)
    assert progress.settled.failed == 2


# --- detaching ------------------------------------------------------------------------


def test_a_detach_has_no_receipts_so_it_is_over_only_when_it_was_read_back():
    progress = Progress(batch_of(action=Action.DETACH), [])
    progress.leave(intent(ALL))

    assert progress.learn(taken(ALL, named=()))
    assert progress.ask() == ()
    assert progress.doubtful == ALL
    assert not progress.is_settled


def test_a_detach_that_a_list_still_shows_is_asked_for_again():
    progress = Progress(batch_of(action=Action.DETACH), [intent(ALL)])
    progress.learn(taken(ALL, named=()))

    progress.unshelve()

    assert progress.ask() == ALL


def test_a_refused_detach_is_searched_like_an_attach():
    progress = Progress(batch_of(action=Action.DETACH), [intent(ALL), refused(ALL)])

    assert progress.ask() == (0, 1)
