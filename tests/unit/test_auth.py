"""Credentials: found or missed with advice, shown to nobody."""

import json
import sys

import pytest

from bulkbind.auth import Finder, Key, Signable, Token
from bulkbind.auth.chain import read_credential
from bulkbind.errors import CredentialsMissing, CredentialUnavailable
from bulkbind.model import Secret
from tests.cloud import Gate

REQUEST = Signable("GET", "apig.x.com", "/v2/pro", "pro")
SDK = {"HUAWEICLOUD_SDK_AK": "AK", "HUAWEICLOUD_SDK_SK": "SK"}
TERRAFORM = {"HW_ACCESS_KEY": "AK2", "HW_SECRET_KEY": "SK2"}


@pytest.fixture
def find(tmp_path):
    """Look in an environment and an empty home."""

    def look(environ=None, *, account="default", **how):
        finder = Finder(
            environ=environ or {}, home=tmp_path, now=lambda: 0.0, machine=tmp_path
        )
        return finder.find(account, **how)

    return look


def printing(text):
    """A command that prints something."""
    return (sys.executable, "-c", f"print({text!r})")


def write_profile(home, text):
    folder = home / ".huaweicloud"
    folder.mkdir()
    (folder / "credentials").write_text(text)


def write_koocli(home, **more):
    folder = home / ".hcloud"
    folder.mkdir()
    profile = {"name": "one", "accessKeyId": "AK4", "secretAccessKey": "SK4"}
    document = {"current": "one", "profiles": [profile], **more}
    (folder / "config.json").write_text(json.dumps(document))


# --- a token --------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["MIIabc", " MIIabc\n"])
def test_a_token_is_found_in_the_environment(find, text):
    found = find({"BULKBIND_TOKEN": text})

    assert found.headers(REQUEST) == {"X-Auth-Token": "MIIabc"}
    assert found.label == "env:BULKBIND_TOKEN"


@pytest.mark.parametrize(
    "environ", [{}, {"BULKBIND_TOKEN": ""}, {"BULKBIND_TOKEN": " "}]
)
def test_a_missing_credential_says_where_it_was_looked_for(find, environ):
    with pytest.raises(
        CredentialsMissing, match=r"'default'.*BULKBIND_TOKEN.*--endpoint sandbox"
    ):
        find(environ)


@pytest.mark.parametrize("token", ["a b", "a\nX-Evil: 1", "a\r\nb", "tökèn", "a\x00b"])
def test_a_token_that_could_forge_a_header_is_refused_without_being_shown(find, token):
    with pytest.raises(CredentialsMissing, match="characters that no") as refused:
        find({"BULKBIND_TOKEN": token})

    assert token not in str(refused.value)


# --- the chain ------------------------------------------------------------------------


def test_the_first_that_is_found_is_used(find, tmp_path):
    write_profile(tmp_path, "[basic]\nak = AK3\nsk = SK3\n")
    write_koocli(tmp_path, authEncrypt="false")
    token = {"BULKBIND_TOKEN": "t"}
    command = printing("u")

    labels = [
        find({**token, **SDK, **TERRAFORM}, command=command).label,
        find({**SDK, **TERRAFORM}, command=command).label,
        find({**SDK, **TERRAFORM}).label,
        find(TERRAFORM).label,
        find().label,
    ]

    (tmp_path / ".huaweicloud" / "credentials").unlink()
    labels.append(find().label)
    assert labels == [
        "env:BULKBIND_TOKEN",
        f"command:{sys.executable.rpartition('/')[2]}",
        "env:HUAWEICLOUD_SDK_AK",
        "env:HW_ACCESS_KEY",
        "profile:basic",
        "koocli:one",
    ]


def test_an_encrypted_koocli_profile_is_none(find, tmp_path):
    write_koocli(tmp_path)

    with pytest.raises(CredentialsMissing):
        find()


@pytest.mark.parametrize("name", [*SDK, *TERRAFORM])
def test_half_a_key_names_the_other_half(find, name):
    with pytest.raises(CredentialsMissing, match=f"{name} is set"):
        find({name: "x"})


def test_a_project_may_come_with_the_key(find):
    found = find({**SDK, "HUAWEICLOUD_SDK_PROJECT_ID": "pro"})

    assert found.project_id == "pro"


# --- named accounts -------------------------------------------------------------------


def test_a_named_account_is_served_by_its_own_source_only(find):
    environ = {"BULKBIND_TOKEN": "theirs", "PAY_TOKEN": "ours"}

    found = find(environ, account="payments", source="env:PAY_")

    assert found.headers(REQUEST) == {"X-Auth-Token": "ours"}


def test_a_named_account_whose_source_is_empty_has_none(find):
    with pytest.raises(CredentialsMissing, match=r"'payments'.*PAY_TOKEN.*PAY_AK"):
        find(SDK, account="payments", source="env:PAY_")


def test_a_profile_is_read_by_its_section(find, tmp_path):
    write_profile(
        tmp_path, "[payments]\nak=AK5\nsk=S%K5\nsecurity_token=ST\nproject_id=p\n"
    )

    found = find(account="payments", source="profile:payments")

    assert found.label == "profile:payments"
    assert found.project_id == "p"
    assert found.headers(REQUEST)["X-Security-Token"] == "ST"


