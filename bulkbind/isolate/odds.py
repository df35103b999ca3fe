"""How long a group may be and still be good as often as not."""

from math import log


class Odds:
    """How often runs of bad ids begin and go on, learned along the walk.

    Args:
        size: Ids in the search.
    """

    #: Of this many ids we speak before anything was seen: one of them all is bad.
    TRUST = 20.0
    #: Each find ends a stretch, so that finds run ahead of what they stand for.
    AHEAD = 0.6
    #: From here on nothing beats one by one. Source: Ungar 1960, (3 - sqrt 5) / 2.
    SINGLES = 0.382
    #: A run goes on alone from here: about the same as SINGLES.
    GO_ON = 0.4

    def __init__(self, size: int) -> None:
        self._begun_before = self.TRUST / max(1, size)
        self._begun = 0
        self._clean = 0
        self._behind: set[int] = set()
        """Places right behind a bad one that are not known yet."""
        self._went_on = 0
        self._ended = 0

    @property
    def group(self) -> int:
        """Return how many ids are all good with a chance of one in two."""
        begun = max(0.0, self._begun - self.AHEAD) + self._begun_before
        chance = begun / (begun + self._clean + self.TRUST)
        if chance >= self.SINGLES:
            return 1
        return max(1, round(log(0.5) / log(1 - chance)))

    @property
    def runs_go_on(self) -> bool:
        """Tell whether the id behind a bad one had better go alone."""
        chance = (self._went_on + 1) / (self._went_on + self._ended + 3)
        return chance >= self.GO_ON

    def deliver(self, places: set[int]) -> None:
        """Count good ids."""
        self._clean += len(places)
        self._ended += len(self._behind & places)
        self._behind -= places

    def find(self, place: int, *, hinted: bool) -> None:
        """Count a bad id; a hinted one says nothing of the ids before it."""
        if place in self._behind:
            self._behind.discard(place)
            self._went_on += 1
        elif hinted:
            self._end_before(place)
        else:
            self._begun += 1
        self._behind.add(place + 1)

    def _end_before(self, place: int) -> None:
        """Count runs before a hinted place as over: hints go from left to right."""
        over = {behind for behind in self._behind if behind < place}
        self._ended += len(over)
        self._behind -= over
