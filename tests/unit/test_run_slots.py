"""Slots that can be made fewer and more while they are taken."""

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkbind.run import SlotPool


async def taken_at_once(slots: SlotPool, *, tries: int = 60) -> int:
    """Count how many can be taken before one has to wait."""
    for count in range(tries):
        with anyio.move_on_after(0.01) as scope:
            await slots.acquire()
        if scope.cancelled_caught:
            for _ in range(count):
                slots.release()
            return count
    raise AssertionError


@pytest.mark.parametrize(("first", "then"), [(4, 2), (2, 6), (3, 3), (8, 1)])
async def test_idle_slots_change_at_once(first, then):
    slots = SlotPool(first)
    slots.resize(then)

    assert await taken_at_once(slots) == then


@given(
    first=st.integers(1, 20),
    sizes=st.lists(st.integers(1, 20), max_size=5),
    busy=st.integers(0, 20),
)
def test_whatever_is_taken_meanwhile_the_last_number_holds(first, sizes, busy):
    async def main() -> int:
        slots = SlotPool(first)
        out = min(first, busy)
        for _ in range(out):
            await slots.acquire()
        for size in sizes:
            slots.resize(size)
        for _ in range(out):
            slots.release()
        return await taken_at_once(slots)

    assert anyio.run(main) == (sizes or [first])[-1]
