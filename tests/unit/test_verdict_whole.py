"""A batch that one answer settles whole is judged at once, and as any other."""

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from bulkbind.model import Action, Record, RecordKind, Scope
from bulkbind.verdict import Findings, find
from tests.unit.test_report_source import answer, intent, taken
from tests.unit.test_verdict import NO_STOPS, TARGET, batch_of

SIZE = 3
EVERYONE = tuple(range(SIZE))

#: Sees nothing of nobody, and so changes nothing; but it is no answer at the end.
IDLE = Record(batch=1, kind=RecordKind.CHECK, invocation=1, at=9.0, span=())

spans = st.sampled_from([EVERYONE, (0, 1), (2,)])


@st.composite
def pictures(draw) -> Record:
    span = draw(spans)
    others = [draw(st.sampled_from(["", "plugin", "another"])) for _ in span]
    return Record(
        batch=1,
        kind=draw(st.sampled_from([RecordKind.PICTURE] * 3 + [RecordKind.CHECK])),
        invocation=1,
        at=1.0,
        span=span,
        others=tuple(others),
    )


@st.composite
def stories(draw) -> list[Record]:
    """Draw pictures, a request and its answer; mostly of all ids, and a yes."""
    span = draw(spans)
    scope = draw(st.sampled_from([Scope.DONE] * 4 + [Scope.AMBIGUOUS, Scope.ITEM]))
    named = draw(st.sampled_from([span, span, EVERYONE, span[:1]]))
    named = named if scope is Scope.DONE else ()
    story = [*draw(st.lists(pictures(), max_size=2))]
    story += [intent(draw(spans)), answer(span, scope, named=named, request_id="r")]
    return story


def found(records, action: Action) -> Findings:
    return find(batch_of(SIZE, action), records, target=TARGET, stops=NO_STOPS)


@given(stories(), st.sampled_from([*[Action.ATTACH] * 3, Action.DETACH]))
def test_it_is_judged_as_record_by_record(story, action):
    at_once, one_by_one = found(story, action), found([*story, IDLE], action)

    assert at_once == one_by_one
    verdicts = {id(verdict) for verdict in one_by_one.common}
    assert len({id(verdict) for verdict in at_once.common}) == len(verdicts)


@given(st.permutations(EVERYONE))
def test_receipts_in_another_order_stay_with_their_ids(order):
    *before, last = taken(SIZE)
    receipts = last.receipts._replace(
        positions=tuple(order), attach_ids=tuple(f"a{place}" for place in order)
    )
    story = [*before, replace(last, receipts=receipts)]
    assume(tuple(order) != EVERYONE)

    assert found(story, Action.ATTACH).attach_ids == ["a0", "a1", "a2"]
