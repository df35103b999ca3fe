"""What stops whom: the run, one account, a lane that waits."""

import anyio
import anyio.lowlevel
import pytest

from bulkbind.model import Cause, OurCode, Scope, Stop
from bulkbind.run.halt import Halt
from tests.clock import run_virtually


def account_stop(account: str) -> Stop:
    return Stop(
        scope=Scope.ACCOUNT,
        key=account,
        cause=Cause.ACCOUNT,
        invocation=1,
        at=1.0,
        code="APIG.1002",
    )


async def test_nothing_is_halted_at_first():
    halt = Halt()

    assert not halt.reaches("a")
    assert halt.reason == ""


async def test_a_stopped_run_reaches_every_account():
    halt = Halt()
    halt.stop("SIGINT")

    assert halt.reaches("a")
    assert halt.reaches("b")


async def test_the_first_reason_stands():
    halt = Halt()
    halt.stop("SIGINT")
    halt.stop("SIGTERM")

    assert halt.reason == "SIGINT"


async def test_a_stopped_account_reaches_its_own_lanes_alone():
    halt = Halt()
    halt.stop_account(account_stop("a"))

    assert halt.reaches("a")
    assert not halt.reaches("b")


async def test_the_first_stop_of_an_account_stands():
    halt, first = Halt(), account_stop("a")
    halt.stop_account(first)
    halt.stop_account(account_stop("a"))

    assert halt.accounts["a"] is first


async def test_the_stop_of_a_run_says_why():
    halt = Halt()
    halt.stop("SIGTERM")

    assert halt.run_stop(invocation=3, at=9.0) == Stop(
        scope=Scope.DONE,
        key="",
        cause=Cause.STOP,
        invocation=3,
        at=9.0,
        code=OurCode.STOPPED,
        message="the run was stopped: SIGTERM",
    )


def waited(wait_s: float, halt_it, *, account="a") -> float:
    """Return how long a lane waited that would have waited so long."""

    async def main() -> float:
        halt, began = Halt(), anyio.current_time()

        async def interrupt() -> None:
            await anyio.sleep(1.0)
            halt_it(halt)

        async with anyio.create_task_group() as group:
            group.start_soon(interrupt)
            with halt.interruptible(account):
                await anyio.sleep(wait_s)
            took = anyio.current_time() - began
        assert not halt._waiting
        return took

    return run_virtually(main)


@pytest.mark.parametrize(
    "halt_it",
    [
        lambda halt: halt.stop("SIGINT"),
        lambda halt: halt.stop_account(account_stop("a")),
    ],
)
def test_a_lane_that_waits_is_woken_at_once(halt_it):
    assert waited(3600.0, halt_it) == pytest.approx(1.0, abs=0.01)


def test_a_lane_of_another_account_waits_on():
    took = waited(10.0, lambda halt: halt.stop_account(account_stop("b")))

    assert took == pytest.approx(10.0, abs=0.01)


async def test_a_halted_lane_does_not_begin_to_wait():
    halt = Halt()
    halt.stop("SIGINT")
    with anyio.fail_after(5):
        with halt.interruptible("a"):
            await anyio.sleep(3600)

    assert not halt._waiting


async def test_an_error_inside_a_wait_comes_through():
    halt = Halt()
    with pytest.raises(ZeroDivisionError), halt.interruptible("a"):
        raise ZeroDivisionError

    assert not halt._waiting


async def test_stopping_leaves_alone_what_is_out():
    halt = Halt()
    with halt.now:
        halt.stop("SIGINT")
        await anyio.lowlevel.checkpoint()

    assert not halt.now.cancelled_caught


async def test_stopping_now_interrupts_what_is_out():
    halt = Halt()
    with halt.now:
        halt.stop("SIGINT", now=True)
        await anyio.sleep(3600)

    assert halt.now.cancelled_caught
