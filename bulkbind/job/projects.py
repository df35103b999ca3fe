"""The project of each account: given, told by the manifest, or looked up."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from bulkbind.auth import Credential, Iam, find_project
from bulkbind.errors import (
    BulkbindError,
    CredentialsRejected,
    CredentialUnavailable,
    EndpointUnreachable,
    SettingsError,
)
from bulkbind.host import HostFolder, default_host_folder
from bulkbind.http import AccountHttp, Http
from bulkbind.model import OurCode, Reply
from bulkbind.retry import advise
from bulkbind.settings import SANDBOX, SANDBOX_PROJECT, AccountSettings, JobSettings


async def settle_projects(
    settings: JobSettings,
    names: Iterable[str],
    *,
    told: Mapping[str, str],
    credentials: Mapping[str, Credential | None],
    environ: Mapping[str, str],
) -> dict[str, str]:
    """Return the project of each account; ask the identity service at last.

    Args:
        settings: The job.
        names: Of the accounts.
        told: Projects by account, as far as the manifest says them.
        credentials: By account; None, or not there: nobody can be asked.
        environ: Environment variables; BULKBIND_HOST_DIR names the host folder.

    Raises:
        CredentialsRejected: The identity service refuses a credential.
        EndpointUnreachable: It does not answer.
        SettingsError: No project is known for an account.
    """
    found = {
        name: _known(settings.accounts[name], told.get(name, ""), credentials.get(name))
        for name in names
    }
    problems = []
    for name in sorted(name for name, project_id in found.items() if not project_id):
        account, credential = settings.accounts[name], credentials.get(name)
        if credential is None or not (account.iam_endpoint and account.region):
            problems.append(
                f"account {name!r}: no project_id; give it in [account], with"
                " --project-id or in a project_id column, or give a region in which it"
                " can be looked up"
            )
            continue
        host = HostFolder(default_host_folder(dict(environ), home=Path.home()))
        found[name] = await _look_up(account, credential, host, settings.timeout_s)
    if problems:
        raise SettingsError(problems)
    return found


def _known(account: AccountSettings, told: str, credential: Credential | None) -> str:
    came_with_it = credential.project_id if credential is not None else ""
    standing_in = SANDBOX_PROJECT if account.endpoint == SANDBOX else ""
    return account.project_id or told or came_with_it or standing_in


async def _look_up(
    account: AccountSettings, credential: Credential, host: HostFolder, timeout_s: float
) -> str:
    """Ask the identity service, unless it has refused the credential lately."""
    iam = Iam(account.iam_endpoint, account.region)
    identity = f"{iam.endpoint}/{credential.identity}"
    refusal = host.refusal(identity)
    if refusal is not None:
        raise CredentialsRejected(_text(account, refusal.message, refusal.code))
    try:
        async with Http(timeout_s=timeout_s, connections=1) as http:
            way = AccountHttp(http, ca_file=account.ca_file, proxy=account.proxy)
            return await find_project(credential, iam, way)
    except CredentialUnavailable as error:
        if error.status and error.code != OurCode.PROJECT_UNKNOWN:
            host.refuse(identity, Reply(error.status, error.code, str(error)))
        raise _problem(account, error) from error


def _problem(account: AccountSettings, error: CredentialUnavailable) -> BulkbindError:
    text = _text(account, str(error), error.code)
    if error.code == OurCode.PROJECT_UNKNOWN:
        return SettingsError([text])
    return CredentialsRejected(text) if error.status else EndpointUnreachable(text)


def _text(account: AccountSettings, problem: str, code: str) -> str:
    advice = advise(code)
    text = f"account {account.name!r}: its project is not known, and {problem}"
    return f"{text}; {advice}" if advice else f"{text}; give project_id, or try again"
