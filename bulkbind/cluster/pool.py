"""The workers of a Dask scheduler: connected, asked, and asked again when they die."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from bulkbind.cluster.task import Told, do_call
from bulkbind.errors import SettingsError, StateError
from bulkbind.job.accounts import Came, SharedRun
from bulkbind.settings import ClusterSettings, JobSettings

if TYPE_CHECKING:
    from distributed import Client, Future, Security

#: How often answers are looked for, and how long a busy account is left alone; seconds.
_LOOK_S = 0.05
_AGAIN_S = 1.0

#: How long a scheduler may stay away before the run breaks off and can be resumed.
PATIENCE_S = 60.0

#: Accounts that one worker works at once; nearly all of their time they wait.
THREADS = 8

#: An account moves when its worker dies, however often; nothing is stolen, and a worker
#: that says nothing for 30 s is taken for dead.
CONFIG = {
    "distributed.scheduler.allowed-failures": 100,
    "distributed.scheduler.worker-ttl": "30s",
    "distributed.scheduler.work-stealing": False,
    "distributed.comm.timeouts.connect": "5s",
    "distributed.admin.log-length": 0,
}


class Pool:
    """Works accounts on whatever workers there are.

    Args:
        settings: The job; names the scheduler.
        address: The scheduler's.
        security: For TLS; None: loopback.
    """

    def __init__(
        self, settings: JobSettings, address: str, security: "Security | None"
    ) -> None:
        self._settings = settings
        self._address = address
        self._security = security
        self._client: Client | None = None
        self._tries: Counter[tuple[str, str]] = Counter()
        self.resubmitted = 0
        """How often an account was given out again."""

    def close(self) -> None:
        """Let go of the scheduler; workers go on with what they do."""
        if self._client is not None:
            with suppress(Exception):
                self._client.close(timeout=1)

    def connect(self) -> "Client":
        """Connect, or connect anew; wait for a scheduler that is away.

        Raises:
            StateError: Nobody answers for a minute.
        """
        from distributed import Client

        self.close()
        give_up_at = time.monotonic() + PATIENCE_S
        while True:
            try:
                self._client = Client(
                    self._address,
                    security=self._security,
                    timeout=5,
                    set_as_default=False,
                )
            except (OSError, TimeoutError) as error:
                if time.monotonic() > give_up_at:
                    message = (
                        f"the scheduler at {self._address} cannot be reached"
                        f" ({error}); see to it, then give the same command again"
                    )
                    raise StateError(message) from error
                time.sleep(_AGAIN_S)
            else:
                return self._client

    def each(
        self,
        name: str,
        run: SharedRun,
        accounts: Sequence[str],
        *,
        stops: Callable[[], bool],
    ) -> list[Told]:
        """Have a call done for every account, and wait for all of them.

        Args:
            name: ``judge`` or ``run``.
            run: The run.
            accounts: Its accounts.
            stops: Tells that an account which is not worked now needs none any more.

        Raises:
            StateError: The scheduler is away for too long.
        """
        told: dict[str, Told] = {}
        due = dict.fromkeys(accounts, 0.0)
        out: dict[str, Future[Any]] = {}
        while len(told) < len(accounts):
            client = self._client
            if client is None or client.status != "running":
                due.update(dict.fromkeys(out, 0.0))
                out.clear()
                client = self.connect()
            for account in [one for one, at in due.items() if at <= time.monotonic()]:
                del due[account]
                if stops():
                    told[account] = Told(account, str(Came.STOPPED), "")
                else:
                    out[account] = self._submit(client, name, run, account)
            for account in [one for one, future in out.items() if future.done()]:
                answer = _answer(out.pop(account), account)
                if answer is None or answer.came in {"busy", Came.LOST}:
                    due[account] = time.monotonic() + _AGAIN_S
                else:
                    told[account] = answer
            time.sleep(_LOOK_S)
        return list(told.values())

    def _submit(
        self, client: "Client", name: str, run: SharedRun, account: str
    ) -> "Future[Any]":
        self._tries[name, account] += 1
        number = self._tries[name, account]
        self.resubmitted += number > 1
        return client.submit(
            do_call,
            name,
            *run,
            account,
            key=f"{run.run_id}/{name}/{account}/{time.time_ns()}/{number}",
            pure=False,
            resources=self._wanted(client, account),
        )

    def _wanted(self, client: "Client", account: str) -> dict[str, float] | None:
        """Return the resource by which workers say that an account is theirs.

        ``account-NAME`` before ``region-REGION``, if any worker has it.
        """
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        there = {name for worker in workers for name in worker.get("resources", {})}
        region = self._settings.accounts[account].region
        for name in (f"account-{account}", f"region-{region}"):
            if name in there:
                return {name: 1}
        return None


def _answer(future: "Future[Any]", account: str) -> Told | None:
    """Return what a worker says; None: its call did not come to an end."""
    if future.status == "finished":
        with suppress(Exception):  # the scheduler went away with it
            return Told(*future.result(timeout=10))
        return None
    if future.status == "error":
        error = future.exception(timeout=10)
        from distributed import KilledWorker

        if not isinstance(error, KilledWorker):
            return Told(account, "error", repr(error), type(error).__name__)
    return None


@contextmanager
def hired(settings: JobSettings) -> Iterator[Pool]:
    """Connect to the scheduler of a job; for ``local``, start it and its workers.

    Raises:
        SettingsError: Dask is not installed, or a file of TLS cannot be read.
        StateError: The scheduler does not answer.
    """
    wish = settings.cluster
    try:
        import dask
        from distributed import LocalCluster
    except ImportError as error:
        problem = "cluster.scheduler: many machines need Dask: pip install 'bulkbind[cluster]'"
        raise SettingsError([problem]) from error
    with ExitStack() as stack:
        stack.enter_context(dask.config.set(CONFIG))
        address, security = wish.scheduler, _security(wish)
        if address == "local":
            local: Any = stack.enter_context(
                LocalCluster(
                    n_workers=wish.workers,
                    threads_per_worker=THREADS,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address=None,
                    silence_logs=50,
                )
            )
            address = local.scheduler_address
        pool = Pool(settings, address, security)
        stack.callback(pool.close)
        pool.connect()
        yield pool


def _security(wish: ClusterSettings) -> "Security | None":
    if not wish.scheduler.startswith("tls:"):
        return None
    from distributed.security import Security

    return Security(
        require_encryption=True,
        tls_ca_file=wish.ca_file,
        tls_client_cert=wish.cert_file,
        tls_client_key=wish.key_file,
    )
