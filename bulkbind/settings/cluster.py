"""``[cluster]``: which machines work a job, and what they cannot do."""

from pathlib import Path
from typing import TYPE_CHECKING

from bulkbind.settings.values import ClusterSettings

if TYPE_CHECKING:
    from bulkbind.settings.jobfile import JobFile


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
