"""Tokens by user and password: fetched once for all, renewed, held in memory only."""

from pathlib import Path

import anyio
import pytest
from aiohttp import web

from bulkbind.auth import Finder, Iam, find_project
from bulkbind.door import Door
from bulkbind.errors import CredentialsMissing, CredentialUnavailable
from bulkbind.gateway import Gateway
from bulkbind.host import HostFolder
from bulkbind.http import Http
from bulkbind.model import Action, OurCode, Reply, Target
from bulkbind.retry import advise, refuses_credential
from tests.cloud import PASSWORD, Cloud, Gate, cloud
from tests.unit.test_door import Turns

REGION = "cn-north-4"
USER = {
    "HW_USER_NAME": "robot",
    "HW_USER_PASSWORD": PASSWORD,
    "HW_DOMAIN_NAME": "company",
}
TARGET = Target(0, "default", "pro", "gw", "plug", "env", 0)
PROJECTS = [
    {"id": "p4", "name": REGION},
    {"id": "p1", "name": "cn-north-1"},
    {"id": "p2", "name": "cn-north-1"},
    {"id": "p9", "name": "cn-north-9", "enabled": False},
]


@pytest.fixture
def served():
    with cloud(projects=PROJECTS) as found:
        yield found


@pytest.fixture
async def http():
    async with Http(timeout_s=5.0, connections=4) as found:
        yield found


def credential(served: Cloud, environ=None, *, region=REGION):
    finder = Finder(
        environ=environ or USER, home=Path("/nowhere"), now=lambda: served.now
    )
    return finder.find("default", iam=Iam(served.url, region))


def gateway(sender, found, door=None):
    return Gateway(
        sender, endpoint="https://g", project_id="pro", credential=found, door=door
    )


async def attach(one: Gateway) -> Reply:
    return await one.apply(Action.ATTACH, TARGET, ["a"])


async def attach_together(one: Gateway, many: int) -> list[Reply]:
    replies = []

    async def once() -> None:
        replies.append(await attach(one))

    async with anyio.create_task_group() as group:
        for _ in range(many):
            group.start_soon(once)
    return replies


# --- signing in -----------------------------------------------------------------------


async def test_a_user_signs_in_with_password_scope_of_the_project(served, http):
    await credential(served).proof(http, project_id="pro")

    assert served.asked == [("POST", "/v3/auth/tokens?nocatalog=true")]
    user = {"name": "robot", "password": PASSWORD, "domain": {"name": "company"}}
    assert served.bodies == [
        {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": {"id": "pro"}},
            }
        }
    ]


async def test_without_a_project_the_regions_is_the_scope(served, http):
    await credential(served).proof(http, project_id="")

    assert served.bodies[0]["auth"]["scope"] == {"project": {"name": REGION}}


async def test_many_who_wait_sign_in_once(served, http):
    gate = Gate("token-0", others=http)

    replies = await attach_together(gateway(gate, credential(served)), 20)

    assert [reply.status for reply in replies] == [201] * 20
    assert len(served.asked) == 1


async def test_a_token_is_replaced_half_an_hour_before_its_end(served, http):
    found = credential(served)
    seen = []

    for hours in (0.0, 23.4, 0.2, 23.4):
        served.now += hours * 3600
        seen.append(await found.proof(http, project_id="pro"))

    assert [one is seen[0] for one in seen] == [True, True, False, False]
    assert served.given["token"] == 2


async def test_while_nobody_answers_the_token_that_still_holds_is_used(served, http):
    found = credential(served)
    first = await found.proof(http, project_id="pro")

    served.now += 23.6 * 3600
    served.status = 503
    assert await found.proof(http, project_id="pro") is first
    assert await found.proof(http, project_id="pro") is first
    assert len(served.asked) == 2

    served.now += 3600
    with pytest.raises(CredentialUnavailable, match="503"):
        await found.proof(http, project_id="pro")


# --- a 401 ----------------------------------------------------------------------------


async def test_a_401_renews_the_token_once_for_all_who_wait(served, http):
    gate = Gate("token-1", others=http)

    replies = await attach_together(gateway(gate, credential(served)), 6)

    assert [reply.status for reply in replies] == [201] * 6
    assert served.given["token"] == 2
    assert gate.seen.count("token-0") == 6
    assert gate.seen.count("token-1") == 6


async def test_a_second_401_is_believed_and_nothing_more_leaves(served, http, tmp_path):
    gate, turns = Gate(others=http), Turns()
    found = credential(served)
    door = Door(found.identity, HostFolder(tmp_path / "host"), turns)
    one = gateway(gate, found, door)

    first = await attach(one)
    second = await attach(one)

    assert refuses_credential(first)
    assert not second.left
    assert gate.seen == ["token-0", "token-1"]
    assert served.given["token"] == 2
    assert turns.taken == 1  # the second sending waited for a turn of its own


async def test_a_renewed_token_that_is_refused_hours_later_is_renewed_again(
    served, http
):
    gate = Gate("token-1", others=http)
    one = gateway(gate, credential(served))

    await attach(one)
    served.now += 3600
    gate.good = {"token-2"}

    assert (await attach(one)).status == 201


async def test_a_refused_sign_in_is_remembered_and_says_what_to_do(
    served, http, tmp_path
):
    found = credential(served, {**USER, "HW_USER_PASSWORD": "hunter3"})
    host = HostFolder(tmp_path / "host")
    one = gateway(Gate(others=http), found, Door(found.identity, host, Turns()))

    reply = await attach(one)
    again = await attach(one)

    assert (reply.status, reply.code) == (401, OurCode.SIGN_IN_REFUSED)
    assert "IAM.0101: wrong user or password" in reply.message
    assert "five wrong passwords lock the user" in advise(reply.code)
    assert not reply.left
    assert not again.left
    assert len(served.asked) == 1
    assert host.refusal(found.identity) is not None
    assert "hunter3" not in repr(found) + reply.message


