"""Several processes of one host: one pace for the account, one lane for a gateway.

What is counted are the stamps of the ring that the processes share, and what the
gateways saw; nothing here depends on how fast the machine is.
"""

import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import anyio
import pytest

import bulkbind
from bulkbind.host import Ring
from bulkbind.sandbox import Clock, SandboxOptions
from tests.factories import (
    Door,
    binding,
    started,
    until,
    verdicts_of,
    write_job,
    write_manifest,
)
from tests.pace_figures import fullest

LIMIT = 20
PROCESSES = 3
SHARED_ROWS = 8
OWN_ROWS = 6
#: So that one attach would overlap the next if they were let.
LATENCY_S = 0.02
ONE_BY_ONE = ("--set", "plan.batch_size=1")


class SlowDoor(Door):
    """A door behind which everything takes its latency."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock(sleep=self._pass)

    async def _pass(self, seconds: float) -> None:
        await self._sleep(seconds)
        await anyio.sleep(seconds)


def rows_of_process(number: int):
    """Rows of a gateway that all processes share, and of one of its own."""
    first = number * SHARED_ROWS
    shared = [binding(no, gateway=0) for no in range(first, first + SHARED_ROWS)]
    return [*shared, *(binding(no, gateway=1 + number) for no in range(OWN_ROWS))]


def rows_of(processes: int):
    return [row for number in range(processes) for row in rows_of_process(number)]


def stamps_of(host: Path) -> list[float]:
    """Return when the account's requests were released, from the ring of the host."""
    (path,) = host.glob("pace-*")
    ring = Ring(path, clock=time.monotonic)
    try:
        many = 0
        while ring._stamp(many):
            many += 1
        return [ring._stamp(number) for number in range(many)]
    finally:
        ring.close()


@pytest.fixture
def host(tmp_path):
    return tmp_path / "host"


@pytest.fixture
def at_work(tmp_path, serve, remote):
    """Start processes; when all have a request out, open the door to the gateways."""

    @contextmanager
    def start(processes):
        door = SlowDoor()
        options = SandboxOptions(latency_s=LATENCY_S)
        with ExitStack() as stack:
            served = stack.enter_context(
                serve(rows_of(processes), options=options, clock=door.clock)
            )
            stack.enter_context(door)
            rate = f"{LIMIT}/s"
            several = []
            for number in range(processes):
                folder = tmp_path / f"job-{number}"
                folder.mkdir()
                manifest = write_manifest(folder / "apis.csv", rows_of_process(number))
                command = ("run", manifest, *remote(served, rate=rate), *ONE_BY_ONE)
                several.append(stack.enter_context(started(*command, folder=folder)))
            # until its credential has proved good, each has one request out
            until(lambda: served.requests["attach_apis"] == processes)
            door.open()
            yield served, several

    return start


def test_several_processes_keep_one_pace_and_one_lane_for_each_gateway(at_work, host):
    with at_work(PROCESSES) as (served, several):
        said = [process.wait() for process in several]
        requests, bound = served.requests, served.bound
        counters, journal = served.sandbox.counters, served.journal

    assert [one.code for one in said] == [0] * PROCESSES, said
    assert bound == {row.bound for row in rows_of(PROCESSES)}
    stamps = stamps_of(host)
    assert len(stamps) == requests.total() > 2 * LIMIT
    assert stamps == sorted(stamps)
    assert fullest(stamps, window_s=1.0) <= LIMIT
    shared = binding(0, gateway=0).instance_id
    at_shared = [entry for entry in journal if entry.path["instance_id"] == shared]
    assert len(at_shared) == PROCESSES * SHARED_ROWS
    assert counters.max_parallel_per_gateway == 1
    assert counters.overlaps == 0


def test_a_killed_process_leaves_its_releases_and_no_lock_behind(
    at_work, host, tmp_path
):
    folder = tmp_path / "job-0"
    with at_work(2) as (served, several):
        killed, other = several
        before = len(served.journal)
        until(lambda: len(served.journal) > before + 3)
        killed.kill()
        with started("resume", "latest", folder=folder) as resumed:
            said = [process.wait() for process in (resumed, other)]
        counters, requests, bound = (
            served.sandbox.counters,
            served.requests,
            served.bound,
        )

    assert [one.code for one in said] == [0, 0], said
    assert verdicts_of(folder / ".bulkbind") == {"bound": SHARED_ROWS + OWN_ROWS}
    assert bound == {row.bound for row in rows_of(2)}
    stamps = stamps_of(host)
    # a kill between the release and the request leaves a release that nobody used
    assert requests.total() <= len(stamps) <= requests.total() + 2
    assert fullest(stamps, window_s=1.0) <= LIMIT
    assert counters.statuses["attach_apis", 500] <= 1
    assert counters.overlaps <= 1


def test_a_library_that_runs_jobs_keeps_no_ring_open(folder, host):
    write_manifest(folder / "apis.csv", rows_of_process(0))
    job = bulkbind.load_job(
        write_job(folder / "job.toml", '[pace]\nrate = "unlimited"\n')
    )

    for _ in range(3):
        bulkbind.run_job(job)

    held = [
        path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink()
    ]
    assert not [path for path in held if path.is_relative_to(host)]
    assert str(host) not in Path("/proc/self/maps").read_text()
    assert list(host.glob("pace-*"))
