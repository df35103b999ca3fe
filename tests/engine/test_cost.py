"""What a request and a row cost, counted: the same on every machine, loaded or not.

Who makes one of them dearer hears of it here. A ceiling is raised by hand, and the
commit says for what.
"""

import cProfile
import gc
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from random import Random

import anyio
import anyio.lowlevel
import msgspec

import bulkbind
from bulkbind.host import HostFolder
from bulkbind.job.events import EventLog
from bulkbind.ledger import InlineExecutor, LedgerRecorder, SqliteLedger
from bulkbind.model import Action, Batch, Lane, Target
from bulkbind.pace import Pace, Rate
from bulkbind.run import Engine, RunSettings
from bulkbind.wire import read_reply
from tests.factories import (
    PROJECT,
    bindings,
    hex_id,
    latest,
    shuffled,
    write_job,
    write_manifest,
)

LANES = 4
REQUESTS = 40


class Naming:
    """A gateway in memory that names every id: one answer, read anew each time."""

    def __init__(self, api_ids: tuple[str, ...]) -> None:
        self.requests = 0
        receipts = [
            {
                "plugin_attach_id": hex_id("attach", api_id),
                "plugin_name": "cors",
                "env_name": "RELEASE",
                "api_id": api_id,
                "attached_time": f"2026-01-23T10:30:27.{number:03d}456789Z",
            }
            for number, api_id in enumerate(api_ids)
        ]
        self._body = msgspec.json.encode({"attached_plugins": receipts})

    async def apply(self, action, target, api_ids):
        del action, api_ids
        self.requests += 1
        await anyio.lowlevel.checkpoint()
        return read_reply(201, {"X-Request-Id": target.plugin_id}, self._body)

    async def page(self, wanted, offset):
        raise AssertionError(wanted)


class Counting(InlineExecutor):
    """Counts what is handed in: a way to the ledger and back, and mostly a commit."""

    hops = 0

    async def do(self, work):
        self.hops += 1
        return await super().do(work)


class Watching(EventLog):
    """Notes, at every settled request, how many blocks of memory are in use."""

    def __init__(self, path: Path, *, is_watching: bool) -> None:
        super().__init__(path, now=time.time)
        self.blocks: list[int] = []
        self._is_watching = is_watching

    def request_settled(self, lane, batch, answer, *, seconds):
        super().request_settled(lane, batch, answer, seconds=seconds)
        if self._is_watching:
            gc.collect()
            self.blocks.append(sys.getallocatedblocks())


def ledger_of(path: Path, api_ids: tuple[str, ...]) -> SqliteLedger:
    """Return the ledger of a run that is about to begin: a target for each request."""
    lanes = [Lane(no, "default", f"host/{no}") for no in range(LANES)]
    ids = [(hex_id("gateway", no % LANES), hex_id(no)) for no in range(REQUESTS)]
    targets = [
        Target(no, "default", PROJECT, gateway, plugin, hex_id("env"), no % LANES)
        for no, (gateway, plugin) in enumerate(ids)
    ]
    rows = range(REQUESTS * len(api_ids))
    ledger = SqliteLedger.create(path, tool="test")
    ledger.begin()
    ledger.put_plan(lanes=lanes, targets=targets, asides=())
    ledger.put_batches(
        Batch(no + 1, no, no % LANES, Action.ATTACH, tuple(rows[no::REQUESTS]), api_ids)
        for no in range(REQUESTS)
    )
    ledger.start(command="run", operator="test", pid=0, at=1.0)
    ledger.commit()
    return ledger


async def spent(
    folder: Path, *, ids: int, is_watching: bool = False
) -> tuple[Counter[str], list[int]]:
    """Send 40 requests of so many ids; return what that took, and the blocks in use."""
    api_ids = tuple(hex_id("api", number) for number in range(ids))
    host, gateway = HostFolder(folder / "host"), Naming(api_ids)
    statements: list[str] = []
    with (
        closing(ledger_of(folder / "ledger.db", api_ids)) as ledger,
        closing(host.ring("account")) as ring,
        Watching(folder / "events.jsonl", is_watching=is_watching) as events,
    ):
        executor = Counting(ledger)
        engine = Engine(
            attachers={"default": gateway},
            turns={"default": Pace(Rate(0, 1.0), log=ring, clock=time.monotonic)},
            recorder=LedgerRecorder(executor),
            locks=lambda name: host.gateway(name, pause=anyio.sleep),
            observer=events,
            settings=RunSettings(),
            invocation=1,
            now=time.time,
            random=Random(1),  # noqa: S311 - seeded
        )
        lanes, targets = ledger.lanes(), ledger.targets()
        if not is_watching:  # the list of statements grows, too
            ledger._db.set_trace_callback(statements.append)
        profile = cProfile.Profile()
        gc.collect()
        before = gc.get_stats()[0]["collections"]
        profile.enable()
        await engine.run(lanes, targets=targets)
        profile.disable()
        collections = gc.get_stats()[0]["collections"] - before
        ledger._db.set_trace_callback(None)
        bound = sum(tally.bound for tally in ledger.tally())
    assert bound == REQUESTS * ids
    calls = sum(entry.callcount for entry in profile.getstats())
    took = Counter(
        requests=gateway.requests,
        hops=executor.hops,
        statements=len(statements),
        calls=calls,
        collections=collections,
    )
    return took, events.blocks


async def test_a_request_takes_no_more_calls_than_it_did(tmp_path):
    await spent(tmp_path / "warm", ids=5)
    few, _ = await spent(tmp_path / "few", ids=5)
    full, _ = await spent(tmp_path / "full", ids=500)

    assert full["requests"] == REQUESTS
    # Two for each request; a lane asks once for poisoned batches, and for its ten open
    # ones four at a time.
    assert full["hops"] == 2 * REQUESTS + LANES * (1 + 3)
    assert full["statements"] <= 10.2 * REQUESTS
    # 7 of them are the pool of slots, which can be resized, and the canary's gate; 16
    # are sniffio, which anyio asks where it is installed: Airflow brings it.
    assert full["calls"] <= 832 * REQUESTS
    # An id is worked on by loops in C: 495 more of them, and few more calls.
    assert full["calls"] - few["calls"] <= 15 * REQUESTS
    # An object for each id that the collector has to walk would be one more in 1.4.
    assert full["collections"] <= REQUESTS / 4


async def test_nothing_of_a_request_stays_in_memory(tmp_path):
    _, blocks = await spent(tmp_path / "run", ids=500, is_watching=True)
    half = REQUESTS // 2

    # Less than a block for 20 rows; a block is at most 512 bytes.
    assert max(blocks[half:]) - max(blocks[:half]) <= half * 500 / 20


def test_a_row_takes_no_more_of_the_disk_than_it_did(folder, state):
    rows = shuffled(bindings(20_000, gateways=2), seed=1)
    write_manifest(folder / "apis.csv", rows)
    job = write_job(folder / "job.toml", '[pace]\nrate = "unlimited"\n')
    bulkbind.run_job(bulkbind.load_job(job))

    sizes = {path.name: path.stat().st_size for path in latest(state).iterdir()}
    assert sizes["ledger.db"] / len(rows) <= 39
    assert sizes["manifest.csv.gz"] / len(rows) <= 26
    assert sizes["events.jsonl"] / len(rows) <= 1
