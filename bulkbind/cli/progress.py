"""Progress on standard error: a live view on a terminal, plain lines otherwise."""

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING

from bulkbind.cli.counting import Counting
from bulkbind.cli.saying import say
from bulkbind.cli.view import LaneState, choose, draw
from bulkbind.cli.words import count, duration
from bulkbind.job.errand import Surroundings
from bulkbind.model import LaneTally, Scope, Stop
from bulkbind.wire import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.constrain import Constrain

#: Seconds between two plain lines.
INTERVAL_S = 5.0

#: Columns left free for what a terminal echoes behind the view, ``^C`` twice: a line
#: that it breaks would stay.
_ECHO = 4

#: Sentences said again when a terminal's size changed.
_SAID_AGAIN = 5

#: Most of a thread's time that drawing may take: 10,000 gateways are drawn less often.
DRAWING_SHARE = 0.05

#: How often a live view is drawn.
DRAWS_PER_S = 4


class Telling(Counting):
    """Says what happens in sentences, beside the numbers."""

    #: What it was told last; why a run stops comes as an order and as a stop, too.
    _noticed = ""

    def run_started(self, run_id: str, tallies: Sequence[LaneTally]) -> None:
        """Name the run, so that it can be looked at and resumed."""
        super().run_started(run_id, tallies)
        self.say(self.opening())

    def stopped(self, stop: Stop) -> None:
        """Say at once what stopped."""
        super().stopped(stop)
        if stop.message and stop.message == self._noticed:
            return
        lane = self._lanes.get(int(stop.key)) if stop.key.isdecimal() else None
        name = {
            Scope.TARGET: "a plug-in's rows",
            Scope.CANARY: "a plug-in's rows",
            Scope.GATEWAY: f"gateway {lane.name if lane else stop.key}",
            Scope.ACCOUNT: f"account {stop.key}",
        }.get(stop.scope, "run")
        self.say(f"{name} stopped: {stop.code} {stop.message}")

    def noticed(self, text: str) -> None:
        """Say it, unless it is part of what was said just now."""
        if text not in self._noticed:
            self._noticed = text
            self.say(text)

    def draining(self, reason: str) -> None:
        """Say what the first signal does, and what a second one would do."""
        super().draining(reason)
        self.say(
            f"{reason}: what is out is awaited, then the run stops; once more stops it"
            " now"
        )

    def opening(self) -> str:
        """Say how much a run has to do."""
        left = self.rows - self.done
        if not left:
            return f"run {self.run_id}: nothing to send"
        of = f" of {self.rows:,}" if self.done else ""
        return f"run {self.run_id}: {left:,}{of} rows to do"

    def say(self, text: str) -> None:
        """Show a sentence of its own."""
        say(text, err=True)


class PlainProgress(Telling):
    """One line every few seconds."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock=clock)
        self._next = clock() + INTERVAL_S

    def changed(self) -> None:
        """Write a line when the last one is old enough."""
        if self._clock() >= self._next:
            self._next = self._clock() + INTERVAL_S
            self.say(self.line())

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
        if (eta_s := self.eta_s) is not None and self.done < self.rows:
            parts.append(f"{duration(eta_s)} left")
        for lane in choose(self.view().lanes, 1):
            if lane.state is LaneState.WAITING:
                seconds = duration(lane.seconds or 0.0)
                parts.append(f"{lane.name} waits {seconds}: {lane.why}")
        return ", ".join(parts)


class LiveProgress(Telling):
    """A view of the run that is drawn again and again.

    Args:
        console: Where.
        clock: Seconds.
    """

    def __init__(
        self, console: "Console", *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(clock=clock)
        from rich.live import Live

        self._console = console
        self._live = Live(
            get_renderable=self._draw,
            console=console,
            auto_refresh=False,
            transient=True,
            vertical_overflow="crop",
        )
        self._size = console.size
        self._said: deque[str] = deque(maxlen=_SAID_AGAIN)
        self._is_over = Event()
        self._writing = RLock()
        """Held while the terminal is written to: rich counts the lines that stand."""
        self._drawing = Thread(target=self._keep_drawing, name="view", daemon=True)

    def _draw(self) -> "Constrain":
        from rich.constrain import Constrain

        width, height = self._console.size
        width = max(1, width - _ECHO)
        return Constrain(draw(self.view(), width=width, height=height), width)

    def _keep_drawing(self) -> None:
        """Draw until it is over: what is shown moves on though nothing happens."""
        pause_s = 1 / DRAWS_PER_S
        while not self._is_over.wait(pause_s):
            began = time.perf_counter()
            with self._writing:
                if self._console.size != self._size:
                    self._begin_again()
                self._live.refresh()
            took_s = time.perf_counter() - began
            pause_s = max(1 / DRAWS_PER_S, took_s / DRAWING_SHARE)

    def _begin_again(self) -> None:
        """Clear a terminal whose size changed: it has broken the lines that stood."""
        self._size = self._console.size
        self._console.clear()
        for text in tuple(self._said):
            self._show(text)

    def changed(self) -> None:
        """See that it is drawn; a thread does so at its own pace."""
        if not self._live.is_started:
            self._live.start()
            self._drawing.start()

    def run_started(self, run_id: str, tallies: Sequence[LaneTally]) -> None:
        """Name the run, and begin to draw it."""
        super().run_started(run_id, tallies)
        self.changed()

    def say(self, text: str) -> None:
        """Write above the view."""
        self._said.append(text)
        self._show(text)

    def _show(self, text: str) -> None:
        with self._writing:
            self._console.print(visible(text), markup=False, highlight=False)

    def close(self) -> None:
        """Take the view away."""
        self._is_over.set()
        if self._live.is_started:
            self._drawing.join()
        self._live.stop()


@contextmanager
def watching(*, quiet: bool, sends: bool = True) -> Iterator[Surroundings]:
    """Run inside with progress on standard error; what sends obeys signals."""
    from bulkbind.cluster.crew import DaskCrew

    if quiet:
        yield Surroundings(signals=sends, crew=DaskCrew())
    elif is_drawable():
        from rich.console import Console

        live = LiveProgress(Console(stderr=True))
        try:
            yield Surroundings(signals=sends, crew=DaskCrew(), observers=[live])
        finally:
            live.close()
    else:
        yield Surroundings(signals=sends, crew=DaskCrew(), observers=[PlainProgress()])


def is_drawable() -> bool:
    """Tell whether standard error is a terminal that something can be drawn on."""
    return sys.stderr.isatty() and os.environ.get("TERM", "").lower() not in {
        "dumb",
        "unknown",
        "",
    }
