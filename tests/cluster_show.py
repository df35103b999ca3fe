"""What many machines do when some of them fail: ``python -m tests.cluster_show``.

A real Dask scheduler, its workers and a PostgreSQL server, each a process of its own; 8
accounts of 150 batches, each on a gateway that takes 50 ms. A line is a fault; the
command ends with 1 if a row is lost, a batch was sent again that no fault had
interrupted, or the report differs from that of one machine.
"""

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from signal import SIGCONT

from bulkbind.sandbox import SandboxOptions
from tests.cluster.accounts import environ_of, rows_of_accounts, write_accounts
from tests.cluster.counting import owned_by, owners, pauses_s, repeats
from tests.cluster.machines import Machines, machines
from tests.cluster.network import (
    CONTROL,
    GATEWAYS,
    Host,
    centre,
    network,
    why_not,
    work_from,
)
from tests.export_figures import say
from tests.factories import (
    Binding,
    Gateways,
    Process,
    gateways,
    has_seen,
    lasting,
    report_of,
    started,
    until,
)
from tests.postgres import PostgresServer, running_postgres

ACCOUNTS, BATCHES, BATCH = 8, 150, 2
SLOW = SandboxOptions(latency_s=0.05)

#: What was on its way has come by then, and is not taken for a takeover; seconds.
_ON_ITS_WAY_S = 0.5

#: No run of this size takes so long.
PATIENCE_S = 300.0

Rows = list[tuple[str, Binding]]
Report = list[dict[str, str]]


@dataclass
class Show:
    """A run at work, and what a fault interrupted of it."""

    folder: Path
    served: Gateways
    made: Machines
    server: PostgresServer
    database: str
    process: Process
    command: tuple[object, ...]
    hosts: list[Host]
    """What the workers run on; none: all on this one."""
    interrupted: int = 0
    pauses: list[float] = field(default_factory=list)
    before: Counter[str] | None = None
    """What had been sent again when a frozen worker woke up."""

    def end(self) -> None:
        """Kill the command that is at work now."""
        self.process.kill()

    def seen(self, wanted: int) -> None:
        """Wait until so many requests came."""
        until(partial(has_seen, self.served, wanted), alive=self.process)

    def hit(self, accounts: set[str], at: float) -> None:
        """Count accounts that are interrupted, and wait until they go on."""
        self.interrupted += len(accounts)
        until(lambda: not accounts - self._moving(accounts, at), alive=self.process)
        self.pauses += pauses_s(self.served.journal, accounts, at)

    def _moving(self, accounts: set[str], at: float) -> set[str]:
        return {one for one in accounts if pauses_s(self.served.journal, [one], at)}


def _nothing(show: Show) -> None:
    """nothing"""


def _kill_workers(show: Show) -> None:
    """SIGKILL of a worker, six times"""
    for kill in range(6):
        show.seen(100 + 150 * kill)
        show.made.add_worker()
        worker = show.made.workers[0]
        show.made.freeze(worker)
        accounts, at = owned_by(worker, show.database), time.time()
        show.made.kill(worker)
        show.hit(accounts, at)


def _freeze(show: Show) -> None:
    """SIGSTOP of a worker, SIGCONT after the takeover"""
    show.seen(100)
    worker = next(one for one in show.made.workers if owned_by(one, show.database))
    show.made.freeze(worker)
    accounts, at = owned_by(worker, show.database), time.time()
    show.hit(accounts, at + _ON_ITS_WAY_S)
    show.before = repeats(show.served.journal)
    worker.send_signal(SIGCONT)


def _kill_scheduler(show: Show) -> None:
    """SIGKILL of the scheduler, all are started again"""
    show.seen(100)
    accounts, at = set(owners(show.database)), time.time()
    show.made.kill_scheduler()
    show.made.start_scheduler()
    show.made.add_worker()
    show.made.add_worker()
    show.hit(accounts, at)


def _kill_coordinator(show: Show) -> None:
    """SIGKILL of the coordinator, run --resume"""
    show.seen(100)
    show.process.kill()
    show.process = Process(*show.command, "--resume", folder=show.folder)


def _restart_database(show: Show) -> None:
    """restart of PostgreSQL"""
    show.seen(100)
    accounts = set(owners(show.database))
    show.server.stop()
    at = time.time()
    show.server.start()
    show.hit(accounts, at)


