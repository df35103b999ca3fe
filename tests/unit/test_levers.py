"""What `bulkbind set` changes of a run, and what it says of that."""

import time
from typing import Any

import pytest

from bulkbind.control.orders import Order
from bulkbind.job.controlling import RunLevers
from bulkbind.pace import MemoryLog, Pace, Rate
from bulkbind.run import Halt, SlotPool


def levers_of(paces):
    """Levers of which only those are moved that `set` moves."""
    still: Any = None
    return RunLevers(
        halt=Halt(),
        paces=paces,
        slots=SlotPool(3),
        doing=still,
        hours=still,
        events=still,
        observer=still,
        executor=still,
        invocation=1,
        now=time.time,
    )


async def test_the_rate_of_every_account_is_set():
    paces = {
        name: Pace(
            Rate(10, 1.0), log=MemoryLog(clock=time.monotonic), clock=time.monotonic
        )
        for name in ("one", "two")
    }
    said = levers_of(paces).set(Order(rate=(4, 1.0), concurrency=2))

    assert {pace.rate for pace in paces.values()} == {Rate(4, 1.0)}
    assert said == f"rate {Rate(4, 1.0)} and concurrency 2 set"


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (Order(rate=(4, 1.0)), "rate 4/s set"),
        (Order(rate=(0, 1.0), concurrency=2), "rate unlimited and concurrency 2 set"),
        (Order(concurrency=2), "concurrency 2 set"),
    ],
)
async def test_what_was_set_is_said_where_other_machines_have_the_paces(order, said):
    levers = levers_of({})

    assert levers.set(order) == said
    assert levers.slots.number == (order.concurrency or 3)
