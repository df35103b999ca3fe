"""``undo``: what a run displaced is put back, what it bound in free slots is detached."""

from collections import Counter
from functools import partial
from itertools import count

import pytest

from bulkbind.job.restoring import Prospect
from bulkbind.sandbox import Clock, SandboxOptions, Weather
from tests.engine.undo_scene import (
    forget_picture,
    left_nothing,
    refusing,
    rival,
    undo_meddled_with,
)
from tests.factories import (
    attach_as_somebody_else,
    bindings,
    latest,
    report_of,
    runs_in,
    started,
    until,
    verdicts_of,
    write_job,
    write_manifest,
)

ROWS = 60
RUN = ("run", "job.toml", "--on-replace", "allow")
OLD = 25
"""Rows whose slot another plug-in of the type holds before the run."""


@pytest.fixture(autouse=True)
def reads(live):
    """An undo needs pictures: runs read first."""


@pytest.fixture
def rows():
    return bindings(ROWS, gateways=2)


@pytest.fixture
def before(rows):
    """The bindings that the run displaces."""
    return [rival(row) for row in rows[:OLD]]


@pytest.fixture
def bound_before(bulkbind, folder, before, remote):
    """Bind what the run will displace."""

    def start(served):
        write_manifest(folder / "before.csv", before)
        bulkbind("run", folder / "before.csv", *remote(served))

    return start


@pytest.fixture
def bind(bulkbind, folder, rows, bound_before, remote):
    """Run ``job.toml`` over ``before``, and return what the run said."""

    def start(served, *, text=""):
        if not (folder / "before.csv").exists():
            bound_before(served)
        write_manifest(folder / "apis.csv", rows)
        write_job(folder / "job.toml", text, name="cors-rollout")
        return bulkbind(*RUN, *remote(served), "--json")

    return start


@pytest.fixture
def served(serve, rows, before):
    """Gateways with everything that the tests name."""
    theirs = [rival(row, "theirs") for row in rows]
    with serve([*rows, *before, *theirs]) as served:
        yield served


@pytest.fixture
def run(served, bind):
    """The id of a run of ``job.toml``, over ``before``."""
    said = bind(served)
    assert said.code == 0
    return said.json["run_id"]


def test_the_gateways_are_as_before_the_run(bulkbind, state, before, served, run):
    said = bulkbind("undo", run, "--json")

    assert served.bound == {row.bound for row in before}
    assert said.code == 0
    assert said.json["requests"]["sent"] == 4
    assert verdicts_of(state) == {"bound": OLD, "unbound": ROWS - OLD}


def test_an_undone_row_bears_the_plugin_of_its_request_and_its_own_line(
    bulkbind, state, rows, before, run
):
    bulkbind("undo", run)

    report = report_of(state)
    assert [row["api_id"] for row in report] == [row.api_id for row in rows]
    assert [row["line"] for row in report] == [str(n + 2) for n in range(ROWS)]
    assert [row["owner"] for row in report] == [row.owner for row in rows]
    assert {row["file"] for row in report} == {"apis.csv"}
    wanted = [row.plugin_id for row in (*before, *rows[OLD:])]
    assert [row["plugin_id"] for row in report] == wanted
    displaced = {row["replaced_plugin_id"] for row in report[:OLD]}
    assert displaced == {row.plugin_id for row in rows}
    assert {row["replaced_plugin_id"] for row in report[OLD:]} == {""}
    assert not (latest(state) / "failed.csv").exists()


def test_the_next_run_is_held_until_the_job_is_released(
    bulkbind, state, served, remote, run
):
    bulkbind("undo", run)
    undo, sent = latest(state).name, len(served.journal)
    held = bulkbind(*RUN, *remote(served))
    resumed = bulkbind("resume", run)

    assert len(served.journal) == sent
    assert held.code == resumed.code == 3
    assert f"run {run} was undone by run {undo}" in held.err
    assert "`bulkbind unpause cors-rollout`" in held.err
    bulkbind("unpause", "cors-rollout")
    assert bulkbind(*RUN, *remote(served)).code == 0


