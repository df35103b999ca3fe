"""A manifest's rows -> the planner, and the pinned copy."""

from collections.abc import Iterable
from typing import Protocol

from bulkbind.model import Block, Row
from bulkbind.plan.build import Planner


class Pin(Protocol):
    """Keeps the rows that are wanted."""

    def write(self, row: Row) -> None:
        """Keep a row."""
        ...

    def write_block(self, block: Block) -> None:
        """Keep the rows of a block."""
        ...


def draw(planner: Planner, rows: Iterable[Row | Block], *, pin: Pin) -> None:
    """Walk the rows into the planner, and every wanted one into the pinned copy."""
    for row in rows:
        if isinstance(row, Block):
            planner.add_block(row)
            pin.write_block(row)
            continue
        planner.add(row)
        if row.wanted:
            pin.write(row)
