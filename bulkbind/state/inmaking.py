"""Runs in the making: a folder has no name yet while its run is planned."""

from pathlib import Path

from bulkbind.host import holder_of

#: How the name of such a folder begins; the process that makes it, and the id, follow.
UNFINISHED = ".unfinished-"


def maker_of(draft: Path) -> str:
    """Return the process that makes a folder, in digits, by the folder's name."""
    return draft.name.removeprefix(UNFINISHED).partition("-")[0]


def planner(runs: Path, locks: Path) -> str:
    """Return who plans a run now, as the lock of the job says it; empty: nobody.

    Args:
        runs: The folder of run folders.
        locks: A job's lock, or the folder of all jobs' locks.
    """
    pids = {maker_of(draft) for draft in runs.glob(f"{UNFINISHED}*")}
    if not pids:
        return ""
    signatures = tuple(f"pid {pid} (" for pid in pids)
    for lock in sorted(locks.glob("*.lock")) if locks.is_dir() else [locks]:
        holder = holder_of(lock)
        if holder and holder.startswith(signatures):
            return holder
    return ""
