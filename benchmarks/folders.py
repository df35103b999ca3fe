"""Run folders as a run leaves them, without a wire: planned, sent and answered here.

    python benchmarks/folders.py STATE --rows 10000000 --targets 600 --answered 0.5

Makes a manifest in random order, lets bulkbind's own planner plan it, then writes the
picture, the intent and the answer of each batch through the ledger's own API, in the
order of the lanes. ``--answered 1`` leaves a finished run, less leaves one that a
``bulkbind resume`` goes on with. Rows: 1 % repeats, 0.01 % that are no binding, one
carried column if asked. Ids are random; the same seed gives the same folder.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

from bulkbind.job.planning import draw_plan
from bulkbind.ledger import SqliteLedger
from bulkbind.model import (
    Batch,
    Receipts,
    Record,
    RecordKind,
    RunState,
    Scope,
    Settled,
)
from bulkbind.settings import Overrides, load_job
from bulkbind.state.folders import RunFolder, StateFolder

GATEWAYS, ENVIRONMENTS = 10, 3
PROJECT = "0" * 31 + "1"

#: Ids made at once, and batches written in one transaction.
_CHUNK, _GROUP = 10_000, 1_000

#: When the first request left, seconds since the epoch, and how far they are apart.
_BEGAN, _APART_S = 1_790_000_000.0, 0.1


def make_manifest(
    path: Path, *, rows: int, targets: int, carried: bool, seed: int = 1
) -> None:
    """Write a manifest in random order."""
    random = Random(seed)
    prefixes = list(_prefixes(targets, random))
    with path.open("w") as file:
        tail = ",owner" if carried else ""
        file.write(f"instance_id,plugin_id,env_id,api_id{tail}\n")
        for start in range(0, rows, _CHUNK):
            many = min(_CHUNK, rows - start)
            ids = random.randbytes(16 * many).hex()
            lines = [
                random.choice(prefixes) + ids[place : place + 32]
                for place in range(0, 32 * many, 32)
            ]
            lines[99::100] = lines[98::100][: len(lines[99::100])]
            if many == _CHUNK:
                lines[0] += "!"  # no character of an id
            if carried:
                lines = [f"{line},team-{n % 50}" for n, line in enumerate(lines)]
            file.write("\n".join(lines) + "\n")


def _prefixes(targets: int, random: Random) -> Iterator[str]:
    """Yield what the rows of a target begin with."""
    gateways = [random.randbytes(16).hex() for _ in range(GATEWAYS)]
    environments = [random.randbytes(16).hex() for _ in range(ENVIRONMENTS)]
    for number in range(targets):
        if number % ENVIRONMENTS == 0:
            plugin = random.randbytes(16).hex()
        gateway = gateways[number // ENVIRONMENTS % GATEWAYS]
        yield f"{gateway},{plugin},{environments[number % ENVIRONMENTS]},"


def make_run(
    state: Path,
    manifest: Path,
    *,
    answered: float,
    endpoint: str = "http://127.0.0.1:9",
) -> RunFolder:
    """Plan a manifest and answer a share of its requests.

    Args:
        state: STATE; made when it is missing.
        manifest: The manifest.
        answered: Share of the requests of each lane, 0 to 1; 1 is a finished run.
        endpoint: Where the run would go on sending.
    """
    job = load_job(
        manifest,
        Overrides(
            endpoint=endpoint,
            values={
                "account.project_id": PROJECT,
                "plan.on_invalid": "skip",
                "report.formats": "csv",
                "pace.rate": "unlimited",
            },
        ),
        environ={},
    )
    draft = StateFolder(state).new_run(now=_BEGAN)
    asyncio.run(draw_plan(job, draft.draft, run_id=draft.final.name, now=_BEGAN))
    run = draft.keep()
    with closing(SqliteLedger.open(run.ledger)) as ledger:
        _answer(ledger, answered)
    return run


def _answer(ledger: SqliteLedger, share: float) -> None:
    """Write what a run writes, batch by batch."""
    random = Random(2)
    ledger.begin()
    number = ledger.start(command="run", operator="bench@here", pid=1, at=_BEGAN)
    ledger.commit()
    at = _BEGAN
    for lane in ledger.lanes():
        batches = _open(ledger, lane.no)
        most = round(
            share * sum(t.batches for t in ledger.tally() if t.lane == lane.no)
        )
        for start in range(0, most, _GROUP):
            ledger.begin()
            for place in range(start, min(start + _GROUP, most)):
                del place
                at += _APART_S
                batch = next(batches)
                for record in _records(batch, number, at, random):
                    ledger.put_record(record)
                ledger.mark(batch.id, Settled(len(batch.api_ids)), settled=True)
            ledger.commit()
    ledger.begin()
    done = share >= 1
    ledger.end(
        number,
        at=at,
        state=RunState.FINISHED if done else RunState.STOPPED,
        stopped_by="" if done else "SIGTERM",
    )
    ledger.commit()


def _open(ledger: SqliteLedger, lane: int) -> Iterator[Batch]:
    """Yield a lane's batches that are not settled, in order."""
    after = 0
    while some := ledger.open_batches(lane, after=after, limit=_GROUP):
        for batch, _ in some:
            yield batch
        after = some[-1][0].id


def _records(
    batch: Batch, invocation: int, at: float, random: Random
) -> Iterator[Record]:
    """Yield a batch's picture, intent and answer."""
    many = len(batch.api_ids)
    span = tuple(range(many))
    yield Record(
        batch=batch.id,
        kind=RecordKind.PICTURE,
        invocation=invocation,
        at=at - 0.04,
        span=span,
        scope=Scope.DONE,
        others=("",) * many,
    )
    yield Record(
        batch=batch.id,
        kind=RecordKind.INTENT,
        invocation=invocation,
        at=at - 0.03,
        span=span,
    )
    ids = random.randbytes(16 * many).hex()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
    yield Record(
        batch=batch.id,
        kind=RecordKind.ANSWER,
        invocation=invocation,
        at=at,
        span=span,
        scope=Scope.DONE,
        status=201,
        request_id=random.randbytes(16).hex(),
        receipts=Receipts(
            span,
            tuple(ids[place : place + 32] for place in range(0, 32 * many, 32)),
            tuple(f"{stamp}.{n:09d}Z" for n in span),
        ),
        plugin_name=f"plugin {batch.target // ENVIRONMENTS}",
        env_name="RELEASE",
    )


def main() -> None:
    """Make one run folder and say where it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("state", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--targets", type=int, default=600)
    parser.add_argument("--answered", type=float, default=1.0)
    parser.add_argument("--carried", action="store_true")
    parser.add_argument("--endpoint", default="http://127.0.0.1:9")
    wanted = parser.parse_args()
    wanted.state.mkdir(parents=True, exist_ok=True)
    manifest = wanted.state / "apis.csv"
    make_manifest(
        manifest, rows=wanted.rows, targets=wanted.targets, carried=wanted.carried
    )
    began = time.monotonic()
    run = make_run(
        wanted.state, manifest, answered=wanted.answered, endpoint=wanted.endpoint
    )
    manifest.unlink()
    sizes = {path.name: path.stat().st_size for path in (run.ledger, run.pin)}
    seconds = round(time.monotonic() - began, 1)
    print(json.dumps({"run": str(run.path), "seconds": seconds, "bytes": sizes}))


if __name__ == "__main__":
    main()
