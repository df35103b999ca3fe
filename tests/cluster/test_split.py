"""A network that falls apart while many machines work: hosts that cannot be reached."""

import time
from functools import partial

import pytest

from bulkbind.ledger.lease import TTL_S
from bulkbind.sandbox import SandboxOptions
from tests.cluster.accounts import environ_of, rows_of_accounts, write_accounts
from tests.cluster.counting import (
    gateway_of,
    most_within,
    owned_by,
    pauses_s,
    repeats,
)
from tests.cluster.machines import machines
from tests.cluster.network import (
    CONTROL,
    GATEWAYS,
    centre,
    network,
    why_not,
    work_from,
)
from tests.factories import has_seen, started, until
from tests.postgres import running_postgres

ACCOUNTS = 4
RATE = 10

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


@pytest.fixture
def rows(monkeypatch):
    for name, value in environ_of(ACCOUNTS).items():
        monkeypatch.setenv(name, value)
    return rows_of_accounts(ACCOUNTS, 60)


@pytest.fixture
def hosts(serve, rows, tmp_path):
    """Gateways, two hosts with a worker each, a scheduler, and a database."""
    options = SandboxOptions(latency_s=0.05)
    with (
        serve([row for _, row in rows], options=options) as served,
        network(2, gateways=served.port) as made,
        running_postgres(also=centre(CONTROL)) as server,
        machines(tmp_path, environ_of(ACCOUNTS), workers=0) as crew,
        work_from(made, crew),
    ):
        yield served, made, server, crew


@pytest.mark.parametrize("links", [[CONTROL], [CONTROL, GATEWAYS]], ids=" ".join)
def test_an_account_of_a_host_that_is_cut_off_is_worked_by_one_at_a_time(
    hosts, rows, state, folder, links
):
    """The host comes back while others work its accounts."""
    served, made, server, crew = hosts
    database = server.remote_url(server.new_database())
    command = (
        *("run", write_accounts(state.parent, served.url, rows)),
        *("--set", f"cluster.ledger={database}", "--set", "plan.batch_size=1"),
        *("--set", f"cluster.scheduler={crew.address}", "--rate", f"{RATE}/s"),
    )
    with started(*command, folder=folder) as process:
        until(partial(has_seen, served, 5), alive=process)
        worker, host = next(
            (worker, host)
            for worker, host in zip(crew.workers, made, strict=True)
            if owned_by(worker, database)
        )
        host.cut(*links)
        at = time.time()
        mine = owned_by(worker, database)
        until(
            lambda: len(pauses_s(served.journal, mine, at + 1)) == len(mine),
            alive=process,
        )
        taken_over = not owned_by(worker, database)
        host.mend(*links)
        is_mended_meanwhile = process.is_running
        ended = process.wait()

    again = repeats(served.journal)
    assert ended.code == 0, ended.err + crew.said
    assert served.bound == {row.bound for _, row in rows}
    assert mine
    assert taken_over
    assert min(pauses_s(served.journal, mine, at + 1)) > TTL_S / 2  # it was cut off
    assert is_mended_meanwhile
    assert again.keys() <= {gateway_of(account) for account in mine}
    assert all(count == 1 for count in again.values())
    assert max(most_within(served.journal, 0.9).values()) <= RATE + 1
