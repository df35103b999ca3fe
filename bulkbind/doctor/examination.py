"""What is looked at, and in which order: this machine, a run, a job's accounts."""

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

from bulkbind.doctor.account import check_account, check_credential
from bulkbind.doctor.asking import Named
from bulkbind.doctor.check import Check, counted, fine, from_error, warning
from bulkbind.doctor.folders import Folder, check_file, check_folder, check_git
from bulkbind.doctor.machine import Machine, check_machine
from bulkbind.doctor.run import check_run
from bulkbind.errors import ManifestError
from bulkbind.host import default_host_folder
from bulkbind.job.connecting import home_of
from bulkbind.job.errand import Surroundings
from bulkbind.job.walking import manifest_of
from bulkbind.model import NAMED
from bulkbind.settings import JobSettings
from bulkbind.state.folders import RunFolder, StateFolder

#: Where credentials of the account ``default`` may lie, below the home folder.
#: Source: apig-contract 4.5.
_CREDENTIAL_FILES = (".huaweicloud/credentials", ".hcloud/config.json")


async def examine(
    settings: JobSettings | None,
    *,
    state: StateFolder,
    run: RunFolder | None = None,
    machine: Machine,
    around: Surroundings,
) -> AsyncIterator[Check]:
    """Look at everything that a job, or a run, needs.

    Nothing is changed on a gateway or in STATE; requests go at the accounts' pace.

    Args:
        settings: The job, with or without a manifest; None: there is none.
        state: Where runs are, or would be, kept.
        run: Whose files to look at; None: of no run.
        machine: What this machine is like.
        around: Clock and environment.
    """
    for check in _of_machine(machine, state, around.environ):
        yield check
    for check in check_run(run) if run is not None else ():
        yield check
    if settings is not None:
        async for check in _of_job(settings, state, around):
            yield check
    elif run is None:
        yield check_credential(around)


async def _of_job(
    settings: JobSettings, state: StateFolder, around: Surroundings
) -> AsyncIterator[Check]:
    named: Mapping[str, Named] = {}
    if settings.manifest:
        named, check = _read_manifest(settings)
        yield check
    for name, account in settings.accounts.items():
        async for check in check_account(
            account,
            settings=settings,
            named=named.get(name, Named()),
            state=state,
            around=around,
        ):
            yield check


def _of_machine(
    machine: Machine, state: StateFolder, environ: Mapping[str, str]
) -> Iterator[Check]:
    home = home_of(environ)
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


def _read_manifest(settings: JobSettings) -> tuple[dict[str, Named], Check]:
    """Return what a manifest names by account, and what is to be said of it."""
    projects: dict[str, str] = {}
    gateways: dict[str, dict[str, str]] = {}
    rows = faults = 0
    of = f"manifest {', '.join(str(path) for path in settings.manifest)}"
    try:
        for row in manifest_of(settings).rows():
            rows += 1
            if row.fault is not None:
                faults += 1
                continue
            projects[row.account] = projects.get(row.account) or row.project_id
            known = gateways.setdefault(row.account, {})
            if not known.get(row.instance_id):
                is_name = row.plugin_id.startswith(NAMED)
                known[row.instance_id] = "" if is_name else row.plugin_id
    except ManifestError as error:
        remedy = "`bulkbind plan SOURCE` says more"
        return {}, from_error("rows", of, error, remedy=remedy)
    named = {
        name: Named(project_id=projects[name], gateways=known)
        for name, known in gateways.items()
    }
    places = sum(map(len, gateways.values()))
    found = f"{counted(rows, 'row')}, {counted(places, 'gateway')}"
    if faults:
        found = f"{found}; {counted(faults, 'row')} cannot be sent"
        remedy = "`bulkbind plan SOURCE` lists them, with line and remedy"
        return named, warning("rows", of, found, remedy)
    return named, fine("rows", of, found)
