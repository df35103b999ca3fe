"""What the engine says of itself, as lines of a story."""

from collections.abc import Callable

from bulkbind.model import Batch, Lane, Record, Stop
from bulkbind.run import Observer


class Storyteller(Observer):
    """Puts what the engine says into the story."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def request_left(self, lane: Lane, batch: Batch, intent: Record) -> None:
        self._say(
            f"lane {lane.no} batch {batch.id} left {intent.why} span={intent.span}"
        )

    def request_settled(
        self, lane: Lane, batch: Batch, answer: Record, *, seconds: float
    ) -> None:
        self._say(
            f"lane {lane.no} batch {batch.id} settled {answer.scope} {answer.status}"
            f" {answer.code} named={answer.receipts.positions} {answer.message[:80]}"
        )

    def lane_waits(self, lane: Lane, *, why: str, seconds: float) -> None:
        self._say(f"lane {lane.no} waits {seconds:.3f} s: {why}")

    def stopped(self, stop: Stop) -> None:
        self._say(f"stopped {stop.scope} {stop.key} {stop.code} {stop.message}")

    def lane_done(self, lane: Lane) -> None:
        self._say(f"lane {lane.no} done")
