"""The truth, for tests and scripts: what a world file says, while it is in use or not."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from bulkbind.sandbox.world import Planted

BINDINGS = """
SELECT i.instance_id, e.env_id, a.api_id, g.plugin_id
FROM bindings b JOIN apis a ON a.no = b.api_no JOIN envs e ON e.no = b.env_no
JOIN plugins g ON g.no = b.plugin_no JOIN instances i ON i.no = a.instance_no
"""


class BoundPlugin(NamedTuple):
    """One binding in a world."""

    instance_id: str
    env_id: str
    api_id: str
    plugin_id: str


def bindings(path: Path | str) -> Iterator[BoundPlugin]:
    """Yield every binding of a world file, in no promised order."""
    with closing(_open(path)) as db:
        for row in db.execute(BINDINGS):
            yield BoundPlugin(*row)


def planted(path: Path | str) -> Iterator[Planted]:
    """Yield every slot that ``--missing`` and ``--unpublished`` took away.

    A missing API has a line for each environment the manifest wants it in.
    """
    with closing(_open(path)) as db:
        for row in db.execute("SELECT kind, instance_id, env_id, api_id FROM planted"):
            yield Planted(*row)


def _open(path: Path | str) -> sqlite3.Connection:
    return sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)
