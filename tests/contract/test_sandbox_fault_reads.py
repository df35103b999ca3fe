"""Faults of reading calls, lists that lag, and conditions that last, over HTTP."""

import pytest

from bulkbind.sandbox import Clock
from tests.contract import sandbox_clients
from tests.contract.sandbox_clients import APIS, PREFIX, RELEASE, codes, weather

start = sandbox_clients.start

LIST = "/plugins/cors1/attached-apis"


class Time:
    """Seconds that pass when they are told to."""

    def __init__(self):
        self.now = 1_000.0
        self.clock = Clock(monotonic=lambda: self.now, sleep=self.sleep)
        self.slept = []

    async def sleep(self, seconds):
        self.slept.append(seconds)


@pytest.fixture
def time():
    return Time()


def listed(came):
    return [item.get("api_id") or item["id"] for item in came.json["apis"]]


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("read_error", 500, "APIG.9999"),
        ("read_503", 503, "APIGW.0613"),
        ("read_429", 429, "APIGW.0308"),
        ("read_expired", 401, "APIG.1001"),
    ],
)
async def test_a_reading_call_is_refused(start, fault, status, code):
    call = await start(weather(f"{fault}=1"))
    came = await call.raw("GET", "/apis")

    assert (came.status, came.json["error_code"]) == (status, code)
    assert came.headers.get("Retry-After") == ("1" if status == 429 else None)
    assert call.faults == {fault: 1}


async def test_a_reading_call_is_lost_cut_slow_or_answered_with_a_page(start, time):
    text = "read_lost=0.2, read_cut=0.2, read_502=0.2, read_slow_body=0.2, pause=9s"
    call = await start(weather(text, seed=3), clock=time.clock)
    came = [await call.raw("GET", "/apis") for _ in range(60)]
    seen = call.faults

    assert set(seen) == {"read_lost", "read_cut", "read_502", "read_slow_body"}
    assert sum(one.status == 0 for one in came) == seen["read_lost"]
    assert sum(one.status == 200 and not one.whole for one in came) == seen["read_cut"]
    assert sum(one.status == 502 for one in came) == seen["read_502"]
    assert time.slept.count(9.0) == seen["read_slow_body"]


async def test_changes_and_reading_calls_have_faults_of_their_own(start):
    call = await start(weather("read_error=1"))

    assert (await call.attach(APIS[:1]))[0] == 201
    call = await start(weather("error_before=1"))
    assert (await call.raw("GET", "/envs")).status == 200


async def test_a_short_page_holds_half_and_tells_the_whole_total(start):
    call = await start(weather("short_page=1"))
    came = await call.raw("GET", "/apis?limit=500&offset=100")

    assert listed(came) == APIS[100:350]
    assert (came.json["size"], came.json["total"]) == (250, 600)


async def test_short_pages_followed_by_their_size_cover_the_list(start):
    call = await start(weather("short_page=1"))
    found: list[str] = []
    while len(found) < 600:
        came = await call.raw("GET", f"/apis?limit=500&offset={len(found)}")
        found += listed(came)

    assert found == APIS


async def test_a_repeated_page_is_the_first_one(start):
    call = await start(weather("repeated_page=1"))
    came = await call.raw("GET", "/apis?limit=200&offset=400")

    assert listed(came) == APIS[:200]
    assert call.faults == {"repeated_page": 1}


async def test_a_moving_total_is_a_little_more_or_less(start):
    call = await start(weather("moving_total=1"))
    came = [await call.raw("GET", "/apis?limit=500") for _ in range(60)]

    assert {one.json["total"] for one in came} == {597, 598, 599, 601, 602, 603}
    assert {len(one.json["apis"]) for one in came} == {500}


async def test_what_is_no_list_has_no_page_to_spoil(start):
    call = await start(weather("short_page=0.5, moving_total=0.5"))

    assert (await call.raw("GET", "/plugins/cors1")).status == 200
    assert call.faults == {}


async def test_a_limit_is_clamped_to_less_than_documented(start):
    call = await start(weather("page_limit=100"))
    came = await call.raw("GET", "/apis?limit=500")
    plugins = await call.raw("GET", "/plugins?limit=2")

    assert (came.json["size"], came.json["total"]) == (100, 600)
    assert plugins.json["size"] == 2


# --- lists that lag -------------------------------------------------------------------


async def test_a_binding_shows_so_long_after_its_attach(start, time):
    call = await start(weather("lag=3s"), clock=time.clock)
    await call.attach(APIS[:2])
    time.now += 2.9
    early = await call.raw("GET", LIST)
    attachable = await call.raw(
        "GET", f"/plugins/cors1/attachable-apis?env_id={RELEASE}&limit=2"
    )
    plugins = await call.raw("GET", f"/apis/{APIS[0]}/attached-plugins")
    time.now += 0.1
    later = await call.raw("GET", LIST)

    assert early.json == {"size": 0, "total": 0, "apis": []}
    assert listed(attachable) == APIS[:2]
    assert attachable.json["total"] == 600
    assert plugins.json["total"] == 0
    assert listed(later) == APIS[:2]
    assert call.bound == APIS[:2]


