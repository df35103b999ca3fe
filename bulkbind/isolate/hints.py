"""What a refusal's message says of the bad ids, and whether to believe it."""

import re
from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from math import log2

_WORD = re.compile(r"[0-9A-Za-z_-]+")


class Hints:
    """Ids that messages name, and how often they were the bad ones."""

    #: Right and wrong hints that we start from.
    RIGHT, WRONG = 1.5, 0.5
    #: A check saves about this share of the halvings it may spare.
    SAVES = 0.5

    def __init__(self, api_ids: Sequence[str], not_hints: AbstractSet[str]) -> None:
        self._api_ids = api_ids
        self._not_hints = not_hints
        self._places: dict[str, int] | None = None
        self._named: set[int] = set()
        self._right = 0
        self._wrong = 0
        self._silent = 0

    def read(self, message: str, group: Collection[int]) -> list[int]:
        """Return the places of the group that a message names, first named first.

        A message that names the whole group names nobody.
        """
        places = self._by_id()
        named = dict.fromkeys(places.get(word, -1) for word in _WORD.findall(message))
        found = [place for place in named if place in group]
        if not 0 < len(found) < len(group):
            self._silent += 1
            return []
        self._named.update(found)
        return found

    def worth(self, size: int) -> bool:
        """Tell whether to check a hint about a refused group of so many ids."""
        right = self._right + self.RIGHT
        trust = right / (right + self._wrong + self.WRONG)
        return trust * max(4 / 3, self.SAVES * log2(max(size, 1))) >= 1

    @property
    def lead(self) -> bool:
        """Tell whether hints find the bad ids of the largest groups most of the time."""
        right = self._right + self.RIGHT
        missed = self._wrong + self._silent + self.WRONG
        return self._right > 0 and right >= missed

    def prove(self, place: int) -> None:
        """Hear that a place is bad."""
        if place in self._named:
            self._named.discard(place)
            self._right += 1

    def deny(self, places: set[int]) -> bool:
        """Hear that places are good; True: a hint had named one of them."""
        if self._named.isdisjoint(places):
            return False
        self._named -= places
        self._wrong += 1
        return True

    def _by_id(self) -> dict[str, int]:
        if self._places is None:
            self._places = {
                api_id: place
                for place, api_id in enumerate(self._api_ids)
                if api_id not in self._not_hints
            }
        return self._places
