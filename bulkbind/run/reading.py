"""Reads lists at the account's pace, and gives up rather than guess."""

from contextlib import AsyncExitStack

import anyio

from bulkbind.model import Lane, Reply, Scope, Target
from bulkbind.retry import classify
from bulkbind.run.tools import ReadTools
from bulkbind.run.waiting import Waiting
from bulkbind.wire import Listing, ListPath, Page, apis_list, attached_list

#: Failures after which the same page may go better.
_PASSING = frozenset({Scope.AMBIGUOUS, Scope.TRANSIENT, Scope.BUSY, Scope.DONE})


class Reading:
    """The lists of one lane's gateway.

    Args:
        lane: The lane; a read takes a turn and a slot, not the gateway's lock.
        tools: Its account's.
        waiting: Its waits.
    """

    def __init__(self, lane: Lane, tools: ReadTools, waiting: Waiting) -> None:
        self._lane = lane
        self._tools = tools
        self._waiting = waiting
        self.refusal: Reply | None = None
        """Why the last list could not be read; None: it was, or the run halts."""

    async def attached(self, target: Target) -> Listing | None:
        """Read what a target's plug-in is attached to; None: it cannot be read."""
        wanted = attached_list(
            target.instance_id, target.plugin_id, env_id=target.env_id
        )
        return await self.read(wanted)

    async def apis(self, instance_id: str) -> Listing | None:
        """Read a gateway's APIs; None: they cannot be read."""
        return await self.read(apis_list(instance_id))

    async def read(self, wanted: ListPath, *, by_env: bool = False) -> Listing | None:
        """Read a list to its end.

        Args:
            wanted: The list.
            by_env: It may name an API once for each environment.

        Returns:
            None: it cannot be read; ``refusal`` says why.
        """
        listing = Listing(by_env=by_env)
        failures = 0
        self.refusal = None
        while not listing.is_done:
            page = await self._page(wanted, listing.offset, times=failures + 1)
            if page is None:
                return None
            if page.is_whole:
                listing.take(page)
                failures = 0
                continue
            scope = classify(page.reply)
            failures += 1
            if not self._may_go_on(scope, failures):
                self.refusal = page.reply
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

    async def _page(self, wanted: ListPath, offset: int, *, times: int) -> Page | None:
        """Fetch one page in its turn; None: halted before it was asked for."""
        tools = self._tools
        async with AsyncExitStack() as stack:
            with tools.halt.interruptible(self._lane.account):
                await stack.enter_async_context(tools.turns.turn(tools.slots))
            if tools.halt.reaches(self._lane.account):
                return None
            left_at = anyio.current_time()
            page = await tools.attacher.page(wanted, offset)
        await tools.count_read()
        if classify(page.reply) is Scope.THROTTLE:
            self._waiting.throttled(page.reply, left_at=left_at, times=times)
        elif page.reply.status:
            tools.turns.accepted()
        return page
