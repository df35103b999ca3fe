"""The canary of a job: which batches it is, and the check that judges it.

The check is a program of the job's owner, run without a shell. It is told what was
done by environment variables and by a file of API ids; the credentials of the run are
not handed to it. It accepts a step by ending with 0.
"""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

import anyio
from anyio.abc import Process

from bulkbind.job.errand import Surroundings
from bulkbind.ledger import CANARY
from bulkbind.model import Action, Batch
from bulkbind.run import Canaries, CanaryStep
from bulkbind.settings import JobSettings
from bulkbind.wire import scrub

#: Where credentials stand in the environment: bulkbind's, the vendor's SDK's,
#: Terraform's, OpenStack's and the ledger's. None of it is handed on.
_WITHHELD = ("BULKBIND_", "HUAWEI", "HW_", "OS_", "PG")

#: Bytes of what a check says that are read for the reason; it may say more.
_SAID = 4096


class FirstBatches:
    """The first batches of each target, while a plan is drawn.

    Args:
        steps: How many are a canary.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._sent: dict[int, list[int]] = {}
        self._others: dict[int, list[int]] = {}

    def add(self, batch: Batch, *, is_sent: bool) -> None:
        """Take the next batch of a target.

        Args:
            batch: Ascending by id.
            is_sent: False: there is nothing to do for it, as far as one knows now.
        """
        of = (self._sent if is_sent else self._others).setdefault(batch.target, [])
        if len(of) < self._steps:
            of.append(batch.id)

    @property
    def by_target(self) -> dict[int, list[int]]:
        """Canaries by target; where nothing is sent, of what a saved plan may send."""
        return {**self._others, **self._sent} if self._steps else {}


def canary_facts(canaries: FirstBatches) -> dict[str, str]:
    """Return what the ledger should know of a plan's canaries."""
    found = canaries.by_target
    return {CANARY: json.dumps(found)} if found else {}


def canaries_of(
    settings: JobSettings,
    facts: Mapping[str, str],
    *,
    run_id: str,
    around: Surroundings,
) -> Canaries:
    """Return a run's canaries, and which of their steps ended well so far.

    Args:
        settings: The job.
        facts: Of the run's ledger.
        run_id: The run's.
        around: Its environment, for the check.
    """
    check = None
    if settings.canary_check:
        secrets = [
            account.credential.removeprefix("env:")
            for account in settings.accounts.values()
            if account.credential.startswith("env:")
        ]
        check = Check(
            argv=settings.canary_check,
            run_id=run_id,
            folder=settings.base,
            environ=without_credentials(around.environ, secrets),
            timeout_s=settings.canary_timeout_s,
            slots=anyio.Semaphore(settings.concurrency),
        )
    return replace(canaries_of_facts(facts), check=check)


def canaries_of_facts(facts: Mapping[str, str]) -> Canaries:
    """Return what a ledger's facts say of its run's canaries."""
    steps = json.loads(facts.get(CANARY, "{}"))
    mark = f"{CANARY}/"
    return Canaries(
        steps={int(target): tuple(batches) for target, batches in steps.items()},
        accepted={
            int(name.removeprefix(mark)): int(number)
            for name, number in facts.items()
            if name.startswith(mark)
        },
    )


def without_credentials(
    environ: Mapping[str, str], prefixes: Iterable[str]
) -> dict[str, str]:
    """Return the environment without what a credential may come from.

    Args:
        environ: The run's.
        prefixes: Of the accounts' own variables, such as ``PAY_``.
    """
    withheld = (*_WITHHELD, *prefixes)
    return {
        name: value for name, value in environ.items() if not name.startswith(withheld)
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Asks a program whether a target may go on."""

    argv: tuple[str, ...]
    run_id: str
    folder: Path
    """The job's, where it runs; on a machine without it, in the current one."""
    environ: Mapping[str, str] = field(repr=False)
    """Without credentials."""
    timeout_s: float
    slots: anyio.Semaphore
    """How many may run at once."""

    async def ask(self, step: CanaryStep) -> str:
        """Run the program once; return why the target must not go on, empty: it may.

        It and what it started is killed when its time is over, or the run halts.
        """
        async with self.slots:
            with tempfile.TemporaryDirectory(prefix="bulkbind-") as name:
                path = Path(name) / "api_ids.txt"
                path.write_text("\n".join((*step.api_ids, "")), encoding="utf-8")
                with tempfile.TemporaryFile() as said:
                    return await self._run(self._facts(step, path), said)

    def _facts(self, step: CanaryStep, api_ids: Path) -> dict[str, str]:
        target = step.target
        return {
            "BULKBIND_RUN_ID": self.run_id,
            "BULKBIND_ACCOUNT": target.account,
            "BULKBIND_PROJECT_ID": target.project_id,
            "BULKBIND_INSTANCE_ID": target.instance_id,
            "BULKBIND_PLUGIN_ID": target.plugin_id,
            "BULKBIND_ENV_ID": target.env_id,
            "BULKBIND_WANTED": "bound" if step.action is Action.ATTACH else "unbound",
            "BULKBIND_STEP": str(step.number),
            "BULKBIND_STEPS": str(step.of),
            "BULKBIND_ROWS": str(len(step.api_ids)),
            "BULKBIND_FAILED": str(step.failed),
            "BULKBIND_API_IDS_FILE": str(api_ids),
        }

    async def _run(self, facts: Mapping[str, str], said: IO[bytes]) -> str:
        try:
            process = await anyio.open_process(
                list(self.argv),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                cwd=self.folder if self.folder.is_dir() else None,
                env={**self.environ, **facts},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            return f"canary_check {self.argv[0]!r} cannot be started ({why})"
        try:
            with anyio.fail_after(self.timeout_s):
                code = await process.wait()
        except TimeoutError:
            return f"canary_check did not end within {self.timeout_s:g} s"
        finally:
            if process.returncode is None:
                await _kill(process)
        if not code:
            return ""
        return f"canary_check ended with {code}{_last_words(said)}"


async def _kill(process: Process) -> None:
    """End a program and whatever it started, and wait until it is gone."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with anyio.CancelScope(shield=True):
        await process.wait()


def _last_words(said: IO[bytes]) -> str:
    """Return the last line that a program wrote, safe to keep; empty: it was silent."""
    said.seek(max(0, said.seek(0, os.SEEK_END) - _SAID))
    lines = said.read().decode("utf-8", "replace").strip().splitlines()
    return f": {scrub(lines[-1])}" if lines else ""
