"""Every exception of bulkbind, by who can put it right.

``InputError``: the person who wrote the job, the manifest or the command line;
nothing was sent. ``RefusedForSafety``: nothing was sent, because going on might
have done harm. ``RemoteError``: the gateway or the way to it. ``StateError``: the
files bulkbind keeps on this machine. Each error carries its facts, builds its own
text and ends with what to do.
"""

from collections.abc import Sequence
from typing import NamedTuple


class BulkbindError(Exception):
    """The root: catch this to catch everything bulkbind raises on purpose."""


class Fault(NamedTuple):
    """One thing wrong with one row of a manifest."""

    file: str
    """The manifest as the job names it; ``<stdin>`` for standard input."""
    line: int
    """Physical line where the row starts, from 1; 0 when no line is to blame."""
    column: str
    """The column's name, empty when the row as a whole is wrong."""
    problem: str
    """What is wrong, with the offending text quoted and cut."""
    remedy: str
    """What to do about it."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        column = f" {self.column}:" if self.column else ""
        return f"{where}:{column} {self.problem}; {self.remedy}"


# --- the user can put it right; nothing was sent -------------------------------------


class InputError(BulkbindError):
    """The job, the manifest or the command line is wrong; nothing was sent."""


class SettingsError(InputError):
    """A job file, an option or an environment variable is wrong.

    Args:
        problems: One sentence each, every one found, with path and what is allowed.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class ManifestError(InputError):
    """A manifest cannot be read, or has rows that cannot be sent.

    Args:
        faults: The faults found, in manifest order.
        total: How many there are, when only the first were kept.
    """

    #: How many faults the text lists; ``faults`` has them all.
    SHOWN = 50

    def __init__(self, faults: Sequence[Fault], *, total: int | None = None) -> None:
        self.faults = tuple(faults)
        self.total = len(self.faults) if total is None else total
        super().__init__(self._text())

    def _text(self) -> str:
        lines = [str(fault) for fault in self.faults[: self.SHOWN]]
        if self.total > len(lines):
            lines.append(
                f"... and {self.total - len(lines):,} more;"
                " `bulkbind plan SOURCE --json` lists them"
            )
        return "\n".join(lines)


class PlanConflict(InputError):
    """Two plug-ins of one type claim the same API in the same environment.

    The second attach would silently replace the first.

    Args:
        faults: One for each claim that lost, naming the line it collides with.
        total: How many there are, when only the first were kept.
    """

    def __init__(self, faults: Sequence[Fault], *, total: int) -> None:
        self.faults = tuple(faults)
        self.total = total
        lines = [str(fault) for fault in self.faults[: ManifestError.SHOWN]]
        if total > len(lines):
            lines.append(f"... and {total - len(lines):,} more")
        super().__init__("\n".join(lines))


class CredentialsMissing(InputError):
    """No credential was found for an account."""


class CredentialsRejected(InputError):
    """Every account's credential was refused, and nothing was sent."""


class EndpointUnreachable(InputError):
    """No connection to the endpoint could be made, and nothing was sent."""


class UnknownRun(InputError):
    """No run goes by that name."""


# --- refused ------------------------------------------------------------------------


class RefusedForSafety(BulkbindError):
    """Nothing was sent, because going on might have done harm (exit code 4)."""


# --- the gateway or the way to it ---------------------------------------------------


class RemoteError(BulkbindError):
    """The gateway, or the way to it, failed."""


class NotSent(RemoteError):
    """The request never left this machine: no connection could be made."""


class AnswerLost(RemoteError):
    """The request left, and no whole answer came back: neither yes nor no."""


class NotifyFailed(RemoteError):
    """Somebody who was to hear of a run was not told; the run is as it is."""


class CredentialUnavailable(RemoteError):
    """A proof that is to be fetched cannot be had; the request never left.

    Args:
        problem: What is wrong and what to do, in a sentence.
        status: 401: it was refused for good; 0: nobody answered, or not now.
        code: The error code of who refused it, or empty.
    """

    def __init__(self, problem: str, *, status: int = 0, code: str = "") -> None:
        self.status = status
        self.code = code
        super().__init__(problem)