async def test_a_wrong_password_is_tried_once_however_many_wait(served, http):
    found = credential(served, {**USER, "HW_USER_PASSWORD": "hunter3"})

    replies = await attach_together(gateway(Gate(others=http), found), 6)

    assert [reply.code for reply in replies] == [OurCode.SIGN_IN_REFUSED] * 6
    assert len(served.asked) == 1


async def test_a_password_that_is_changed_meanwhile_is_tried_once(served, http):
    gate = Gate("token-0", others=http)
    one = gateway(gate, credential(served))
    await attach(one)

    gate.good.clear()
    served.status = 401
    replies = await attach_together(one, 6)

    assert {reply.status for reply in replies} == {401}
    assert len(served.asked) == 2
    assert len(gate.seen) == 7


async def test_an_identity_service_that_fails_refuses_nothing(served, http):
    served.status = 503
    reply = await attach(gateway(Gate(others=http), credential(served)))

    assert (reply.status, reply.code, reply.left) == (0, OurCode.NOT_REACHED, False)


# --- what is missing ------------------------------------------------------------------


@pytest.mark.parametrize("name", USER)
async def test_who_signs_in_is_said_whole_or_not_at_all(served, name):
    with pytest.raises(CredentialsMissing, match=f"{name} is not set"):
        credential(served, {**USER, name: ""})


async def test_a_user_needs_a_place_to_sign_in(tmp_path):
    finder = Finder(environ=USER, home=tmp_path, now=lambda: 0.0)
    with pytest.raises(CredentialsMissing, match="region, or iam_endpoint"):
        finder.find("default")


# --- the region's project -------------------------------------------------------------

KEY = {"HUAWEICLOUD_SDK_AK": "AK", "HUAWEICLOUD_SDK_SK": "SK"}
TOKEN = {"BULKBIND_TOKEN": "t"}


@pytest.mark.parametrize("environ", [USER, KEY, TOKEN])
async def test_the_regions_project_is_looked_up(served, http, environ):
    found = credential(served, environ)

    assert await find_project(found, Iam(served.url, REGION), http) == "p4"
    assert served.asked[-1] == ("GET", f"/v3/projects?name={REGION}")
    assert "X-Project-Id" not in served.headers[-1]


@pytest.mark.parametrize(
    ("region", "why"),
    [
        ("cn-east-3", "no project named cn-east-3; give project_id"),
        ("cn-north-1", "2 projects named cn-north-1: p1, p2; give project_id"),
        ("cn-north-9", "no project named cn-north-9"),
    ],
)
async def test_none_or_several_projects_are_a_fault_that_says_so(
    served, http, region, why
):
    with pytest.raises(CredentialUnavailable, match=why) as refused:
        await find_project(credential(served, KEY), Iam(served.url, region), http)

    assert refused.value.code == OurCode.PROJECT_UNKNOWN


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, OurCode.SIGN_IN_REFUSED), (403, OurCode.PROJECT_UNKNOWN), (503, "")],
)
async def test_a_look_up_that_fails_says_whose_fault_it_is(served, http, status, code):
    served.status = status
    with pytest.raises(CredentialUnavailable, match=f"{status}: said no") as refused:
        await find_project(credential(served, KEY), Iam(served.url, REGION), http)

    assert refused.value.code == code


# --- the time -------------------------------------------------------------------------


async def test_a_wrong_clock_is_put_right_by_the_first_refusal(served):
    gate = Gate("20270115T080000Z", date="Fri, 15 Jan 2027 08:00:00 GMT")
    found = Finder(environ=KEY, home=Path("/nowhere"), now=lambda: 1.8e9 - 7200)
    one = gateway(gate, found.find("default"))

    replies = [await attach(one), await attach(one)]

    assert [reply.status for reply in replies] == [201, 201]
    assert gate.seen == ["20270115T060000Z", "20270115T080000Z", "20270115T080000Z"]


async def test_a_key_refused_with_the_right_time_is_not_tried_again(served):
    gate = Gate(date="Fri, 15 Jan 2027 08:00:00 GMT")
    found = Finder(environ=KEY, home=Path("/nowhere"), now=lambda: 1.8e9 - 7200)

    reply = await attach(gateway(gate, found.find("default")))

    assert len(gate.seen) == 2
    assert "this machine's clock is 120 min behind the gateway's" in reply.message


async def test_a_clock_that_is_hardly_wrong_is_left_alone():
    gate = Gate(date="Fri, 15 Jan 2027 08:00:20 GMT")
    found = Finder(environ=KEY, home=Path("/nowhere"), now=lambda: 1.8e9)

    await attach(gateway(gate, found.find("default")))

    assert gate.seen == ["20270115T080000Z"]


async def test_a_password_that_an_answer_echoes_is_masked(served, http, monkeypatch):
    def echo():
        said = {"error": {"code": 401, "message": f"{PASSWORD} is not right"}}
        return web.json_response(said, status=401)

    monkeypatch.setattr(served, "_sign_in", echo)

    with pytest.raises(CredentialUnavailable) as refusal:
        await credential(served).proof(http, project_id="pro")

    assert "is not right" in str(refusal.value)
    assert PASSWORD not in str(refusal.value)
