"""Places in a manifest, and what to say of two claims on one slot. Pure."""

from collections.abc import Callable, Mapping

from bulkbind.errors import Fault, PlanConflict
from bulkbind.plan.rules import Claimant, Ruling

#: Faults kept with their text; more are only counted.
MAX_FAULTS = 10_000

#: Lines in one file before the file's number is added to a place.
_LINES = 1 << 40


def place_of(file: int, line: int) -> int:
    """Return file and line as one number that grows with the manifest."""
    return file * _LINES + line


class Places:
    """Says where things are.

    Args:
        file_name: The name of a file of the manifest by its number; may still grow.
    """

    def __init__(self, file_name: Callable[[int], str]) -> None:
        self.file_name = file_name

    def where(self, place: int) -> str:
        """Write a place for people."""
        file, line = divmod(place, _LINES)
        return f"{self.file_name(file)}:{line}"

    def conflict(
        self, rulings: list[Ruling], claimants: Mapping[int, Claimant]
    ) -> PlanConflict:
        """Return the error for claims that lose their slot."""
        rulings.sort(key=lambda ruling: ruling.claim.place)
        faults = [self._fault(ruling, claimants) for ruling in rulings[:MAX_FAULTS]]
        return PlanConflict(faults, total=len(rulings))

    def _fault(self, ruling: Ruling, claimants: Mapping[int, Claimant]) -> Fault:
        claim, winner = ruling
        file, line = divmod(claim.place, _LINES)
        loser = claimants[claim.target]
        return Fault(
            self.file_name(file),
            line,
            "plugin_id",
            f"API {claim.api_id} gets plug-in {loser.plugin_id}, but"
            f" {self.where(winner.place)} gives it"
            f" {claimants[winner.target].plugin_id}, also of type"
            f" {loser.plugin_type}: the second would replace the first",
            'keep one of the two lines, or set on_conflict = "first" or "last"',
        )
