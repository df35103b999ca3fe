"""Airflow works a run's accounts, instead of Dask: a task for each, on any machine.

The job needs ``[cluster] ledger``, and no scheduler. ``plan`` and ``report`` share STATE.
All tasks reach the database; ``judge`` and ``send`` find the credential of their account
in their environment. ``airflow dags test bulkbind_accounts --conf '{"job": PATH}'``
tries it.
"""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from airflow.exceptions import AirflowFailException
from airflow.sdk import dag, task

from bulkbind import load_job
from bulkbind.errors import InputError, LeaseLost
from bulkbind.job import accounts as seam
from bulkbind.job.sharing import share_run
from bulkbind.state.folders import StateFolder, locate_state

Run = list[str]  # a SharedRun: the database and the run's id; neither holds a secret
AGAIN = {"retries": 60, "retry_delay": timedelta(seconds=30)}


def state_of(job: str) -> StateFolder:
    """Return BULKBIND_STATE_DIR, else what is beside the job."""
    return locate_state(given=None, environ=os.environ, base=Path(job).parent)


def ask(call: Callable[..., seam.Worked], run: Run, account: str) -> str:
    """Make a call for an account; what is raised here, Airflow tries again."""
    try:
        worked = call(seam.SharedRun(*run), account)
    except InputError as error:  # it will be no better in half a minute
        raise AirflowFailException(str(error)) from error
    if worked.came is seam.Came.LOST:
        raise LeaseLost(account)
    return str(worked.came)


@dag(schedule=None, max_active_runs=1, params={"job": "/etc/bulkbind/job.toml"})
def bulkbind_accounts() -> None:
    """Plan, judge all accounts, approve, send, report."""

    @task
    def plan(params: dict[str, str]) -> Run:
        return list(share_run(load_job(params["job"]), state_of(params["job"])))

    @task
    def accounts(run: Run) -> list[str]:
        return seam.list_accounts(seam.SharedRun(*run))

    @task(**AGAIN)
    def judge(run: Run, account: str) -> str:
        return ask(seam.judge_account, run, account)

    @task
    def approve(run: Run) -> None:
        seam.approve(seam.SharedRun(*run))

    @task(**AGAIN)
    def send(run: Run, account: str) -> str:
        return ask(seam.run_account, run, account)

    @task(trigger_rule="all_done_min_one_success")  # whatever went wrong after ``plan``
    def report(run: Run, params: dict[str, str]) -> None:
        reported = seam.finish(seam.SharedRun(*run), state_of(params["job"]))
        if code := reported.summary.exit_code:
            message = f"run {run[1]}: exit code {code}"
            raise AirflowFailException(message)

    run = plan()
    names = accounts(run)
    judged = judge.partial(run=run).expand(account=names)
    sent = send.partial(run=run).expand(account=names)
    judged >> approve(run) >> sent >> report(run)


bulkbind_accounts()
