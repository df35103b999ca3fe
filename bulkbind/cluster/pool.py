"""The workers of a Dask scheduler: connected, asked, and asked again when they die.

Every account is asked for by a coroutine of its own, so one that waits for a worker
that says nothing keeps no other waiting.
"""

import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import anyio

from bulkbind.cluster.scheduler import CONFIG, set_up
from bulkbind.cluster.task import Told, do_call
from bulkbind.errors import LedgerUnreachable, SettingsError, StateError
from bulkbind.job.accounts import Came, SharedRun
from bulkbind.run import first_of
from bulkbind.settings import ClusterSettings, JobSettings

if TYPE_CHECKING:
    from distributed import Client, Future, Security

#: How often answers are looked for, and how long a busy account is left alone; seconds.
_LOOK_S = 0.05
_AGAIN_S = 1.0

#: How long a scheduler may stay away before the run breaks off and can be resumed.
PATIENCE_S = 60.0

#: How long an account waits for a worker that can work it, when all there are cannot;
#: a database that is away may stay away for ``PATIENCE_S``.
UNFIT_S = 15.0

#: Accounts that one worker works at once; nearly all of their time they wait.
THREADS = 8


class Pool:
    """Works accounts on whatever workers there are.

    Args:
        settings: The job; names the scheduler.
        address: The scheduler's.
        security: For TLS; None: loopback.
        waits: Hears of an account what it waits for; empty: it waits no longer.
    """

    def __init__(
        self,
        settings: JobSettings,
        address: str,
        security: "Security | None",
        *,
        waits: Callable[[str, str], None],
    ) -> None:
        self._settings = settings
        self._address = address
        self._security = security
        self._waits = waits
        self._client: Client | None = None
        self._connecting, self._looking = anyio.Lock(), anyio.Lock()
        self._there: Mapping[str, Collection[str]] = {}
        """The resources of each worker that is there, by its address."""
        self._seen_at = -_AGAIN_S
        self._known: set[str] = set()
        """Resources that some worker has, or had."""
        self._tries: Counter[tuple[str, str]] = Counter()
        self.resubmitted = 0
        """How often an account was given out again."""

    async def close(self) -> None:
        """Let go of the scheduler; workers go on with what they do."""
        if self._client is not None:
            with suppress(Exception):
                await self._client.close(timeout=1)

    async def connect(self) -> "Client":
        """Return a connection that stands; wait for a scheduler that is away.

        Raises:
            StateError: Nobody answers for a minute, or not whom we trust.
        """
        async with self._connecting:
            if self._client is None or self._client.status != "running":
                await self.close()
                self._client = await self._connect()
            return self._client

    async def _connect(self) -> "Client":
        give_up_at = time.monotonic() + PATIENCE_S
        while True:
            try:
                return await self._connect_once()
            except (OSError, TimeoutError) as error:
                if _is_distrust(error) or time.monotonic() > give_up_at:
                    message = (
                        f"the scheduler at {self._address} cannot be reached"
                        f" ({error}); see to it, then give the same command again"
                    )
                    raise StateError(message) from error
            await anyio.sleep(_AGAIN_S)

    async def _connect_once(self) -> "Client":
        from distributed import Client

        async with AsyncExitStack() as stack:
            client = Client(
                self._address,
                security=self._security,
                timeout=5,
                asynchronous=True,
                set_as_default=False,
            )
            stack.push_async_callback(client.close, timeout=1)
            await client
            await self._set_up(client)
            stack.pop_all()
            return client

    async def _set_up(self, client: "Client") -> None:
        """Set the scheduler as runs need it.

        Raises:
            StateError: It has not the same bulkbind, or the same Dask, as this machine.
        """
        try:
            await client.run_on_scheduler(set_up)
        except (OSError, TimeoutError):
            raise
        except Exception as error:
            message = (
                f"the scheduler at {self._address} cannot be set up ({error!r}); it needs"
                " the same bulkbind and the same Dask as this machine"
            )
            raise StateError(message) from error

    async def each(
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
        told: list[Told] = []

        async def see_to(account: str) -> None:
            told.append(await self._see_to(name, run, account, stops))

        try:
            async with anyio.create_task_group() as group:
                for account in accounts:
                    group.start_soon(see_to, account)
        except BaseExceptionGroup as errors:
            raise first_of(errors) from errors
        return told

    async def _see_to(
        self, name: str, run: SharedRun, account: str, stops: Callable[[], bool]
    ) -> Told:
        """Have a call done for an account, by one worker or another, to its end.

        Workers that cannot work the account are asked again when all others said so.
        """
        unfit: set[str] = set()
        began: dict[str, float] = {}
        """When it was said first that a worker cannot, by the error."""
        while not stops():
            await self._look()
            wish = self._wish(account)
            able = self._able(wish)
            if not able - unfit:
                if not able:
                    self._waits(account, _missing(wish))
                unfit.clear()
                await anyio.sleep(_AGAIN_S)
                continue
            told = await self._ask(
                name, run, account, wish=wish, among=able - unfit if unfit else None
            )
            if told is None or told.came in {"busy", Came.LOST}:
                await anyio.sleep(_AGAIN_S)
            elif not told.is_unfit:
                return told
            else:
                unfit.add(told.worker)
                waited_s = time.monotonic() - began.setdefault(
                    told.kind, time.monotonic()
                )
                if able <= unfit and waited_s > _patience_s(told):
                    return told
                self._waits(account, f"another worker: {told.text}")
        return Told(account, str(Came.STOPPED), "")

    async def _ask(
        self,
        name: str,
        run: SharedRun,
        account: str,
        *,
        wish: str,
        among: Collection[str] | None,
    ) -> Told | None:
        """Have a call done once; None: it did not come to an end.

        Args:
            name: ``judge`` or ``run``.
            run: The run.
            account: The account.
            wish: The resource that a worker must have; empty: none.
            among: The workers that may do it; None: whoever is there, now or later.
        """
        client = await self.connect()
        self._waits(account, "")
        self._tries[name, account] += 1
        number = self._tries[name, account]
        self.resubmitted += number > 1
        future = client.submit(
            do_call,
            name,
            *run,
            account,
            key=f"{run.run_id}/{name}/{account}/{time.time_ns()}/{number}",
            pure=False,
            resources={wish: 1} if wish else None,
            workers=None if among is None else sorted(among),
        )
        try:
            while not future.done():
                await anyio.sleep(_LOOK_S)
                await self._look()
                if not self._able(wish) & set(among or self._there):
                    return None
            return await _answer(future, account)
        finally:
            future.release()

    # --- who is there ----------------------------------------------------------------

    async def _look(self) -> None:
        """See which workers there are, once a second."""
        async with self._looking:
            if time.monotonic() - self._seen_at < _AGAIN_S:
                return
            scheduler: Any = (await self.connect()).scheduler
            with suppress(OSError):  # seen when it is used next
                found = await scheduler.identity(n_workers=-1)
                self._there = {
                    address: set(worker.get("resources", {}))
                    for address, worker in found["workers"].items()
                }
            self._seen_at = time.monotonic()

    def _wish(self, account: str) -> str:
        """Return the resource by which workers say that an account is theirs.

        ``account-NAME`` before ``region-REGION``, if any worker has it or had it.
        """
        self._known.update(*self._there.values())
        region = self._settings.accounts[account].region
        for name in (f"account-{account}", f"region-{region}"):
            if name in self._known:
                return name
        return ""

    def _able(self, wish: str) -> set[str]:
        return {one for one, has in self._there.items() if not wish or wish in has}


def _patience_s(told: Told) -> float:
    is_away = told.kind == LedgerUnreachable.__name__
    return PATIENCE_S if is_away else UNFIT_S


def _missing(wish: str) -> str:
    return f"a worker with the resource {wish}" if wish else "a worker: none is there"


async def _answer(future: "Future[Any]", account: str) -> Told | None:
    """Return what a worker says; None: its call did not come to an end."""
    from distributed import KilledWorker

    try:
        if (error := await future.exception()) is None:
            return Told(*await future)
    except (CancelledError, OSError):
        return None
    if isinstance(error, CancelledError | KilledWorker | OSError):
        return None
    return Told(account, "error", repr(error), type(error).__name__)


def _is_distrust(error: BaseException | None) -> bool:
    """Tell whether a connection failed for its certificates: that does not pass."""
    while error is not None:
        if isinstance(error, ssl.SSLError) or "SSLError" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


@asynccontextmanager
async def hired(
    settings: JobSettings, *, waits: Callable[[str, str], None]
) -> AsyncIterator[Pool]:
    """Connect to the scheduler of a job; for ``local``, start it and its workers.

    Args:
        settings: The job.
        waits: Hears of an account what it waits for; empty: it waits no longer.

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
    async with AsyncExitStack() as stack:
        stack.enter_context(dask.config.set(CONFIG))
        address, security = wish.scheduler, _security(wish)
        if address == "local":
            local: Any = await stack.enter_async_context(
                LocalCluster(
                    n_workers=wish.workers,
                    threads_per_worker=THREADS,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    scheduler_kwargs={"dashboard": False},
                    silence_logs=50,
                    asynchronous=True,
                )
            )
            address = local.scheduler_address
        pool = Pool(settings, address, security, waits=waits)
        stack.push_async_callback(pool.close)
        await pool.connect()
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