@pytest.mark.parametrize(
    "text", ["", "[other]\nak=a\n", "[payments]\nak=a\n", "nonsense"]
)
def test_a_profile_that_says_nothing_is_a_fault(find, tmp_path, text):
    write_profile(tmp_path, text)

    with pytest.raises(CredentialsMissing, match=r"\[payments\]"):
        find(account="payments", source="profile:payments")


# --- a command ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("MIIabc", Token),
        ('{"token": "MIIabc"}', Token),
        ('{"ak": "AK", "sk": "SK", "security_token": "ST"}', Key),
    ],
)
async def test_a_command_prints_a_credential(find, text, kind):
    found = find(account="payments", command=printing(text))

    assert isinstance(await found.proof(Gate(), project_id="pro"), kind)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (printing(""), "no token"),
        (printing("two words"), "no token"),
        (printing('{"ak": "hunter2"}'), "neither token nor ak and sk"),
        (printing('{"ak": 5, "sk": "hunter2"}'), "not text"),
        (printing('{"hunter2'), "cannot be read"),
        (printing('{"token": "hunter2", "expires_at": "soon"}'), "no time"),
        ((sys.executable, "-c", "raise SystemExit(3)"), "ended with 3"),
        (("/nowhere/at/all",), "No such file"),
    ],
)
def test_a_command_that_gives_none_says_why_and_not_what_it_printed(find, command, why):
    with pytest.raises(CredentialsMissing, match=why) as refused:
        find(account="payments", command=command)

    assert "hunter2" not in str(refused.value)


def counting(folder, **more):
    """A command that prints another token each time it is run."""
    code = (
        "import json, pathlib, sys; made = pathlib.Path(sys.argv[1]);"
        "made.write_text(made.read_text() + 'x' if made.exists() else 'x');"
        "token = f'token-{len(made.read_text())}';"
        f"print(json.dumps({{'token': token, **{more!r}}}))"
    )
    return (sys.executable, "-c", code, str(folder / "count"))


@pytest.mark.parametrize(
    ("expires_at", "shown"),
    [
        ("1970-01-01T00:10:00.000000Z", ["token-1", "token-1", "token-1"]),
        ("1970-01-01T00:04:00.000000Z", ["token-2", "token-2", "token-2"]),
    ],
)
async def test_a_command_is_run_again_before_what_it_printed_expires(
    find, tmp_path, expires_at, shown
):
    command = counting(tmp_path, expires_at=expires_at, project_id="pro")
    found = find(account="payments", command=command)

    proofs = [await found.proof(Gate(), project_id="pro") for _ in shown]

    assert [one.headers(REQUEST)["X-Auth-Token"] for one in proofs] == shown
    assert found.project_id == "pro"


def test_what_a_command_printed_is_not_sent_when_it_has_ended(find, tmp_path):
    command = counting(tmp_path, expires_at="1969-12-31T23:59:59Z")

    with pytest.raises(CredentialsMissing, match="is past, and it was not sent"):
        find(account="payments", command=command)


async def test_a_new_one_that_has_ended_is_not_sent_either(find, tmp_path):
    script = tmp_path / "expires"
    script.write_text("1970-01-01T00:04:00Z")  # soon: it is run again at once
    code = (
        "import json, pathlib, sys; at = pathlib.Path(sys.argv[1]).read_text();"
        "print(json.dumps({'token': 'one', 'expires_at': at}))"
    )
    found = find(account="payments", command=(sys.executable, "-c", code, str(script)))
    script.write_text("1969-12-31T23:59:59Z")

    with pytest.raises(CredentialUnavailable, match="is past, and it was not sent"):
        await found.renewed(found._held.proof, Gate(), project_id="pro")


async def test_a_command_is_run_again_once_for_a_401(find, tmp_path):
    found = find(account="payments", command=counting(tmp_path))
    first = await found.proof(Gate(), project_id="pro")

    second = await found.renewed(first, Gate(), project_id="pro")

    assert second.headers(REQUEST) == {"X-Auth-Token": "token-2"}
    assert await found.renewed(first, Gate(), project_id="pro") is second
    assert await found.renewed(second, Gate(), project_id="pro") is None
    assert await found.renewed(first, Gate(), project_id="pro") is None


async def test_a_command_that_prints_the_refused_again_renews_nothing(find):
    found = find(account="payments", command=printing("same"))
    first = await found.proof(Gate(), project_id="pro")

    assert await found.renewed(first, Gate(), project_id="pro") is None


# --- nothing is shown -----------------------------------------------------------------


@pytest.mark.parametrize("show", [repr, str, "{}".format])
def test_a_credential_never_shows_its_secret(find, show):
    token = Token(Secret("hunter2"), label="env:X")
    key = find({**SDK, "HUAWEICLOUD_SDK_SK": "hunter2"})

    assert show(token) == "Token(env:X)"
    assert show(key) == "Key(env:HUAWEICLOUD_SDK_AK)"


def test_what_was_found_shows_no_secret_in_a_traceback():
    assert repr(read_credential("hunter2", label="command:x")) == "Texts(command:x)"


def test_a_key_signs_every_request(find):
    headers = find(SDK).headers(REQUEST)

    assert headers["X-Sdk-Date"] == "19700101T000000Z"
    assert headers["X-Project-Id"] == "pro"
    assert headers["Authorization"].startswith(
        "SDK-HMAC-SHA256 Access=AK, SignedHeaders="
        "content-type;host;x-project-id;x-sdk-date, Signature="
    )
