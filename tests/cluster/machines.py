"""A Dask scheduler and its workers, each a process of its own that can be killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from socket import create_connection, socket

from tests.factories import until

#: As ``jobs/cluster/README.md`` has it, but for the patience with hung workers.
_CONFIG = {
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "100",
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "5s",
    "DASK_DISTRIBUTED__SCHEDULER__WORK_STEALING": "False",
}


def free_port() -> int:
    with closing(socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Machines:
    """Starts, freezes and kills; everything is gone at the end.

    Each has a host folder of its own, as if it were another host.

    Args:
        folder: Output goes there.
        environ: What workers find credentials in.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.port = free_port()
        self._environ = {**os.environ, **environ, **_CONFIG}
        self._number = 0
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        self._number += 1
        with (self.folder / f"machine{self._number}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                env={
                    **self._environ,
                    "BULKBIND_HOST_DIR": str(self.folder / f"host{self._number}"),
                },
            )

    def start_scheduler(self) -> None:
        self.scheduler = self._start(
            *("scheduler", "--host", "127.0.0.1", "--port", str(self.port)),
            *("--no-dashboard", "--no-show"),
        )
        until(self._answers)

    def _answers(self) -> bool:
        try:
            create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def add_worker(self, *more: str) -> subprocess.Popen[bytes]:
        worker = self._start(
            *("worker", self.address, "--no-nanny", "--nthreads", "8"),
            *("--no-dashboard", "--local-directory", str(self.folder), *more),
        )
        self.workers.append(worker)
        return worker

    def kill_scheduler(self) -> None:
        assert self.scheduler is not None
        self.scheduler.kill()
        self.scheduler.wait()

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        self.workers.remove(worker)
        worker.kill()
        worker.wait()

    def close(self) -> None:
        for process in [*self.workers, self.scheduler]:
            if process is not None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()

    @property
    def said(self) -> str:
        return "\n".join(
            path.read_text(errors="replace")
            for path in self.folder.glob("machine*.log")
        )


@contextmanager
def machines(
    folder: Path,
    environ: Mapping[str, str],
    *,
    workers: int = 2,
) -> Iterator[Machines]:
    """Run a scheduler and some workers for a block."""
    made = Machines(folder, environ)
    try:
        made.start_scheduler()
        for _ in range(workers):
            made.add_worker()
        yield made
    finally:
        made.close()
