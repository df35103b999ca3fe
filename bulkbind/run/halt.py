"""What stops whom: the whole run, or one account; and what pauses it.

A lane that waits is woken at once when it is halted; a request that is out is never
interrupted by a halt, only by ``now``. A pause takes back whoever waits to send, so that
nobody keeps a gateway from other processes meanwhile.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from bulkbind.model import Cause, OurCode, Scope, Stop


class Halt:
    """Shared by the lanes of a run."""

    def __init__(self) -> None:
        self.reason = ""
        """Why the run stops; empty while it does not."""
        self._detail = ""
        self.accounts: dict[str, Stop] = {}
        self._waiting: dict[anyio.CancelScope, str] = {}
        self._queueing: set[anyio.CancelScope] = set()
        """Those of the waiting that a pause takes back, too."""
        self._paused: anyio.Event | None = None
        """Set when the pause ends; None: there is none."""
        self._now = anyio.CancelScope()

    @property
    def now(self) -> anyio.CancelScope:
        """The scope that ``stop(now=True)`` cancels; the engine runs inside."""
        return self._now

    @property
    def is_now(self) -> bool:
        """Tell whether not even answers are waited for."""
        return self._now.cancel_called

    def stop(self, reason: str, *, now: bool = False, detail: str = "") -> None:
        """Stop the run: drain what is out, or interrupt that too.

        Args:
            reason: A word: a signal's name, a rule, a person.
            now: Do not even wait for answers.
            detail: The reason in a sentence.
        """
        if not self.reason:
            self.reason, self._detail = reason, detail
        for scope in self._waiting:
            scope.cancel()
        if now:
            self._now.cancel()

    def stop_account(self, stop: Stop) -> None:
        """Stop every lane of an account."""
        self.accounts.setdefault(stop.key, stop)
        for scope, account in self._waiting.items():
            if account == stop.key:
                scope.cancel()

    def reaches(self, account: str) -> bool:
        """Tell whether lanes of the account must send nothing more."""
        return bool(self.reason) or account in self.accounts

    @contextmanager
    def interruptible(self, account: str) -> Iterator[anyio.CancelScope]:
        """Wait inside: a halt ends the block at once, without an exception."""
        scope = anyio.CancelScope()
        if self.reaches(account):
            scope.cancel()
        self._waiting[scope] = account
        try:
            with scope:
                yield scope
        finally:
            del self._waiting[scope]

    @property
    def is_paused(self) -> bool:
        """Tell whether nothing may be sent for now."""
        return self._paused is not None

    def pause(self) -> None:
        """Let nobody begin to send; who waits to send begins to wait anew."""
        if self._paused is None:
            self._paused = anyio.Event()
            for scope in self._queueing:
                scope.cancel()

    def go_on(self) -> None:
        """End the pause."""
        if self._paused is not None:
            self._paused.set()
            self._paused = None

    async def unpaused(self, account: str) -> None:
        """Wait while the run is paused; a halt ends that, too."""
        while self._paused is not None and not self.reaches(account):
            with self.interruptible(account):
                await self._paused.wait()

    @contextmanager
    def queueing(self, account: str) -> Iterator[None]:
        """Wait to send inside: a halt or a pause ends the block, without an exception."""
        with self.interruptible(account) as scope:
            self._queueing.add(scope)
            try:
                yield
            finally:
                self._queueing.discard(scope)

    def run_stop(self, *, invocation: int, at: float) -> Stop:
        """Return the stop that explains rows the run did not come to."""
        return Stop(
            scope=Scope.DONE,
            key="",
            cause=Cause.STOP,
            invocation=invocation,
            at=at,
            code=OurCode.STOPPED,
            message=self._detail or f"the run was stopped: {self.reason}",
        )
