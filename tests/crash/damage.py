"""Damaged files are recovered or refused with advice, never believed.

    python -m tests.crash.damage --every 1     every byte of every file

Bits are flipped and files are cut; then a report is written, the status is read, and
a run that was killed is resumed (for every 25th of the damages). The answer is the one that the whole files give, or
a refusal that says what to do. Never a traceback, never another verdict.

One thing cannot be refused: SQLite takes a damaged end of the WAL for the torn end
that a power cut leaves. What was in it is not known any more, so that its rows are
sent again; nothing is told that is not so.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import NamedTuple

import anyio

from bulkbind.errors import BulkbindError, exit_code_of
from bulkbind.job.errand import Surroundings
from bulkbind.job.planfile import open_plan
from bulkbind.job.reporting import write_run_reports
from bulkbind.job.story import resume_run
from bulkbind.sandbox import SandboxOptions
from bulkbind.state.folders import RunFolder, StateFolder
from bulkbind.state.status import read_status
from tests.crash.scene import MISSING, ROWS, Scene, Wrong
from tests.factories import gateways, lasting, latest, read_csv, until, world_of

LEDGER, WAL, PIN = "ledger.db", "ledger.db-wal", "manifest.csv.gz"

Report = list[dict[str, str]]


class Damage(NamedTuple):
    """What is done to a file."""

    file: str
    offset: int
    bit: int = -1
    """Flipped; -1: the file ends here."""

    def inflict(self, whole: bytes) -> bytes:
        if self.bit < 0:
            return whole[: self.offset]
        damaged = bytearray(whole)
        damaged[self.offset] ^= 1 << self.bit
        return bytes(damaged)


def flips(file: str, size: int, *, count: int, seed: int = 0) -> list[Damage]:
    """Choose single bits of a file."""
    random = Random(f"{file} {seed}")  # noqa: S311 - the same ones every time
    offsets = sorted(random.sample(range(size), min(count, size)))
    return [Damage(file, offset, random.randrange(8)) for offset in offsets]


def cuts(file: str, size: int, *, count: int) -> list[Damage]:
    """Choose lengths of a file, from nothing to all but the last byte."""
    lengths = {size * part // count for part in range(count)} | {size - 1}
    return [Damage(file, length) for length in sorted(lengths)]


@dataclass(frozen=True)
class Subject:
    """A job with one run, and what its whole files say."""

    folder: Path
    port: int
    report: Report
    """Now."""
    status: tuple[object, ...]
    final: Report
    """In the end."""
    world: frozenset[tuple[str, str, str, str]]
    """In the end."""

    @property
    def run(self) -> Path:
        return latest(self.folder / "job" / ".bulkbind")

    def whole(self, file: str) -> bytes:
        return (self.run / file).read_bytes()

    @contextmanager
    def copied(self) -> Iterator["Subject"]:
        """Work on a copy: job, host folder and world."""
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
        with tempfile.TemporaryDirectory(prefix="damage-", dir=memory) as name:
            folder = Path(name) / "copy"
            shutil.copytree(self.folder, folder)
            yield replace(self, folder=folder)


def told(run: Path) -> tuple[Report, tuple[object, ...]]:
    """Return what report and status say."""
    write_run_reports(RunFolder(run))
    status = read_status(RunFolder(run), at=0.0)
    counts = (status.state, status.rows, status.verdicts, status.set_aside)
    return read_csv(run / "report.csv"), (*counts, tuple(status.tallies))


def prepare(folder: Path, *, half: bool) -> Subject:
    """Make a finished run, or one that was killed on its way."""
    final = folder if not half else folder.with_name(f"{folder.name}-undisturbed")
    whole = _run(final, half=False)
    if not half:
        return whole
    killed = _run(folder, half=True)
    return replace(killed, final=whole.report, world=whole.world)


def _run(folder: Path, *, half: bool) -> Subject:
    folder.mkdir()
    options = SandboxOptions(latency_s=0.05 if half else 0.0)
    world = folder / "world.db"
    with gateways(world, ROWS, missing=MISSING, options=options) as served:
        scene = Scene(folder, served, job="[plan]\nbatch_size = 3\n")
        process = scene.start()
        if half:
            until(lambda: len(served.journal) >= 7)
            process.kill()
        scene.wait(process)
        run = latest(scene.state)
        kept = {path.name: path.read_bytes() for path in run.glob("ledger.db*")}
        report, status = told(run)
        for name, data in kept.items():  # reading may have tidied up
            (run / name).write_bytes(data)
        bound, port = frozenset(served.bound), served.port
    return Subject(folder, port, report, status, report, bound)


# --- what a damage comes to -----------------------------------------------------------


def is_refused(error: BulkbindError) -> bool:
    """Tell whether an error is a refusal with advice: exit 2 or 3."""
    text = str(error)
    return exit_code_of(error) in {2, 3} and (";" in text or "`" in text)


def read_damaged(damage: Damage, *, subject: Subject) -> str:
    """Damage a copy's file, and read it; say what came of it."""
    with subject.copied() as copy:
        _inflict(damage, copy)
        try:
            report, status = told(copy.run)
        except BulkbindError as error:
            if not is_refused(error):
                raise
            return "refused"
    if (report, status) == (subject.report, subject.status):
        return "the same answer"
    if damage.file == WAL and _knows_less(report, subject.report):
        return "less is known"
    message = f"{damage} is believed: {_first_difference(report, subject.report)}"
    raise Wrong(message)


