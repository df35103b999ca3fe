"""What is compared: each sends the same requests and reads each answer.

A sender takes the URL of the gateway, the requests and how many may be out at once; it
returns how many ids were confirmed.
"""

import asyncio
import gc
import json
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, closing
from functools import partial
from pathlib import Path

import aiohttp
import anyio
from canned_gateway import API_IDS, Request

from bulkbind.__main__ import COLLECT_AFTER
from bulkbind.auth import Token
from bulkbind.door import Door
from bulkbind.gateway import Gateway
from bulkbind.host import HostFolder
from bulkbind.http import AccountHttp, Http
from bulkbind.job.events import EventLog
from bulkbind.job.looping import run_async
from bulkbind.ledger import LedgerRecorder, SqliteLedger, ThreadExecutor
from bulkbind.model import (
    Action,
    Batch,
    Lane,
    LaneTally,
    Record,
    Secret,
    Settled,
    Stop,
    Target,
)
from bulkbind.pace import Pace, Rate
from bulkbind.run import Engine, Recorder, RunSettings

#: As long as a real token, which has 1,500 characters and more.
TOKEN = "MIIbench" + "a1B2" * 500

Sender = Callable[[str, Sequence[Request], int, Path], int]


# --- bulkbind ----------------------------------------------------------------------


def bulkbind(
    url: str, requests: Sequence[Request], concurrency: int, folder: Path
) -> int:
    """Send by the engine: ledger and event log on disk, locks, checks; blind."""
    gc.set_threshold(*COLLECT_AFTER)  # as the command does
    return run_async(partial(_bulkbind, url, requests, concurrency, folder))


def without_ledger(
    url: str, requests: Sequence[Request], concurrency: int, folder: Path
) -> int:
    """Send by the same engine, its records kept in memory."""
    memory = MemoryRecorder(requests)
    return run_async(
        partial(_bulkbind, url, requests, concurrency, folder, in_memory=memory)
    )


class MemoryRecorder:
    """A ledger that forgets: what the engine costs without one."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self._lanes: dict[int, list[int]] = defaultdict(list)
        for number, lane in enumerate(_lanes_of(requests)):
            self._lanes[lane].append(number)
        self._records: dict[int, list[Record]] = defaultdict(list)
        self._settled: dict[int, Settled] = {}

    @property
    def bound(self) -> int:
        """Rows with a receipt."""
        return sum(counts.done for counts in self._settled.values())

    async def open_batches(
        self, lane: int, *, after: int, limit: int
    ) -> list[tuple[Batch, list[Record]]]:
        """Return the lane's next batches."""
        numbers = [no for no in self._lanes[lane] if no + 1 > after][:limit]
        return [(_batch(no, lane), self._records[no + 1]) for no in numbers]

    async def poisoned(self, lane: int, *, limit: int) -> list[int]:
        """Return nothing."""
        del lane, limit
        return []

    async def intend(self, intent: Record) -> None:
        """Keep it."""
        self._records[intent.batch].append(intent)

    async def answer(self, *records: Record, counts: Settled, settled: bool) -> None:
        """Keep it."""
        del settled
        self._records[records[0].batch].extend(records)
        self._settled[records[0].batch] = counts

    async def count_read(self, invocation: int) -> None:
        """Count nothing."""

    async def mark(self, batch: int, counts: Settled) -> None:
        """Keep it."""
        self._settled[batch] = counts

    async def stop(self, stop: Stop) -> None:
        """Nothing may stop here."""
        raise AssertionError(stop)


def _plan(requests: Sequence[Request]) -> tuple[list[Lane], list[Target]]:
    """Return what the planner would make of the requests: a target each."""
    numbers = _lanes_of(requests)
    gateways = {r.instance_id: no for r, no in zip(requests, numbers, strict=True)}
    lanes = [Lane(no, "default", f"127.0.0.1/{name}") for name, no in gateways.items()]
    targets = [
        Target(no, "default", "project", *request, lane)
        for no, (request, lane) in enumerate(zip(requests, numbers, strict=True))
    ]
    return lanes, targets


def _lanes_of(requests: Sequence[Request]) -> list[int]:
    """Return the number of each request's lane."""
    gateways = dict.fromkeys(request.instance_id for request in requests)
    numbers = {gateway: number for number, gateway in enumerate(gateways)}
    return [numbers[request.instance_id] for request in requests]


def _batch(no: int, lane: int) -> Batch:
    """Return the batch of a request."""
    rows = tuple(range(no * len(API_IDS), (no + 1) * len(API_IDS)))
    return Batch(no + 1, no, lane, Action.ATTACH, rows, API_IDS)


def write_ledger(path: Path, requests: Sequence[Request]) -> None:
    """Write the ledger of a run that is about to begin."""
    lanes, targets = _plan(requests)
    batches = [_batch(target.no, target.lane) for target in targets]
    ledger = SqliteLedger.create(path, tool="benchmark")
    ledger.begin()
    ledger.put_plan(lanes=lanes, targets=targets, asides=())
    ledger.put_batches(batches)
    ledger.start(command="run", operator="benchmark", pid=0, at=time.time())
    ledger.commit()
    ledger.close()


