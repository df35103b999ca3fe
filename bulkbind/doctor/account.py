"""One account: where its credential was found, and what its gateways say to it."""

from collections.abc import AsyncIterator
from dataclasses import replace

from bulkbind.auth import Credential, Key, Token
from bulkbind.doctor.asking import Asker, Named
from bulkbind.doctor.check import Check, fine, from_error, note
from bulkbind.errors import (
    BulkbindError,
    CredentialsMissing,
    CredentialsRejected,
    StateError,
)
from bulkbind.job.connecting import connect, credential_finder, find_credentials
from bulkbind.job.errand import Surroundings
from bulkbind.job.projects import settle_projects
from bulkbind.model import DEFAULT_ACCOUNT
from bulkbind.settings import SANDBOX, AccountSettings, JobSettings
from bulkbind.state.folders import StateFolder


async def check_account(
    account: AccountSettings,
    *,
    settings: JobSettings,
    named: Named,
    state: StateFolder,
    around: Surroundings,
) -> AsyncIterator[Check]:
    """Yield what there is to say of an account.

    Args:
        account: One of the job's.
        settings: The job.
        named: What its manifest names; without gateways all there are are asked.
        state: Where the job's runs are kept.
        around: Clock and environment.
    """
    name, of = account.name, f"account {account.name}"
    if account.endpoint == SANDBOX:
        yield fine("credential", of, "the built-in sandbox needs none")
        return
    alone = replace(settings, accounts={name: account})
    try:
        credential = find_credentials(alone, around.environ)[name]
    except BulkbindError as error:
        what = "credential" if isinstance(error, CredentialsMissing) else "endpoint"
        remedy = "set one of them for whoever runs bulkbind"
        yield from_error(what, of, error, remedy=remedy)
        return
    assert credential is not None  # noqa: S101 - it is not the sandbox
    yield fine("credential", of, _kind_of(credential))
    try:
        projects = await settle_projects(
            alone,
            [name],
            told={name: named.project_id},
            credentials={name: credential},
            environ=around.environ,
        )
    except BulkbindError as error:
        what = "credential" if isinstance(error, CredentialsRejected) else "project"
        remedy = "give project_id in the account, or --project-id"
        yield from_error(what, of, error, remedy=remedy)
        return
    try:
        async with connect(
            alone,
            credentials={name: credential},
            state=state,
            projects=projects,
            rows=lambda: iter(()),
            environ=around.environ,
        ) as connections:
            asker = Asker(account, connections, around)
            async for check in asker.checks(named):
                yield check
    except StateError as error:
        remedy = "choose another folder with BULKBIND_HOST_DIR"
        yield from_error("pace", of, error, remedy=remedy)


def check_credential(around: Surroundings) -> Check:
    """Say what a job that names no account of its own would use."""
    of = f"account {DEFAULT_ACCOUNT}"
    finder = credential_finder(around.environ)
    try:
        return fine("credential", of, _kind_of(finder.find(DEFAULT_ACCOUNT)))
    except CredentialsMissing as error:
        return note("credential", of, str(error))


def _kind_of(credential: Credential) -> str:
    """Say what a credential is used as, and where it was found; never what it is."""
    kind = "a proof that is renewed"
    if isinstance(credential, Token | Key):
        kind = "a token" if isinstance(credential, Token) else "an access key"
    return f"{kind}, found at {credential.label}"
