"""Who may work which account, and how workers, scheduler and coordinator find together."""

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from bulkbind.cluster.scheduler import ALLOWED_FAILURES, WORKER_TTL_S
from bulkbind.settings import installed_version
from tests.certificates import Signed, certify, pem, write
from tests.cluster.accounts import (
    environ_of,
    name_of,
    rows_of_accounts,
    write_accounts,
)
from tests.cluster.counting import repeats, workers_of
from tests.cluster.machines import machines
from tests.factories import started, until

ACCOUNTS = 2


@pytest.fixture
def rows(monkeypatch):
    for name, value in environ_of(ACCOUNTS).items():
        monkeypatch.setenv(name, value)
    return rows_of_accounts(ACCOUNTS, 20)


@pytest.fixture
def job(rows, state, serve, database):
    """Gateways, and what starts a run on a scheduler."""
    with serve([row for _, row in rows]) as served:
        path = write_accounts(state.parent, served.url, rows)

        def command(made, *more):
            return (
                *("run", path, "--set", f"cluster.ledger={database}"),
                *("--set", f"cluster.scheduler={made.address}"),
                *("--set", "plan.batch_size=5", *more),
            )

        yield served, command


@pytest.fixture
def empty(tmp_path):
    """A scheduler without workers."""
    with machines(tmp_path, environ_of(ACCOUNTS), workers=0) as made:
        yield made


def test_a_scheduler_is_set_up_by_the_tool(bulkbind, job, tmp_path):
    from distributed import Client

    _, command = job
    with machines(tmp_path, environ_of(ACCOUNTS), workers=1, config={}) as made:
        said = bulkbind(*command(made))
        with Client(made.address, set_as_default=False) as client:
            found = client.run_on_scheduler(
                lambda dask_scheduler: (
                    dask_scheduler.allowed_failures,
                    dask_scheduler.worker_ttl,
                    "stealing" in dask_scheduler.periodic_callbacks,
                    dask_scheduler.periodic_callbacks["worker-ttl"].callback_time,
                )
            )

    assert said.code == 0, said.err
    assert found == (ALLOWED_FAILURES, WORKER_TTL_S, False, 5000.0)


# --- credentials, resources, versions -------------------------------------------------


def _without(*numbers):
    """The environment of a worker that lacks the credentials of some accounts."""
    return {f"TEAM{number}_TOKEN": "" for number in numbers}


def test_an_account_goes_to_the_worker_that_has_its_credential(
    bulkbind, job, empty, rows, database
):
    served, command = job
    one = empty.add_worker(environ=_without(1))
    two = empty.add_worker(environ=_without(0))
    empty.wait_for_workers()
    said = bulkbind(*command(empty))

    assert said.code == 0, said.err + empty.said
    assert served.bound == {row.bound for _, row in rows}
    assert workers_of(database) == {name_of(0): one.pid, name_of(1): two.pid}


def test_a_run_waits_for_a_credential_and_says_so_and_ends_when_nobody_has_it(
    bulkbind, job, empty, folder
):
    served, command = job
    empty.add_worker(environ=_without(1))
    with started(*command(empty), folder=folder) as process:
        status = until(lambda: _waiting(bulkbind), alive=process)
        ended = process.wait()

    assert "account 'team1'" in status
    assert ended.code == 2, ended.err
    assert "account 'team1'" in ended.err
    assert "TEAM1_" in ended.err
    assert not served.journal


def _waiting(bulkbind):
    """Return what ``status`` says, once it says that a worker is waited for."""
    said = bulkbind("status", "latest")
    return said.out if "waits for another worker" in said.out else ""


def test_accounts_go_to_the_workers_that_say_they_are_theirs(
    bulkbind, job, empty, database
):
    """Any worker could do it; not by chance: both accounts, all batches, both calls."""
    _, command = job
    two = empty.add_worker("--resources", "account-team1=1")
    one = empty.add_worker("--resources", "account-team0=1")
    empty.wait_for_workers()
    said = bulkbind(*command(empty))

    assert said.code == 0, said.err + empty.said
    assert workers_of(database) == {name_of(0): one.pid, name_of(1): two.pid}


