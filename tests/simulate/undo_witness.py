"""What must hold at every step of a run that looks first, and of its undo.

A model of its own of pictures and pre-images: it never asks ``verdict`` or
``Progress``, and it knows from the chronicle who really held what.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from bulkbind.model import Action, Batch, Record, RecordKind, Scope, Target
from bulkbind.pace import Rate
from bulkbind.plan import OnReplace
from tests.simulate.chronicle import Change, Chronicle, Slot
from tests.simulate.witness import Known, Witness

#: A batch and a position in it.
Spot = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What a run may do to slots."""

    policy: OnReplace
    approved: Mapping[int, str] | None = None
    """An undo's: what must be in the slot of each row; None: it is no undo."""
    is_blind: bool = False


@dataclass(slots=True)
class Seen:
    """What is known of one row's slot."""

    row: int
    """Its number in the manifest."""
    slot: Slot
    plugin_id: str
    """Its own."""
    action: Action
    pictured_at: float = 0.0
    other: str | None = None
    """What the last picture showed there; None: there is no picture."""
    sent_at: float | None = None
    """When its first request left; pictures count no more."""
    kept: str | None = None
    """Who is left there."""


@dataclass
class UndoWitness(Witness):
    """Also knows pictures, and what may be displaced."""

    batches: Iterable[Batch]
    targets: list[Target]
    kinds: Mapping[tuple[str, str], str]
    """Types of plug-ins, by gateway and plug-in."""
    chronicle: Chronicle
    rights: Rights
    ceiling: Rate
    now: Callable[[], float]
    wall: Callable[[], float]
    """Seconds since the epoch."""
    lag_s: float
    woke_at: float = 0.0
    races: int = 0
    """Rows whose slot somebody changed between picture and request."""
    seen: dict[Spot, Seen] = field(default_factory=dict)
    by_slot: dict[Slot, Spot] = field(default_factory=dict)

    def __post_init__(self) -> None:
        batches = list(self.batches)
        super().__init__(batches, ceiling=self.ceiling, now=self.now)
        for batch in batches:
            target = self.targets[batch.target]
            kind = self.kinds[target.instance_id, target.plugin_id]
            for place, api_id in enumerate(batch.api_ids):
                slot = Slot(target.instance_id, target.env_id, api_id, kind)
                row = batch.rows[place]
                spot = batch.id, place
                self.seen[spot] = Seen(row, slot, target.plugin_id, batch.action)
                if slot in self.by_slot:
                    self.wrong(f"row {row}: its slot is in the plan twice")
                self.by_slot[slot] = spot

    def wakes(self, *, may_take_failed: bool) -> None:
        """Hear that an engine begins."""
        super().wakes(may_take_failed=may_take_failed)
        self.woke_at = self.wall()

    def wrote(self, records: Iterable[Record]) -> None:
        """Hear what has just become durable."""
        for record in records:
            if record.kind is RecordKind.PICTURE:
                self._pictured(record)
            elif record.kind is RecordKind.READING and record.scope is Scope.KEPT:
                self._left_as_it_is(record)
            else:
                super().wrote([record])

    # --- what was seen ---------------------------------------------------------------

    def _pictured(self, picture: Record) -> None:
        for place, other in zip(picture.span, picture.others, strict=True):
            seen = self.seen[picture.batch, place]
            if picture.at:
                self._prove(seen, other, at=picture.at, what="a picture")
            if seen.sent_at is None:
                seen.pictured_at, seen.other = picture.at, other

    def _left_as_it_is(self, reading: Record) -> None:
        for place, other in zip(reading.span, reading.others, strict=True):
            seen = self.seen[reading.batch, place]
            seen.kept = other
            self.known[reading.batch].failed.pop(place, None)
            if reading.code != "BULKBIND.NO_PRE_IMAGE":
                self._prove(seen, other, at=reading.at, what="kept")

    def _prove(self, seen: Seen, other: str, *, at: float, what: str) -> None:
        """See that the world held what a list is said to have shown."""
        since = at - self.lag_s
        values = self.chronicle.values(seen.slot, since=since)
        # A plug-in that moves while list after list is read may be in none of them.
        is_torn = not other and bool(self.chronicle.since(seen.slot, since))
        if other not in values and not is_torn:
            self.wrong(f"row {seen.row}: {what} shows {other!r}, but {values}")

    # --- what is sent ----------------------------------------------------------------

    def _intended(self, known: Known, intent: Record) -> None:
        super()._intended(known, intent)
        for place in intent.span:
            seen = self.seen[intent.batch, place]
            if seen.kept is not None:
                self.wrong(f"row {seen.row}: sent, though it was to be left")
            if seen.sent_at is None:
                seen.sent_at = intent.at
                self._leaves(seen)

    def _leaves(self, seen: Seen) -> None:
        """See that a row was looked at before its first request, and may be sent."""
        rights, other = self.rights, seen.other
        if other is None or not seen.pictured_at:
            if not rights.is_blind:
                self.wrong(f"row {seen.row}: sent, and nobody looked")
            return
        since = seen.pictured_at - self.lag_s
        self.races += bool(self.chronicle.since(seen.slot, since))
        self._prove(seen, other, at=seen.pictured_at, what="the pre-image")
        if rights.approved is not None:
            if other != rights.approved[seen.row]:
                self.wrong(f"row {seen.row}: would displace {other!r}, changed since")
            if seen.pictured_at < self.woke_at:
                self.wrong(f"row {seen.row}: sent, and not looked at anew")
        elif rights.policy is not OnReplace.ALLOW and other not in {
            "",
            seen.plugin_id,
        }:
            self.wrong(f"row {seen.row}: would displace {other!r} without leave")

    def _read(self, known: Known, reading: Record) -> None:
        is_detach = known.batch.action is Action.DETACH
        if reading.scope is Scope.DONE and (is_detach or self.may_take_failed):
            for place in reading.receipts.positions:
                known.failed.pop(place, None)
        super()._read(known, reading)

    def changed(self, slot: Slot, change: Change) -> None:
        """Hear that a request has changed a slot."""
        if slot not in self.by_slot:
            self.wrong(f"{slot}: changed, and in no row")
            return
        seen = self.seen[self.by_slot[slot]]
        wanted = seen.plugin_id if seen.action is Action.ATTACH else ""
        if change.after != wanted:
            self.wrong(f"row {seen.row}: left {change.after!r} in its slot")
        if self.rights.is_blind or change.before == seen.other:
            return
        # Who came after the picture is displaced unseen; nobody can help that.
        edited_at = self.chronicle.last_edit(slot)
        if edited_at < seen.pictured_at - self.lag_s:
            text = f"displaced {change.before!r}, and its pre-image is {seen.other!r}"
            self.wrong(f"row {seen.row}: {text}")
