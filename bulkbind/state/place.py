"""Where STATE is."""

from collections.abc import Mapping
from pathlib import Path

#: A folder of this name beside the job is STATE unless another is named.
STATE_NAME = ".bulkbind"


def find_place(
    *, given: Path | None, environ: Mapping[str, str], base: Path | None
) -> Path:
    """Find STATE: named, else by environment, else beside the job, else upwards.

    Args:
        given: ``--state-dir``.
        environ: Environment variables.
        base: The job's folder; None: no job was named, look upwards from here.
    """
    if given is not None:
        return given.resolve()
    if environ.get("BULKBIND_STATE_DIR"):
        return Path(environ["BULKBIND_STATE_DIR"]).resolve()
    if base is not None:
        return base / STATE_NAME
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / STATE_NAME).is_dir():
            return folder / STATE_NAME
    return here / STATE_NAME
