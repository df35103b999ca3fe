"""The accounts of a job: where each is, and where its credential comes from."""

from pathlib import Path
from typing import TYPE_CHECKING

from bulkbind.errors import SettingsError
from bulkbind.model import DEFAULT_ACCOUNT
from bulkbind.settings.regions import endpoint_of, iam_endpoint_of, region_of
from bulkbind.settings.values import SANDBOX, AccountSettings

if TYPE_CHECKING:
    from bulkbind.settings.jobfile import Account, JobFile


def accounts_of(
    job: "JobFile", *, endpoint: str, base: Path
) -> dict[str, AccountSettings]:
    """Return a job's accounts by name.

    Args:
        job: Checked.
        endpoint: ``--endpoint``; a URL is the one of ``default``, ``sandbox`` of all.
        base: What a relative ``ca_file`` starts from.

    Raises:
        SettingsError: Every fault found.
    """
    named = dict(job.accounts)
    if "account" in job.model_fields_set or not named:
        named = {DEFAULT_ACCOUNT: job.account, **named}
    problems = [fault for name in named for fault in _faults(name, named[name])]
    if endpoint not in {"", SANDBOX} and DEFAULT_ACCOUNT not in named:
        problems.append(
            f"--endpoint is the one of the account {DEFAULT_ACCOUNT!r}, and the job"
            " names only others; give them endpoints in the job file"
        )
    if problems:
        raise SettingsError(problems)
    return {
        name: _account(name, account, endpoint=endpoint, base=base)
        for name, account in named.items()
    }


def _faults(name: str, account: "Account") -> list[str]:
    where = f"account {name!r}"
    problems = []
    if account.endpoint and account.region and not account.iam_endpoint:
        problems.append(
            f"{where}: endpoint and region both say where it is; give one (a region"
            " beside endpoint and iam_endpoint names the project)"
        )
    if account.credential and account.credential_command:
        problems.append(
            f"{where}: credential and credential_command both say where its credential"
            " comes from; give one"
        )
    is_real = account.endpoint != SANDBOX
    told = account.credential or account.credential_command
    if name != DEFAULT_ACCOUNT and is_real and not told:
        problems.append(
            f"{where}: say where its credential comes from, with credential ="
            ' "env:PREFIX_" or "profile:SECTION", or credential_command'
        )
    return problems


def _account(
    name: str, account: "Account", *, endpoint: str, base: Path
) -> AccountSettings:
    own = account.endpoint
    if not own and account.region:
        own = endpoint_of(account.region, product=account.product)
    given = endpoint if endpoint == SANDBOX or name == DEFAULT_ACCOUNT else ""
    region = region_of(given) if given else account.region or region_of(own)
    return AccountSettings(
        name=name,
        endpoint=given or own,
        project_id=account.project_id,
        region=region,
        product=account.product,
        iam_endpoint=account.iam_endpoint or (region and iam_endpoint_of(region)),
        ca_file=base / account.ca_file if account.ca_file else None,
        proxy=account.proxy,
        credential=account.credential,
        credential_command=tuple(account.credential_command),
        rate=account.rate,
    )
