"""The rate limit of the front gateway: a sliding window per project. Pure."""

from collections import deque


class SlidingWindow:
    """Admit N requests in any W seconds, by the times they arrived.

    Args:
        limit: N, at least 1; may be set anew at any time.
        seconds: W, likewise.
        longest_s: The largest W that will ever be set.
        counts_refused: A refused request counts too, as one report has it
            (apig-contract.md section 5, OBS); who does not wait, waits for ever.
    """

    def __init__(
        self,
        *,
        limit: int,
        seconds: float,
        longest_s: float = 0.0,
        counts_refused: bool = False,
    ) -> None:
        self.limit = limit
        self.seconds = seconds
        self._longest_s = max(seconds, longest_s)
        self._counts_refused = counts_refused
        self._counted: dict[str, deque[float]] = {}

    def admits(self, project_id: str, *, now: float) -> bool:
        """Say whether a request may pass, and count it.

        Args:
            project_id: Whose limit.
            now: Seconds on any clock that does not go back.
        """
        counted = self._counted.setdefault(project_id, deque())
        while counted and counted[0] <= now - self._longest_s:
            counted.popleft()
        is_admitted = self.free_in(project_id, now=now) <= 0
        if is_admitted or self._counts_refused:
            counted.append(now)
        return is_admitted

    def free_in(self, project_id: str, *, now: float) -> float:
        """Return the seconds until a request may pass, if none comes before; 0: now."""
        counted = self._counted.get(project_id, deque())
        if len(counted) < self.limit:
            return 0.0
        opens = counted[-self.limit] + self.seconds
        return max(0.0, opens - now)
