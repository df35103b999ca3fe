"""Where things are: STATE, its runs, the files of a run."""

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from bulkbind.control.folder import ControlFolder
from bulkbind.errors import StateError, UnknownRun
from bulkbind.host import is_alive, private_folder
from bulkbind.model import Invocation, PlanTotals, RunState, SourceFile
from bulkbind.report.files import sync_folder
from bulkbind.state.inmaking import UNFINISHED, maker_of, planner
from bulkbind.state.ledgers import (
    LEDGER_NAME,
    PIN_NAME,
    fetch_pin,
    has_ledger,
    is_file,
    open_ledger,
    read_ledger,
)
from bulkbind.state.place import find_place

#: Stands for the ledger of a run that is not kept whole.
_STUB_NAME = "run.json"

_RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")


def is_run_id(text: object) -> bool:
    """Tell whether a text is what a run may be called."""
    return isinstance(text, str) and _RUN_ID.fullmatch(text) is not None


class Kept(StrEnum):
    """How much of a run is kept."""

    WHOLE = "whole"
    REPORTS = "reports"
    """Its ledger was cleaned away."""
    SUMMARY = "summary"
    """It sent nothing, and had nothing to tell."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of one run."""

    path: Path
    archive: Path | None = None
    """The file that it was unpacked from for this command; None: it lives in STATE."""

    @property
    def id(self) -> str:
        """The run's id: when it was planned, and six random digits."""
        return self.path.name

    @property
    def planned_at(self) -> float:
        """When it was planned, by its id; seconds since the epoch."""
        return datetime.strptime(self.id[:16], "%Y%m%dT%H%M%S%z").timestamp()

    @property
    def handle(self) -> str:
        """What names this run on a command line given from here: its id, or a path."""
        if self.archive is not None:
            return os.path.relpath(self.archive)
        here = find_place(given=None, environ=os.environ, base=None)
        if here.resolve() == self.state_path.resolve():
            return self.id
        return os.path.relpath(self.path)

    @property
    def state_path(self) -> Path:
        """The STATE that the run lives in."""
        return self.path.parent.parent

    @property
    def ledger(self) -> Path:
        """The ledger, unless the folder names a database that it is in."""
        return self.path / LEDGER_NAME

    @property
    def pin(self) -> Path:
        """The pinned copy of the manifest; of a run in a database it may be there."""
        return self.path / PIN_NAME

    def pinned(self) -> Path:
        """Return the pinned copy, fetched from the run's database if it is not here.

        Raises:
            StateError: The database does not answer.
        """
        fetch_pin(self.path)
        return self.pin

    @property
    def events(self) -> Path:
        """One JSON line per event."""
        return self.path / "events.jsonl"

    @property
    def control(self) -> ControlFolder:
        """What people ask of the run while it is at work."""
        return ControlFolder(self.path / "control")

    @property
    def stub(self) -> Path:
        """Stands for the ledger where that is not kept."""
        return self.path / _STUB_NAME

    @property
    def summary(self) -> Path:
        """Totals of the run; missing while it has no report."""
        return self.path / "summary.json"

    def facts(self) -> "RunFacts":
        """Read what the ledger, or what stands for it, says of the run as a whole."""
        if self.stub.exists():
            return _read_stub(self)
        ledger = read_ledger(self.path)
        try:
            return RunFacts(self, ledger.meta(), tuple(ledger.invocations()))
        finally:
            ledger.close()

    def note(self, facts: Mapping[str, str]) -> None:
        """Write facts of the run as a whole into its ledger; the job is locked."""
        ledger = open_ledger(self.path)
        try:
            ledger.begin()
            ledger.put_meta(facts)
            ledger.commit()
        finally:
            ledger.close()


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a ledger says of its run as a whole."""

    folder: RunFolder
    meta: Mapping[str, str]
    invocations: tuple[Invocation, ...]
    kept: Kept = Kept.WHOLE

    @property
    def job(self) -> str:
        """The job's name."""
        return self.meta["job"]

    @property
    def state(self) -> RunState:
        """Where the run stands."""
        if self.meta.get("abandoned_by"):
            return RunState.ABANDONED
        return self.invocations[-1].state if self.invocations else RunState.PLANNED

    @property
    def stopped_by(self) -> str:
        """What stopped the last invocation; empty when nothing did."""
        return self.invocations[-1].stopped_by if self.invocations else ""

    @property
    def undoes(self) -> str:
        """Id of the run that this one undoes; empty: it is no undo."""
        return self.meta.get("undoes", "")

    @property
    def undone_by(self) -> str:
        """Id of the newest run that undoes this one; empty: none does."""
        return self.meta.get("undone_by", "")

    @property
    def is_saved_plan(self) -> bool:
        """True: the run carries out a saved plan, which may be an old one."""
        return bool(self.meta.get("saved_plan"))

    @property
    def is_unfinished(self) -> bool:
        """True: a resume has something to do."""
        return self.state not in {RunState.FINISHED, RunState.ABANDONED}

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a fact that is kept as a JSON array of texts."""
        return tuple(json.loads(self.meta[name]))

    @property
    def files(self) -> tuple[SourceFile, ...]:
        """The manifest's files."""
        return tuple(SourceFile(*file) for file in json.loads(self.meta["files"]))

    @property
    def totals(self) -> PlanTotals:
        """What the plan amounts to."""
        return PlanTotals(**json.loads(self.meta["totals"]))


