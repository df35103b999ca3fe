"""Writes what the engine does into ``events.jsonl``; passes it on to others."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from bulkbind.errors import StateError
from bulkbind.log import event_logger
from bulkbind.model import Batch, Lane, LaneTally, Record, Settled, Stop
from bulkbind.run import CanaryStep, Gauge, Observer


class EventLog(Observer):
    """One JSON line for every settled request, wait and stop.

    Args:
        path: Appended to; made when missing.
        now: Seconds since the epoch.

    Raises:
        StateError: It cannot be written: the disk is full, or failing.
    """

    def __init__(self, path: Path, *, now: Callable[[], float]) -> None:
        self._path = path
        try:
            self._file = path.open("a", encoding="utf-8", buffering=1)
            path.chmod(0o600)
        except OSError as error:
            raise self._failed(error) from error
        self._log = event_logger(self._file, now=now)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):  # was told when it was written
            self._file.close()

    def _write(self, event: str, **facts: object) -> None:
        try:
            self._log.info(event, **facts)
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> StateError:
        text = (
            f"{self._path} cannot be written ({error.strerror or error}); see to disk"
            " space and permissions"
        )
        return StateError(text)

    def note(self, event: str, **facts: object) -> None:
        """Write an event of the run as a whole."""
        self._write(event, **facts)

    def request_settled(
        self, lane: Lane, batch: Batch, answer: Record, *, seconds: float
    ) -> None:
        """Write the one line of a settled request."""
        self._write(
            "request_settled",
            gateway=lane.gateway,
            lane=lane.no,
            batch=batch.id,
            ids=len(answer.span),
            named=len(answer.receipts.positions),
            why=answer.why,
            scope=answer.scope,
            status=answer.status,
            code=answer.code,
            message=answer.message,
            request_id=answer.request_id,
            seconds=round(seconds, 4),
        )

    def lane_waits(self, lane: Lane, *, why: str, seconds: float) -> None:
        """Write why a lane does not send."""
        self._write("lane_waited", lane=lane.no, why=why, seconds=round(seconds, 3))

    def canary_judged(self, lane: Lane, step: CanaryStep, refusal: str) -> None:
        """Write what a canary came to."""
        self._write(
            "canary_judged",
            lane=lane.no,
            target=step.target.no,
            step=step.number,
            ids=len(step.api_ids),
            failed=step.failed,
            refused=refusal,
        )

    def stopped(self, stop: Stop) -> None:
        """Write what stopped, and why."""
        self._write(
            "stopped",
            scope="run" if not stop.key else stop.scope,
            key=stop.key,
            cause=stop.cause,
            status=stop.status,
            code=stop.code,
            message=stop.message,
        )


class Observers(Observer):
    """Passes everything on to several observers, in order."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def run_started(self, run_id: str, tallies: Sequence[LaneTally]) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.run_started(run_id, tallies)

    def tallied(self, tallies: Sequence[LaneTally], requests: int) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.tallied(tallies, requests)

    def paced(self, gauges: Mapping[str, Gauge]) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.paced(gauges)

    def lane_started(self, lane: Lane) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.lane_started(lane)

    def request_left(self, lane: Lane, batch: Batch, intent: Record) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.request_left(lane, batch, intent)

    def request_settled(
        self, lane: Lane, batch: Batch, answer: Record, *, seconds: float
    ) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.request_settled(lane, batch, answer, seconds=seconds)

    def page_read(self) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.page_read()

    def rows_read(self, batch: Batch, gained: Settled) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.rows_read(batch, gained)

    def draining(self, reason: str) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.draining(reason)

    def lane_waits(self, lane: Lane, *, why: str, seconds: float) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.lane_waits(lane, why=why, seconds=seconds)

    def noticed(self, text: str) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.noticed(text)

    def held(self, why: str) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.held(why)

    def canary_judged(self, lane: Lane, step: CanaryStep, refusal: str) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.canary_judged(lane, step, refusal)

    def stopped(self, stop: Stop) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.stopped(stop)

    def lane_done(self, lane: Lane) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.lane_done(lane)
