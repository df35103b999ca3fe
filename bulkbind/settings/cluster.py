"""``[cluster]``: which machines work a job, and what they cannot do."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bulkbind.settings.values import ClusterSettings

if TYPE_CHECKING:
    from bulkbind.settings.jobfile import JobFile

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def check_scheduler(value: str) -> str:
    """Take what is encrypted, or does not leave this machine."""
    if value in {"", "local"}:
        return value
    try:
        parts = urlsplit(value)
        sound = bool(parts.hostname and parts.port) and not parts.path
    except ValueError:
        sound = False
    is_safe = sound and (
        parts.scheme == "tls" or (parts.scheme == "tcp" and parts.hostname in LOOPBACK)
    )
    if not is_safe:
        message = (
            'write tls://HOST:PORT; tcp:// is for loopback only, and "local" starts'
            " workers on this machine"
        )
        raise ValueError(message)
    return value


def cluster_of(job: "JobFile", *, base: Path) -> ClusterSettings:
    """Return what a checked job file says of machines."""
    wish = job.cluster
    names = ("ca_file", "cert_file", "key_file")
    files = {name: getattr(wish, name) for name in names}
    return ClusterSettings(
        scheduler=wish.scheduler,
        workers=wish.workers,
        **{name: str(base / text) if text else "" for name, text in files.items()},
    )


def check_cluster(job: "JobFile") -> list[str]:
    """Say what many machines cannot do, or lack."""
    wish = job.cluster
    if not wish.scheduler:
        return []
    problems = []
    if not wish.ledger:
        problems.append(
            "cluster.scheduler: machines share a ledger: give cluster.ledger, the URL of"
            " a PostgreSQL database"
        )
    files = (wish.ca_file, wish.cert_file, wish.key_file)
    if wish.scheduler.startswith("tls:") and not all(files):
        problems.append(
            "cluster.scheduler: tls needs cluster.ca_file, cert_file and key_file"
        )
    if job.safety.verify:
        problems.append(
            "safety.verify: machines do not verify; `bulkbind verify RUN` does, where"
            " the credentials are"
        )
    return problems