async def _bulkbind(
    url: str,
    requests: Sequence[Request],
    concurrency: int,
    folder: Path,
    *,
    in_memory: MemoryRecorder | None = None,
) -> int:
    lanes, targets = _plan(requests)
    async with AsyncExitStack() as stack:
        recorder: Recorder
        if in_memory is None:
            ledger = stack.enter_context(
                closing(SqliteLedger.open(folder / "ledger.db"))
            )
            executor = await stack.enter_async_context(ThreadExecutor(ledger))
            recorder = LedgerRecorder(executor)
        else:
            recorder = in_memory
        host = HostFolder(folder / "host")
        ring = stack.enter_context(closing(host.ring("account")))
        pace = Pace(Rate(0, 1.0), log=ring, clock=time.monotonic)
        door = Door("identity", host, pace)
        http = await stack.enter_async_context(
            Http(timeout_s=60.0, connections=concurrency)
        )
        gateway = Gateway(
            AccountHttp(http, ca_file=None, proxy=""),
            endpoint=url,
            project_id="project",
            credential=Token(Secret(TOKEN), label="benchmark"),
            door=door,
        )
        events = stack.enter_context(EventLog(folder / "events.jsonl", now=time.time))
        engine = Engine(
            attachers={"default": gateway},
            turns={"default": door},
            recorder=recorder,
            locks=lambda name: host.gateway(name, pause=asyncio.sleep),
            observer=events,
            settings=RunSettings(concurrency=concurrency),
            invocation=1,
            now=time.time,
            random=random.Random(1),
        )
        await engine.run(lanes, targets=targets)
        if in_memory is not None:
            return in_memory.bound
        tallies: list[LaneTally] = await executor.do(lambda ledger: ledger.tally())
        return sum(tally.bound for tally in tallies)


# --- peers -------------------------------------------------------------------------


def bare_aiohttp(
    url: str,
    requests: Sequence[Request],
    concurrency: int,
    folder: Path,
    *,
    use_uvloop: bool = False,
) -> int:
    """Send in a loop of aiohttp and json, as one writes it; nothing is kept."""
    del folder

    async def work(session: aiohttp.ClientSession, left: Iterator[Request]) -> int:
        confirmed = 0
        for request in left:
            async with session.post(
                url + request.path,
                data=json.dumps({"env_id": request.env_id, "api_ids": API_IDS}),
                headers={
                    "X-Auth-Token": TOKEN,
                    "Content-Type": "application/json",
                },
            ) as response:
                response.raise_for_status()
                answer = json.loads(await response.read())
                confirmed += len(answer["attached_plugins"])
        return confirmed

    async def main() -> int:
        left = iter(requests)
        connector = aiohttp.TCPConnector(limit=concurrency)
        async with aiohttp.ClientSession(connector=connector) as session:
            works = (work(session, left) for _ in range(concurrency))
            return sum(await asyncio.gather(*works))  # noqa: TID251 - not ours

    return anyio.run(main, backend_options={"use_uvloop": use_uvloop})


bare_aiohttp_uvloop = partial(bare_aiohttp, use_uvloop=True)


def with_requests(
    url: str,
    requests: Sequence[Request],
    concurrency: int,
    folder: Path,
) -> int:
    """Send by requests, a session a thread."""
    del folder
    from requests import Session

    own = threading.local()

    def send(request: Request) -> int:
        if not hasattr(own, "session"):
            own.session = Session()
        response = own.session.post(
            url + request.path,
            json={"env_id": request.env_id, "api_ids": API_IDS},
            headers={"X-Auth-Token": TOKEN},
            timeout=60,
        )
        response.raise_for_status()
        return len(response.json()["attached_plugins"])

    with ThreadPoolExecutor(concurrency) as pool:
        return sum(pool.map(send, requests))


def official_sdk(
    url: str,
    requests: Sequence[Request],
    concurrency: int,
    folder: Path,
) -> int:
    """Send by the vendor's SDK, one client, threads."""
    del folder
    from huaweicloudsdkapig import v2
    from huaweicloudsdkcore.auth.credentials import BasicCredentials

    client = (
        v2.ApigClient.new_builder()
        .with_credentials(BasicCredentials("A" * 20, "s" * 40, "project"))
        .with_endpoint(url)
        .build()
    )

    def send(request: Request) -> int:
        body = v2.PluginOperApiInfo(env_id=request.env_id, api_ids=list(API_IDS))
        wanted = v2.AttachApiToPluginRequest(
            instance_id=request.instance_id, plugin_id=request.plugin_id, body=body
        )
        return len(client.attach_api_to_plugin(wanted).attached_plugins)

    with ThreadPoolExecutor(concurrency) as pool:
        return sum(pool.map(send, requests))


SENDERS: dict[str, Sender] = {
    "bulkbind": bulkbind,
    "bulkbind, no ledger": without_ledger,
    "aiohttp + json": bare_aiohttp,
    "aiohttp + json, uvloop": bare_aiohttp_uvloop,
    "requests": with_requests,
    "official SDK": official_sdk,
}