def _split(show: Show) -> None:
    """a host is cut off, and comes back after the takeover"""
    show.seen(100)
    worker, host = next(
        (worker, host)
        for worker, host in zip(show.made.workers, show.hosts, strict=True)
        if owned_by(worker, show.database)
    )
    host.cut(CONTROL, GATEWAYS)
    accounts, at = owned_by(worker, show.database), time.time()
    show.hit(accounts, at + _ON_ITS_WAY_S)
    show.before = repeats(show.served.journal)
    host.mend(CONTROL, GATEWAYS)


FAULTS: tuple[Callable[[Show], None], ...] = (
    _nothing,
    _kill_workers,
    _freeze,
    _kill_scheduler,
    _kill_coordinator,
    _restart_database,
    *([] if why_not() else [_split]),
)


@contextmanager
def _running(folder: Path, rows: Rows, *, apart: bool) -> Iterator[Show]:
    """Start a run of everything, on machines and a database of its own.

    Args:
        folder: For all of it.
        rows: The job's.
        apart: Each worker is on a host of its own.
    """
    with ExitStack() as stack:
        enter = stack.enter_context
        world, wanted = folder / "world.db", [row for _, row in rows]
        served = enter(gateways(world, wanted, options=SLOW))
        hosts = enter(network(2, gateways=served.port)) if apart else []
        server = enter(running_postgres(also=centre(CONTROL) if apart else ""))
        made = enter(machines(folder, environ_of(ACCOUNTS), workers=0 if apart else 2))
        if apart:
            enter(work_from(hosts, made))
        name = server.new_database()
        database = server.remote_url(name) if apart else server.url(name)
        command = (
            *("run", write_accounts(folder, served.url, rows)),
            *("--set", f"cluster.ledger={database}", "--no-live"),
            *("--set", f"cluster.scheduler={made.address}"),
            *("--set", f"plan.batch_size={BATCH}", "--on-replace", "allow"),
        )
        process = enter(started(*command, folder=folder))
        show = Show(folder, served, made, server, database, process, command, hosts)
        stack.callback(show.end)
        yield show


def _alone(folder: Path, rows: Rows) -> Report:
    """Return the report of one machine."""
    with gateways(folder / "world.db", [row for _, row in rows]) as served:
        path = write_accounts(folder, served.url, rows)
        said = ("--set", f"plan.batch_size={BATCH}", "--no-live")
        with started("run", path, *said, "--on-replace", "allow", folder=folder) as run:
            run.wait()
    return lasting(report_of(folder / ".bulkbind"))


def _line(fault: Callable[[Show], None], rows: Rows, wanted: Report) -> bool:
    """Run once with a fault, print what it did; True: nothing is lost or wrong."""
    with tempfile.TemporaryDirectory(prefix="bulkbind-show-") as name:
        folder = Path(name)
        with _running(folder, rows, apart=fault is _split) as show:
            began = time.monotonic()
            fault(show)
            until(lambda: not show.process.is_running, patience_s=PATIENCE_S)
            ended, seconds = show.process.wait(), time.monotonic() - began
            journal = show.served.journal
            lost = {row.bound for _, row in rows} - show.served.bound
        again = repeats(journal)
        is_same = lasting(report_of(folder / ".bulkbind")) == wanted
    woken = ""
    if show.before is not None:
        woken = f", {(again - show.before).total()} of them after SIGCONT"
    longest = f"{max(show.pauses):6.2f} s" if show.pauses else "       -"
    say(
        f"{fault.__doc__:<54} exit {ended.code} {seconds:6.1f} s  {len(journal):>5}"
        f" attaches  lost {len(lost)}  interrupted {show.interrupted:>3}  again"
        f" {again.total():>3}  longest pause {longest}"
        f"  report {'same' if is_same else 'OTHER'}{woken}"
    )
    is_bounded = again.total() <= show.interrupted
    return not lost and not ended.code and is_same and is_bounded


def main() -> int:
    """Print a line for every fault; 0: all is as it should be."""
    rows = rows_of_accounts(ACCOUNTS, BATCHES * BATCH)
    with tempfile.TemporaryDirectory(prefix="bulkbind-show-") as name:
        os.environ |= {"BULKBIND_HOST_DIR": name, **environ_of(ACCOUNTS)}
        wanted = _alone(Path(name), rows)
        held = [_line(fault, rows, wanted) for fault in FAULTS]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