def test_a_region_is_worked_by_the_workers_beside_it(
    bulkbind, job, empty, state, database
):
    served, command = job
    far = empty.add_worker()
    near = empty.add_worker("--resources", "region-cn-north-4=2")
    path = state.parent / "many.toml"
    more = f'region = "cn-north-4"\niam_endpoint = "{served.url}"\nproject_id'
    path.write_text(path.read_text().replace("project_id", more))
    empty.wait_for_workers()
    said = bulkbind(*command(empty))

    assert said.code == 0, said.err + empty.said
    assert set(workers_of(database).values()) == {near.pid}
    assert far.poll() is None


def test_a_worker_with_another_version_is_refused(bulkbind, job, empty, tmp_path):
    served, command = job
    named = tmp_path / "other" / "bulkbind-99.9.dist-info"
    named.mkdir(parents=True)
    (named / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: bulkbind\nVersion: 99.9\n"
    )
    path = os.pathsep.join([str(named.parent), os.environ.get("PYTHONPATH", "")])
    empty.add_worker(environ={"PYTHONPATH": path})
    said = bulkbind(*command(empty))

    assert said.code == 2, said.err
    assert f"planned by bulkbind {installed_version()}" in said.err
    assert "this machine has 99.9" in said.err
    assert not served.journal


# --- coordinators ---------------------------------------------------------------------


def test_a_second_coordinator_is_turned_away(bulkbind, job, empty, folder, tmp_path):
    """Another STATE and host folder stand for another host."""
    served, command = job
    elsewhere = ("--state-dir", tmp_path / "elsewhere")
    environ = {"BULKBIND_HOST_DIR": str(tmp_path / "other")}
    with started(*command(empty, *elsewhere), folder=folder, environ=environ) as first:
        until(lambda: "waits for a worker" in first.err, alive=first)
        second = bulkbind(*command(empty))
        empty.add_worker()
        ended = first.wait()

    assert second.code == 75, second.err
    assert ended.code == 0, ended.err
    assert not repeats(served.journal)


# --- TLS ------------------------------------------------------------------------------


def _identity(folder: Path, name: str, authority: Signed) -> dict[str, str]:
    """Write what shows who one is, and whom one trusts, as settings name it."""
    one = certify("127.0.0.1", by=authority)
    key = one.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "ca_file": str(write(folder / f"{name}-ca.pem", pem(authority))),
        "cert_file": str(write(folder / f"{name}-cert.pem", pem(one))),
        "key_file": str(write(folder / f"{name}-key.pem", key)),
    }


def _settings(identity):
    return [
        part
        for name, path in identity.items()
        for part in ("--set", f"cluster.{name}={path}")
    ]


@pytest.fixture
def guarded(tmp_path):
    """A scheduler and a worker that trust one authority; and its identity."""
    ours = _identity(tmp_path, "ours", certify())
    tls = [
        *("--tls-ca-file", ours["ca_file"], "--tls-cert", ours["cert_file"]),
        *("--tls-key", ours["key_file"]),
    ]
    with machines(tmp_path, environ_of(ACCOUNTS), workers=1, tls=tls) as made:
        yield made, ours


def test_machines_that_trust_one_authority_work_together(bulkbind, job, guarded, rows):
    served, command = job
    made, ours = guarded
    said = bulkbind(*command(made, *_settings(ours)))

    assert made.address.startswith("tls://")
    assert said.code == 0, said.err + made.said
    assert served.bound == {row.bound for _, row in rows}


def test_a_scheduler_of_another_authority_is_refused_at_once(
    bulkbind, job, guarded, tmp_path
):
    served, command = job
    made, ours = guarded
    theirs = _identity(tmp_path, "theirs", certify())
    distrusts = bulkbind(
        *command(made, *_settings({**ours, "ca_file": theirs["ca_file"]}))
    )
    is_distrusted = bulkbind(
        *command(made, *_settings({**theirs, "ca_file": ours["ca_file"]}))
    )

    for said in (distrusts, is_distrusted):
        assert said.code == 2, said.err
        assert f"the scheduler at {made.address} cannot be reached" in said.err
    assert "certificate" in distrusts.err
    assert not served.journal