def _inflict(damage: Damage, copy: Subject) -> None:
    path = copy.run / damage.file
    path.write_bytes(damage.inflict(path.read_bytes()))


def _knows_less(report: Report, whole: Report) -> bool:
    """Tell whether rows are as they were, or told as not sent or unconfirmed."""
    return len(report) == len(whole) and all(
        row == other or row["verdict"] in {"not_sent", "unconfirmed"}
        for row, other in zip(report, whole, strict=True)
    )


def _first_difference(report: Report, whole: Report) -> str:
    for row, other in zip(report, whole, strict=False):
        if row != other:
            names = [name for name in other if row.get(name) != other[name]]
            return ", ".join(f"{n}: {row.get(n)!r}, not {other[n]!r}" for n in names)
    return f"{len(report)} rows, not {len(whole)}, or the status differs"


def resume_damaged(damage: Damage, *, subject: Subject) -> str:
    """Damage a copy of a killed run, and resume it; say what came of it."""
    with subject.copied() as copy:
        _inflict(damage, copy)
        world = copy.folder / "world.db"
        with gateways(world, ROWS, missing=MISSING, port=copy.port):
            try:
                anyio.run(partial(_resume, copy))
            except BulkbindError as error:
                if not is_refused(error):
                    raise
                outcome = "refused"
            else:
                outcome = "finished"
        bound = world_of(world)
        report = read_csv(copy.run / "report.csv") if outcome == "finished" else []
    if not bound <= subject.world:
        message = f"{damage}: bound what nobody wanted: {bound - subject.world}"
        raise Wrong(message)
    if outcome == "finished" and (
        bound != subject.world or lasting(report) != lasting(subject.final)
    ):
        difference = _first_difference(lasting(report), lasting(subject.final))
        message = f"{damage} is believed: {difference}"
        raise Wrong(message)
    return outcome


async def _resume(copy: Subject) -> None:
    run = RunFolder(copy.run)
    environ = {
        "BULKBIND_TOKEN": "sandbox",
        "BULKBIND_HOST_DIR": str(copy.folder / "host"),
    }
    await resume_run(
        run,
        state=StateFolder(run.state_path),
        around=Surroundings(environ=environ),
        change=partial(replace, rate=(0, 1.0)),
    )


def open_damaged(damage: Damage, *, whole: bytes, members: dict[str, bytes]) -> str:
    """Damage a saved plan, and open it; say what came of it."""
    with tempfile.TemporaryDirectory(prefix="bulkbind-damage-") as name:
        folder = Path(name)
        path = folder / "job.plan"
        path.write_bytes(damage.inflict(whole))
        try:
            run = open_plan(path, folder)
        except BulkbindError as error:
            if not is_refused(error):
                raise
            return "refused"
        if all(
            (run.path / name).read_bytes() == data for name, data in members.items()
        ):
            return "the same answer"
    message = f"{damage}: other files come out of it"
    raise Wrong(message)


# --- all of it ------------------------------------------------------------------------


def _tried(
    damage: Damage, *, do: Callable[..., str], subject: Subject
) -> tuple[str, str]:
    try:
        return do(damage, subject=subject), ""
    except Exception as error:  # noqa: BLE001 - told with its damage
        return "WRONG", f"{damage}: {type(error).__name__}: {error}"


def _everything(subject: Subject, files: Iterable[str], every: int) -> list[Damage]:
    damages = []
    for file in files:
        size = len(subject.whole(file))
        damages += flips(file, size, count=size // every)
        damages += cuts(file, size, count=max(1, min(size, 2000) // every))
    return damages


def _errands(
    folder: Path, every: int
) -> Iterator[tuple[str, Callable[..., str], Subject, list[Damage]]]:
    finished = prepare(folder / "finished", half=False)
    damages = _everything(finished, (LEDGER, PIN), every)
    yield "finished run, read", read_damaged, finished, damages
    killed = prepare(folder / "killed", half=True)
    damages = _everything(killed, (LEDGER, WAL), every)
    yield "killed run, read", read_damaged, killed, damages
    # one after another: the run knows its gateways by their port
    damages = _everything(killed, (LEDGER, WAL), every * 25)
    yield "killed run, resumed", resume_damaged, killed, damages


def main(arguments: list[str]) -> int:
    """Run the command line; see the top of this file."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.damage")
    parser.add_argument("--every", type=int, default=50, help="every n-th byte (50)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 2)
    given = parser.parse_args(arguments)
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="bulkbind-damage-") as name:
        for title, do, subject, damages in _errands(Path(name), given.every):
            workers = given.workers if do is read_damaged else 1
            with ProcessPoolExecutor(workers) as pool:
                attempt = partial(_tried, do=do, subject=subject)
                results = list(pool.map(attempt, damages, chunksize=50))
            counts = Counter(outcome for outcome, _ in results)
            sys.stdout.write(f"{title}: {len(damages)} damages: {dict(counts)}\n")
            sys.stdout.writelines(f"  {why}\n" for _, why in results if why)
            sys.stdout.flush()
            wrong += counts["WRONG"]
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
