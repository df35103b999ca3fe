"""What must hold when a life of a run or an undo is over, and when all is done."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

from bulkbind.job.reporting import judge_run
from bulkbind.ledger import SqliteLedger
from bulkbind.model import Action, Cause, OurCode, Verdict
from bulkbind.plan import OnReplace
from bulkbind.report import JudgedRow
from bulkbind.state.folders import RunFolder
from tests.simulate.chronicle import Chronicle, Slot
from tests.simulate.judge import ASIDE, Truth
from tests.simulate.undo_witness import Seen, UndoWitness
from tests.simulate.witness import Known


@dataclass(frozen=True, slots=True)
class Wanted:
    """What must become of a row that nobody meddles with."""

    verdict: Verdict
    held: str
    """Who holds its slot in the end."""
    other: str | None = None
    """Its ``replaced_plugin_id``; None: anything."""


@dataclass(slots=True, kw_only=True)
class Phase:
    """A run, its undo, or the undo of that, from the drawing of its plan on."""

    name: str
    folder: RunFolder
    witness: UndoWitness
    began: float
    """When its plan was drawn; seconds since the epoch."""
    held: dict[Slot, str]
    """Who held what then."""
    rebind: bool = False
    after: dict[int, str] = field(default_factory=dict)
    """An undo's, by row: what the undone run was to leave."""
    before: dict[int, str] = field(default_factory=dict)
    """An undo's, by row: what was there before that."""
    first: dict[int, str] = field(default_factory=dict)
    """By row: whom the first report after its request says it displaced."""
    report: list[JudgedRow] = field(default_factory=list)

    @property
    def is_undo(self) -> bool:
        return bool(self.after)


