"""What must hold at every step: intents before requests, one at a time, never too fast.

A model of its own, of what is durable: it never asks ``verdict`` or ``Progress``.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from bulkbind.model import Batch, Record, RecordKind, Scope
from bulkbind.pace import Pace, Rate
from bulkbind.sandbox import Request
from bulkbind.sandbox.counters import posted_ids
from bulkbind.sandbox.routes import find_route


@dataclass(slots=True)
class Known:
    """What is durably known of one batch."""

    batch: Batch
    bound: set[int] = field(default_factory=set)
    failed: dict[int, Record] = field(default_factory=dict)
    attempts: Counter[int] = field(default_factory=Counter)
    out: Record | None = None
    """The intent without an answer."""
    unsure: set[int] = field(default_factory=set)
    """Sent, and neither yes nor no."""
    unsure_before: set[int] = field(default_factory=set)
    """The same, before what is out left."""
    failing: dict[int, int] = field(default_factory=dict)
    """Positions that failed in this life: good answers of the lane at the first."""


@cache
def _gateway_of(method: str, target: str) -> str:
    route = find_route(method, target)
    assert route is not None
    return route.gateway


def _is_refusal(answer: Record) -> bool:
    """Tell whether an answer says that nothing was done: a whole 3xx or 4xx, or never.

    Too fast is one, too, though a gateway may say it with a 500; busy is none, though
    it may be said with a 409.
    """
    if answer.scope in {Scope.THROTTLE, Scope.TRANSIENT}:
        return True
    is_open = answer.scope in {Scope.AMBIGUOUS, Scope.BUSY}
    return 300 <= answer.status < 500 and not is_open


class Witness:
    """Hears what becomes durable, what leaves and what is released.

    Args:
        batches: Every batch of the plan.
        canary: How many of a target's first batches are its canary.
        ceiling: What the job allows each account.
        now: The time.
    """

    paces: Mapping[str, Pace]
    """Of the engine that lives, by account."""

    def __init__(
        self,
        batches: Iterable[Batch],
        *,
        ceiling: Rate,
        now: Callable[[], float],
        canary: int = 0,
    ) -> None:
        self.ceiling = ceiling
        self.known = {batch.id: Known(batch) for batch in batches}
        self.canaries: dict[int, list[int]] = defaultdict(list)
        """Batches by target."""
        for batch in self.known.values():
            if len(self.canaries[batch.batch.target]) < canary:
                self.canaries[batch.batch.target].append(batch.batch.id)
        self.passed: set[tuple[int, int]] = set()
        """Targets and steps of their canaries that are known to have ended well."""
        self.wrongs: list[str] = []
        self.intents = 0
        self.repeats: Counter[int] = Counter()
        """Intents that a life left without an answer, by lane; of the last life."""
        self._good: Counter[int] = Counter()
        """Answers of this life that were no failure, by lane."""
        self.paces = {}
        self.may_take_failed = False
        self.is_held = False
        """Nothing may be released."""
        self._now = now
        self._under_way: Counter[str] = Counter()
        self._released: dict[str, deque[float]] = defaultdict(
            lambda: deque(maxlen=5000)
        )

    def wrong(self, text: str) -> None:
        """Note that something must not have happened."""
        self.wrongs.append(f"{self._now():.6f} {text}")

    # --- lives -----------------------------------------------------------------------

    def wakes(self, *, may_take_failed: bool) -> None:
        """Hear that an engine begins; what the last one left open stays unanswered."""
        self.is_held = False
        self._under_way.clear()
        self._good.clear()
        self.may_take_failed = may_take_failed
        self.repeats = Counter(
            known.batch.lane for known in self.known.values() if known.out is not None
        )
        for lane, many in self.repeats.items():
            if many > 1:
                self.wrong(f"lane {lane}: {many} requests were out at its end")
        for known in self.known.values():
            known.out = None
            known.failing.clear()

    # --- the ledger ------------------------------------------------------------------

    def wrote(self, records: Iterable[Record]) -> None:
        """Hear what has just become durable."""
        for record in records:
            known = self.known[record.batch]
            if record.kind is RecordKind.INTENT:
                self._intended(known, record)
            elif record.kind is RecordKind.ANSWER:
                self._answered(known, record)
            elif record.kind is RecordKind.READING:
                self._read(known, record)

    def _intended(self, known: Known, intent: Record) -> None:
        self.intents += 1
        span = set(intent.span)
        lane = known.batch.lane
        self._heed(known.batch)
        if not span:
            self.wrong(f"batch {intent.batch}: an intent for nobody")
        if span & known.bound:
            self.wrong(f"batch {intent.batch}: {span & known.bound} sent, though bound")
        if span & set(known.failed) and not self.may_take_failed:
            self.wrong(f"batch {intent.batch}: sent again, though refused: {span}")
        if any(k.out for k in self.known.values() if k.batch.lane == lane):
            self.wrong(f"lane {lane}: two intents without an answer")
        known.out = intent
        known.unsure_before = known.unsure & span
        known.unsure |= span
        known.attempts.update(intent.span)
        for position in span:
            known.failed.pop(position, None)

    def _answered(self, known: Known, answer: Record) -> None:
        if known.out is None or known.out.span != answer.span:
            self.wrong(f"batch {answer.batch}: an answer to no request")
        known.out = None
        lane = known.batch.lane
        if answer.scope in {Scope.DONE, Scope.ITEM}:
            self._good[lane] += 1
        if answer.scope is not Scope.ITEM:
            for position in set(answer.span).difference(answer.receipts.positions):
                known.failing.setdefault(position, self._good[lane])
        if _is_refusal(answer):
            known.unsure -= set(answer.span) - known.unsure_before
        if answer.scope is Scope.DONE:
            self._bound(known, answer)
        elif answer.scope is Scope.ITEM and len(answer.span) == 1:
            known.failed[answer.span[0]] = answer
            known.unsure.discard(answer.span[0])

    def _bound(self, known: Known, record: Record) -> None:
        known.bound.update(record.receipts.positions)
        known.unsure.difference_update(record.receipts.positions)

    def _read(self, known: Known, reading: Record) -> None:
        if reading.scope is Scope.DONE:
            self._bound(known, reading)
        else:
            known.unsure.difference_update(reading.span)
            known.failed.update(dict.fromkeys(reading.span, reading))
            good = self._good[known.batch.lane]
            began = max(known.failing.get(place, good) for place in reading.span)
            if reading.status >= 500 and began == good:
                self.wrong(f"batch {reading.batch}: an outage failed {reading.span}")
        for position in known.bound & set(known.failed):
            self.wrong(f"batch {reading.batch}: {position} both bound and refused")

    def cut_short(self, accepted: Mapping[int, int]) -> None:
        """Hear that a life did not end by itself: what was not durable is forgotten.

        Args:
            accepted: Steps that the ledger knows of, by target.
        """
        self.passed = {
            (target, step)
            for target, step in self.passed
            if step <= accepted.get(target, 0)
        }

    # --- canaries --------------------------------------------------------------------

    def asked(self, target: int, step: int) -> None:
        """Hear that a step of a target's canary is asked about."""
        known = self.known[self.canaries[target][step - 1]]
        if len(known.bound | set(known.failed)) < len(known.batch.rows):
            self.wrong(f"target {target}: asked before step {step} had its answers")
        if (target, step) in self.passed:
            self.wrong(f"target {target}: asked about step {step} again")

    def _heed(self, batch: Batch) -> None:
        """See that all steps before a batch were answered with yes."""
        for step, canary in enumerate(self.canaries[batch.target], start=1):
            if canary >= batch.id:
                return
            if (batch.target, step) not in self.passed:
                self.wrong(f"batch {batch.id} is sent before step {step} was accepted")

    # --- the wire --------------------------------------------------------------------

    def sent(self, request: Request, body: bytes, change: int) -> None:
        """Hear that a request leaves (1) or is over for its client (-1)."""
        if request.method == "GET":
            return
        gateway = _gateway_of(request.method, request.target)
        self._under_way[gateway] += change
        if change < 0:
            return
        if self._under_way[gateway] > 1:
            self.wrong(f"two attaches at once on gateway {gateway}")
        _, ids = posted_ids(body)
        if not any(self._is_of(known, ids) for known in self.known.values()):
            self.wrong(f"{request.request_id} left without a durable intent")

    def _is_of(self, known: Known, ids: tuple[str, ...]) -> bool:
        if known.out is None:
            return False
        return ids == tuple(known.batch.api_ids[place] for place in known.out.span)

    # --- the pace --------------------------------------------------------------------

    def released(self, account: str) -> None:
        """Hear that the pace lets a request of an account out."""
        now = self._now()
        if self.is_held:
            self.wrong(f"{account}: a release though the run is paused")
        stamps = self._released[account]
        stamps.append(now)
        for rate in (self.ceiling, self.paces[account].rate):
            if not rate.limit:
                continue
            held = sum(1 for stamp in stamps if stamp > now - rate.window_s)
            if held > rate.limit:
                self.wrong(f"{account}: {held} releases in {rate.window_s:g} s, {rate}")
