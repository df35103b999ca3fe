"""The file of a world: its tables, opening it, and changing it all or not at all.

It outlives the process, not a power cut (``synchronous=OFF``): a rehearsal needs no
more. One connection, used from one thread; other processes may read at any time
(``oracle.py``).
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import msgspec

from bulkbind.errors import StateError

#: Written to ``PRAGMA user_version``; another number is another programme's file.
SCHEMA_VERSION = 1

#: Pages kept in memory: the ids of about a million APIs.
CACHE_KIB = 48 * 1024

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE instances (no INTEGER PRIMARY KEY, instance_id TEXT NOT NULL UNIQUE);
CREATE TABLE plugins (
    no INTEGER PRIMARY KEY, instance_no INTEGER NOT NULL, plugin_id TEXT NOT NULL,
    plugin_type TEXT NOT NULL, UNIQUE (instance_no, plugin_id));
CREATE TABLE envs (
    no INTEGER PRIMARY KEY, instance_no INTEGER NOT NULL, env_id TEXT NOT NULL,
    UNIQUE (instance_no, env_id));
CREATE TABLE apis (
    no INTEGER PRIMARY KEY, instance_no INTEGER NOT NULL, api_id TEXT NOT NULL,
    UNIQUE (instance_no, api_id));
CREATE TABLE publications (
    api_no INTEGER NOT NULL, env_no INTEGER NOT NULL,
    PRIMARY KEY (api_no, env_no)) WITHOUT ROWID;
CREATE TABLE bindings (
    env_no INTEGER NOT NULL, plugin_type TEXT NOT NULL, api_no INTEGER NOT NULL,
    plugin_no INTEGER NOT NULL, attach_no INTEGER NOT NULL,
    attached_ns INTEGER NOT NULL,
    PRIMARY KEY (env_no, plugin_type, api_no)) WITHOUT ROWID;
CREATE INDEX bindings_by_plugin ON bindings (plugin_no, env_no, api_no);
CREATE TABLE planted (
    kind TEXT NOT NULL, instance_id TEXT NOT NULL, env_id TEXT NOT NULL,
    api_id TEXT NOT NULL,
    PRIMARY KEY (kind, instance_id, env_id, api_id)) WITHOUT ROWID;
"""


class SqliteFile:
    """A world in an SQLite file, made for its owner alone when it is not there.

    Args:
        path: The file; its folder must exist. ``:memory:`` keeps it to this object.

    Raises:
        StateError: The file cannot be opened, or is not a world.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = path
        try:
            if isinstance(path, Path):
                path.touch(mode=0o600)
            self._db = sqlite3.connect(path, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise StateError(_unusable(path, error)) from error
        try:
            self._open()
        except sqlite3.Error as error:
            self._db.close()
            raise StateError(_unusable(path, error)) from error
        except StateError:
            self._db.close()
            raise

    def _open(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version not in {0, SCHEMA_VERSION}:
            raise StateError(_unusable(self.path, f"schema version {version}"))
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        if version == 0:
            self._db.executescript(
                f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT"
            )

    def close(self) -> None:
        """Fold the log into the file and let go of it."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """Enter a change: committed when it ends, rolled back when it raises.

        Raises:
            StateError: The file cannot be written: the disk is full or failing.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise StateError(_unusable(self.path, error)) from error
            raise


def json_text(values: Sequence[str] | Sequence[int]) -> str:
    """Write values for ``json_each``: one statement for all of them."""
    return msgspec.json.encode(values).decode()


def _unusable(path: Path | str, why: object) -> str:
    return (
        f"{path} cannot be used as a sandbox world: {why};"
        " name another file, or remove it to start afresh"
    )
