"""Reads lists at the account's pace, and gives up rather than guess."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import anyio

from bulkbind.model import Lane, Scope, Target
from bulkbind.retry import classify
from bulkbind.run.tools import Tools
from bulkbind.run.waiting import Waiting
from bulkbind.wire import Listing, Page

Fetch = Callable[[int], Awaitable[Page]]

#: Failures after which the same page may go better.
_PASSING = frozenset({Scope.AMBIGUOUS, Scope.TRANSIENT, Scope.BUSY, Scope.DONE})


class Reading:
    """The lists of one lane's gateway.

    Args:
        lane: The lane; a read takes a turn and a slot, not the gateway's lock.
        tools: Its account's.
        waiting: Its waits.
    """

    def __init__(self, lane: Lane, tools: Tools, waiting: Waiting) -> None:
        self._lane = lane
        self._tools = tools
        self._waiting = waiting

    async def attached(self, target: Target) -> Listing | None:
        """Read what a target's plug-in is attached to; None: it cannot be read."""
        attacher = self._tools.attacher
        return await self._read(lambda offset: attacher.attached_page(target, offset))

    async def apis(self, instance_id: str) -> Listing | None:
        """Read a gateway's APIs; None: they cannot be read."""
        attacher = self._tools.attacher
        return await self._read(lambda offset: attacher.apis_page(instance_id, offset))

    async def _read(self, fetch: Fetch) -> Listing | None:
        listing = Listing()
        failures = 0
        while not listing.is_done:
            page = await self._page(fetch, listing.offset, times=failures + 1)
            if page is None:
                return None
            if page.is_whole:
                listing.take(page)
                failures = 0
                continue
            scope = classify(page.reply)
            failures += 1
            if not self._may_go_on(scope, failures):
                return None
            if scope is not Scope.THROTTLE:
                seconds = self._waiting.backoff_s(failures)
                await self._waiting.wait("reading failed", seconds)
        return listing

    def _may_go_on(self, scope: Scope, failures: int) -> bool:
        if self._tools.halt.reaches(self._lane.account):
            return False
        if scope is Scope.THROTTLE:
            return True
        return scope in _PASSING and failures < self._tools.settings.retry.max_attempts

    async def _page(self, fetch: Fetch, offset: int, *, times: int) -> Page | None:
        """Fetch one page in its turn; None: halted before it was asked for."""
        tools = self._tools
        async with AsyncExitStack() as stack:
            with tools.halt.interruptible(self._lane.account):
                await stack.enter_async_context(tools.turns.turn(tools.slots))
            if tools.halt.reaches(self._lane.account):
                return None
            left_at = anyio.current_time()
            page = await fetch(offset)
        await tools.recorder.count_read(tools.invocation)
        if classify(page.reply) is Scope.THROTTLE:
            self._waiting.throttled(page.reply, left_at=left_at, times=times)
        elif page.reply.status:
            tools.turns.accepted()
        return page
