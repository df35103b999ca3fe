"""A job of several accounts, each with its project and credential, on one sandbox."""

import csv
from collections.abc import Sequence
from pathlib import Path

from tests.factories import Binding, bindings


def name_of(number: int) -> str:
    """Name an account."""
    return f"team{number}"


def rows_of_accounts(accounts: int, each: int) -> list[tuple[str, Binding]]:
    """Make bindings, each account with a gateway of its own."""
    rows = bindings(accounts * each, gateways=accounts)
    return [(name_of(no % accounts), row) for no, row in enumerate(rows)]


def environ_of(accounts: int) -> dict[str, str]:
    """Return the environment of a worker: a credential for each account."""
    return {f"TEAM{no}_TOKEN": "sandbox" for no in range(accounts)}


def write_accounts(
    folder: Path,
    url: str,
    rows: Sequence[tuple[str, Binding]],
    text: str = "",
    *,
    name: str = "many",
) -> Path:
    """Write manifest and job of such rows."""
    with (folder / "apis.csv").open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(
            ("account", "instance_id", "plugin_id", "plugin_type", "env_id", "api_id")
        )
        lines.writerows((account, *row[:5]) for account, row in rows)
    parts = [f'name = "{name}"\nmanifest = "apis.csv"\n[pace]\nrate = "unlimited"\n']
    for account in sorted({account for account, _ in rows}):
        number = int(account.removeprefix("team"))
        parts.append(
            f'[accounts.{account}]\nendpoint = "{url}"\n'
            f'project_id = "{number + 1:032x}"\ncredential = "env:{account.upper()}_"\n'
        )
    path = folder / "many.toml"
    path.write_text("".join(parts) + text, encoding="utf-8")
    return path
