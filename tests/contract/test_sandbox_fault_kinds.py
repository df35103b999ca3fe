"""Every fault of an attach, as a bare client sees it: status, headers, bytes, effect."""

import json

import aiohttp
import pytest

from bulkbind.sandbox import Clock, Fault, SandboxOptions, oracle, state
from bulkbind.sandbox.answers import BAD_GATEWAY, NOT_JSON, SIGN_IN
from tests.contract import sandbox_clients
from tests.contract.sandbox_clients import APIS, RELEASE, codes, weather

start = sandbox_clients.start


@pytest.mark.parametrize(
    ("options", "has_effect"),
    [
        (SandboxOptions(error_before=1.0), False),
        (SandboxOptions(error_after=1.0), True),
    ],
)
async def test_an_error_comes_before_or_after_the_effect(start, options, has_effect):
    call = await start(options)

    assert codes(await call.attach(APIS[:3])) == (500, "APIG.9999")
    assert bool(list(oracle.bindings(call.sandbox.world.path))) is has_effect


@pytest.mark.parametrize(
    ("options", "has_effect"),
    [(SandboxOptions(lost_before=1.0), False), (SandboxOptions(lost_after=1.0), True)],
)
async def test_a_connection_is_cut_before_or_after_the_effect(
    start, options, has_effect
):
    call = await start(options)
    with pytest.raises(aiohttp.ClientConnectionError):
        await call.attach(APIS[:3])

    assert bool(list(oracle.bindings(call.sandbox.world.path))) is has_effect
    assert call.sandbox.counters.statuses["attach_apis", 0] == 1


async def test_a_refusal_stays_a_refusal_when_the_answer_would_have_failed(start):
    call = await start(SandboxOptions(error_after=1.0))

    assert codes(await call.attach(["f" * 32])) == (404, "APIG.3002")


async def test_shares_hit_some_requests_and_reads_never(start):
    call = await start(SandboxOptions(error_before=0.5, seed=7))
    changes = [(await call.attach(APIS[:1]))[0] for _ in range(40)]
    reads = [(await call("GET", "/envs"))[0] for _ in range(10)]

    assert 8 <= changes.count(500) <= 32
    assert set(reads) == {200}


# --- every kind -----------------------------------------------------------------------

THREE = APIS[:3]

#: Fault -> status, error code, effect; what comes is a JSON error body.
REFUSALS = {
    "error_before": (500, "APIG.9999", False),
    "error_after": (500, "APIG.9999", True),
    "dependency_before": (500, "APIG.9004", False),
    "dependency_after": (500, "APIG.9004", True),
    "busy_before": (500, "APIG.3500", False),
    "busy_after": (500, "APIG.3500", True),
    "http_503_before": (503, "APIGW.0613", False),
    "http_503_after": (503, "APIGW.0613", True),
    "http_504_before": (504, "APIGW.0201", False),
    "http_504_after": (504, "APIGW.0201", True),
    "too_many": (500, "APIG.9008", False),
    "http_429": (429, "APIGW.0308", False),
    "http_429_seconds": (429, "APIGW.0308", False),
    "http_429_date": (429, "APIGW.0308", False),
    "expired": (401, "APIG.1001", False),
}


@pytest.mark.parametrize("fault", REFUSALS)
async def test_a_refusal_comes_whole_and_says_its_code(start, fault):
    status, code, has_effect = REFUSALS[fault]
    call = await start(weather(f"{fault}=1"))
    came = await call.raw_attach(THREE)

    assert (came.status, came.json["error_code"], came.whole) == (status, code, True)
    assert came.json["error_msg"]
    assert ("request_id" in came.json) is code.startswith("APIGW.")
    assert call.bound == (THREE if has_effect else [])
    assert call.faults == {fault: 1}


@pytest.mark.parametrize(
    ("fault", "page", "has_effect"),
    [
        ("http_502_before", BAD_GATEWAY, False),
        ("http_502_after", BAD_GATEWAY, True),
        ("html_200_before", SIGN_IN, False),
        ("html_200_after", SIGN_IN, True),
        ("not_json_201", NOT_JSON, True),
    ],
)
async def test_a_page_comes_byte_for_byte(start, fault, page, has_effect):
    call = await start(weather(f"{fault}=1"))
    came = await call.raw_attach(THREE)

    assert (came.status, came.body, came.whole) == (page.status, page.text, True)
    assert came.headers["Content-Type"] == page.content_type
    assert call.bound == (THREE if has_effect else [])
    assert call.faults == {fault: 1}


@pytest.mark.parametrize(
    ("fault", "retry_after"),
    [
        ("http_429", None),
        ("http_429_seconds", "1"),
        ("http_429_date", "Fri, 02 Jan 2026 03:04:07 GMT"),
        ("too_many", None),
    ],
)
async def test_a_429_says_when_in_three_ways_and_gives_no_figures(
    start, fault, retry_after
):
    now_ns = 1_767_323_045_123_456_789  # 03:04:05.1; a second later, rounded up
    call = await start(weather(f"{fault}=1"), clock=Clock(now_ns=lambda: now_ns))
    came = await call.raw_attach(THREE)

    assert came.headers.get("Retry-After") == retry_after
    assert "limit:" not in came.json["error_msg"]


