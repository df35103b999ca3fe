"""Runs in memory for the report's tests: rows, batches, records, rows set aside."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st

from bulkbind.model import (
    Action,
    Aside,
    Batch,
    Cause,
    Receipts,
    Record,
    RecordKind,
    Row,
    Scope,
    Stop,
    Target,
    Verdict,
)
from bulkbind.report import JudgedRow, Layout, judged_rows

ASIDES = (Verdict.DUPLICATE, Verdict.SUPERSEDED, Verdict.INVALID)


@dataclass
class MemorySource:
    """What a ledger tells the report."""

    all_targets: Sequence[Target] = ()
    by_target: Mapping[int, list[tuple[Batch, Sequence[Record]]]] = field(
        default_factory=dict
    )
    all_asides: Sequence[Aside] = ()
    all_stops: Sequence[Stop] = ()
    invocation: int = 1
    read: list[int] = field(default_factory=list)
    """Ids of the batches read, in order."""

    def targets(self) -> Sequence[Target]:
        return self.all_targets

    def batches(self, target: int) -> Iterator[tuple[Batch, Sequence[Record]]]:
        for batch, records in self.by_target.get(target, ()):
            self.read.append(batch.id)
            yield batch, records

    def asides(self) -> Iterator[Aside]:
        return iter(self.all_asides)

    def stops(self) -> Sequence[Stop]:
        return self.all_stops


@dataclass
class MadeRun:
    """A run as the report meets it."""

    rows: list[Row]
    source: MemorySource
    expected_rows: int

    def judged(self) -> list[JudgedRow]:
        return list(
            judged_rows(self.rows, source=self.source, expected_rows=self.expected_rows)
        )


def made_target(no: int = 0, *, project_id: str = "p1", account: str = "default"):
    return Target(
        no=no,
        account=account,
        project_id=project_id,
        instance_id=f"gw{no % 2}",
        plugin_id=f"plugin{no}",
        env_id="env",
        lane=no % 2,
        plugin_type="cors",
    )


def made_row(number: int, target: Target, *, api_id: str = "", carried=(), file=0):
    return Row(
        file=file,
        line=number + 2,
        account=target.account,
        project_id="",
        instance_id=target.instance_id,
        plugin_id=target.plugin_id,
        plugin_type="",
        env_id=target.env_id,
        api_id=api_id or f"api{number}",
        carried=tuple(carried),
    )


def intent(span: Sequence[int], *, invocation: int = 1, batch: int = 1) -> Record:
    return Record(
        batch=batch,
        kind=RecordKind.INTENT,
        invocation=invocation,
        at=1_700_000_000.0,
        span=tuple(span),
    )


def answer(span: Sequence[int], scope: Scope, *, named=(), status=0, **facts) -> Record:
    names = tuple(named)
    return Record(
        batch=1,
        kind=RecordKind.ANSWER,
        invocation=1,
        at=1_700_000_000.25,
        span=tuple(span),
        scope=scope,
        status=status or (201 if scope is Scope.DONE else 500),
        receipts=Receipts(
            names,
            tuple(f"attach{place}" for place in names),
            tuple("2026-01-02T03:04:05.123456Z" for _ in names),
        ),
        **facts,
    )


def taken(size: int, **facts) -> list[Record]:
    """Records of a batch that the gateway took whole."""
    span = range(size)
    return [intent(span), answer(span, Scope.DONE, named=span, **facts)]


def made_run(
    choices: Sequence[int | Verdict],
    *,
    targets: Sequence[Target] | None = None,
    batch_size: int = 3,
    histories: Sequence[list[Record]] | None = None,
    carried: Sequence[tuple[str, ...]] | None = None,
    **source,
) -> MadeRun:
    """Plan rows: each is for the target of that number, or set aside."""
    known = [made_target(no) for no in range(4)] if targets is None else targets
    rows, asides = [], []
    ids: dict[int, list[int]] = {target.no: [] for target in known}
    for number, choice in enumerate(choices):
        target = known[0] if isinstance(choice, Verdict) else known[choice]
        cells = carried[number] if carried else ()
        rows.append(made_row(number, target, carried=cells))
        if isinstance(choice, Verdict):
            asides.append(Aside(number, choice, f"because of line {number}"))
        else:
            ids[target.no].append(number)
    cut = _cut(rows, ids, known, batch_size=batch_size, histories=histories)
    return MadeRun(rows, MemorySource(known, cut, asides, **source), len(rows))


def _cut(rows, ids, targets, *, batch_size, histories):
    batches: dict[int, list[tuple[Batch, Sequence[Record]]]] = {}
    for target in targets:
        mine = ids[target.no]
        for start in range(0, len(mine), batch_size):
            part = tuple(mine[start : start + batch_size])
            number = sum(len(some) for some in batches.values()) + 1
            batch = Batch(
                id=number,
                target=target.no,
                lane=target.lane,
                action=Action.ATTACH,
                rows=part,
                api_ids=tuple(rows[row].api_id for row in part),
            )
            records = taken(len(part)) if histories is None else histories[number - 1]
            batches.setdefault(target.no, []).append((batch, records))
    return batches


def made_layout(*, carried: Sequence[str] = (), files: Sequence[str] = ("apis.csv",)):
    return Layout(files, carried, lambda code: f"about {code}" if code else "")


# --- anything that can happen ---------------------------------------------------------


choices = st.lists(st.one_of(st.integers(0, 3), st.sampled_from(ASIDES)), max_size=40)


@st.composite
def histories(draw, size: int) -> list[Record]:
    """Any records of a batch of that size."""
    records = []
    for _ in range(draw(st.integers(0, 4))):
        span = sorted(draw(st.sets(st.integers(0, size - 1), min_size=1)))
        records.append(intent(span))
        if draw(st.booleans()):
            scope = draw(st.sampled_from(Scope))
            named = draw(st.sets(st.sampled_from(span)))
            names = sorted(named) if scope is Scope.DONE else ()
            records.append(answer(span, scope, named=names, code="APIG.1"))
    return records


@st.composite
def stops(draw) -> list[Stop]:
    """Any stops of targets, lanes, accounts and the run."""
    scopes = (Scope.TARGET, Scope.GATEWAY, Scope.ACCOUNT, Scope.DONE)
    return [
        Stop(
            scope=scope,
            key={Scope.ACCOUNT: "default", Scope.DONE: ""}.get(scope, "1"),
            cause=Cause.STOP,
            invocation=draw(st.integers(1, 2)),
            at=1.0,
            code="BULKBIND.STOPPED",
        )
        for scope in draw(st.lists(st.sampled_from(scopes), max_size=3))
    ]


@st.composite
def runs(draw) -> MadeRun:
    """Any run: any plan, any records, any rows set aside, any stops."""
    run = made_run(
        draw(choices),
        batch_size=draw(st.integers(1, 7)),
        all_stops=draw(stops()),
        invocation=2,
    )
    run.source.by_target = {
        target: [(batch, draw(histories(len(batch.api_ids)))) for batch, _ in batches]
        for target, batches in run.source.by_target.items()
    }
    return run


def test_a_made_run_has_a_row_for_every_choice():
    run = made_run([0, 1, Verdict.INVALID, 0])

    assert [row.line for row in run.rows] == [2, 3, 4, 5]
    assert [batch.rows for batch, _ in run.source.batches(0)] == [(0, 3)]
