"""A Dask scheduler and its workers, each a process of its own that can be killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from socket import create_connection, socket

from tests.factories import until

#: A shorter patience with hung workers than the one that the tool sets.
WORKER_TTL_S = 5
QUICK = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": f"{WORKER_TTL_S}s"}


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
        config: Dask's settings, as environment variables.
        tls: How the scheduler and its workers show who they are; none: they do not.
    """

    def __init__(
        self,
        folder: Path,
        environ: Mapping[str, str],
        *,
        config: Mapping[str, str] = QUICK,
        tls: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self._environ = {**os.environ, **environ, **config}
        self._tls = tls
        self._number = 0
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        return f"{'tls' if self._tls else 'tcp'}://127.0.0.1:{self.port}"

    def _start(
        self,
        *arguments: str,
        environ: Mapping[str, str] | None = None,
        inside: Sequence[str] = (),
    ) -> subprocess.Popen[bytes]:
        self._number += 1
        with (self.folder / f"machine{self._number}.log").open("wb") as log:
            return subprocess.Popen(
                [*inside, sys.executable, "-m", "dask", *arguments, *self._tls],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                env={
                    **self._environ,
                    **(environ or {}),
                    "BULKBIND_HOST_DIR": str(self.folder / f"host{self._number}"),
                },
            )

    def start_scheduler(self) -> None:
        self.scheduler = self._start(
            *("scheduler", "--host", "127.0.0.1", "--port", str(self.port)),
            *("--no-dashboard", "--no-show"),
            *(("--protocol", "tls") if self._tls else ()),
        )
        until(self._answers)

    def _answers(self) -> bool:
        try:
            create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def add_worker(
        self,
        *more: str,
        environ: Mapping[str, str] | None = None,
        inside: Sequence[str] = (),
        address: str = "",
    ) -> subprocess.Popen[bytes]:
        """Start a worker; it joins when it is up.

        Args:
            more: Options of ``dask worker``.
            environ: What is other than with its fellows.
            inside: What its command line begins with.
            address: Where it finds the scheduler; empty: on this host.
        """
        worker = self._start(
            *("worker", address or self.address, "--no-nanny", "--nthreads", "8"),
            *("--no-dashboard", "--local-directory", str(self.folder), *more),
            environ=environ,
            inside=inside,
        )
        self.workers.append(worker)
        return worker

    def kill_scheduler(self) -> None:
        assert self.scheduler is not None
        self.scheduler.kill()
        self.scheduler.wait()

    def wait_for_workers(self) -> None:
        """Return when every worker has joined."""
        until(lambda: self.said.count("Registered to:") >= len(self.workers))

    def freeze(self, worker: subprocess.Popen[bytes]) -> None:
        """Stop a process until SIGCONT; return when it stands still."""
        worker.send_signal(signal.SIGSTOP)
        status = Path(f"/proc/{worker.pid}/stat")
        until(lambda: status.read_text().rpartition(") ")[2].startswith("T"))

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
    config: Mapping[str, str] = QUICK,
    tls: Sequence[str] = (),
) -> Iterator[Machines]:
    """Run a scheduler and some workers for a block."""
    made = Machines(folder, environ, config=config, tls=tls)
    try:
        made.start_scheduler()
        for _ in range(workers):
            made.add_worker()
        made.wait_for_workers()
        yield made
    finally:
        made.close()
