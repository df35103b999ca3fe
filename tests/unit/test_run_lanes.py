"""Many lanes: each costs what its requests cost, and none holds a file while it waits."""

import cProfile
import resource
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from random import Random

import anyio
import anyio.lowlevel
import pytest

from bulkbind.host import HostFolder
from bulkbind.ledger import LedgerRecorder, SqliteLedger, ThreadExecutor
from bulkbind.model import Action, Batch, Lane, Named, Reply, Target
from bulkbind.pace import Pace, Rate
from bulkbind.run import Engine, Observer, RunSettings
from bulkbind.wire import ListPath, Page

#: Open files that a process may have where nobody has raised the limit.
FILES = 256


class Answering:
    """Gateways that confirm whatever they are asked for, in order or one last.

    Args:
        others: Answers that the first gateway waits for before it gives its own.
    """

    def __init__(self, *, others: int = 0) -> None:
        self.answered: list[str] = []
        self._others = others
        self._may_go = anyio.Event()

    async def page(self, wanted: ListPath, offset: int) -> Page:
        raise AssertionError(wanted)

    async def apply(
        self, action: Action, target: Target, api_ids: Sequence[str]
    ) -> Reply:
        await anyio.lowlevel.checkpoint()
        if self._others and target.no == 0:
            await self._may_go.wait()
        self.answered.append(target.instance_id)
        if len(self.answered) == self._others:
            self._may_go.set()
        ids = tuple(api_ids)
        return Reply(201, named=Named(ids, ids, ids))


def ledger_of(path: Path, lanes: Sequence[Lane]) -> SqliteLedger:
    """Write a run of one batch a lane."""
    ledger = SqliteLedger.create(path, tool="test")
    ledger.begin()
    targets = [
        Target(n, "default", "p", f"{n}", "plugin", "env", n) for n in range(len(lanes))
    ]
    ledger.put_plan(lanes=lanes, targets=targets, asides=())
    ledger.put_batches(
        Batch(
            lane.no + 1, lane.no, lane.no, Action.ATTACH, (lane.no,), (f"api{lane.no}",)
        )
        for lane in lanes
    )
    ledger.start(command="run", operator="test", pid=0, at=1.0)
    ledger.commit()
    return ledger


async def run(
    folder: Path, count: int, *, attacher: Answering | None = None
) -> tuple[int, int]:
    """Work some lanes; return the rows bound and the calls that it took."""
    lanes = [Lane(no, "default", f"host/{no}") for no in range(count)]
    host = HostFolder(folder / "host")
    with closing(ledger_of(folder / f"{count}.db", lanes)) as ledger:
        async with ThreadExecutor(ledger) as executor:
            with closing(host.ring("account")) as ring:
                pace = Pace(Rate(0, 1.0), log=ring, clock=time.monotonic)
                engine = Engine(
                    attachers={"default": attacher or Answering()},
                    turns={"default": pace},
                    recorder=LedgerRecorder(executor),
                    locks=lambda name: host.gateway(name, pause=anyio.sleep),
                    observer=Observer(),
                    settings=RunSettings(),
                    invocation=1,
                    now=time.time,
                    random=Random(1),  # noqa: S311 - seeded
                )
                calls = await _calls(engine, lanes, ledger.targets())
            tallies = await executor.do(lambda ledger: ledger.tally())
    return sum(tally.bound for tally in tallies), calls


async def _calls(engine: Engine, lanes: list[Lane], targets: list[Target]) -> int:
    """Return how many functions the event loop's thread called."""
    profile = cProfile.Profile()
    profile.enable()
    await engine.run(lanes, targets=targets)
    profile.disable()
    return sum(entry.callcount for entry in profile.getstats())


@pytest.fixture
def few_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
@pytest.mark.usefixtures("few_files")
async def test_ten_thousand_lanes_cost_no_more_a_request_than_ten(tmp_path):
    few, few_calls = await run(tmp_path, 10)
    many, many_calls = await run(tmp_path, 10_000)

    assert (few, many) == (10, 10_000)
    assert many_calls / many <= 1.1 * few_calls / few


async def test_a_gateway_that_does_not_answer_keeps_nobody_waiting(tmp_path):
    slow = Answering(others=99)

    bound, _ = await run(tmp_path, 100, attacher=slow)

    assert bound == 100
    assert slow.answered[-1] == "0"