# --- the files on this machine ------------------------------------------------------


class StateError(BulkbindError):
    """The files bulkbind keeps on this machine cannot be used."""


class JobBusy(StateError):
    """Another process holds the job (exit code 75).

    Args:
        job: The job's name.
        holder: Who holds it: pid, user, since when.
    """

    def __init__(self, job: str, holder: str) -> None:
        self.job = job
        self.holder = holder
        super().__init__(
            f"{job} is being worked on by {holder};"
            " wait for it, or stop it, and try again"
        )


class LedgerDamaged(StateError):
    """A ledger does not say what was written to it; it is not believed."""


class LedgerMismatch(StateError):
    """A ledger was written by a newer bulkbind, or is not one at all."""


class LedgerFailed(StateError):
    """The ledger cannot be written: the disk is full or failing."""


class LedgerUnreachable(LedgerFailed):
    """The database that a ledger is in does not answer."""


class LeaseLost(StateError):
    """Another process works an account now; nothing more of it is sent from here.

    Args:
        account: Its key: where it is, and its project.
    """

    def __init__(self, account: str) -> None:
        self.account = account
        super().__init__(
            f"another process works {account} now, because this one was silent for too"
            " long; see `bulkbind status`"
        )


class RunInterrupted(StateError):
    """A run broke off after it had begun to send; it can be resumed (exit code 3).

    Args:
        run_id: The run.
        cause: What broke it off.
    """

    def __init__(self, run_id: str, cause: BulkbindError) -> None:
        self.run_id = run_id
        super().__init__(
            f"{cause}\nrun {run_id} broke off; nothing that was acknowledged is lost:"
            f" `bulkbind resume {run_id}` goes on"
        )


class StoppedByRule(StateError):
    """A rule stopped the run, and only a person may go on (exit code 3).

    Args:
        run: What names the run.
        rule: The rule.
    """

    def __init__(self, run: str, rule: str) -> None:
        super().__init__(
            f"run {run} was stopped by {rule}, and nothing was sent now: look at its"
            f" report, then `bulkbind resume {run}`, or change manifest or settings"
        )


class JobHeld(StateError):
    """The job is on hold, and nothing was sent (exit code 3).

    Args:
        job: The job's name.
        holder: user@host of the one who placed the hold.
        since: When, for people.
        why: Why, for people.
        release: The command that releases it.
    """

    def __init__(
        self, job: str, *, holder: str, since: str, why: str, release: str
    ) -> None:
        self.job = job
        self.holder = holder
        self.why = why
        super().__init__(
            f"{job} is on hold since {since}, by {holder}: {why}; nothing was sent."
            f" When it may be run again: `{release}`"
        )


class OutsideWindow(StateError):
    """It is not the time to send, and nothing was sent (exit code 3).

    Args:
        problem: Why, and when it will be.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"{problem}; nothing was sent. The next `run --resume` in time goes on;"
            " `--set stop.window=` or `--set stop.deadline=` does without"
        )


class ReportUnpublished(StateError):
    """The report is whole in the run's folder, and could not be copied elsewhere."""


class RunUnpublished(ReportUnpublished):
    """A run is complete, and its report could not be copied elsewhere (exit code 3).

    Args:
        run_id: The run.
        cause: Why not, and what to do.
    """

    def __init__(self, run_id: str, cause: ReportUnpublished) -> None:
        self.run_id = run_id
        super().__init__(f"run {run_id} is complete, nothing is left to send; {cause}")


class ReportWrong(StateError):
    """The report does not add up: some row has no verdict or more than one."""


def exit_code_of(error: BulkbindError) -> int:
    """Return what the process exits with for an error. Source: DESIGN, section 7."""
    if isinstance(error, RefusedForSafety):
        return 4
    if isinstance(error, JobBusy):
        return 75
    later = JobHeld | OutsideWindow | RunInterrupted | RunUnpublished | StoppedByRule
    return 3 if isinstance(error, later) else 2
