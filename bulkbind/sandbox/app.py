"""The HTTP side of the sandbox: routes, the front gateway's checks, faults acted out."""

import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bulkbind.errors import StateError
from bulkbind.sandbox import answers, lists, state
from bulkbind.sandbox.answers import Answer
from bulkbind.sandbox.counters import Counters, Entry, posted_ids
from bulkbind.sandbox.faults import BEFORE, Fault, decide
from bulkbind.sandbox.options import Clock, SandboxOptions
from bulkbind.sandbox.throttle import SlidingWindow
from bulkbind.sandbox.world import World

ChangeRule = Callable[[World, state.Change], Answer]
ReadRule = Callable[[World, lists.Ask], Answer]

INSTANCES = "/v2/{project_id}/apigw/instances"
INSTANCE = INSTANCES + "/{instance_id}"
PLUGIN = INSTANCE + "/plugins/{plugin_id}"
API = INSTANCE + "/apis/{api_id}"

#: Largest body. Source: SIGN-ERR, 413.
MAX_BODY = 12 * 2**20

#: Accepted besides ``SandboxOptions.token``.
TOKEN = "sandbox"  # noqa: S105 - documented, and worth nothing

#: Source: apig-contract.md sections 1 and 2.
CHANGES: tuple[tuple[str, str, str, ChangeRule], ...] = (
    ("attach_apis", "POST", PLUGIN + "/attach", state.attach_apis),
    ("detach_apis", "PUT", PLUGIN + "/detach", state.detach_apis),
    ("attach_plugins", "POST", API + "/plugins/attach", state.attach_plugins),
    ("detach_plugins", "PUT", API + "/plugins/detach", state.detach_plugins),
)
READS: tuple[tuple[str, str, ReadRule], ...] = (
    ("attached_apis", PLUGIN + "/attached-apis", lists.attached_apis),
    ("attachable_apis", PLUGIN + "/attachable-apis", lists.attachable_apis),
    ("attached_plugins", API + "/attached-plugins", lists.attached_plugins),
    ("attachable_plugins", API + "/attachable-plugins", lists.attachable_plugins),
    ("plugins", INSTANCE + "/plugins", lists.plugins),
    ("plugin", PLUGIN, lists.plugin),
    ("envs", INSTANCE + "/envs", lists.envs),
    ("apis", INSTANCE + "/apis", lists.apis),
    ("api", API, lists.api),
    ("api_groups", INSTANCE + "/api-groups", lists.api_groups),
    ("instances", INSTANCES, lists.instances),
    ("instance", INSTANCE, lists.instance),
)
NAMES: Mapping[tuple[str, str], str] = {
    **{(method, path): name for name, method, path, _ in CHANGES},
    **{("GET", path): name for name, path, _ in READS},
}


