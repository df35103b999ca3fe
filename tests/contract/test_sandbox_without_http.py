"""Laws: a sandbox without HTTP shows a client what one over HTTP shows."""

import asyncio
import json
from itertools import count

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkbind.sandbox import (
    Clock,
    Fault,
    MemoryWorld,
    Request,
    Sandbox,
    SandboxOptions,
    Service,
    parse_weather,
)
from bulkbind.sandbox.routes import find_route
from tests.contract.sandbox_clients import APIS, RELEASE, Client, furnish

KINDS = [fault.value for fault in Fault if fault is not Fault.NONE]

requests = st.one_of(
    st.tuples(
        st.sampled_from(["POST plugins/cors1/attach", "PUT plugins/cors2/detach"]),
        st.fixed_dictionaries(
            {
                "env_id": st.sampled_from([RELEASE, "canary", "none"]),
                "api_ids": st.lists(st.sampled_from([*APIS[:6], "f" * 32])),
            }
        ),
    ),
    st.tuples(
        st.just(f"POST apis/{APIS[0]}/plugins/attach"),
        st.fixed_dictionaries(
            {
                "env_id": st.just(RELEASE),
                "plugin_ids": st.lists(st.sampled_from(["cors1", "rate", "none"])),
            }
        ),
    ),
    st.tuples(
        st.sampled_from(
            [
                "GET apis?limit=40&offset=20",
                "GET plugins/cors1/attached-apis?limit=3",
                f"GET plugins/cors1/attachable-apis?env_id={RELEASE}",
                f"GET apis/{APIS[0]}/attached-plugins",
                "GET envs?name=RELE%41SE",
                "GET plugins/c%6Frs1",
                "GET no/such%2Froute",
                "DELETE envs",
            ]
        ),
        st.none(),
    ),
)
shares = st.dictionaries(
    st.sampled_from(KINDS), st.sampled_from([0.1, 0.3]), max_size=3
).map(lambda chosen: ", ".join(f"{kind}={share}" for kind, share in chosen.items()))
conditions = st.sampled_from(
    [
        "",
        ", lag=3s",
        ", page_limit=7",
        ", locked=2s-4s",
        ", token_life=6s",
        ", drop=2/s",
    ]
)


class Ticking:
    """A clock that moves when it is told to, the same for both."""

    def __init__(self):
        self.now = 50.0

    def clock(self):
        async def sleep(_seconds):
            return None

        return Clock(
            monotonic=lambda: self.now, now_ns=lambda: int(self.now * 1e9), sleep=sleep
        )


def split(head):
    method, path = head.split(" ", 1)
    return method, f"/v2/project/apigw/instances/gw/{path}"


def make_request(head, *, request_id):
    method, target = split(head)
    return Request(method, target, request_id=request_id)


async def over_http(options, asked):
    """Yield what a client sees, with the request ids that it was given."""
    ticking = Ticking()
    seen = []
    async with Sandbox(options=options, clock=ticking.clock()) as sandbox:
        furnish(sandbox.world)
        async with aiohttp.ClientSession() as session:
            session._retry_connection = False
            call = Client(session, sandbox)
            for head, body in asked:
                method, path = split(head)
                data = json.dumps(body).encode() if body is not None else None
                seen.append(await call.raw(method, path, prefix="", data=data))
                ticking.now += 0.5
        return seen, dict(sandbox.counters.faults), dict(sandbox.counters.statuses)


def without_http(options, asked, request_ids):
    ticking = Ticking()
    world = MemoryWorld()
    furnish(world)
    service = Service(world, options=options, started=ticking.now)
    seen = []
    for (head, body), request_id in zip(asked, request_ids, strict=True):
        request = make_request(head, request_id=request_id)
        data = json.dumps(body).encode() if body is not None else b""
        now_ns = int(ticking.now * 1e9)
        seen.append(service.ask(request, body=data, now=ticking.now, now_ns=now_ns))
        ticking.now += 0.5
    return seen, dict(service.counters.faults), dict(service.counters.statuses)


@settings(max_examples=120, deadline=None)
@given(
    st.lists(requests, min_size=1, max_size=12),
    shares,
    conditions,
    st.integers(0, 2**32),
)
def test_http_and_no_http_show_the_same(asked, text, condition, seed):
    options = SandboxOptions(weather=parse_weather(text + condition), seed=seed)
    came, *counted = asyncio.run(over_http(options, asked))
    ids = [one.headers.get("X-Request-Id", "") for one in came]
    seen, *without = without_http(options, asked, ids)

    assert [(one.status, one.body, one.whole) for one in came] == [
        (one.status, one.body, one.is_whole) for one in seen
    ]
    for over, pure in zip(came, seen, strict=True):
        assert {name: over.headers.get(name) for name in pure.headers} == pure.headers
    assert counted == without


def test_a_lane_on_a_virtual_clock_needs_no_socket():
    world = MemoryWorld()
    furnish(world)
    options = SandboxOptions(weather=parse_weather("jitter=5s"), latency_s=1.0)
    service = Service(world, options=options, started=0.0)
    now = 0.0
    body = json.dumps({"env_id": RELEASE, "api_ids": APIS[:3]}).encode()
    for no in count():
        head = make_request("POST plugins/cors1/attach", request_id=f"r{no}")
        visit = service.enter(head, now=now, now_ns=0)
        overlapping = service.ask(head, body=body, now=now, now_ns=0)
        now += visit.wait_s
        seen = service.answer(visit, body=body, now=now, now_ns=int(now * 1e9))
        service.leave(visit, seen)

        assert (overlapping.status, seen.status) == (500, 201)
        if no == 9:
            break

    assert 10 < now < 60
    assert service.counters.overlaps == 10


@pytest.mark.parametrize("target", ["/v2//apigw/instances", "/v2/p/apigw/instances//"])
def test_an_empty_name_is_no_route(target):
    assert find_route("GET", target) is None


def test_a_body_over_12_mb_is_refused_without_http_too():
    world = MemoryWorld()
    furnish(world)
    service = Service(world, options=SandboxOptions(), started=0.0)
    head = make_request("POST plugins/cors1/attach", request_id="r")
    seen = service.ask(head, body=b" " * (12 * 2**20 + 1), now=0.0, now_ns=0)

    assert seen.status == 413