@pytest.mark.parametrize("fault", ["lost_before", "lost_after"])
async def test_a_lost_answer_is_not_one_byte(start, fault):
    call = await start(weather(f"{fault}=1"))

    assert (await call.raw_attach(THREE)).status == 0
    assert call.bound == (THREE if fault == "lost_after" else [])
    assert call.faults == {fault: 1}


@pytest.mark.parametrize("count", [0, 1, 17, 100, 10_000_000])
async def test_a_cut_body_ends_after_the_bytes_asked_for(start, count):
    call = await start(weather(f"cut=1, cut_at={count}"))
    came = await call.raw_attach(THREE)
    length = int(came.headers["Content-Length"])

    assert (came.status, came.whole) == (201, False)
    assert len(came.body) == min(count, length - 1)
    assert b'{"attached_plugins":[{"plugin_attach_id":'.startswith(came.body[:30])
    assert call.bound == THREE
    assert call.sandbox.counters.statuses["attach_apis", 0] == 1


async def test_a_large_body_is_cut_where_the_seed_says(start):
    call = await start(weather("cut=1"))
    lengths = [len((await call.raw_attach(APIS[:500])).body) for _ in range(12)]

    assert len(set(lengths)) == 12
    assert 0 < min(lengths) < 85_000 < max(lengths) < 200_000


async def test_a_slow_body_comes_in_halves_with_a_pause(start):
    pauses = []

    async def sleep(seconds):
        pauses.append(seconds)

    options = weather("slow_body=1, pause=7s")
    call = await start(options, clock=Clock(sleep=sleep))
    came = await call.raw_attach(THREE)

    assert (came.status, came.whole) == (201, True)
    assert len(came.json["attached_plugins"]) == 3
    assert pauses == [0.0, 7.0]
    assert call.faults == {"slow_body": 1}


async def test_an_empty_201_hides_the_whole_effect(start):
    call = await start(weather("empty_201=1"))
    came = await call.raw_attach(THREE)

    assert (came.status, came.body, call.bound) == (201, b"{}", THREE)


async def test_a_partial_receipt_hides_part_of_the_whole_effect(start):
    call = await start(weather("partial_receipt=1"))
    came = await call.raw_attach(APIS[:60])
    named = [item["api_id"] for item in came.json["attached_plugins"]]

    assert call.bound == APIS[:60]
    assert 30 <= len(named) <= 50
    assert named == sorted(named)
    assert set(came.json) == {"attached_plugins"}


async def test_a_partial_receipt_of_one_api_names_none(start):
    call = await start(weather("partial_receipt=1"))
    came = await call.raw_attach(APIS[:1])

    assert came.json == {"attached_plugins": []}
    assert call.bound == APIS[:1]


async def test_a_partial_effect_is_named_exactly(start):
    call = await start(weather("partial_effect=1"))
    came = await call.raw_attach(APIS[:60])
    named = [item["api_id"] for item in came.json["attached_plugins"]]

    assert call.bound == named
    assert 30 <= len(named) <= 50
    assert set(came.json) == {"attached_plugins"}


@pytest.mark.parametrize("fault", ["failed_bindings", "failed_named"])
async def test_failed_bindings_stand_beside_the_receipt(start, fault):
    call = await start(weather(f"{fault}=1"))
    came = await call.raw_attach([*APIS[:30], "f" * 32])
    named = [item["api_id"] for item in came.json["attached_plugins"]]
    results = {item["api_id"]: item["binding_result"] for item in came.json["bindings"]}
    failed = {one for one, how in results.items() if how["status"] == "FAILED"}

    assert came.status == 201
    assert set(results) == {*APIS[:30], "f" * 32}
    assert set(call.bound) == set(results) - failed
    assert results["f" * 32]["error_code"] == "APIG.3002"
    assert {results[one]["error_code"] for one in failed - {"f" * 32}} == {"APIG.3500"}
    if fault == "failed_named":
        assert set(named) == set(APIS[:30])
    else:
        assert named == call.bound


async def test_a_failure_list_stands_instead_of_the_receipt(start):
    call = await start(weather("failure_list=1"))
    came = await call.raw_attach([*APIS[:30], "f" * 32])
    failed = {item["api_id"]: item["error_code"] for item in came.json["failure"]}

    assert set(came.json) == {"success", "failure"}
    assert [item["api_id"] for item in came.json["success"]] == call.bound
    assert set(failed) == {*APIS[:30], "f" * 32} - set(call.bound)
    assert failed["f" * 32] == "APIG.3002"
    assert came.json["failure"][0]["api_name"].startswith("api_")


# --- refusals because of an API -------------------------------------------------------