class UndoJudge:
    """Compares report, ledger, witness, and the world as it was and is."""

    def __init__(self, phase: Phase, *, chronicle: Chronicle, truth: Truth) -> None:
        self._phase = phase
        self._witness = phase.witness
        self._chronicle = chronicle
        self._truth = truth
        self._rows: dict[int, tuple[Known, int, Seen]] = {
            seen.row: (self._witness.known[batch], place, seen)
            for (batch, place), seen in self._witness.seen.items()
        }

    def look(self) -> Counter[str]:
        """Judge what a life left behind; return its verdicts."""
        phase = self._phase
        self._truth.look()
        with closing(SqliteLedger.read(phase.folder.ledger)) as ledger:
            phase.report = list(judge_run(phase.folder.facts(), ledger))
        if self._chronicle.missed():
            self._witness.wrong(f"changed in silence: {self._chronicle.missed()}")
        for number, judged in enumerate(phase.report):
            for wrong in self._wrongs(number, judged):
                self._wrong(number, judged, wrong)
        return Counter(str(judged.shared.verdict) for judged in phase.report)

    def _wrong(self, number: int, judged: JudgedRow, text: str) -> None:
        shared = judged.shared
        self._witness.wrong(
            f"{self._phase.name} row {number} {judged.row.api_id[:8]}: {text};"
            f" {shared.verdict} {shared.cause} {shared.error_code}"
            f" replaced={shared.replaced_plugin_id[:8]!r} attempts={judged.attempts}"
        )

    # --- one row after a life --------------------------------------------------------

    def _wrongs(self, number: int, judged: JudgedRow) -> Iterator[str]:
        verdict = judged.shared.verdict
        if number not in self._rows:
            if verdict not in ASIDE:
                yield "in no batch, and not set aside"
            return
        known, place, seen = self._rows[number]
        if judged.attempts != known.attempts[place]:
            yield f"sent {known.attempts[place]} times"
        if verdict not in (allowed := self._known(known, place, seen)):
            yield f"durably it is {sorted(allowed)}"
        yield from self._untrue(number, judged, seen)

    def _untrue(self, number: int, judged: JudgedRow, seen: Seen) -> Iterator[str]:
        """Say what is wrong with a verdict, by what it claims."""
        verdict = judged.shared.verdict
        if verdict in {Verdict.BOUND, Verdict.UNCONFIRMED}:
            yield from self._displaced(number, judged, seen)
        if verdict in {Verdict.UNCHANGED, Verdict.KEPT}:
            yield from self._untouched(judged, seen)
        if verdict in {Verdict.BOUND, Verdict.UNBOUND}:
            yield from self._done(seen)
        elif verdict is not Verdict.UNCHANGED and not _has_reason(judged, seen.action):
            yield "no reason, or a wrong one"

    def _known(self, known: Known, place: int, seen: Seen) -> set[Verdict]:
        """Return the verdicts that durable records allow."""
        if place in known.bound:
            if not known.attempts[place]:
                return {Verdict.UNCHANGED}
            is_attach = known.batch.action is Action.ATTACH
            return {Verdict.BOUND if is_attach else Verdict.UNBOUND}
        if seen.kept is not None:
            return {Verdict.KEPT}
        if place in known.failed:
            return {Verdict.FAILED}
        if place in known.unsure:
            return {Verdict.UNCONFIRMED}
        return {Verdict.NOT_SENT, Verdict.FAILED}  # failed: with its target

    def _displaced(self, number: int, judged: JudgedRow, seen: Seen) -> Iterator[str]:
        said = judged.shared.replaced_plugin_id
        if self._witness.rights.is_blind:
            if said != "unknown":
                yield "nobody looked"
        elif seen.action is Action.ATTACH and said != seen.other:
            yield f"its pre-image is {seen.other!r}"
        if self._phase.first.setdefault(number, said) != said:
            yield f"an earlier report said {self._phase.first[number]!r}"

    def _untouched(self, judged: JudgedRow, seen: Seen) -> Iterator[str]:
        slot, phase = seen.slot, self._phase
        if any(change.by_us for change in self._chronicle.since(slot, phase.began)):
            yield "its slot was changed by us"
        if seen.kept is None:
            return
        if judged.shared.replaced_plugin_id != seen.kept:
            yield f"left to {seen.kept!r}"
        wanted = OurCode.CHANGED_SINCE if phase.is_undo else OurCode.OTHER_BOUND
        if judged.shared.error_code != wanted:
            yield "the wrong reason"

    def _done(self, seen: Seen) -> Iterator[str]:
        wanted = seen.plugin_id if seen.action is Action.ATTACH else ""
        edited_at = self._chronicle.last_edit(seen.slot)
        holder = self._chronicle.holder(seen.slot)
        is_edited = seen.sent_at is not None and edited_at >= seen.sent_at
        if not is_edited:
            is_so = holder == wanted if wanted else holder != seen.plugin_id
            if not is_so:
                yield f"the world has {holder!r}"

    # --- the end ---------------------------------------------------------------------

    def conclude(self) -> None:
        """See that every row is as it should be, and every slot."""
        for number, (_, _, seen) in self._rows.items():
            judged = self._phase.report[number]
            if self._chronicle.last_edit(seen.slot) > self._quiet:
                self._conclude_edited(number, judged)
            elif judged.shared.http_status < 500:  # else it is given up, twice
                self._conclude_quiet(number, judged, seen)
        self._conclude_others()

    @property
    def _quiet(self) -> float:
        """Until when edits are surely seen by whoever draws the plan."""
        return self._phase.began - self._witness.lag_s - 1.0

    def _conclude_others(self) -> None:
        """See that slots in no row are as they were."""
        phase, chronicle = self._phase, self._chronicle
        touched = {seen.slot for _, _, seen in self._rows.values()}
        for slot in {*chronicle.held, *phase.held} - touched:
            is_same = chronicle.holder(slot) == phase.held.get(slot, "")
            if not is_same and chronicle.last_edit(slot) < self._quiet:
                self._witness.wrong(f"{slot} is in no row, and was changed")

    def _conclude_quiet(self, number: int, judged: JudgedRow, seen: Seen) -> None:
        """A row that nobody meddled with has the end that was to be."""
        shared, held = judged.shared, self._phase.held.get(seen.slot, "")
        if shared.verdict is Verdict.NOT_SENT and self._may_stop:
            wanted = Wanted(Verdict.NOT_SENT, held)
        elif self._phase.is_undo:
            wanted = self._wanted_of_undo(number, judged, held)
        elif seen.action is Action.ATTACH:
            wanted = self._wanted(number, seen, judged, held)
        elif held == seen.plugin_id:
            wanted = Wanted(Verdict.UNBOUND, "")
        else:
            wanted = Wanted(Verdict.UNCHANGED, held)
        found = self._chronicle.holder(seen.slot), shared.verdict
        is_other = wanted.other not in {None, shared.replaced_plugin_id}
        if found != (wanted.held, wanted.verdict) or is_other:
            self._wrong(number, judged, f"wanted {wanted}, but found {found[0]!r}")

    @property
    def _may_stop(self) -> bool:
        """Whether the run stops for good where somebody else has come."""
        is_strict = self._witness.rights.policy is OnReplace.STOP
        return is_strict and not self._phase.is_undo

    def _conclude_edited(self, number: int, judged: JudgedRow) -> None:
        """A row that somebody meddled with has some end of its own, too."""
        ends = {
            *(Verdict.BOUND, Verdict.UNBOUND, Verdict.UNCHANGED, Verdict.KEPT),
            Verdict.FAILED,
        }
        if self._may_stop:
            ends.add(Verdict.NOT_SENT)
        if judged.shared.verdict not in ends:
            self._wrong(number, judged, "it has no end")

    def _wanted_of_undo(self, number: int, judged: JudgedRow, held: str) -> Wanted:
        after, before = self._phase.after[number], self._phase.before[number]
        if held == before:
            return Wanted(Verdict.UNCHANGED, held)
        if held != after:
            return Wanted(Verdict.KEPT, held, held)
        if not before:
            return Wanted(Verdict.UNBOUND, "")
        if self._truth.wrong_with(judged.row):
            # An API that is offline keeps what is bound, and takes nothing back.
            return Wanted(Verdict.FAILED, held)
        return Wanted(Verdict.BOUND, before, after)

    def _wanted(self, number: int, seen: Seen, judged: JudgedRow, held: str) -> Wanted:
        own, rights = seen.plugin_id, self._witness.rights
        if held == own and not (self._phase.rebind or rights.is_blind):
            return Wanted(Verdict.UNCHANGED, own)
        if wrong := self._truth.wrong_with(judged.row):
            if judged.shared.error_code not in wrong | {OurCode.PLUGIN_UNKNOWN}:
                self._wrong(number, judged, f"its faults are {sorted(wrong)}")
            return Wanted(Verdict.FAILED, held)
        if held in {"", own} or rights.policy is OnReplace.ALLOW:
            return Wanted(Verdict.BOUND, own, None if rights.is_blind else held)
        is_left = rights.policy is OnReplace.SKIP
        return Wanted(Verdict.KEPT if is_left else Verdict.NOT_SENT, held)


def _has_reason(judged: JudgedRow, action: Action) -> bool:
    shared = judged.shared
    if action is Action.DETACH and shared.error_code == OurCode.NOT_NAMED:
        return False  # a detach has no receipts
    is_said = bool(shared.error_code or shared.http_status)
    return is_said and shared.cause is not Cause.NONE
