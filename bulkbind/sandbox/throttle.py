"""The rate limit of the front gateway: a sliding window per project. Pure."""

from collections import deque


class SlidingWindow:
    """Admit N requests in any W seconds.

    A refused request does not count (one report says it does; see
    apig-contract.md section 5, OBS).

    Args:
        limit: N, at least 1.
        seconds: W.
    """

    def __init__(self, *, limit: int, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        self._admitted: dict[str, deque[float]] = {}

    def admits(self, project_id: str, *, now: float) -> bool:
        """Say whether a request may pass, and count it if so.

        Args:
            project_id: Whose limit.
            now: Seconds on any clock that does not go back.
        """
        admitted = self._admitted.setdefault(project_id, deque())
        while admitted and admitted[0] <= now - self.seconds:
            admitted.popleft()
        if len(admitted) >= self.limit:
            return False
        admitted.append(now)
        return True
