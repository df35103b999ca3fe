"""The example in ``jobs/cluster`` on Airflow itself, all but its scheduler."""

import json
import os
import re
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

import bulkbind as library
from bulkbind.errors import JobBusy
from bulkbind.ledger.lease import Terms, take
from bulkbind.ledger.postgres_session import Session
from bulkbind.sandbox import SandboxOptions
from tests.cluster.accounts import environ_of, rows_of_accounts, write_accounts
from tests.factories import has_seen, hex_id, runs_in, verdicts_of

EXAMPLE = Path(library.__file__).parent.parent / "jobs/cluster/airflow_dag.py"
ACCOUNTS = 3
SLOW = SandboxOptions(latency_s=0.25)

#: Airflow needs ten seconds of a processor, which others may need, too.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def rows():
    return rows_of_accounts(ACCOUNTS, 10)


@pytest.fixture
def airflow(tmp_path):
    """Start Airflow's command line, with the example and a database of its own."""
    home = tmp_path / "airflow"
    dags = home / "dags"
    dags.mkdir(parents=True)
    text, times = re.subn(r"seconds=30\b", "seconds=1", EXAMPLE.read_text())
    assert times == 1
    (dags / EXAMPLE.name).write_text(text)

    started = []

    def start(*arguments, **environ):
        with (home / "said").open("wb") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "airflow", *arguments],
                env={
                    **os.environ,
                    "AIRFLOW_HOME": str(home),
                    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                    **environ,
                },
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
        started.append(process)
        return process

    assert start("db", "migrate").wait() == 0
    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def work(airflow, tmp_path, database):
    """Have a job worked by the example; return the process and what it says."""

    def start(job, credentials):
        process = airflow(
            *("dags", "test", "bulkbind_accounts"),
            *("--conf", json.dumps({"job": str(job)})),
            BULKBIND_CLUSTER_LEDGER=database,
            BULKBIND_PLAN_BATCH_SIZE="1",
            **credentials,
        )
        return process, (tmp_path / "airflow/said").read_text

    return start


def await_that(claim, process):
    """Wait until a claim holds, or the process has ended."""
    while not claim() and process.poll() is None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.02)


def tries(said, task):
    """Return how often each of a task's accounts was tried."""
    found = re.findall(
        rf"running task <TaskInstance: \S+\.{task} \S+ map_index=(\d+)", said
    )
    return [found.count(str(number)) for number in range(ACCOUNTS)]


def account_at_work(served):
    """Return the number of the account that sent last; Airflow chooses the order."""
    gateways = [hex_id("gateway", number) for number in range(ACCOUNTS)]
    return gateways.index(served.journal[-1].path["instance_id"])


def test_the_example_tries_an_account_again_that_is_busy_or_lost(
    work, database, folder, state, rows, serve, live
):
    with (
        serve([row for _, row in rows], options=SLOW) as served,
        closing(Session(database, "", writes=True)) as other,
    ):

        def own(number, **terms):
            account = f"127.0.0.1:{served.port}/{number + 1:032x}"
            while True:
                with suppress(JobBusy):  # its owner writes just now
                    return take(other, account, owner="us", terms=Terms(3600, **terms))

        other.prepare(tool="test")
        lease = own(1)
        process, said = work(write_accounts(folder, served.url, rows), environ_of(3))
        await_that(lambda: "JobBusy" in said(), process)
        lease.release(other)
        await_that(lambda: has_seen(served, 2 * 10 + 1), process)
        at_work = account_at_work(served)
        lease = own(at_work, now=time.time() + 3600)  # as after a long silence
        await_that(lambda: "LeaseLost" in said(), process)
        lease.release(other)
        code = process.wait()

        assert code == 0, said()
        assert served.bound == {row.bound for _, row in rows}
    first, second, third = tries(said(), "judge")
    assert first == third == 1
    assert second > 1
    sent = tries(said(), "send")
    assert sent.pop(at_work) > 1
    assert sent == [1, 1]
    assert verdicts_of(state) == {"bound": len(rows)}


def test_what_a_person_must_put_right_is_not_tried_again_and_nothing_is_sent(
    work, folder, state, rows, serve, live
):
    with serve([row for _, row in rows]) as served:
        path = write_accounts(folder, served.url, rows)
        process, said = work(path, environ_of(ACCOUNTS - 1))
        code = process.wait()

        assert not served.journal
    assert code != 0, said()
    assert "TEAM2_TOKEN" in said()
    assert tries(said(), "judge") == [1] * ACCOUNTS
    assert tries(said(), "send") == [0] * ACCOUNTS
    assert "exit code 3" in said()
    assert len(runs_in(state)) == 1
    assert verdicts_of(state) == {"not_sent": len(rows)}