def test_an_undone_run_says_who_undid_it(bulkbind, state, run):
    bulkbind("undo", run)
    undo = latest(state).name
    bulkbind("undo", run)

    (listed,) = [
        one for one in bulkbind("runs", "--json").json["runs"] if one["run_id"] == run
    ]
    assert listed["undone_by"] == undo
    for command in ("status", "report"):
        assert f"finished (undone by {undo})" in bulkbind(command, run).out


def test_a_second_undo_leaves_the_reason_of_the_hold(
    bulkbind, state, remote, served, run
):
    bulkbind("undo", run)
    undo = latest(state).name
    again = bulkbind("undo", run)

    assert latest(state).name != undo
    assert f"was undone by run {undo};" in again.err
    assert f"was undone by run {undo};" in bulkbind(*RUN, *remote(served)).err


def test_an_undo_with_nothing_to_undo_says_so_in_json(
    bulkbind, state, remote, served, run
):
    bulkbind(*RUN, *remote(served))

    said = bulkbind("undo", "latest", "--json")

    assert said.code == 0
    assert said.json["rows"] == 0
    assert "nothing to undo" in said.err


def test_a_dry_run_counts_and_leaves_nothing(bulkbind, state, served, run):
    runs, bound, sent = runs_in(state), served.bound, len(served.journal)

    said = bulkbind("undo", run, "--dry-run", "--json")
    words = bulkbind("undo", run, "--dry-run")

    assert served.bound == bound
    assert len(served.journal) == sent
    assert said.code == words.code == 0
    prospects = {what: n for what, n in said.json["prospects"].items() if n}
    assert prospects == {"attach": OLD, "detach": ROWS - OLD}
    assert said.json["requests"] == len(said.json["targets"]) == 4
    assert f"{OLD}  to attach again" in words.out
    assert f"{ROWS - OLD}  to detach" in words.out
    assert left_nothing(state, runs)


def test_only_sends_another_gateway_nothing(bulkbind, state, rows, before, served, run):
    here = rows[0].instance_id
    sent = len(served.journal)

    said = bulkbind("undo", run, "--only", f"instance_id={here}")

    assert {one.path["instance_id"] for one in served.journal[sent:]} == {here}
    left = {row.bound for row in before if row.instance_id == here}
    others = {row.bound for row in rows if row.instance_id != here}
    assert served.bound == left | others
    assert said.code == 0
    assert {row["instance_id"] for row in report_of(state)} == {here}


def test_only_does_not_even_read_another_gateway(bulkbind, rows, before, serve, bind):
    here, there = rows[0].instance_id, rows[1].instance_id

    with serve([*rows, *before]) as served:
        run, port = bind(served).json["run_id"], served.port
    with serve(options=refusing("away", there), port=port) as served:
        said = bulkbind("undo", run, "--only", f"instance_id={here}")
        refused = served.sandbox.counters.conditions["away"]

    assert said.code == refused == 0


