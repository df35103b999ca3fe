"""Progress on standard error: a live bar on a terminal, plain lines otherwise."""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from bulkbind.cli.saying import say
from bulkbind.cli.words import count, duration
from bulkbind.job.reading import Surroundings
from bulkbind.model import (
    Action,
    Batch,
    Lane,
    LaneTally,
    Record,
    Scope,
    Settled,
    Stop,
)
from bulkbind.run import Observer
from bulkbind.wire import visible

#: Seconds between two plain lines.
INTERVAL_S = 5.0

#: Settled requests that the measured rate looks back on.
_WINDOW = 200


class Counting(Observer):
    """Counts what the engine does, and estimates what is left.

    Args:
        clock: Seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stamps: deque[float] = deque(maxlen=_WINDOW)
        self.run_id = ""
        self.rows = self.done = self.failed = self.requests = 0
        self.waits = ""
        self.pages = 0
        self._lanes: dict[str, str] = {}

    def run_started(self, run_id: str, tallies: Sequence[LaneTally]) -> None:
        """Take over what earlier invocations did."""
        self.run_id = run_id
        self.rows = sum(tally.rows for tally in tallies)
        self.failed = sum(tally.failed for tally in tallies)
        self.done = sum(tally.settled for tally in tallies)

    def lane_started(self, lane: Lane) -> None:
        """Remember the gateway's name."""
        self._lanes[str(lane.no)] = lane.gateway

    def page_read(self) -> None:
        """Count a page of a list."""
        self.pages += 1
        self.changed()

    def request_settled(
        self, lane: Lane, batch: Batch, answer: Record, *, seconds: float
    ) -> None:
        """Count an answer."""
        del lane, seconds
        self.requests += 1
        self._stamps.append(self._clock())
        self.done += len(answer.receipts.positions)
        if batch.action is Action.DETACH and answer.scope is Scope.DONE:
            self.done += len(answer.span)
        if answer.scope is Scope.ITEM and len(answer.span) == 1:
            self.failed += 1
            self.done += 1
        self.waits = ""
        self.changed()

    def rows_read(self, batch: Batch, gained: Settled) -> None:
        """Count rows that a list answers; a detach was counted when it was sent."""
        self.failed += gained.failed
        self.done += gained.unchanged + gained.kept
        if batch.action is Action.ATTACH:
            self.done += gained.done + gained.failed
        self.changed()

    def lane_waits(self, lane: Lane, *, why: str, seconds: float) -> None:
        """Remember the newest reason to wait."""
        self.waits = f"{lane.gateway} waits {duration(seconds)}: {why}"
        self.changed()

    def stopped(self, stop: Stop) -> None:
        """Say at once what stopped."""
        name = {
            Scope.TARGET: "a plug-in's rows",
            Scope.GATEWAY: f"gateway {self._lanes.get(stop.key, stop.key)}",
            Scope.ACCOUNT: f"account {stop.key}",
        }.get(stop.scope, "run")
        self.say(f"{name} stopped: {stop.code} {stop.message}")

    def noticed(self, text: str) -> None:
        """Say it."""
        self.say(text)

    def draining(self, reason: str) -> None:
        """Say what the first signal does, and what a second one would do."""
        self.say(
            f"{reason}: what is out is awaited, then the run stops; once more stops it"
            " now"
        )

    @property
    def rate(self) -> float:
        """Requests per second, lately."""
        if len(self._stamps) < 2:  # noqa: PLR2004 - no rate from one point
            return 0.0
        passed = self._clock() - self._stamps[0]
        return len(self._stamps) / passed if passed > 0 else 0.0

    def opening(self) -> str:
        """Say how much a run has to do."""
        left = self.rows - self.done
        if not left:
            return f"run {self.run_id}: nothing to send"
        of = f" of {self.rows:,}" if self.done else ""
        return f"run {self.run_id}: {left:,}{of} rows to do"

    def line(self) -> str:
        """Say in one line how far the run is."""
        if not self.run_id:
            return f"reading what is bound: {count(self.pages, 'page')}"
        percent = 100 * self.done // self.rows if self.rows else 100
        parts = [
            f"{self.done:,} of {self.rows:,} rows ({percent} %)",
            f"{self.requests:,} requests",
            f"{self.rate:.1f}/s",
        ]
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        if self.waits:
            parts.append(self.waits)
        return ", ".join(parts)

    def changed(self) -> None:
        """Show what changed; called after every event."""

    def say(self, text: str) -> None:
        """Show a sentence of its own."""
        say(text, err=True)


class PlainProgress(Counting):
    """One line every few seconds."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock=clock)
        self._next = clock() + INTERVAL_S

    def run_started(self, run_id: str, tallies: Sequence[LaneTally]) -> None:
        """Name the run, so that it can be looked at and resumed."""
        super().run_started(run_id, tallies)
        self.say(self.opening())

    def changed(self) -> None:
        """Write a line when the last one is old enough."""
        if self._clock() >= self._next:
            self._next = self._clock() + INTERVAL_S
            self.say(self.line())


class LiveProgress(Counting):
    """A bar that moves."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(),
            TextColumn("{task.description}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", total=None)

    def run_started(self, run_id: str, tallies: Sequence[LaneTally]) -> None:
        """Name the run and start the bar."""
        super().run_started(run_id, tallies)
        self.say(self.opening())
        self._bar.start()

    def changed(self) -> None:
        """Move the bar; rich redraws at its own pace."""
        self._bar.start()
        self._bar.update(
            self._task,
            total=self.rows if self.run_id else None,
            completed=self.done,
            description=visible(self.line().rpartition(" rows ")[2]),
        )

    def say(self, text: str) -> None:
        """Write above the bar."""
        self._bar.console.print(visible(text), markup=False, highlight=False)

    def close(self) -> None:
        """Take the bar away."""
        self._bar.stop()


@contextmanager
def watching(*, quiet: bool, sends: bool = True) -> Iterator[Surroundings]:
    """Run inside with progress on standard error; what sends obeys signals."""
    if quiet:
        yield Surroundings(signals=sends)
    elif sys.stderr.isatty():
        live = LiveProgress()
        try:
            yield Surroundings(signals=sends, observers=[live])
        finally:
            live.close()
    else:
        yield Surroundings(signals=sends, observers=[PlainProgress()])
