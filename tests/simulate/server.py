"""The gateway's side of the wire, and the way there: a request goes on without its client.

A flight is a request under way: there, at work, back. A client that is killed or loses
patience does not stop it; what it does to the world it does when its time comes, in
whatever loop then runs.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bulkbind.errors import AnswerLost, NotSent
from bulkbind.http import Answer
from bulkbind.sandbox import (
    Fault,
    MemoryWorld,
    Request,
    SandboxOptions,
    Seen,
    Service,
    Visit,
)
from tests.simulate.case import Case, seeded
from tests.simulate.power import Power

#: Seconds since the epoch when a simulation begins.
EPOCH = 1_767_225_600

Say = Callable[[str], None]
"""Puts a line into the story."""


@dataclass(slots=True, eq=False)
class Flight:
    """One request under way."""

    request: Request
    body: bytes
    home: "asyncio.Future[Answer] | None"
    """None: nobody waits for the answer any more."""
    step: Callable[["Flight"], None]
    """What happens to it next."""
    due: float
    visit: Visit | None = None
    seen: Seen | None = None
    timer: asyncio.TimerHandle | None = None


class Server:
    """All gateways of a seed, and the requests on their way to them and back.

    Args:
        case: How far the way is, and what the weather.
        world: What exists.
        say: Hears what happens; None: nobody wants to know.
    """

    def __init__(self, case: Case, world: MemoryWorld, *, say: Say | None) -> None:
        self.world = world
        self._case = case
        self._say = say
        self._chance = seeded(case.seed, "way")
        self._loop: asyncio.AbstractEventLoop | None = None
        self.flights: set[Flight] = set()
        self.numbers = 0
        self._retired: list[Service] = []
        self.revoked: set[str] = set()
        """Tokens that are good no more; ``TOKEN/1`` is the service's TOKEN."""
        self.service: Service
        self.meddle: Callable[[MemoryWorld, Request, Seen], None] | None = None
        """What a test does to the world behind an answer's back."""
        self.acted: Callable[[Request, bytes], None] | None = None
        """Hears of a change that may have been made."""

    def start(self, options: SandboxOptions, *, now: float) -> None:
        """Let a gateway process begin; what was under way with another one is cut."""
        for flight in self._in_order():
            self._land(flight)
        if hasattr(self, "service"):
            self._retired.append(self.service)
        self.service = Service(self.world, options=options, started=now)

    def faults(self) -> Counter[str]:
        """Count the faults that were acted out and the conditions that were met."""
        met: Counter[str] = Counter()
        for service in (*self._retired, self.service):
            met.update(service.counters.faults)
            met.update(service.counters.conditions)
        del met[Fault.NONE]
        return met

    # --- the loop that runs ----------------------------------------------------------

    def enter(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let what is under way go on in a loop."""
        self._loop = loop
        for flight in sorted(self._in_order(), key=lambda flight: flight.due):
            flight.timer = loop.call_at(flight.due, flight.step, flight)

    def leave(self, *, is_killed: bool) -> None:
        """Take what is under way out of the loop; its clients are gone.

        A request that was still on its way there may be lost with its client.
        """
        for flight in self._in_order():
            if flight.timer is not None:
                flight.timer.cancel()
            flight.home = None
            if is_killed and flight.visit is None and self._chance.random() < 0.5:
                if self._say:
                    self._say(f"lost on its way: {flight.request.request_id}")
                self.flights.discard(flight)
        self._loop = None

    def _in_order(self) -> list[Flight]:
        """Return what is under way in the order of leaving: a set has none."""
        return sorted(self.flights, key=lambda one: int(one.request.request_id[1:]))

    # --- a flight --------------------------------------------------------------------

    def depart(self, request: Request, body: bytes) -> "asyncio.Future[Answer]":
        """Let a request leave; return what its client waits for."""
        loop = self._loop
        assert loop is not None
        home: asyncio.Future[Answer] = loop.create_future()
        flight = Flight(request, body, home, self._arrive, 0.0)
        self.flights.add(flight)
        self._after(self._way_s(), flight, self._arrive)
        return home

    def _way_s(self) -> float:
        return self._chance.random() * self._case.way_s

    def _after(
        self, seconds: float, flight: Flight, step: Callable[[Flight], None]
    ) -> None:
        loop = self._loop
        assert loop is not None
        flight.step, flight.due = step, loop.time() + seconds
        flight.timer = loop.call_at(flight.due, step, flight)

    def _now(self) -> tuple[float, int]:
        loop = self._loop
        assert loop is not None
        return loop.time(), now_ns(loop.time())

    def _arrive(self, flight: Flight) -> None:
        now, ns = self._now()
        flight.visit = self.service.enter(flight.request, now=now, now_ns=ns)
        wait_s = 0.0 if flight.visit.refusal else flight.visit.wait_s
        self._after(wait_s, flight, self._act)

    def _act(self, flight: Flight) -> None:
        now, ns = self._now()
        visit = flight.visit
        assert visit is not None
        seen = self.service.answer(visit, body=flight.body, now=now, now_ns=ns)
        self.service.leave(visit, seen, is_gone=flight.home is None)
        flight.seen = seen
        if self.acted is not None and flight.request.method != "GET":
            self.acted(flight.request, flight.body)
        if self.meddle is not None:
            self.meddle(self.world, flight.request, seen)
        if self._say:
            self._say(
                f"{flight.request.request_id} {visit.name}: {seen.status}"
                f" {seen.fault} effect={seen.effect} {seen.body[:160]!r}"
            )
        self._after(seen.pause_s + self._way_s(), flight, self._land)

    def _land(self, flight: Flight) -> None:
        self.flights.discard(flight)
        if flight.timer is not None:
            flight.timer.cancel()
        home, seen = flight.home, flight.seen
        if home is None or home.done():
            return
        if seen is None or not seen.is_whole:
            home.set_exception(AnswerLost("the connection was cut"))
        else:
            home.set_result(Answer(seen.status, seen.headers, seen.body))


class Wire:
    """What ``Gateway`` sends with: ``http.Http``, as far as it can tell.

    Args:
        server: The other end.
        power: Without it nothing leaves.
        case: How patient the client is, and how bad the way.
        sent: Hears of each request as it leaves, and when it is over.
    """

    def __init__(
        self,
        server: Server,
        *,
        power: Power,
        case: Case,
        sent: Callable[[Request, bytes, int], None],
    ) -> None:
        self._server = server
        self._power = power
        self._case = case
        self._sent = sent
        self._chance = seeded(case.seed, "connect", server.numbers)

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> Answer:
        """Send one request and wait for its whole answer.

        Raises:
            NotSent: No connection could be made.
            AnswerLost: No whole answer came, or not in time.
        """
        await self._power.wanted()
        server = self._server
        server.numbers += 1
        token = headers["X-Auth-Token"]
        known = "revoked" if token in server.revoked else token.partition("/")[0]
        request = Request(method, url, known, f"r{server.numbers}")
        if self._chance.random() < self._case.unreachable:
            message = "no connection could be made"
            raise NotSent(message)
        self._sent(request, body or b"", 1)
        try:
            home = server.depart(request, body or b"")
            try:
                async with asyncio.timeout(self._case.timeout_s):
                    return await home
            except TimeoutError:
                message = "no whole answer came in time"
                raise AnswerLost(message) from None
        finally:
            self._sent(request, body or b"", -1)


def now_ns(loop_s: float) -> int:
    """Return a loop's time as nanoseconds since the epoch."""
    return int((EPOCH + loop_s) * 1e9)