class Front:
    """The handlers of one sandbox: they check, delay, decide by the rules, and act.

    Args:
        world: Holds what exists; used from the event loop's thread.
        options: How to behave.
        journal: How many changes to remember; 0: none.
        clock: Where time comes from.
    """

    def __init__(
        self,
        world: World,
        *,
        options: SandboxOptions,
        journal: int,
        clock: Clock,
    ) -> None:
        self.world = world
        self.options = options
        self.counters = Counters()
        self.journal: deque[Entry] = deque(maxlen=journal)
        self._clock = clock
        self._under_way: Counter[str] = Counter()
        self._changes: Counter[str] = Counter()
        self._window: SlidingWindow | None = None
        if options.rate:
            limit, seconds = options.rate
            self._window = SlidingWindow(limit=limit, seconds=seconds)

    def application(self) -> web.Application:
        """Build the application that serves this sandbox."""
        application = web.Application(
            client_max_size=MAX_BODY, middlewares=[self._guard()]
        )
        for _, method, path, change_rule in CHANGES:
            application.router.add_route(method, path, self._change_by(change_rule))
        for _, path, read_rule in READS:
            application.router.add_get(path, self._read_by(read_rule), allow_head=False)
        return application

    # --- the front gateway -----------------------------------------------------------

    def _guard(self) -> Middleware:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            request_id = uuid.uuid4().hex
            name, refused = self._admit(request)
            self.counters.requests[name] += 1
            if refused is not None:
                response: web.StreamResponse = _response(refused, request_id=request_id)
            else:
                response = await _handled(request, handler, request_id=request_id)
            response.headers["X-Request-Id"] = request_id
            status = 0 if _is_cut(request) else response.status
            self.counters.statuses[name, status] += 1
            return response

        return guard

    def _admit(self, request: web.Request) -> tuple[str, Answer | None]:
        """Name the route, or say why the front gateway lets nothing through."""
        resource = request.match_info.route.resource
        name = NAMES.get((request.method, resource.canonical)) if resource else None
        if name is None:
            return "no_route", answers.NO_ROUTE
        token = request.headers.get("X-Auth-Token", "")
        if not token:
            return "unauthorized", answers.NO_TOKEN
        if token not in {TOKEN, self.options.token}:
            return "unauthorized", answers.WRONG_TOKEN
        project_id = request.match_info["project_id"]
        if self._window and not self._window.admits(
            project_id, now=self._clock.monotonic()
        ):
            limit, seconds = self._window.limit, self._window.seconds
            return "throttled", answers.throttled(limit=limit, seconds=seconds)
        return name, None

    # --- behind it -------------------------------------------------------------------

    def _read_by(self, rule: ReadRule) -> Handler:
        async def read(request: web.Request) -> web.StreamResponse:
            await self._clock.sleep(self.options.latency_s)
            ask = lists.Ask(request.match_info, request.query, self.options.rules)
            return _response(rule(self.world, ask))

        return read

    def _change_by(self, rule: ChangeRule) -> Handler:
        async def change(request: web.Request) -> web.StreamResponse:
            gateway = request.match_info["instance_id"]
            with self._on_gateway(gateway) as is_alone:
                body = await request.read()
                if not is_alone:
                    fault, answer = Fault.NONE, answers.OVERLAP
                else:
                    fault = self._next_fault(gateway)
                    await self._clock.sleep(self.options.latency_s)
                    answer = self._apply(rule, request, body=body, fault=fault)
            self._note(request, body=body, fault=fault, answer=answer)
            return _acted_out(request, fault=fault, answer=answer)

        return change

    @contextmanager
    def _on_gateway(self, gateway: str) -> Iterator[bool]:
        """Count a change while it is under way; say whether it is the only one."""
        self._under_way[gateway] += 1
        parallel = self._under_way[gateway]
        counters = self.counters
        counters.max_parallel_per_gateway = max(
            parallel, counters.max_parallel_per_gateway
        )
        counters.overlaps += parallel > 1
        try:
            yield parallel == 1
        finally:
            self._under_way[gateway] -= 1
            if not self._under_way[gateway]:
                del self._under_way[gateway]

    def _next_fault(self, gateway: str) -> Fault:
        fault = decide(self.options, gateway=gateway, number=self._changes[gateway])
        self._changes[gateway] += 1
        self.counters.faults[fault] += 1
        return fault

    def _apply(
        self, rule: ChangeRule, request: web.Request, *, body: bytes, fault: Fault
    ) -> Answer:
        if fault in BEFORE:
            return answers.SYSTEM_ERROR
        path = request.match_info
        change = state.Change(path, body, self._clock.now_ns(), self.options.rules)
        return rule(self.world, change)

    def _note(
        self, request: web.Request, *, body: bytes, fault: Fault, answer: Answer
    ) -> None:
        env_id, ids = posted_ids(body)
        self.counters.ids_posted += len(ids)
        resource = request.match_info.route.resource
        if self.journal.maxlen and resource:
            path = dict(request.match_info)
            name = NAMES[request.method, resource.canonical]
            at = self._clock.now_ns() / 1e9
            status = 0 if fault in BEFORE else answer.status
            self.journal.append(Entry(at, name, path, env_id, ids, fault, status))


async def _handled(
    request: web.Request, handler: Handler, *, request_id: str
) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPRequestEntityTooLarge:
        return _response(answers.TOO_LARGE, request_id=request_id)
    except StateError:
        return _response(answers.SYSTEM_ERROR)  # the world's disk is full or failing


def _acted_out(
    request: web.Request, *, fault: Fault, answer: Answer
) -> web.StreamResponse:
    if fault in {Fault.LOST_BEFORE, Fault.LOST_AFTER}:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()  # goes nowhere
    if fault is Fault.ERROR_AFTER and answer.status < 400:  # noqa: PLR2004
        return _response(answers.SYSTEM_ERROR)
    return _response(answer)


def _is_cut(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _response(answer: Answer, *, request_id: str = "") -> web.Response:
    if answer.body is None:
        return web.Response(status=answer.status, headers=answer.headers)
    body = dict(answer.body)
    if str(body.get("error_code", "")).startswith("APIGW."):
        body["request_id"] = request_id
    return web.Response(
        status=answer.status,
        body=msgspec.json.encode(body),
        headers=answer.headers,
        content_type="application/json",
    )