def _read_stub(run: RunFolder) -> RunFacts:
    try:
        document = json.loads(run.stub.read_bytes())
        invocations = [
            Invocation(**{**one, "state": RunState(one["state"])})
            for one in document["invocations"]
        ]
        kept = Kept(document["kept"])
        return RunFacts(run, dict(document["meta"]), tuple(invocations), kept)
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{run.stub} cannot be read ({error}); restore it, or remove the run"
        raise StateError(message) from error


class StateFolder:
    """STATE: everything bulkbind keeps of the jobs beside it.

    Args:
        path: The folder; made when the first run needs it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def runs_path(self) -> Path:
        """The folder of run folders."""
        return self.path / "runs"

    @property
    def sandbox_world(self) -> Path:
        """The world of the sandbox that runs in process."""
        return self.path / "sandbox.db"

    def lock_path(self, job: str) -> Path:
        """Return the lock file of a job."""
        name = hashlib.sha256(job.encode()).hexdigest()[:24]
        return self.path / "locks" / f"{name}.lock"

    def hold_path(self, job: str) -> Path:
        """Return the file that is there while a job is on hold."""
        return self.path / "holds" / f"{self.lock_path(job).stem}.json"

    def told_path(self, job: str) -> Path:
        """Return the file that says what people heard of a job last."""
        return self.path / "told" / f"{self.lock_path(job).stem}.json"

    def prepare(self) -> None:
        """Make the folder, private and invisible to git."""
        private_folder(self.path)
        private_folder(self.runs_path)
        ignore = self.path / ".gitignore"
        if not ignore.exists():
            _write_once(ignore, "*\n")

    def new_run(self, *, now: float) -> "UnfinishedRun":
        """Begin a run folder; it appears under its name when it is complete."""
        stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        return self.begin(f"{stamp}-{self._suffix(stamp)}")

    def begin(self, run_id: str) -> "UnfinishedRun":
        """Begin the folder of a run that has an id already."""
        self.prepare()
        draft = self.runs_path / f"{UNFINISHED}{os.getpid()}-{run_id}"
        return UnfinishedRun(private_folder(draft), self.runs_path / run_id)

    def _suffix(self, stamp: str) -> str:
        """Return six random digits, above those of runs of the same second.

        So that run ids sort by age.
        """
        same = [p.name[-6:] for p in self.runs_path.glob(f"{stamp}-*")]
        least = max((int(digits, 16) for digits in same), default=-1) + 1
        return f"{least + secrets.randbelow(1 << 16):06x}"

    def sweep(self) -> None:
        """Remove what killed processes left half made."""
        for path in self.runs_path.glob(f"{UNFINISHED}*"):
            pid = maker_of(path)
            if pid.isdecimal() and not is_alive(int(pid)):
                shutil.rmtree(path, ignore_errors=True)

    def runs(self) -> list[RunFolder]:
        """Return every run, newest first."""
        if not self.runs_path.is_dir():
            return []
        names = (p.name for p in self.runs_path.iterdir())
        ids = sorted((n for n in names if _RUN_ID.fullmatch(n)), reverse=True)
        return [RunFolder(self.runs_path / name) for name in ids]

    def has_run(self, run_id: str) -> bool:
        """Tell whether there is a run of an id."""
        return (self.runs_path / run_id).is_dir()

    def find(self, name: str) -> RunFolder:
        """Find a run by id, unique prefix, job name, path or ``latest``.

        Raises:
            UnknownRun: None, or more than one, goes by that name.
        """
        folder = Path(name)
        if name and (has_ledger(folder) or is_file(folder / _STUB_NAME)):
            return RunFolder(folder.resolve())
        runs = self.runs()
        if name != "latest":
            by_id = [run for run in runs if name and run.id.startswith(name)]
            if len(by_id) > 1:
                message = f"{name!r} begins {len(by_id)} run ids; write more of it"
                raise UnknownRun(message)
            if by_id:
                return by_id[0]
        for run in runs:
            facts = run.facts()
            is_latest = name == "latest" and not facts.job.endswith("@sandbox")
            if (facts.job == name or is_latest) and not facts.undoes:
                return run
        lock = self.lock_path(name)
        who = planner(self.runs_path, lock.parent if name == "latest" else lock)
        raise UnknownRun(_nothing(name, self.path, runs, planned_by=who))


def _nothing(name: str, path: Path, runs: list[RunFolder], *, planned_by: str) -> str:
    if planned_by:
        what = "a run" if name == "latest" else f"a run of job {name!r}"
        return (
            f"{what} is being planned in {path} by {planned_by}; it has sent nothing"
            " yet: ask again when it has read its gateways"
        )
    if not runs:
        return (
            f"there are no runs in {path}; start one with `bulkbind run`, or name the"
            " folder with --state-dir"
        )
    return f"no run {name!r} in {path}; `bulkbind runs` lists them"


@dataclass(frozen=True, slots=True)
class UnfinishedRun:
    """A run folder in the making."""

    draft: Path
    final: Path

    def keep(self) -> RunFolder:
        """Give it its name: everything in it is durable.

        Raises:
            StateError: The disk is full, or failing.
        """
        try:
            sync_folder(self.draft)
            self.draft.rename(self.final)
            sync_folder(self.final.parent)
        except OSError as error:
            message = (
                f"{self.final} cannot be made ({error.strerror}); nothing was sent: see"
                " to the disk, then give the same command again"
            )
            raise StateError(message) from error
        return RunFolder(self.final)

    def drop(self) -> None:
        """Remove it."""
        shutil.rmtree(self.draft, ignore_errors=True)


def locate_state(
    *, given: Path | None, environ: Mapping[str, str], base: Path | None
) -> StateFolder:
    """Return STATE where ``find_place`` finds it."""
    return StateFolder(find_place(given=given, environ=environ, base=base))


def _write_once(path: Path, text: str) -> None:
    """Write a file that is not there, and never through a link."""
    try:
        with path.open("x", encoding="utf-8") as file:
            path.chmod(0o600)
            file.write(text)
    except OSError as error:
        if isinstance(error, FileExistsError) and not path.is_symlink():
            return  # another process was faster
        message = f"{path} cannot be written ({error.strerror}); see to the disk"
        raise StateError(message) from error
