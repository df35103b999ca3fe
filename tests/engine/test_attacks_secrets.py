"""Secrets are planted wherever one may stand, and looked for in all that is written."""

import json
import os
import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from tests.canaries import Canaries
from tests.echoing import SHAPES, Heard, Told, echoing, refusal
from tests.factories import (
    PROJECT,
    Process,
    bindings,
    hex_id,
    report_of,
    write_manifest,
)

#: A variable of every kind that may hold a secret.
VARIABLES = (
    *("BULKBIND_TOKEN", "PAY_TOKEN", "OS_PASSWORD", "OS_AUTH_TOKEN"),
    *("HUAWEICLOUD_SDK_SK", "HUAWEICLOUD_SDK_SECURITY_TOKEN"),
    *("HW_SECRET_KEY", "HW_SECURITY_TOKEN", "PAY_SK", "PAY_SECURITY_TOKEN"),
)
KEYS = ("HUAWEICLOUD_SDK_AK", "HW_ACCESS_KEY", "PAY_AK")


class Source(NamedTuple):
    """Where the credential of a run comes from."""

    without: tuple[str, ...] = ()
    """Variables that would come before it."""
    account: str = ""
    """What the job says of it."""
    sends: str = ""
    """The place of the secret that is sent."""


_SDK = ("BULKBIND_TOKEN", "HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK")
_ALL = (*_SDK, "HW_ACCESS_KEY", "HW_SECRET_KEY")
SOURCES = {
    "token": Source(sends="BULKBIND_TOKEN"),
    "sdk": Source(_SDK[:1], sends="HUAWEICLOUD_SDK_SECURITY_TOKEN"),
    "terraform": Source(_SDK, sends="HW_SECURITY_TOKEN"),
    "profile": Source(_ALL, sends="profile"),
    "section": Source((), 'credential = "profile:pay"', sends="section"),
    "koocli": Source(_ALL, sends="koocli"),
    "prefix": Source((), 'credential = "env:PAY_"', sends="PAY_TOKEN"),
    "command": Source(_SDK[:1], "credential_command = {command}", sends="command"),
}


