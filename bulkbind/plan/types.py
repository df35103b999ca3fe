"""Which type each plug-in is: the manifest says it, and the gateway knows it."""

from collections.abc import Callable, Mapping

from bulkbind.errors import Fault
from bulkbind.model import Row
from bulkbind.plan.conflicts import Places


class Types:
    """The types of a manifest's plug-ins.

    Args:
        places: Say where a type was told.
        gateway_of: Account and instance id -> endpoint host and instance id.
    """

    def __init__(self, places: Places, gateway_of: Callable[[str, str], str]) -> None:
        self._places = places
        self._gateway_of = gateway_of
        self._told: dict[tuple[str, str], tuple[str, int]] = {}

    def of(self, gateway: str, plugin_id: str) -> str:
        """Return a plug-in's type; empty: nobody has said it."""
        return self._told.get((gateway, plugin_id), ("", 0))[0]

    def take_over(self, gateway: str, types: Mapping[str, str]) -> None:
        """Take over the types of a gateway's plug-ins as the gateway has them."""
        for plugin_id, kind in types.items():
            if kind:
                _, place = self._told.get((gateway, plugin_id), ("", 0))
                self._told[gateway, plugin_id] = kind, place

    def learn(self, row: Row, place: int) -> Fault | None:
        """Remember the plug-in's type; a second, different one is a fault."""
        if not row.plugin_type:
            return None
        gateway = self._gateway_of(row.account, row.instance_id)
        known, at = self._told.setdefault(
            (gateway, row.plugin_id), (row.plugin_type, place)
        )
        if known == row.plugin_type:
            return None
        return Fault(
            self._places.file_name(row.file),
            row.line,
            "plugin_type",
            f"{row.plugin_type!r}, but {self._places.where(at)} says {known!r}"
            " of the same plug-in",
            "give a plug-in one type",
        )