BAD = ["e" * 32, "f" * 32]
MIXED = [APIS[0], BAD[0], APIS[1], BAD[1]]


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        ("present", f"API {BAD[0]} does not exist"),
        ("absent", "The API does not exist"),
        ("lying", f"API {APIS[0]} does not exist"),
        ("all", f"API {BAD[0]},{BAD[1]} does not exist"),
        ("plugin", "The API to bind to plugin cors1 does not exist"),
    ],
)
async def test_a_hint_names_whom_it_should(start, hint, text):
    call = await start(weather(f"hint_{hint}=1"))
    came = await call.raw_attach(MIXED)

    assert (came.status, came.json["error_code"]) == (404, "APIG.3002")
    assert came.json["error_msg"] == text
    assert call.bound == []
    assert call.faults == {f"hint_{hint}": 1}


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        ("present", f". API {APIS[1]} is not published"),
        ("absent", ""),
        ("lying", f". API {APIS[0]} is not published"),
        ("all", f". API {APIS[1]},{APIS[2]} is not published"),
        ("plugin", ". Plugin cors1 cannot be bound"),
    ],
)
async def test_a_hint_about_publishing_names_whom_it_should(start, hint, text):
    call = await start(weather(f"hint_{hint}=1"))
    came = await call.raw_attach(THREE, env_id="canary")

    assert (came.status, came.json["error_code"]) == (409, "APIG.3707")
    told = "Only published APIs can be bound with plug-ins"
    assert came.json["error_msg"] == told + text


async def test_a_lie_with_nobody_to_blame_names_nobody(start):
    call = await start(weather("hint_lying=1"))

    assert (await call.raw_attach(BAD)).json["error_msg"] == "The API does not exist"


@pytest.mark.parametrize(
    ("fault", "bound"), [("non_atomic", APIS[:2]), ("fail_fast", APIS[:1])]
)
async def test_a_refusal_may_have_bound_good_apis(start, fault, bound):
    call = await start(weather(f"{fault}=1"))
    came = await call.raw_attach(MIXED)

    assert (came.status, came.json["error_code"]) == (404, "APIG.3002")
    assert call.bound == bound
    assert call.faults == {fault: 1}


@pytest.mark.parametrize("fault", ["hint_lying", "non_atomic", "fail_fast"])
async def test_what_tells_of_refusals_is_nothing_without_one(start, fault):
    call = await start(weather(f"{fault}=1"))

    assert (await call.raw_attach(THREE)).status == 201
    assert call.faults == {"none": 1}


@pytest.mark.parametrize(
    "fault",
    ["error_after", "http_502_after", "html_200_after", "empty_201", "not_json_201"],
)
async def test_a_refusal_stays_the_refusal_it_is(start, fault):
    call = await start(weather(f"{fault}=1"))

    assert codes(await call.attach(BAD)) == (404, "APIG.3002")
    assert call.faults == {"none": 1}


# --- detach ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "status", "is_bound"),
    [
        ("error_before", 500, True),
        ("busy_after", 500, False),
        ("http_502_after", 502, False),
        ("html_200_before", 200, True),
        ("lost_after", 0, False),
        ("http_429", 429, True),
        *((fault, 204, False) for fault in ("cut", "slow_body", "empty_201")),
        *((fault, 204, False) for fault in ("partial_receipt", "failed_bindings")),
    ],
)
async def test_a_detach_meets_the_faults_that_fit_it(start, fault, status, is_bound):
    call = await start(weather(f"{fault}=1"))
    body = json.dumps({"env_id": RELEASE, "api_ids": THREE}).encode()
    path = {"instance_id": "gw", "plugin_id": "cors1"}
    state.attach_apis(call.sandbox.world, state.Change(path, body, 0))
    came = await call.raw("PUT", "/plugins/cors1/detach", data=body)

    assert came.status == status
    assert call.bound == (THREE if is_bound else [])
    assert call.faults == {fault if status != 204 else "none": 1}


async def test_plugins_of_one_api_meet_faults_too(start):
    call = await start(weather("partial_receipt=1"))
    body = {"env_id": RELEASE, "plugin_ids": ["cors1", "rate"]}
    came = await call.raw("POST", f"/apis/{APIS[0]}/plugins/attach", json=body)

    assert len(came.json["attached_plugins"]) == 1
    assert len(call.bound) == 2
    assert call.faults == {Fault.PARTIAL_RECEIPT: 1}


@pytest.mark.parametrize("fault", ["partial_effect", "non_atomic", "failure_list"])
async def test_plugins_of_one_api_are_attached_all_or_none(start, fault):
    call = await start(weather(f"{fault}=1"))
    body = {"env_id": RELEASE, "plugin_ids": ["cors1", "rate"]}
    came = await call.raw("POST", f"/apis/{APIS[0]}/plugins/attach", json=body)

    assert len(came.json["attached_plugins"]) == 2
    assert call.faults == {"none": 1}
