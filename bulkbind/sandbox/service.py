"""A sandbox without its HTTP: who is let in, what happens, and what is seen of it.

Pure: time comes in with each call, and whoever calls does the waiting. ``app.py`` puts
it on the wire; a simulator calls it directly, and sees the same.
"""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from bulkbind.errors import StateError
from bulkbind.sandbox import acts, answers, lists, openapi, rights, state
from bulkbind.sandbox.access import Access
from bulkbind.sandbox.acts import Seen, Stage
from bulkbind.sandbox.answers import Answer
from bulkbind.sandbox.counters import Counters, Entry, posted_ids
from bulkbind.sandbox.faults import Fault, Turn, decide
from bulkbind.sandbox.iam import Iam
from bulkbind.sandbox.lag import Lag
from bulkbind.sandbox.options import SandboxOptions
from bulkbind.sandbox.routes import CHANGE_RULES, READ_RULES, Route, find_route
from bulkbind.sandbox.signing import Sent
from bulkbind.sandbox.throttle import SlidingWindow
from bulkbind.sandbox.weather import Ceiling
from bulkbind.sandbox.world import World

#: Accepted besides ``SandboxOptions.token``.
TOKEN = "sandbox"  # noqa: S105 - documented, and worth nothing

#: Largest body. Source: SIGN-ERR, 413.
MAX_BODY = 12 * 2**20


class Request(NamedTuple):
    """A request as it came in."""

    method: str
    target: str
    """Path and query, percent-encoded."""
    token: str = TOKEN
    """``X-Auth-Token``; empty: it had none."""
    request_id: str = ""
    """Of the answer; whoever calls makes it up."""
    headers: Mapping[str, str] = {}
    """By lower-cased name; of interest only without a token, for its signature."""
    body: bytes | None = b""
    """If ``is_read_first``; None: larger than ``MAX_BODY``."""

    @property
    def is_read_first(self) -> bool:
        """Whether nobody can be let in before the body is there."""
        has_signature = not self.token and "authorization" in self.headers
        return has_signature or self.target.startswith("/v3/")


#: Of a request that no fate is decided for.
NO_TURN = Turn(0, "", 0)


@dataclass(slots=True, kw_only=True)
class Visit:
    """A request on its way; made by ``Service.enter``."""

    request: Request
    name: str
    """Of the route, or of what the front gateway refused it for."""
    route: Route | None = None
    """None: the front gateway refused it."""
    refusal: Answer | None = None
    """Settled already: answer at once."""
    fault: Fault = Fault.NONE
    turn: Turn = NO_TURN
    wait_s: float = 0.0
    """To wait before the answer is made, if nothing is settled yet."""
    holds: bool = False
    """It counts as under way on its gateway."""

    @property
    def is_change(self) -> bool:
        """Whether it is an attach or detach that the front gateway let through."""
        return self.route is not None and self.route.is_change


