"""What a run keeps of its job, so that a resume needs neither job file nor manifest."""

import getpass
import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bulkbind.model import SourceFile
from bulkbind.settings import JobSettings
from bulkbind.state.ledgers import find_database

if TYPE_CHECKING:
    from bulkbind.state.folders import RunFacts


def freeze(settings: JobSettings) -> str:
    """Return the settings as JSON; they hold no secrets."""
    return msgspec.json.encode(settings, enc_hook=_encode).decode()


def thaw(text: str) -> JobSettings:
    """Return what ``freeze`` was given."""
    return msgspec.json.decode(text, type=JobSettings, dec_hook=_decode)


def settings_of(facts: "RunFacts") -> JobSettings:
    """Return a run's settings; the address of its database is the one known here."""
    settings = thaw(facts.meta["settings"])
    where = find_database(facts.folder.path)
    return replace(settings, ledger=where[0]) if where else settings


def _encode(value: object) -> str:
    return str(value)


def _decode(kind: type, value: object) -> object:
    return Path(str(value)) if issubclass(kind, Path) else value


def fingerprint(settings: JobSettings) -> str:
    """Return every setting that shapes the rows of a plan, as text."""
    canary = {"canary": settings.canary, "canary_check": settings.canary_check}
    return json.dumps(
        {
            "columns": dict(sorted(settings.columns.items())),
            "defaults": dict(sorted(settings.defaults.items())),
            "encoding": settings.encoding,
            "fill_blank": settings.fill_blank,
            "on_invalid": settings.on_invalid,
            "only": [[column, sorted(values)] for column, values in settings.only],
            **{name: value for name, value in canary.items() if value},
        }
    )


def plan_settings_key(settings: JobSettings) -> str:
    """Return what must be equal for ``run --resume`` to go on with a run."""
    return json.dumps(
        [
            fingerprint(settings),
            settings.action,
            settings.batch_size,
            settings.on_conflict,
            settings.live,
            settings.rebind,
            {name: account.endpoint for name, account in settings.accounts.items()},
        ]
    )


def manifest_sha256(files: Sequence[SourceFile]) -> str:
    """Return the SHA-256 of the user's bytes; of all files' sums when there are more."""
    if len(files) == 1:
        return files[0].sha256
    joined = "\n".join(file.sha256 for file in files)
    return hashlib.sha256(joined.encode()).hexdigest()


def hash_sources(settings: JobSettings) -> list[SourceFile]:
    """Hash the manifest's files; empty when one cannot be read twice."""
    found = []
    for path in settings.manifest:
        if path is None or not path.is_file():
            return []
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        found.append(SourceFile(path.name, digest, path.stat().st_size))
    return found


def operator() -> str:
    """Return user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return f"{user}@{platform.node()}"
