"""The instance's own keys: the last that is tried, past any proxy, replaced in time."""

import anyio
import pytest

from bulkbind.auth import Finder, ServerClock, Signable
from bulkbind.auth.metadata import METADATA_ADDRESS, is_instance, metadata_credential
from bulkbind.errors import CredentialsMissing, CredentialUnavailable
from bulkbind.gateway import Gateway
from bulkbind.model import Action, OurCode, Target
from bulkbind.retry import advise, refuses_credential
from tests.cloud import Gate, cloud

REQUEST = Signable("GET", "g", "/v2", "pro")
SESSION = ("PUT", "/meta-data/latest/api/token")
KEY = ("GET", "/openstack/latest/securitykey")
TARGET = Target(0, "default", "pro", "gw", "plug", "env", 0)


@pytest.fixture
def served():
    with cloud(lifetime_s=3600 * 6) as found:
        yield found


@pytest.fixture
def found(served):
    return metadata_credential(served.url, clock=ServerClock(lambda: served.now))


@pytest.fixture
def machine(tmp_path):
    """Say what machine this is."""

    def say(name, text):
        (tmp_path / name).write_text(f"{text}\n")
        return tmp_path

    return say


async def prove(found):
    return await found.proof(Gate(), project_id="pro")


# --- when it is tried -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "claim"),
    [
        ("chassis_asset_tag", "HUAWEICLOUD", True),
        ("chassis_asset_tag", "OpenTelekomCloud", True),
        ("product_name", "OpenStack Nova", True),
        ("product_name", "Google Compute Engine", False),
        ("unknown", "HUAWEICLOUD", False),
    ],
)
def test_an_instance_says_so(machine, name, text, claim):
    assert is_instance(machine(name, text)) is claim


def test_it_is_used_only_where_nothing_else_is_found(machine, tmp_path):
    instance = machine("chassis_asset_tag", "HUAWEICLOUD")
    home = tmp_path / "home"
    labels = [
        Finder(environ=environ, home=home, now=lambda: 0.0, machine=instance)
        .find("default", command=command)
        .label
        for environ, command in (
            ({"BULKBIND_TOKEN": "t"}, ()),
            ({"HW_ACCESS_KEY": "a", "HW_SECRET_KEY": "s"}, ()),
            ({}, ("echo", "t")),
            ({}, ()),
        )
    ]

    assert labels == [
        "env:BULKBIND_TOKEN",
        "env:HW_ACCESS_KEY",
        "command:echo",
        "metadata",
    ]


def test_elsewhere_it_is_not_tried(tmp_path):
    finder = Finder(environ={}, home=tmp_path, now=lambda: 0.0, machine=tmp_path)
    with pytest.raises(CredentialsMissing, match="no instance of the cloud"):
        finder.find("default")


def test_an_account_may_name_it(tmp_path):
    finder = Finder(environ={}, home=tmp_path, now=lambda: 0.0, machine=tmp_path)

    assert finder.find("pay", source="metadata").label == "metadata"


def test_no_setting_and_no_variable_changes_its_address(monkeypatch, tmp_path):
    monkeypatch.setenv("BULKBIND_METADATA", "http://evil")
    finder = Finder(environ={}, home=tmp_path, now=lambda: 0.0)

    assert finder.metadata == METADATA_ADDRESS == "http://169.254.169.254"


# --- what is asked --------------------------------------------------------------------


async def test_a_session_is_begun_and_its_key_signs(served, found):
    headers = (await prove(found)).headers(REQUEST)

    assert served.asked == [SESSION, KEY]
    assert served.headers[0]["X-Metadata-Token-Ttl-Seconds"] == "21600"
    assert served.headers[1]["X-Metadata-Token"] == "session"
    assert headers["X-Security-Token"] == "ST"
    assert " Access=AK0, " in headers["Authorization"]


async def test_a_service_without_sessions_is_asked_without(served, found):
    served.knows_sessions = False

    await prove(found)

    assert served.asked == [SESSION, KEY]
    assert "X-Metadata-Token" not in served.headers[1]


async def test_a_proxy_of_the_environment_is_not_used(served, found, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    await prove(found)

    assert served.asked == [SESSION, KEY]


# --- refresh --------------------------------------------------------------------------


async def test_many_who_wait_ask_once(served, found):
    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(prove, found)

    assert served.asked == [SESSION, KEY]


async def test_a_key_is_replaced_forty_minutes_before_its_end(served, found):
    seen = []
    for minutes in (0, 319, 2):
        served.now += minutes * 60
        seen.append((await prove(found)).identity)

    assert seen[0] == seen[1] != seen[2]


async def test_a_key_that_is_always_near_its_end_is_not_asked_for_each_time(
    served, found
):
    served.lifetime_s = 600
    for _ in range(5):
        await prove(found)

    assert served.given["key"] == 1


async def test_a_401_takes_a_new_key_once(served, found):
    gate = Gate()
    one = Gateway(gate, endpoint="https://g", project_id="pro", credential=found)

    reply = await one.apply(Action.ATTACH, TARGET, ["a"])

    assert reply.status == 401
    assert served.given["key"] == 2
    assert len(gate.seen) == 2


# --- what goes wrong ------------------------------------------------------------------


async def test_an_instance_without_agency_says_what_to_do(served, found):
    served.has_agency = False
    one = Gateway(Gate(), endpoint="https://g", project_id="pro", credential=found)

    reply = await one.apply(Action.ATTACH, TARGET, ["a"])

    assert (reply.status, reply.code) == (401, OurCode.NO_INSTANCE_KEY)
    assert refuses_credential(reply)
    assert "give the instance an agency" in advise(reply.code)


async def test_a_service_that_is_not_there_may_be_tried_again():
    found = metadata_credential("http://127.0.0.1:9", clock=ServerClock(lambda: 0.0))
    with pytest.raises(CredentialUnavailable, match="does not answer") as gone:
        await prove(found)

    assert gone.value.status == 0


async def test_a_service_that_fails_may_be_tried_again(served, found):
    served.status = 500
    with pytest.raises(CredentialUnavailable, match="500") as failed:
        await prove(found)

    assert failed.value.status == 0


@pytest.mark.parametrize("status", [301, 307])
async def test_a_redirect_is_not_followed(served, found, status):
    served.status = status
    with pytest.raises(CredentialUnavailable, match=str(status)):
        await prove(found)

    assert served.asked == [SESSION]


def test_what_is_shown_holds_no_key(found):
    assert repr(found) == "Renewing(metadata)"