class Service:
    """Every gateway of one sandbox.

    ``enter`` a request, wait ``wait_s``, take the ``answer``, ``leave``. Between the
    first and the last, an attach or detach keeps its gateway busy.

    Args:
        world: Holds what exists; used from one thread.
        options: How to behave.
        journal: How many changes to remember; 0: none.
        started: The time of the start, on the clock of every ``now``.

    Raises:
        ValueError: The shares of faults are more than 1 together, or the weather that
            the world keeps cannot be read.
    """

    def __init__(
        self, world: World, *, options: SandboxOptions, started: float, journal: int = 0
    ) -> None:
        self.world = world
        self.counters = Counters()
        self.journal: deque[Entry] = deque(maxlen=journal)
        self._seed = options.seed
        self._latency_s = options.latency_s
        self._account = options.account
        self._access = Access(options.account, tokens=frozenset({TOKEN, options.token}))
        self._iam = Iam(options.account, access=self._access, seed=options.seed)
        self._started = started
        self._weather = options.whole_weather(kept=world.kept_weather())
        self._rules = replace(options.rules, page_limit=self._weather.page_limit)
        self._ceilings = _ceilings(options.rate, self._weather.ceilings)
        self._window = SlidingWindow(
            limit=1,
            seconds=1.0,
            longest_s=max((one.seconds for one in self._ceilings), default=1.0),
            counts_refused=self._weather.counts_refused,
        )
        self._lag = Lag(self._weather.lag_s) if self._weather.lag_s else None
        self._first_used: dict[str, float] = {}
        self._under_way: Counter[str] = Counter()
        self._numbers: Counter[tuple[str, str]] = Counter()

    def ask(
        self, request: Request, *, body: bytes = b"", now: float, now_ns: int
    ) -> Seen:
        """Answer a request at once, without the waiting."""
        visit = self.enter(request, now=now, now_ns=now_ns)
        seen = None
        try:
            seen = self.answer(visit, body=body, now=now, now_ns=now_ns)
        finally:
            self.leave(visit, seen)
        return seen

    # --- the front gateway -----------------------------------------------------------

    def enter(self, request: Request, *, now: float, now_ns: int) -> Visit:
        """Let a request in, or settle at once why not.

        Args:
            request: Its head.
            now: Seconds on a clock that does not go back.
            now_ns: Nanoseconds since the epoch.
        """
        visit = self._admit(request, now=now, now_ns=now_ns)
        self.counters.requests[visit.name] += 1
        if visit.route is not None:
            self._meet(visit, visit.route, now_s=now - self._started)
        return visit

    def _admit(self, request: Request, *, now: float, now_ns: int) -> Visit:
        if request.body is None:
            return Visit(request=request, name="too_large", refusal=answers.TOO_LARGE)
        sent = Sent(request.method, request.target, request.headers, request.body)
        route = find_route(request.method, request.target)
        if route is None:
            return self._serve_besides(request, sent, now_ns=now_ns)
        caller = self._access.admit(request.token, sent, route.path, now_ns=now_ns)
        refusal = caller if isinstance(caller, Answer) else self._doubt(request, now)
        if refusal is not None or isinstance(caller, Answer):
            return Visit(request=request, name="unauthorized", refusal=refusal)
        refusal = self._throttle(route.path["project_id"], now=now, now_ns=now_ns)
        if refusal is not None:
            return Visit(request=request, name="throttled", refusal=refusal)
        tags = self._account.tags.get(route.gateway, {})
        if not rights.may(route.name, caller.grants, tags=tags):
            return Visit(request=request, name="forbidden", refusal=answers.NO_RIGHT)
        return Visit(request=request, name=route.name, route=route)

    def _serve_besides(self, request: Request, sent: Sent, *, now_ns: int) -> Visit:
        """Answer what is no call of a gateway: IAM, the description, or nothing."""
        asked = self._iam.operation(request.method, request.target)
        if asked is not None:
            name, answer = asked
            told = answer(request.token, sent, now_ns)
        elif (request.method, request.target) == ("GET", openapi.TARGET):
            name, told = "openapi", Answer(200, openapi.document())
        else:
            name, told = "no_route", answers.NO_ROUTE
        return Visit(request=request, name=name, refusal=told)

    def _doubt(self, request: Request, now: float) -> Answer | None:
        """Say whether the weather has worn a token out."""
        life_s, token = self._weather.token_life_s, request.token
        is_old = now - self._first_used.setdefault(token, now) >= life_s
        if token and life_s and is_old:
            self.counters.conditions["token_life"] += 1
            return answers.SESSION_EXPIRED
        return None

    def _throttle(self, project_id: str, *, now: float, now_ns: int) -> Answer | None:
        """Refuse what exceeds the rate limit of this moment."""
        now_s = now - self._started
        ceiling = next((c for c in self._ceilings if c.since_s <= now_s), None)
        if ceiling is None:
            return None
        window = self._window
        window.limit, window.seconds = ceiling.limit, ceiling.seconds
        if window.admits(project_id, now=now):
            return None
        answer = answers.throttled(
            limit=ceiling.limit if ceiling.is_told else 0, seconds=ceiling.seconds
        )
        seconds = window.free_in(project_id, now=now)
        if self._weather.retry_after == "seconds":
            return answers.retry_in(answer, seconds)
        if self._weather.retry_after == "date":
            return answers.retry_at(answer, seconds=seconds, now_ns=now_ns)
        return answer

    def _meet(self, visit: Visit, route: Route, *, now_s: float) -> None:
        """Reach the gateway: it may be away or busy; else the fate is decided."""
        gateway = route.gateway
        outage = next(
            (
                one
                for one in self._weather.outages
                if gateway
                and one.refuses(
                    gateway, is_change=route.is_change, now_s=now_s, seed=self._seed
                )
            ),
            None,
        )
        if outage is not None:
            self.counters.conditions[outage.kind] += 1
            visit.refusal = outage.answer(gateway)
        elif route.is_change and not self._hold(visit, gateway):
            visit.refusal = answers.OVERLAP
        else:
            self._decide(visit, route)

    def _hold(self, visit: Visit, gateway: str) -> bool:
        """Count a change while it is under way; say whether it is the only one."""
        self._under_way[gateway] += 1
        visit.holds = True
        parallel = self._under_way[gateway]
        counters = self.counters
        counters.max_parallel_per_gateway = max(
            parallel, counters.max_parallel_per_gateway
        )
        counters.overlaps += parallel > 1
        return parallel == 1

    def _decide(self, visit: Visit, route: Route) -> None:
        kind: Literal["change", "read"] = "change" if route.is_change else "read"
        number = self._numbers[route.gateway, kind]
        self._numbers[route.gateway, kind] += 1
        visit.turn = turn = Turn(self._seed, route.gateway, number, kind)
        visit.fault = decide(self._weather.plan(turn.kind), turn)
        visit.wait_s = self._weather.wait_s(turn, latency_s=self._latency_s)

    # --- behind it -------------------------------------------------------------------

    def answer(self, visit: Visit, *, body: bytes, now: float, now_ns: int) -> Seen:
        """Let a request have its effect, and return what its client sees."""
        if visit.refusal is None and len(body) > MAX_BODY:
            visit.refusal = answers.TOO_LARGE
        if visit.refusal is not None or visit.route is None:
            refusal = visit.refusal or answers.NO_ROUTE
            seen = acts.whole(refusal, request_id=visit.request.request_id)
        else:
            seen = self._run(visit, visit.route, body=body, now=now, now_ns=now_ns)
            if visit.is_change or seen.fault is not Fault.NONE:
                self.counters.faults[seen.fault] += 1
        if visit.is_change:
            self._note(visit, body=body, seen=seen, now_ns=now_ns)
        return seen

    def _run(
        self, visit: Visit, route: Route, *, body: bytes, now: float, now_ns: int
    ) -> Seen:
        stage = Stage(
            turn=visit.turn,
            fault=visit.fault,
            weather=self._weather,
            request_id=visit.request.request_id,
            now_ns=now_ns,
        )
        try:
            if route.is_change:
                return self._change(route, body=body, now=now, stage=stage)
            return self._read(route, now=now, stage=stage)
        except StateError:  # the world's disk is full or failing
            return acts.whole(answers.SYSTEM_ERROR, request_id=stage.request_id)

    def _change(self, route: Route, *, body: bytes, now: float, stage: Stage) -> Seen:
        if self._lag:
            _, ids = posted_ids(body)
            api_ids = (route.path["api_id"],) if "api_id" in route.path else ids
            self._lag.note(self.world, route.gateway, api_ids, now=now)
        change = state.Change(route.path, body, stage.now_ns, self._rules)
        rule = CHANGE_RULES[route.name]
        return acts.change_seen(self.world, rule, change, stage=stage)

    def _read(self, route: Route, *, now: float, stage: Stage) -> Seen:
        shown = self._lag.shown(self.world, now=now) if self._lag else None
        ask = lists.Ask(route.path, route.query, self._rules, shown)
        return acts.read_seen(self.world, READ_RULES[route.name], ask, stage=stage)

    def _note(self, visit: Visit, *, body: bytes, seen: Seen, now_ns: int) -> None:
        env_id, ids = posted_ids(body)
        self.counters.ids_posted += len(ids)
        if self.journal.maxlen and visit.route:
            self.journal.append(
                Entry(
                    at=now_ns / 1e9,
                    route=visit.route.name,
                    path=visit.route.path,
                    env_id=env_id,
                    ids=ids,
                    fault=seen.fault,
                    status=seen.said,
                    effect=seen.effect,
                )
            )

    def leave(self, visit: Visit, seen: Seen | None, *, is_gone: bool = False) -> None:
        """Let a request go, whatever became of it.

        Args:
            visit: From ``enter``.
            seen: From ``answer``; None: it did not come to that.
            is_gone: The client has closed the connection meanwhile.
        """
        if visit.holds and visit.route:
            gateway = visit.route.gateway
            visit.holds = False
            self._under_way[gateway] -= 1
            if not self._under_way[gateway]:
                del self._under_way[gateway]
        is_answered = seen is not None and seen.is_whole and not is_gone
        status = seen.status if seen is not None and is_answered else 0
        self.counters.statuses[visit.name, status] += 1


def _ceilings(
    rate: tuple[int, float] | None, later: tuple[Ceiling, ...]
) -> list[Ceiling]:
    """Put the rate limits in order, the last to begin first."""
    first = [Ceiling(*rate)] if rate else []
    return sorted([*first, *later], key=lambda one: -one.since_s)
