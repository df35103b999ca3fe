"""A job's own authority and proxy, from the job file to the wire."""

import socket

import pytest

from tests.certificates import DAY, NOW, certify, pem, server_context, write
from tests.echoing import Told, echoing, receipts
from tests.factories import PROJECT, bindings, hex_id, verdicts_of, write_manifest


@pytest.fixture(autouse=True)
def token(monkeypatch):
    monkeypatch.setenv("BULKBIND_TOKEN", "a-token-of-no-worth")


SHAPES = {hex_id("gateway", 0): lambda h: Told(201, receipts(h, "x"))}


def job_for(folder, url: str, account: str = ""):
    """Write a job in a folder of its own, so that paths are told from there."""
    there = folder / "jobs"
    there.mkdir(exist_ok=True)
    write_manifest(there / "apis.csv", bindings(2))
    (there / "job.toml").write_text(
        f'name = "job"\nmanifest = "apis.csv"\n[account]\nendpoint = "{url}"\n'
        f'project_id = "{PROJECT}"\n{account}\n[retry]\nmax_attempts = 1\n'
    )
    return there / "job.toml"


def test_a_job_trusts_the_authority_that_it_names_beside_itself(
    bulkbind, folder, tmp_path
):
    authority = certify()
    context = server_context(tmp_path, certify("127.0.0.1", by=authority))

    with echoing(SHAPES, tls=context) as server:
        job = job_for(folder, server.url, 'ca_file = "ca.pem"')
        write(folder / "jobs" / "ca.pem", pem(authority))
        said = bulkbind("run", job)

    assert said.code == 0, said.err
    assert len(server.heard) == 1
    assert verdicts_of(folder / "jobs" / ".bulkbind") == {"bound": 2}


@pytest.mark.parametrize("kind", ["itself", "unknown", "other host", "expired"])
def test_a_run_sends_nothing_to_a_host_it_does_not_trust_and_says_what_to_do(
    bulkbind, folder, tmp_path, kind
):
    authority = certify()
    named = write(tmp_path / "ca.pem", pem(authority))
    one = {
        "itself": lambda: certify("127.0.0.1"),
        "unknown": lambda: certify("127.0.0.1", by=certify()),
        "other host": lambda: certify("gateway.example", by=authority),
        "expired": lambda: certify("127.0.0.1", by=authority, until=NOW - DAY),
    }[kind]()

    with echoing(SHAPES, tls=server_context(tmp_path, one)) as server:
        said = bulkbind("run", job_for(folder, server.url, f'ca_file = "{named}"'))

    assert said.code == 2
    assert server.heard == []
    assert "is not trusted" in said.err
    assert "ca_file" in said.err


def test_a_run_whose_authority_is_none_begins_nothing(bulkbind, folder):
    job = job_for(folder, "https://gateway.invalid", 'ca_file = "gone.pem"')

    said = bulkbind("run", job)

    assert said.code == 2
    assert "gone.pem" in said.err
    assert not (folder / "jobs" / ".bulkbind" / "runs").exists()


def test_a_job_goes_by_the_proxy_that_it_names_and_not_past_it(
    bulkbind, folder, tmp_path
):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    context = server_context(tmp_path, certify("127.0.0.1"))

    with echoing(SHAPES, tls=context) as server:
        proxy = f'proxy = "http://127.0.0.1:{port}"'
        said = bulkbind("run", job_for(folder, server.url, proxy))

    assert said.code == 2
    assert f"127.0.0.1:{port}" in said.err
    assert server.heard == []
