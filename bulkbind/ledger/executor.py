"""Who runs the ledger's work: a thread that commits in groups, or the caller itself.

Many lanes wait for a durable write at once; the thread is given everything that has
gathered while it did the group before, does it in one transaction and wakes everybody
after one commit. The inline executor does the same for one caller, with no thread: a
simulator needs that.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Protocol, Self, TypeVar, cast

from bulkbind.errors import LedgerFailed
from bulkbind.ledger.store import Ledger

T = TypeVar("T")


class Executor(Protocol):
    """Runs work on a ledger; when the call returns, its effect is durable."""

    async def do(self, work: Callable[[Ledger], T]) -> T:
        """Run the work in a transaction of its own or a shared one.

        Raises:
            LedgerFailed: Nothing of the transaction was kept.
        """
        ...


class InlineExecutor:
    """Does the work at once, in the caller's thread."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def do(self, work: Callable[[Ledger], T]) -> T:
        self._ledger.begin()
        try:
            result = work(self._ledger)
            self._ledger.commit()
        except BaseException:
            with suppress(Exception):  # the work's own error is the one to tell
                self._ledger.rollback()
            raise
        return result


class _Task:
    """One piece of work and who waits for it."""

    __slots__ = ("error", "future", "result", "work")

    def __init__(
        self, work: Callable[[Ledger], object], future: asyncio.Future[object]
    ) -> None:
        self.work = work
        self.future = future
        self.result: object = None
        self.error: Exception | None = None

    def wake(self) -> None:
        """Hand over the outcome; called in the event loop's thread."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class ThreadExecutor:
    """Does the work in one thread; what has gathered shares one commit.

    One group is with the thread at a time, and the next gathers in the event loop: the
    thread is woken once for a group, and groups are as large as they can be without
    anybody waiting for company.

    Use as an async context manager: leaving it waits for everything handed in, and
    what is handed in later is refused.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._queue: SimpleQueue[list[_Task] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="ledger", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_open = False
        self._gathered: list[_Task] = []
        self._is_handed = False
        """The thread has a group, or the event loop is about to hand one over."""
        #: Transactions committed so far: fewer than pieces of work, when grouped.
        self.commits = 0

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        self._is_open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_open = False
        self._hand_over()
        self._queue.put(None)
        self._thread.join()

    async def do(self, work: Callable[[Ledger], T]) -> T:
        if not self._is_open or self._loop is None:
            message = "the ledger's executor has ended; nothing would do this work"
            raise RuntimeError(message)
        future: asyncio.Future[object] = self._loop.create_future()
        self._gathered.append(_Task(work, future))
        if not self._is_handed:
            self._is_handed = True
            self._loop.call_soon(self._hand_over)
        return cast("T", await future)

    def _hand_over(self) -> None:
        """Let the thread do what has gathered; called in the event loop's thread."""
        group, self._gathered = self._gathered, []
        self._is_handed = bool(group)
        if group:
            self._queue.put(group)

    def _work(self) -> None:
        while (group := self._queue.get()) is not None:
            self._commit(group)
            self._wake(group)

    def _commit(self, group: list[_Task]) -> None:
        """Do a group's work in one transaction: all of it holds, or none."""
        try:
            self._ledger.begin()
            for task in group:
                task.result = task.work(self._ledger)
            self._ledger.commit()
            self.commits += 1
        except BaseException as error:  # noqa: BLE001 - handed to everyone who waits
            for task in group:
                task.error = _tellable(error)
            # what cannot be taken back makes the next transaction fail
            with suppress(Exception):
                self._ledger.rollback()

    def _wake(self, group: list[_Task]) -> None:
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        loop.call_soon_threadsafe(self._woken, group)

    def _woken(self, group: list[_Task]) -> None:
        for task in group:
            task.wake()
        self._hand_over()


def _tellable(error: BaseException) -> Exception:
    """Return an error that a future hands over: one that ends threads would end loops."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return LedgerFailed(f"the ledger's work was given up: {error!r}")