@pytest.fixture
def canaries(tmp_path, monkeypatch):
    """Plant a secret in every place that a user may keep one in."""
    planted = Canaries()
    for name in VARIABLES:
        monkeypatch.setenv(name, planted.plant(name))
    for name in KEYS:
        monkeypatch.setenv(name, planted.plant_key(name))
    proxy = f"http://me:{planted.plant('proxy').replace('/', '')}@127.0.0.1:1"
    for name in ("http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy)
    home = tmp_path / "home"
    (home / ".huaweicloud").mkdir(parents=True)
    (home / ".huaweicloud" / "credentials").write_text(
        profile("basic", planted, "profile") + profile("pay", planted, "section")
    )
    (home / ".netrc").write_text(f"default login me password {planted.plant('netrc')}")
    (home / ".netrc").chmod(0o600)
    (home / ".hcloud").mkdir()
    (home / ".hcloud" / "config.json").write_text(json.dumps(koocli(planted)))
    (home / "show.py").write_text(
        f"import sys; print({planted.plant('command error')!r}, file=sys.stderr)\n"
        f"print({planted.plant('command')!r})"
    )
    return planted


def profile(section, canaries, place):
    return (
        f"[{section}]\nak = {canaries.plant_key(f'{place} ak')}\n"
        f"sk = {canaries.plant(f'{place} sk')}\n"
        f"security_token = {canaries.plant(place)}\n"
    )


def koocli(canaries):
    one = {
        "name": "p",
        "accessKeyId": canaries.plant_key("koocli ak"),
        "secretAccessKey": canaries.plant("koocli sk"),
        "securityToken": canaries.plant("koocli"),
    }
    return {"current": "p", "authEncrypt": "false", "profiles": [one]}


def own_secrets(canaries) -> Callable[[Heard], Told]:
    """Answer with secrets of the server's own, which nobody sent."""
    c = canaries.plant
    text = (
        f'X-Subject-Token: {c("subject")}|password="{c("password")}", secret_key:'
        f" {c('secret key')}; Signature={c('signature')} access_key={c('access')}"
    )
    return lambda _: Told(400, refusal(text))


def job_for(folder, source, url):
    """Write a job of as many gateways as there are shapes, one row each."""
    command = json.dumps([sys.executable, str(folder.parent / "home" / "show.py")])
    (folder / "job.toml").write_text(
        'name = "job"\nmanifest = "apis.csv"\n'
        f'[account]\nendpoint = "{url}"\nproject_id = "{PROJECT}"\n'
        f"{source.account.replace('{command}', command)}\n"
        '[pace]\nrate = "unlimited"\n[retry]\nmax_attempts = 1\n'
    )
    return folder / "job.toml"


def written(tmp_path):
    """Return everything that bulkbind may have written to, and nothing we planted."""
    job = tmp_path / "job"
    return [tmp_path / "host", *(path for path in job.iterdir())]


def gateways_for(folder, canaries):
    """Write a manifest with a gateway for each shape; return the shapes by gateway."""
    shapes = {**SHAPES, "own": own_secrets(canaries)}
    write_manifest(folder / "apis.csv", bindings(len(shapes), gateways=len(shapes)))
    return {hex_id("gateway", no): shape for no, shape in enumerate(shapes.values())}


@pytest.mark.parametrize("kind", SOURCES)
def test_no_planted_secret_is_written_or_said_by_a_run(
    bulkbind, folder, tmp_path, monkeypatch, canaries, kind
):
    source = SOURCES[kind]
    for name in source.without:
        monkeypatch.delenv(name)
    if kind == "koocli":
        (tmp_path / "home" / ".huaweicloud" / "credentials").unlink()
    shapes = gateways_for(folder, canaries)

    with echoing(shapes) as server:
        said = bulkbind("run", job_for(folder, source, server.url))

    sent = {heard.secrets for heard in server.heard}
    assert sent
    assert all(canaries.plant(source.sends) in secrets for secrets in sent)
    assert len(report_of(folder / ".bulkbind")) == len(shapes)
    assert len(canaries.places) >= 30
    assert canaries.found([said.out, said.err], written(tmp_path)) == []


def test_no_planted_secret_is_written_or_said_by_any_other_command(
    bulkbind, folder, tmp_path, monkeypatch, canaries
):
    monkeypatch.delenv("BULKBIND_SAFETY_LIVE")
    with echoing(gateways_for(folder, canaries)) as server:
        job_for(folder, SOURCES["token"], server.url)
        said = [bulkbind(*words) for words in COMMANDS]
    texts = [text for one in said for text in (one.out, one.err)]

    assert [one.err for one in said if one.err.startswith("Usage")] == []
    assert len(server.heard) > len(SHAPES)
    assert (folder / "saved.plan").exists()
    assert canaries.found(texts, written(tmp_path)) == []


COMMANDS = (
    ("plan", "job.toml", "-o", "saved.plan"),
    ("plan", "job.toml", "--live", "--json"),
    ("run", "job.toml", "--no-live", "--report-dir", "reports"),
    ("status", "latest"),
    ("report", "latest", "-o", "report.jsonl"),
    ("runs", "--json"),
    ("verify", "job.toml"),
    ("export", "job.toml", "-o", "export.csv"),
    ("undo", "latest"),
    ("resume", "latest"),
)


def test_a_refusal_that_is_remembered_holds_no_secret(
    bulkbind, folder, tmp_path, canaries
):
    write_manifest(folder / "apis.csv", bindings(2, gateways=2))
    shapes = {
        hex_id("gateway", no): lambda h: Told(
            401, refusal(f"decrypt token fail {h.secrets}", code="APIGW.0301")
        )
        for no in range(2)
    }

    with echoing(shapes) as server:
        job = job_for(folder, SOURCES["token"], server.url)
        said = [bulkbind("run", job), bulkbind("run", job)]

    assert len(server.heard) == 1
    assert list((tmp_path / "host").glob("refused-*"))
    texts = [text for one in said for text in (one.out, one.err)]
    assert "decrypt token fail" in "".join(texts)
    assert canaries.found(texts, written(tmp_path)) == []


def fill_output():
    """Make standard output a disk that is full."""
    os.dup2(os.open("/dev/full", os.O_WRONLY), 1)


def test_a_traceback_shows_no_secret(folder, tmp_path, canaries):
    write_manifest(folder / "apis.csv", bindings(1))
    with echoing({hex_id("gateway", 0): SHAPES["message"]}) as server:
        job = job_for(folder, SOURCES["token"], server.url)

        said = Process(
            *("run", job, "--json"),
            folder=folder,
            environ={"BULKBIND_DEBUG": "1"},
            prepare=fill_output,
        ).wait()

    assert server.heard
    assert "Traceback" in said.err
    assert canaries.found([said.err, said.out], written(tmp_path)) == []


@pytest.mark.parametrize(
    "words",
    [
        ("--endpoint", "https://me:{}@gateway.example"),
        ("--endpoint", "{}@gateway.example"),
        ("--set", "account.proxy=http://me:{}@127.0.0.1:1"),
        ("--set", "account.credential={}"),
        ("--set", "account.credential_command={}"),
        ("--set", "account.token={}"),
    ],
)
def test_a_secret_that_stands_where_none_belongs_is_refused_and_not_repeated(
    bulkbind, folder, tmp_path, canaries, words
):
    write_manifest(folder / "apis.csv", bindings(1))
    secret = canaries.plant("misplaced").replace("/", "")

    said = bulkbind("run", "apis.csv", *(word.format(secret) for word in words))

    assert said.code == 2
    assert canaries.found([said.out, said.err], written(tmp_path)) == []


@pytest.mark.parametrize("key", ["token", "password", "sk", "credential"])
def test_a_secret_in_a_job_file_is_refused_and_not_repeated(
    bulkbind, folder, canaries, key
):
    write_manifest(folder / "apis.csv", bindings(1))
    secret = canaries.plant("misplaced")
    (folder / "job.toml").write_text(
        f'manifest = "apis.csv"\n[account]\n{key} = "{secret}"\n'
    )

    said = bulkbind("run", "job.toml")

    assert said.code == 2
    assert key in said.err
    assert canaries.found([said.out, said.err], []) == []


def test_canaries_are_found_where_there_are_any(tmp_path):
    canaries = Canaries()
    (tmp_path / "a.txt").write_text(canaries.plant("file").upper())

    found = canaries.found([f"x{canaries.plant('text')}"], [tmp_path])

    assert len(found) == 2