async def test_a_detach_and_a_replacement_show_as_late(start, time):
    call = await start(weather("lag=3s"), clock=time.clock)
    await call.attach(APIS[:3])
    time.now += 10
    body = {"env_id": RELEASE, "api_ids": APIS[:1]}
    await call("PUT", "/plugins/cors1/detach", json=body)
    await call.attach(APIS[1:2], path="/plugins/cors2/attach")
    early = await call.raw("GET", LIST)
    time.now += 3
    later = await call.raw("GET", LIST)

    assert listed(early) == APIS[:3]
    assert listed(later) == APIS[2:3]


async def test_each_change_shows_at_its_own_time(start, time):
    call = await start(weather("lag=3s"), clock=time.clock)
    body = {"env_id": RELEASE, "api_ids": APIS[:1]}
    await call.attach(APIS[:1])  # shows from 3 to 5
    time.now += 2
    await call("PUT", "/plugins/cors1/detach", json=body)
    shown = []
    for _ in range(4):
        shown.append((await call.raw("GET", LIST)).json["total"])
        time.now += 1

    assert shown == [0, 1, 1, 0]


# --- conditions -----------------------------------------------------------------------


async def test_a_gateway_goes_away_for_a_while(start, time):
    call = await start(weather("away=10s-20s@gw"), clock=time.clock)
    other = PREFIX.replace("gw", "gw2").replace("apigw2", "apigw")
    seen = []
    for _ in range(3):
        attach = await call.attach(APIS[:1])
        here, there = [
            await call("GET", "/envs", prefix=prefix) for prefix in (PREFIX, other)
        ]
        seen.append((attach[0], here[0], there[0]))
        time.now += 10

    assert seen == [(201, 200, 200), (404, 404, 200), (201, 200, 200)]
    assert call.sandbox.counters.conditions == {"away": 2}


@pytest.mark.parametrize(
    ("kind", "code"), [("locked", "APIC.7712"), ("upgrading", "APIC.7701")]
)
async def test_a_gateway_is_locked_for_changes_only(start, time, kind, code):
    call = await start(weather(f"{kind}=0-5s"), clock=time.clock)
    refused = codes(await call.attach(APIS[:1]))
    read = await call("GET", "/envs")
    time.now += 5

    assert refused == (409, code)
    assert read[0] == 200
    assert (await call.attach(APIS[:1]))[0] == 201


@pytest.mark.parametrize(
    ("drop", "text"), [("drop", ",limit:1,time:1 second"), ("hidden_drop", "")]
)
async def test_a_limit_drops_and_says_so_or_not(start, time, drop, text):
    options = weather(f"{drop}=1/s@10s", rate=(3, 1.0))
    call = await start(options, clock=time.clock)
    statuses = []
    for _ in range(2):
        for _ in range(4):
            answer = await call("GET", "/envs")
            statuses.append(answer[0])
        time.now += 10

    assert statuses == [200, 200, 200, 429, 200, 429, 429, 429]
    told = "The throttling threshold has been reached: policy user over ratelimit"
    assert answer[1]["error_msg"] == told + text


async def test_a_limit_may_count_what_it_refuses(start, time):
    options = weather("counts_refused=yes", rate=(1, 1.0))
    call = await start(options, clock=time.clock)
    statuses = []
    for _ in range(4):
        statuses.append((await call("GET", "/envs"))[0])
        time.now += 0.6
    time.now += 0.4
    statuses.append((await call("GET", "/envs"))[0])

    assert statuses == [200, 429, 429, 429, 200]


@pytest.mark.parametrize(
    ("style", "value"),
    [("none", None), ("seconds", "8"), ("date", "Thu, 01 Jan 1970 00:01:50 GMT")],
)
async def test_a_rate_limit_may_say_when_to_come_again(start, style, value):
    now = [100.0]
    clock = Clock(monotonic=lambda: now[0], now_ns=lambda: int(now[0] * 1e9))
    options = weather(f"retry_after={style}", rate=(1, 10.0))
    call = await start(options, clock=clock)
    await call("GET", "/envs")
    now[0] += 2.5
    came = await call.raw("GET", "/envs")

    assert came.status == 429
    assert came.headers.get("Retry-After") == value


async def test_a_token_expires_for_good_and_another_is_good(start, time):
    options = weather("token_life=30s", token="own")  # noqa: S106
    call = await start(options, clock=time.clock)
    own = {"X-Auth-Token": "own"}
    time.now += 100  # its life begins with its first use
    first = await call("GET", "/envs", headers=own)
    time.now += 30
    late = [await call("GET", "/envs", headers=own) for _ in range(2)]

    assert first[0] == 200
    assert [codes(one) for one in late] == [(401, "APIG.1001")] * 2
    assert (await call("GET", "/envs"))[0] == 200
    assert call.sandbox.counters.conditions == {"token_life": 2}


async def test_latency_has_jitter_by_seed_and_a_slow_gateway_is_slow(start, time):
    options = weather("jitter=0.5s, slow=2s@gw2", latency_s=0.1)
    call = await start(options, clock=time.clock)
    other = PREFIX.replace("instances/gw", "instances/gw2")
    for prefix in (PREFIX, other):
        for _ in range(20):
            await call("GET", "/envs", prefix=prefix)
    fast, slow = time.slept[:20], time.slept[20:]

    assert all(0.1 <= one < 0.6 for one in fast)
    assert all(2.1 <= one < 2.6 for one in slow)
    assert len(set(fast)) == 20
    assert [one - 2 for one in slow] != fast
