"""``doctor``: machine, folders, credentials, endpoints and rights, one check a line."""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bulkbind.doctor import (
    Check,
    Folder,
    Grade,
    Machine,
    check_file,
    check_folder,
    check_git,
    check_machine,
    fault,
    fine,
    from_error,
    warning,
)
from bulkbind.errors import BulkbindError, CredentialsMissing, ManifestError
from bulkbind.host import default_host_folder
from bulkbind.job.asking import Asker, Named, kind_of
from bulkbind.job.connecting import connect, find_credentials
from bulkbind.job.folders import RunFolder, StateFolder
from bulkbind.job.inspecting import inspect_run
from bulkbind.job.reading import Surroundings
from bulkbind.job.walking import manifest_of
from bulkbind.model import NAMED
from bulkbind.settings import SANDBOX, AccountSettings, JobSettings

#: Where credentials of the account ``default`` may lie, below the home folder.
#: Source: apig-contract 4.5.
_CREDENTIAL_FILES = (".huaweicloud/credentials", ".hcloud/config.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What the checks came to."""

    checks: tuple[Check, ...]

    def count(self, grade: Grade) -> int:
        """Return how many checks are of a grade."""
        return sum(check.grade is grade for check in self.checks)

    @property
    def exit_code(self) -> int:
        """1: something is at fault. Source: DESIGN, section 7."""
        return 1 if self.count(Grade.FAULT) else 0


async def examine(
    settings: JobSettings | None,
    *,
    state: StateFolder,
    run: RunFolder | None = None,
    machine: Machine,
    around: Surroundings,
) -> Examined:
    """Look at everything that a job, or a run, needs; changes nothing.

    Args:
        settings: The job, with or without a manifest; None: none is looked at.
        state: Where runs are, or would be, kept.
        run: Whose files to look at; None: of no run.
        machine: What this machine is like.
        around: Clock, random source, environment.
    """
    checks = list(_of_machine(machine, state, around.environ))
    if run is not None:
        checks += inspect_run(run)
    if settings is not None:
        checks += [check async for check in _of_job(settings, state, around)]
    return Examined(checks=tuple(checks))


def _of_machine(
    machine: Machine, state: StateFolder, environ: Mapping[str, str]
) -> Iterator[Check]:
    home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    host = default_host_folder(dict(environ), home=home)
    kept = Folder(name="STATE", path=state.path, setting="--state-dir")
    shared = Folder(name="host folder", path=host, setting="BULKBIND_HOST_DIR")
    yield from check_machine(machine)
    yield from check_folder(kept, machine=machine)
    yield check_git(kept)
    yield from check_folder(shared, machine=machine)
    named = environ.get("HUAWEICLOUD_SDK_CREDENTIALS_FILE")
    paths = [home / name for name in _CREDENTIAL_FILES]
    for path in [*paths, *([Path(named)] if named else [])]:
        if (check := check_file(path)) is not None:
            yield check


async def _of_job(
    settings: JobSettings, state: StateFolder, around: Surroundings
) -> AsyncIterator[Check]:
    named: dict[str, Named] = {}
    if settings.manifest:
        named, check = _read_manifest(settings)
        yield check
    for name, account in settings.accounts.items():
        alone = replace(settings, accounts={name: account})
        told = named.get(name, Named())
        async for check in _of_account(alone, account, told, state, around):
            yield check


def _read_manifest(settings: JobSettings) -> tuple[dict[str, Named], Check]:
    """Return what a manifest names by account, and what is to be said of it."""
    projects: dict[str, str] = {}
    gateways: dict[str, dict[str, str]] = {}
    rows = faults = 0
    of = ", ".join(str(path) for path in settings.manifest)
    try:
        for row in manifest_of(settings).rows():
            rows += 1
            if row.fault is not None:
                faults += 1
                continue
            projects[row.account] = projects.get(row.account) or row.project_id
            known = gateways.setdefault(row.account, {})
            if not known.get(row.instance_id):
                plugin_id = row.plugin_id
                known[row.instance_id] = (
                    "" if plugin_id.startswith(NAMED) else plugin_id
                )
    except ManifestError as error:
        remedy = "`bulkbind plan SOURCE` says more"
        return {}, from_error("manifest", of, error, remedy=remedy)
    found = f"{rows:,} rows, {sum(map(len, gateways.values())):,} gateways"
    named = {
        name: Named(project_id=projects[name], gateways=known)
        for name, known in gateways.items()
    }
    if faults:
        found = f"{found}; {faults:,} rows cannot be sent"
        remedy = "`bulkbind plan SOURCE` lists them, with line and remedy"
        return named, warning("manifest", of, found, remedy)
    return named, fine("manifest", of, found)


async def _of_account(
    settings: JobSettings,
    account: AccountSettings,
    named: Named,
    state: StateFolder,
    around: Surroundings,
) -> AsyncIterator[Check]:
    name = account.name
    if account.endpoint == SANDBOX:
        yield fine("credential", name, "the built-in sandbox: it needs none")
        return
    try:
        credential = find_credentials(settings, around.environ)[name]
    except BulkbindError as error:
        is_missing = isinstance(error, CredentialsMissing)
        what = "credential" if is_missing else "endpoint"
        remedy = "set the credential, or the account's endpoint"
        yield from_error(what, name, error, remedy=remedy)
        return
    assert credential is not None  # noqa: S101 - it is not the sandbox
    yield fine("credential", name, kind_of(credential))
    if not (account.project_id or named.project_id or credential.project_id):
        remedy = "give project_id in [account], or --project-id"
        yield fault("project", name, "no project is known", remedy)
        return
    async with connect(
        settings,
        credentials={name: credential},
        state=state,
        projects={name: named.project_id},
        rows=lambda: iter(()),
        environ=around.environ,
    ) as connections:
        asker = Asker(
            account,
            credential,
            connections=connections,
            settings=settings,
            around=around,
        )
        async for check in asker.checks(named):
            yield check
