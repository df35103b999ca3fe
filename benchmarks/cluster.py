"""Requests a second of many machines, without a rate limit, beside one machine.

    PYTHONPATH=. python benchmarks/cluster.py --rounds 3 --json benchmarks/cluster.json

Each candidate is a whole ``bulkbind run`` of the same job, in a process of its own: one
machine with its ledger in a file, one with its ledger in PostgreSQL, and 1, 2 and 4
workers of a local Dask scheduler. The gateway gives everybody the same 201. Counted is
the time from the first intent to the last answer in the ledger: planning, starting Dask
and the report are left out.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from canned_gateway import API_IDS, serving
from sending import machine

from bulkbind.state.ledgers import read_ledger
from tests.cluster.accounts import environ_of, name_of, write_accounts
from tests.factories import Binding, hex_id
from tests.postgres import running_postgres

#: Options of each candidate beside the job; None: the ledger is a file.
CANDIDATES: dict[str, tuple[str, ...] | None] = {
    "one machine, SQLite": None,
    "one machine, PostgreSQL": (),
    **{
        f"{workers} worker{'s' * (workers > 1)}, PostgreSQL": (
            *("--set", "cluster.scheduler=local"),
            *("--set", f"cluster.workers={workers}"),
        )
        for workers in (1, 2, 4)
    },
}


def rows_of(
    accounts: int, gateways: int, requests: int
) -> Iterator[tuple[str, Binding]]:
    """Yield the rows of a job: 500 for each request, in turns of account and gateway."""
    for number in range(requests):
        account, place = number % accounts, number // accounts % gateways
        gateway, env = hex_id("gateway", account, place), hex_id("env", number)
        for api_id in API_IDS:
            yield name_of(account), Binding(gateway, "a" * 32, "cors", env, api_id)


def run_once(job: Path, database: str, more: tuple[str, ...] | None) -> float:
    """Run the job; return requests a second."""
    with tempfile.TemporaryDirectory() as state:
        ledger = () if more is None else ("--set", f"cluster.ledger={database}", *more)
        command = [sys.executable, "-m", "bulkbind", "run", str(job), "-q", *ledger]
        command += ["--no-live", "--on-replace", "allow", "--state-dir", state]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (run,) = (Path(state) / "runs").iterdir()
        return _per_s(run)


def _per_s(run: Path) -> float:
    with closing(read_ledger(run)) as ledger:
        times = [
            record.at
            for target in ledger.targets()
            for _, records in ledger.batches(target.no)
            for record in records
        ]
    return len(times) / 2 / (max(times) - min(times))


def measure(wanted: argparse.Namespace) -> dict[str, Any]:
    """Let the candidates take turns."""
    found: dict[str, list[float]] = {name: [] for name in CANDIDATES}
    with (
        tempfile.TemporaryDirectory() as name,
        serving() as port,
        running_postgres() as server,
    ):
        os.environ |= {"BULKBIND_HOST_DIR": name, **environ_of(wanted.accounts)}
        rows = list(rows_of(wanted.accounts, wanted.gateways, wanted.requests))
        job = write_accounts(Path(name), f"http://127.0.0.1:{port}", rows)
        for _ in range(wanted.rounds):
            for candidate, more in CANDIDATES.items():
                database = server.url(server.new_database())
                found[candidate].append(run_once(job, database, more))
        (told,) = server.execute("SHOW server_version")[0]
    names = {"dask": version("distributed"), "psycopg": psycopg.__version__}
    return {
        "machine": {**machine(), **names, "postgresql": told},
        **{
            name: getattr(wanted, name) for name in ("accounts", "gateways", "requests")
        },
        "per_s": {
            candidate: {
                "median": round(median(speeds), 1),
                "lowest": round(min(speeds), 1),
                "highest": round(max(speeds), 1),
            }
            for candidate, speeds in found.items()
        },
    }


def table(found: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    lines = ["| who works | requests/s (lowest-highest) |", "| --- | --- |"]
    for name, one in found["per_s"].items():
        spread = f"{one['lowest']:,.0f}-{one['highest']:,.0f}"
        lines.append(f"| {name} | {one['median']:,.0f} ({spread}) |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=1200)
    parser.add_argument("--accounts", type=int, default=8)
    parser.add_argument("--gateways", type=int, default=4, help="of each account")
    parser.add_argument("--json", type=Path, help="where the figures go")
    wanted = parser.parse_args()
    found = measure(wanted)
    if wanted.json:
        wanted.json.write_text(json.dumps(found, indent=1) + "\n")
    print(table(found))


if __name__ == "__main__":
    main()
