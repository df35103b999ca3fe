"""The command line's frame: which commands there are, and what errors exit with.

Commands are imported when they are asked for, so that ``--help`` costs nothing.
"""

import io
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, NamedTuple

import click

from bulkbind.cli.saying import say
from bulkbind.errors import (
    BulkbindError,
    ManifestError,
    PlanConflict,
    exit_code_of,
)

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Entry(NamedTuple):
    """A command, where it lives, and its line in the help."""

    module: str
    summary: str


#: The help's blocks, in their order; a command is found through them.
BLOCKS: dict[str, dict[str, Entry]] = {
    "Look and do": {
        "plan": Entry("plan", "Show what a run would send; sends nothing."),
        "run": Entry("run", "Bind what a job or manifest asks for."),
        "resume": Entry("resume", "Go on with a run that was stopped or killed."),
        "status": Entry("status", "Say how far a run is."),
        "report": Entry("report", "Show or export what became of every row."),
    },
    "Prove and mend": {
        "verify": Entry("verify", "Read back: is it still so? Writes nothing there."),
        "undo": Entry("undo", "Put back what a run displaced, and detach the rest."),
        "export": Entry("export", "Write what is bound now as a manifest."),
    },
    "While it runs": {
        "pause": Entry("pause", "Pause a run at work, or put a job on hold."),
        "unpause": Entry("unpause", "Let a run go on, or release a job's hold."),
        "stop": Entry("stop", "End a run at work in good order."),
        "set": Entry("set", "Change the rate or concurrency of a run at work."),
    },
    "History": {
        "runs": Entry("runs", "List runs, newest first."),
    },
    "Set-up": {
        "init": Entry("init", "Write a job file and a manifest to start from."),
        "doctor": Entry("doctor", "Look for what would go wrong; changes nothing."),
        "schedule": Entry("schedule", "Show lines for cron or systemd; the next runs."),
        "sandbox": Entry("sandbox", "Serve a local gateway to try things on."),
        "completion": Entry("completion", "Print what makes a shell complete."),
        "explain": Entry("explain", "Say what a code, verdict or exit code means."),
        "schema": Entry("schema", "Print the JSON Schema of a file or an answer."),
    },
}

#: Commands that send, and so may have left something to resume.
_SENDS = frozenset({"run", "resume", "undo"})

#: Not every command has each; its own help says which.
SHARED = """\
  --only COLUMN=V1[,V2]      only rows that have one of the values
  --default COLUMN=VALUE     fill a column that the manifest lacks
  --set [SECTION.]KEY=VALUE  any key of a job file
  --endpoint URL|sandbox     --region ID               --project-id ID
  --rate 10/s                --concurrency N
  --report-dir DIR           --state-dir DIR           -q   --json"""

EXITS = """\
  0    every row bound, unchanged, unbound, duplicate or superseded
  1    a row is failed, unconfirmed, kept or invalid (verify: drift, doctor: a fault)
  2    usage, job file, manifest, credentials or endpoint wrong; nothing was sent
  3    some row was not sent: stopped or parked; `bulkbind resume` goes on
  4    refused for safety; nothing was sent
  10   `plan --live --detailed-exitcode`: there is something to do
  70   a fault of bulkbind's own: report it, with what it printed
  75   another process works on the job
  130  SIGINT; 143 SIGTERM; `bulkbind resume` goes on"""


#: Exit codes of commands whose own text does not tell them; ``EXITS`` says more.
EXITS_OF = {
    "plan": "0 shown; 2 input wrong; 3 not everything could be read; 10 with"
    " --detailed-exitcode: there is something to do",
    "run": "0 all well; 1 a row failed; 2 input wrong, nothing sent; 3 some rows not"
    " sent; 4 refused for safety; 75 another process is at it; 130, 143 signals",
    "resume": "0 all well, or nothing to do; 1 a row failed; 2 input wrong; 3 some rows"
    " not sent; 4 refused for safety; 75 another process is at it; 130, 143 signals",
    "report": "0 shown or written; 2 no such run or column, or it cannot be written",
    "verify": "0 no drift; 2 input wrong; 75 another process is at it",
    "undo": "0 all put back; 1 a row failed or was kept; 2 input wrong, nothing sent; 3"
    " some rows not sent; 4 what was there before is not known; 75 another process is at"
    " it; 130, 143 signals",
    "export": "0 written; 2 input wrong; 3 not everything could be read",
    "init": "0 written; 2 a file is there already, or cannot be written",
    "doctor": "0 no fault; 1 a fault; 2 usage or job file wrong",
    "sandbox": "0 served until a signal; 2 an option or file is wrong",
    "explain": "0 explained; 2 not known",
    "schema": "0 printed; 2 no such schema",
}