def test_only_takes_carried_columns_and_verdicts(bulkbind, state, run):
    bulkbind("undo", run, "--only", "owner=team-0,team-2", "--only", "verdict=bound")

    owners = Counter(row["owner"] for row in report_of(state))
    assert owners == {"team-0": ROWS // 3, "team-2": ROWS // 3}


def test_only_that_matches_no_row_is_a_mistake(bulkbind, state, run):
    runs = runs_in(state)

    nobody = bulkbind("undo", run, "--only", "owner=nobody")
    typo = bulkbind("undo", run, "--only", "ownr=team-0")

    assert nobody.code == typo.code == 2
    assert "matches no row" in nobody.err
    assert "did you mean 'owner'?" in typo.err
    assert left_nothing(state, runs)


def test_what_somebody_changed_since_is_kept(
    bulkbind, state, rows, before, served, run
):
    theirs = [rival(row, "theirs") for row in (rows[0], rows[1], rows[OLD])]
    for one in theirs:
        assert attach_as_somebody_else(served, one) == 201

    said = bulkbind("undo", run)

    assert served.bound == {row.bound for row in (*before[2:], *theirs)}
    kept = [row for row in report_of(state) if row["verdict"] == "kept"]
    assert said.code == 1
    assert [(row["api_id"], row["replaced_plugin_id"]) for row in kept] == [
        (one.api_id, one.plugin_id) for one in theirs
    ]
    assert {row["error_code"] for row in kept} == {"BULKBIND.CHANGED_SINCE"}


def test_what_is_as_before_already_is_unchanged(bulkbind, before, served, run):
    for one in before[:2]:
        attach_as_somebody_else(served, one)

    said = bulkbind("undo", run, "--json")

    assert served.bound == {row.bound for row in before}
    assert said.code == 0
    assert said.json["verdicts"]["unchanged"] == 2


def test_what_changes_after_the_plan_is_kept_too(state, rows, served, run):
    theirs = rival(rows[0], "theirs")

    def meddle(_):
        attach_as_somebody_else(served, theirs)

    plan = undo_meddled_with(state, run, meddle)

    assert theirs.bound in served.bound
    assert plan.totals == {Prospect.ATTACH: OLD, Prospect.DETACH: ROWS - OLD}
    assert report_of(state)[0]["replaced_plugin_id"] == theirs.plugin_id
    assert verdicts_of(state)["kept"] == 1


def test_an_undo_can_be_undone(bulkbind, state, rows, served, run):
    bulkbind("undo", run)
    said = bulkbind("undo", latest(state).name, "--json")

    assert served.bound == {row.bound for row in rows}
    assert said.code == 0
    assert said.json["verdicts"]["bound"] == ROWS


def test_an_unbind_can_be_undone(bulkbind, state, rows, served, remote, run):
    unbound = bulkbind("run", "job.toml", "--unbind", *remote(served), "--json")
    assert served.bound == set()
    said = bulkbind("undo", unbound.json["run_id"])

    assert served.bound == {row.bound for row in rows}
    assert said.code == 0
    assert verdicts_of(state) == {"bound": ROWS}


def test_a_blind_run_cannot_be_undone(bulkbind, state, folder, rows, served, remote):
    manifest = write_manifest(folder / "apis.csv", rows)
    blind = ("--no-live", "--on-replace", "allow")
    bulkbind("run", manifest, *remote(served), *blind)
    runs, requests = runs_in(state), served.requests

    said = bulkbind("undo", latest(state).name)

    assert served.requests == requests
    assert said.code == 4
    assert "sent blind" in said.err
    assert left_nothing(state, runs)


def test_a_run_that_sent_nothing_has_nothing_to_undo(
    bulkbind, state, served, remote, run
):
    again = bulkbind("run", "job.toml", *remote(served), "--json")
    runs = runs_in(state)

    said = bulkbind("undo", again.json["run_id"])

    assert said.code == 0
    assert "nothing to undo" in said.err
    assert left_nothing(state, runs)


@pytest.mark.parametrize("rows", [bindings(ROWS)])
def test_lists_that_lag_are_waited_for(
    bulkbind, rows, before, serve, bind, bound_before
):
    with serve([*rows, *before]) as served:
        bound_before(served)
        port = served.port
    # The sandbox's time goes by requests: three of them, and its lists are right.
    ticks = Clock(monotonic=partial(next, count(0.0, 1.0)))
    lagging = SandboxOptions(weather=Weather(lag_s=6.0))
    with serve(options=lagging, clock=ticks, port=port) as served:
        said = bulkbind("undo", bind(served).json["run_id"], "--json")

        assert served.bound == {row.bound for row in before}
    assert said.code == 0
    assert "lists do not show" in said.err


def test_a_killed_undo_is_resumed_to_the_same_end(
    bulkbind, folder, state, before, served, remote, bind
):
    run = bind(served, text="[plan]\nbatch_size = 4\n").json["run_id"]
    sent = len(served.journal)
    with started("undo", run, "--rate", "5/s", folder=folder) as process:
        until(lambda: len(served.journal) > sent + 3, alive=process)
        process.kill()
    held = bulkbind(*RUN, *remote(served))
    undo = latest(state).name
    said = bulkbind("resume", undo, "--rate", "unlimited", "--json")

    assert served.bound == {row.bound for row in before}
    assert held.code == 3
    assert said.code == 0
    assert said.json["run_id"] == undo
    assert verdicts_of(state) == {"bound": OLD, "unbound": ROWS - OLD}


def test_an_unfinished_run_is_closed_by_its_undo(
    bulkbind, state, rows, before, serve, bind, bound_before
):
    with serve([*rows, *before]) as served:
        bound_before(served)
        port = served.port
    locked = refusing("locked", rows[1].instance_id)
    with serve(options=locked, port=port) as served:
        unfinished = bind(served)
    run = unfinished.json["run_id"]
    with serve(port=port) as served:
        said = bulkbind("undo", run, "--no-hold")
        again = bulkbind("resume", run)

        assert served.bound == {row.bound for row in before}
    assert unfinished.code == 3
    assert said.code == 0
    assert again.code == 2
    assert f"run {run} was closed by run {latest(state).name}" in again.err


def test_a_gateway_that_cannot_be_read_waits_for_a_resume_and_is_judged_then(
    bulkbind, state, rows, before, serve, bind
):
    theirs = [rival(row, "theirs") for row in (rows[1], rows[OLD])]
    with serve([*rows, *before, *theirs]) as served:
        run, port = bind(served).json["run_id"], served.port
        for one in theirs:
            attach_as_somebody_else(served, one)
    away = refusing("away", rows[1].instance_id)
    with serve(options=away, port=port):
        stopped = bulkbind("undo", run, "--json")
    with serve(port=port) as served:
        said = bulkbind("resume", latest(state).name, "--json")

        left = {row.bound for row in before if row.api_id != rows[1].api_id}
        assert served.bound == left | {one.bound for one in theirs}
    assert stopped.code == 3
    assert stopped.json["verdicts"]["not_sent"] == ROWS // 2
    assert said.code == 1
    assert said.json["verdicts"]["kept"] == len(theirs)


def test_a_failed_row_that_is_taken_again_is_judged_again(
    bulkbind, state, rows, before, serve, bind
):
    theirs = rival(rows[0], "theirs")
    with serve([*rows, *before, theirs]) as served:
        run = bind(served).json["run_id"]
        served.add((), unpublished=ROWS)
        failed = bulkbind("undo", run, "--json")
        served.add(())
        attach_as_somebody_else(served, theirs)
        said = bulkbind("resume", latest(state).name, "--failed", "--json")

        assert served.bound == {row.bound for row in (*before[1:], theirs)}
    assert failed.json["verdicts"]["failed"] == OLD
    assert said.json["verdicts"]["failed"] == 0
    assert said.json["verdicts"]["kept"] == 1


def test_a_row_that_nobody_looked_at_is_kept_and_its_neighbours_are_put_back(
    bulkbind, state, rows, before, served, run
):
    forget_picture(state / "runs" / run, rows[0].api_id)

    said = bulkbind("undo", run, "--json")

    left = {row.bound for row in before[1:]}
    assert served.bound == left | {rows[0].bound}
    report = report_of(state)
    assert said.code == 1
    assert report[0]["verdict"] == "kept"
    assert report[0]["error_code"] == "BULKBIND.NO_PRE_IMAGE"
    assert report[0]["replaced_plugin_id"] == rows[0].plugin_id
    assert {row["verdict"] for row in report[1:]} == {"bound", "unbound"}
