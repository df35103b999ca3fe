"""One walk over the rows: targets, lanes, batches, what is set aside, the digest.

Rows come in, numbered as they come. Sound ones become claims, sorted by gateway and
environment; after the last row each such group is ruled on: slots first, then
repeats; what is left is judged by whoever draws the plan (offline: everything is to be
sent) and cut into batches.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bulkbind.errors import Fault
from bulkbind.model import (
    NAMED,
    Action,
    Aside,
    Batch,
    Block,
    Lane,
    PlanTotals,
    Row,
    Target,
    Verdict,
    is_hex_id,
)
from bulkbind.plan.claims import Claims
from bulkbind.plan.conflicts import MAX_FAULTS, Places, place_of
from bulkbind.plan.draft import Draft, PlanSettings, digest_ids, digest_plan
from bulkbind.plan.gather import Gather
from bulkbind.plan.rules import (
    Claim,
    Claimant,
    OnConflict,
    Ruling,
    rule_group,
    unwanted_row,
)
from bulkbind.plan.spill import BOUND, Spill
from bulkbind.plan.types import Types

#: A target, and the claims on it that nothing set aside.
Ruled = tuple[Target, Claims]

K = TypeVar("K")


@dataclass(slots=True)
class _Known:
    """A target while rows still come."""

    no: int
    account: str
    instance_id: str
    plugin_id: str
    env_id: str
    gateway: str
    group: int
    wanted: bool = False


class Planner:
    """Takes rows in manifest order, then yields them in groups, and cuts batches.

    Args:
        settings: What decides the plan beside the rows.
        gateway_of: Account and instance id -> endpoint host and instance id.
        file_names: Names of the manifest's files, by ``Row.file``; may still grow.
        folder: Where claims go that do not fit in memory.
        bound: Bytes of claims kept in memory.
    """

    def __init__(
        self,
        settings: PlanSettings,
        *,
        gateway_of: Callable[[str, str], str],
        file_name: Callable[[int], str],
        folder: Path | None = None,
        bound: int = BOUND,
    ) -> None:
        self.draft = Draft(settings)
        self._gateway_of = gateway_of
        self._places = Places(file_name)
        self._spill = Spill(folder, bound=bound)
        self._gather = Gather(self._spill)
        self._known: dict[tuple[str, str, str, str], _Known] = {}
        self._targets: list[_Known] = []
        self._groups: dict[tuple[str, str], int] = {}
        self._projects: dict[str, str] = {}
        self._types = Types(self._places, gateway_of)
        self._rows = 0
        self._dropped = 0
        self._odd_ids = 0
        self._numbers: dict[int, int] = {}
        self._cut = 0

    @property
    def rows(self) -> int:
        """Wanted rows so far."""
        return self._rows

    # --- rows come in ----------------------------------------------------------------

    def add(self, row: Row, *, place: int | None = None) -> None:
        """Take the next row; a wanted one gets the next row number.

        Args:
            row: The row.
            place: What its claim keeps of it; None: where it came from.
        """
        if place is None:
            place = place_of(row.file, row.line)
        fault = row.fault or self._types.learn(row, place)
        number = self._number(row)
        if fault is not None:
            self._set_invalid(number, fault)
            return
        known = self._target_of(row)
        is_usual = is_hex_id(row.api_id) or row.api_id.startswith(NAMED)
        self._odd_ids += row.wanted and not is_usual
        self._gather.flush()
        self._spill.add(known.group, Claim(number, place, known.no, row.api_id))

    def add_block(self, block: Block) -> None:
        """Take the rows of a block: as ``add`` with each of them, but together."""
        if not self._knows(block):
            for row in block.rows():
                self.add(row)
            return
        rows = range(self._rows, self._rows + len(block))
        self._rows += len(block)
        place = place_of(block.file, block.line)
        self._gather.add(
            block.numbers,
            rows=rows,
            lines=range(place, place + len(block)),
            packed=block.packed,
        )

    def _knows(self, block: Block) -> bool:
        """Meet the targets of a block that are new; False: one has a fault."""
        fresh = set(block.numbers).difference(self._gather.places)
        if not fresh:
            return True
        first = sorted((block.numbers.index(number), number) for number in fresh)
        for at, number in first:
            row = Row._make(
                (block.file, block.line + at, *block.known[number], "", (), None, True)
            )
            if self._types.learn(row, place_of(row.file, row.line)) is not None:
                return False
            known = self._target_of(row)
            self._gather.places[number] = known.group, known.no
        return True

    def _number(self, row: Row) -> int:
        if row.wanted:
            self._rows += 1
            return self._rows - 1
        self._dropped += 1
        return unwanted_row(self._rows, self._dropped)

    def _set_invalid(self, number: int, fault: Fault) -> None:
        if number < 0:
            return
        draft = self.draft
        draft.fault_count += 1
        if len(draft.faults) < MAX_FAULTS:
            draft.faults.append(fault)
        column = f"{fault.column}: " if fault.column else ""
        text = f"{column}{fault.problem}; {fault.remedy}"
        draft.asides.append(Aside(number, Verdict.INVALID, text))

    def _target_of(self, row: Row) -> _Known:
        """Return a sound row's target, met before or now, with what the row adds."""
        known = self._known.get(row.target_key) or self._meet(row)
        known.wanted = known.wanted or row.wanted
        if row.project_id:
            self._projects.setdefault(row.account, row.project_id)
        return known

    def _meet(self, row: Row) -> _Known:
        gateway = self._gateway_of(row.account, row.instance_id)
        group = self._groups.setdefault((gateway, row.env_id), len(self._groups))
        known = _Known(
            len(self._targets),
            row.account,
            row.instance_id,
            row.plugin_id,
            row.env_id,
            gateway,
            group,
        )
        self._known[row.target_key] = known
        self._targets.append(known)
        return known

    # --- batches go out --------------------------------------------------------------

    def gateways(self) -> list[tuple[str, str, str]]:
        """Return account, instance id and gateway of every target met, each once."""
        found = {
            k.gateway: (k.account, k.instance_id, k.gateway)
            for k in self._targets
            if k.wanted
        }
        return list(found.values())

    @property
    def projects(self) -> Mapping[str, str]:
        """The project of each account whose rows say it."""
        return self._projects

    def learn_types(self, gateway: str, types: Mapping[str, str]) -> None:
        """Take over the types of a gateway's plug-ins as the gateway has them."""
        self._types.take_over(gateway, types)

    def refuse_conflicts(self) -> None:
        """Look for conflicts before anything else is done, if the policy is ``stop``.

        Raises:
            PlanConflict: Two plug-ins claim one slot.
        """
        if self.draft.settings.on_conflict is not OnConflict.STOP:
            return
        claimants = {known.no: self._claimant(known) for known in self._targets}
        conflicts: list[Ruling] = []
        self._gather.flush()
        for group in self._spill.groups():
            ruled = rule_group(group, claimants, policy=OnConflict.STOP)
            conflicts += _wanted(ruled.lost)
        if conflicts:
            raise self._places.conflict(conflicts, claimants)

    def batches(self) -> Iterator[Batch]:
        """Yield every batch of a plan that sends everything, blind.

        Raises:
            PlanConflict: Two plug-ins claim one slot and the policy is ``stop``.
        """
        for group in self.groups():
            for target, claims in group:
                for _, batch in self.cut(target, {None: claims}):
                    yield batch

    def groups(self) -> Iterator[list[Ruled]]:
        """Yield what is left to be judged: targets of one gateway and environment.

        Raises:
            PlanConflict: Two plug-ins claim one slot and the policy is ``stop``.
        """
        self._gather.flush()
        self._number_targets()
        claimants = {known.no: self._claimant(known) for known in self._targets}
        digests: dict[int, str] = {}
        conflicts: list[Ruling] = []
        counts = _Counts()
        with self._spill:
            for group in self._spill.groups():
                kept, lost = self._rule(group, claimants, counts)
                conflicts += lost
                digests |= {t.no: digest_ids(claims.api_ids) for t, claims in kept}
                yield kept
        self._finish(counts, digests)
        if conflicts and self.draft.settings.on_conflict is OnConflict.STOP:
            raise self._places.conflict(conflicts, claimants)

    def cut(
        self,
        target: Target,
        kinds: Mapping[K, Claims],
        *,
        action_of: Callable[[K], Action] | None = None,
    ) -> list[tuple[K, Batch]]:
        """Cut a target's claims into batches of one kind, numbered by first row.

        Args:
            target: Theirs; all its claims at once, so that its batches ascend.
            kinds: Claims by kind, rows ascending.
            action_of: What a kind asks for; None: the plan's action.
        """
        settings = self.draft.settings
        parts = [
            (kind, part)
            for kind, claims in kinds.items()
            for part in claims.parts(settings.batch_size, first=settings.canary)
        ]
        parts.sort(key=lambda kind_and_part: kind_and_part[1].rows[0])
        first = self._cut + 1
        self._cut += len(parts)
        wanted = action_of or (lambda _: settings.action)
        return [
            (kind, self._batch(number, target, part, wanted(kind)))
            for number, (kind, part) in enumerate(parts, first)
        ]

    def _claimant(self, known: _Known) -> Claimant:
        kind = self._types.of(known.gateway, known.plugin_id)
        return Claimant(known.plugin_id, kind)

    def _number_targets(self) -> None:
        """Number targets and lanes by first wanted row; drop the unwanted ones."""
        lanes: dict[tuple[str, str], int] = {}
        for known in self._targets:
            if not known.wanted:
                continue
            lane = lanes.setdefault((known.gateway, known.account), len(lanes))
            if lane == len(self.draft.lanes):
                self.draft.lanes.append(Lane(lane, known.account, known.gateway))
            self._numbers[known.no] = len(self.draft.targets)
            self.draft.targets.append(
                Target(
                    no=len(self.draft.targets),
                    account=known.account,
                    project_id=self._projects.get(known.account, ""),
                    instance_id=known.instance_id,
                    plugin_id=known.plugin_id,
                    env_id=known.env_id,
                    lane=lane,
                    plugin_type=self._claimant(known).plugin_type,
                )
            )

    def _rule(
        self,
        group: Mapping[int, Claims],
        claimants: Mapping[int, Claimant],
        counts: "_Counts",
    ) -> tuple[list[Ruled], list[Ruling]]:
        policy = self.draft.settings.on_conflict
        kept, lost, repeats = rule_group(group, claimants, policy=policy)
        superseded = _wanted(lost)
        self._set_aside(superseded, Verdict.SUPERSEDED, "loses the slot to")
        self._set_aside(repeats, Verdict.DUPLICATE, "the same binding as")
        counts.superseded += len(superseded)
        counts.duplicates += len(repeats)
        for target, claims in kept.items():
            counts.bindings += len(claims)
            counts.untyped += 0 if claimants[target].plugin_type else len(claims)
        targets = self.draft.targets
        ruled = [(targets[self._numbers[no]], claims) for no, claims in kept.items()]
        return ruled, superseded

    def _set_aside(self, rulings: list[Ruling], verdict: Verdict, words: str) -> None:
        self.draft.asides += [
            Aside(r.claim.row, verdict, f"{words} {self._places.where(r.winner.place)}")
            for r in rulings
        ]

    def _batch(
        self, batch_id: int, target: Target, claims: Claims, action: Action
    ) -> Batch:
        return Batch(
            id=batch_id,
            target=target.no,
            lane=target.lane,
            action=action,
            rows=tuple(claims.rows),
            api_ids=tuple(claims.api_ids),
        )

    def _finish(self, counts: "_Counts", digests: dict[int, str]) -> None:
        draft = self.draft
        draft.totals = PlanTotals(
            rows=self._rows,
            bindings=counts.bindings,
            duplicates=counts.duplicates,
            superseded=counts.superseded,
            invalid=draft.fault_count,
            untyped=counts.untyped,
            odd_ids=self._odd_ids,
            targets=len(draft.targets),
            gateways=len({lane.gateway for lane in draft.lanes}),
            accounts=len({target.account for target in draft.targets}),
            requests=self._cut,
        )
        draft.digest = digest_plan(draft, digests)


def _wanted(rulings: list[Ruling]) -> list[Ruling]:
    """Leave out rulings on rows that ``--only`` drops."""
    return [ruling for ruling in rulings if ruling.claim.row >= 0]


@dataclass(slots=True)
class _Counts:
    bindings: int = 0
    duplicates: int = 0
    superseded: int = 0
    untyped: int = 0