class BlockGroup(click.Group):
    """Shows commands in blocks, and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return every command's name, block by block."""
        return [name for block in BLOCKS.values() for name in block]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        for block in BLOCKS.values():
            if cmd_name in block:
                module = import_module(f"bulkbind.cli.{block[cmd_name].module}")
                command: click.Command = module.command
                if cmd_name in EXITS_OF:
                    command.epilog = f"Exit codes: {EXITS_OF[cmd_name]}."
                return command
        return None

    def shell_complete(
        self, ctx: click.Context, incomplete: str
    ) -> "list[CompletionItem]":
        """Complete a command, without importing any."""
        from click.shell_completion import CompletionItem

        found = [
            CompletionItem(name, help=entry.summary)
            for block in BLOCKS.values()
            for name, entry in block.items()
            if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Write the blocks."""
        del ctx
        for title, block in BLOCKS.items():
            if block:
                with formatter.section(title):
                    rows = [(name, entry.summary) for name, entry in block.items()]
                    formatter.write_dl(rows)
        for title, text in (("Of many commands", SHARED), ("Exit codes", EXITS)):
            with formatter.section(title):
                formatter.write(text + "\n")


@click.group(
    cls=BlockGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
    },
    subcommand_metavar="COMMAND ...",
)
@click.version_option(package_name="bulkbind", prog_name="bulkbind")
def bulkbind() -> None:
    """Bind plug-ins to thousands of APIs on Huawei Cloud API Gateway.

    A manifest (CSV, JSON) says which; the plan says what will be sent; a run sends it,
    and can be interrupted and resumed; the report has a verdict for every row.
    """


def run(arguments: Sequence[str]) -> int:
    """Run the command line.

    Returns:
        The exit code; see ``EXITS``.
    """
    if sys.platform == "win32":
        say(
            "bulkbind: Windows is not supported (no flock); use Linux, macOS or WSL",
            err=True,
        )
        return 2
    try:
        with _listening():
            return _call(list(arguments))
    except BulkbindError as error:
        code = exit_code_of(error)
        say(f"bulkbind: {error}", err=True)
        for note in getattr(error, "__notes__", ()):
            say(f"warning: {note}", err=True)
        if _wants_json(arguments):
            say(json.dumps(_document(error, code), indent=2, ensure_ascii=False))
        return code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt as interrupt:
        say(
            "bulkbind: interrupted; a run that had begun to send can be resumed:"
            " `bulkbind runs` lists it",
            err=True,
        )
        return 128 + (interrupt.number if isinstance(interrupt, _Heard) else 2)
    except Exception as error:  # noqa: BLE001 - a traceback is for developers
        return _unexpected(error, arguments)


def _wants_json(arguments: Sequence[str]) -> bool:
    """Tell whether a script reads the answer: it is told of an error, too."""
    given = " ".join(arguments).replace("=", " ")
    return "--json" in arguments or "--format json" in f"{given} ".replace("jsonl", "")


def _document(error: BulkbindError, code: int) -> dict[str, object]:
    document = _refusal(str(error), code)
    if isinstance(error, ManifestError | PlanConflict):
        faults = [fault._asdict() for fault in error.faults]
        document |= {"fault_count": error.total, "faults": faults}
    return document


def _refusal(text: str, code: int) -> dict[str, object]:
    return {"format_version": "1.0", "exit_code": code, "error": text}


class _Heard(KeyboardInterrupt):
    """A signal came while nothing was being sent."""

    def __init__(self, number: int) -> None:
        self.number = number


@contextmanager
def _listening() -> Iterator[None]:
    """Let SIGINT and SIGTERM end the command in good order, not only by default.

    While something is sent, the run itself listens. (asyncio would turn SIGINT into a
    cancellation that planning, which never waits, would not see.)
    """
    if current_thread() is not main_thread():
        yield
        return

    def hear(number: int, _: object) -> None:
        raise _Heard(number)

    before = {n: signal.signal(n, hear) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _call(arguments: list[str]) -> int:
    if "_BULKBIND_COMPLETE" in os.environ:
        import_module("bulkbind.cli.completing").install()
    try:
        result = bulkbind.main(
            args=arguments, prog_name="bulkbind", standalone_mode=False
        )
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort as abort:
        heard = abort.__cause__
        raise heard if isinstance(heard, _Heard) else KeyboardInterrupt from None
    except click.ClickException as error:
        text = io.StringIO()
        error.show(file=text)
        told = text.getvalue().removesuffix("\n")
        say(told, err=True)
        if _wants_json(arguments):
            say(json.dumps(_refusal(told, 2), indent=2, ensure_ascii=False))
        return 2
    return result if isinstance(result, int) else 0


def _unexpected(error: Exception, arguments: Sequence[str]) -> int:
    if os.environ.get("BULKBIND_DEBUG"):
        raise error
    code, told = 70, _own_fault(error)
    if isinstance(error, OSError):
        sends = not _SENDS.isdisjoint(arguments[:1])
        code, told = 3 if sends else 2, _disk_fault(error, sends=sends)
    with suppress(OSError):
        say(f"bulkbind: {told}", err=True)
        if _wants_json(arguments):
            say(json.dumps(_refusal(told, code), indent=2, ensure_ascii=False))
    return code


def _disk_fault(error: OSError, *, sends: bool) -> str:
    """Say that the answer, or a file, could not be written or read."""
    where = error.filename or "standard output, or a file"
    then = ", then give the same command again"
    if sends:
        then = (
            ". What a run did is in its ledger: `bulkbind report latest` shows it,"
            " `bulkbind resume latest` goes on"
        )
    return f"{where} cannot be used ({error.strerror or error}); see to the disk{then}"


def _own_fault(error: Exception) -> str:
    return (
        f"this is a fault of bulkbind's own: {type(error).__name__}: {error}; a run"
        " that had begun can be resumed. BULKBIND_DEBUG=1 shows where it happened"
    )
