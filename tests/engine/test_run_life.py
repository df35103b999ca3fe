"""What becomes of runs: looked through, compared, archived, cleaned."""

import hashlib
import json
import os
import pty
import select
import stat
import sys
import tracemalloc
import zipfile

import pytest

from bulkbind.cli.history import _say_document
from bulkbind.job.history import Difference, differences
from bulkbind.state.folders import RunFolder
from tests.factories import (
    binding,
    bindings,
    runs_in,
    started,
    write_job,
    write_manifest,
)

FAST = '[pace]\nrate = "unlimited"\n'


def command(*arguments, folder, **how):
    with started(*arguments, folder=folder, **how) as process:
        return process.wait()


@pytest.fixture
def two(bulkbind, folder, state, live):
    """Two runs: the second lacks row 0, has row 30, and row 3 is missing by then."""
    write_job(folder / "job.toml", FAST, name="night")
    write_manifest(folder / "apis.csv", bindings(30))
    assert bulkbind("run", "job.toml").code == 0
    write_manifest(folder / "apis.csv", bindings(31)[1:])
    bulkbind("run", "job.toml", "--rebind", "--set", "sandbox.missing=1")
    return [path.name for path in runs_in(state)]


def failed_in(state, run):
    for line in (state / "runs" / run / "report.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["verdict"] == "failed":
            yield row["api_id"]


# --- who did what ---------------------------------------------------------------------


def test_runs_alone_still_lists_them(folder, two):
    said = command("runs", folder=folder)

    assert said.code == 0
    assert [line.split()[0] for line in said.out.splitlines()] == ["run", *two[::-1]]
    assert command("runs", "--job", "other", folder=folder).out == ""


def test_who_bound_an_api_is_told_over_all_runs(folder, two):
    api = binding(0).api_id

    said = command("runs", "--api", api, folder=folder)
    document = command("runs", "--api", api, "--json", folder=folder).json

    assert said.code == 0
    (deed,) = document["runs"]
    assert deed["run_id"] == two[0]
    assert deed["verdict"] == "bound"
    assert deed["plugin_id"] == binding(0).plugin_id
    assert "@" in deed["operator"]
    assert two[0] in said.out
    assert two[1] not in said.out
    assert "no run in" in command("runs", "--api", "nobody", folder=folder).err


@pytest.mark.parametrize("api", ["", "two words", "a/b", "x" * 65])
def test_what_is_no_id_is_refused(folder, two, api):
    said = command("runs", "--api", api, folder=folder)

    assert said.code == 2
    assert f"--api {api!r} is no id: an id is 1-64 of" in said.err


def test_a_run_without_the_api_is_not_opened(folder, two, state):
    (state / "runs" / two[1] / "ledger.db").write_bytes(
        (state / "runs" / two[0] / "ledger.db").read_bytes()
    )

    absent = command("runs", "--api", binding(0).api_id, "--json", folder=folder)

    assert [one["run_id"] for one in absent.json["runs"]] == [two[0]]


# --- diff -----------------------------------------------------------------------------


def test_changed_added_and_gone_are_told_apart(folder, two, state):
    (lost,) = failed_in(state, two[1])

    said = command("runs", "diff", *two, folder=folder)
    found = command("runs", "diff", *two, "--json", folder=folder).json

    kinds = {(one["api_id"], one["before"], one["after"]) for one in found["bindings"]}
    gone = (binding(0).api_id, "bound", "")
    added = (
        binding(30).api_id,
        "",
        "failed" if lost == binding(30).api_id else "bound",
    )
    assert said.code == 0
    assert {gone, added} <= kinds
    assert len(kinds) == (2 if lost == binding(30).api_id else 3)
    assert found["counts"]["gone"] == 1
    assert "1 added" in said.out
    assert command("runs", "diff", two[0], two[0], folder=folder).out.count("\n") == 1


@pytest.mark.slow
def test_a_diff_as_json_says_each_binding_as_it_comes(capsys):
    heard = []

    def found():
        for no in range(3):
            yield Difference("a", "i", "e", "p", str(no), "bound", "")
            heard.append(capsys.readouterr().out)

    _say_document("one", "two", found=found())

    text = "".join(heard) + capsys.readouterr().out
    assert [f'"api_id": "{no}"' in part for no, part in enumerate(heard)] == [True] * 3
    assert json.loads(text)["counts"] == {"gone": 3}
    assert len(json.loads(text)["bindings"]) == 3


def test_the_memory_of_a_diff_does_not_grow_with_rows(bulkbind, folder, state):
    peaks = []
    for many in (40_000, 100_000):  # a window of the report has 32,768
        write_manifest(folder / f"{many}.csv", bindings(many))
        bulkbind("run", f"{many}.csv", "--endpoint", "sandbox", "--rate", "unlimited")
        run = RunFolder(runs_in(state)[-1])
        tracemalloc.start()
        assert list(differences(run, run)) == []
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < 1.3 * peaks[0]


# --- archive --------------------------------------------------------------------------


@pytest.fixture
def archived(folder, two):
    said = command("runs", "archive", two[0], folder=folder)
    assert said.code == 0, said.err
    return folder / f"{two[0]}.run"


def test_an_archived_run_is_reported_and_verified_without_its_state(
    folder, two, archived, tmp_path
):
    before = set(tmp_path.iterdir())
    environ = {"TMPDIR": str(tmp_path)}
    other = ("--state-dir", folder / "elsewhere")

    shown = command("report", archived, *other, folder=folder, environ=environ)
    rows = command("report", archived, "--format", "jsonl", *other, folder=folder)
    looked = command("verify", archived, folder=folder, environ=environ)

    assert stat.S_IMODE(archived.stat().st_mode) == 0o600
    assert (shown.code, rows.code) == (0, 0)
    assert two[0] in shown.out
    assert len(rows.out.splitlines()) == 30
    assert "of 30 rows" in looked.out or "all 30 rows" in looked.out
    assert set(tmp_path.iterdir()) == before


def test_an_archived_run_is_undone_into_the_state_of_its_job(
    folder, two, archived, state
):
    said = command("undo", archived, "--json", folder=folder)

    assert said.code in {0, 1}, said.err
    assert said.json["verdicts"]["unbound"]
    assert len(runs_in(state)) == 3
    assert "on hold" in said.err


@pytest.mark.parametrize(
    "wanted", [("resume",), ("runs", "archive"), ("resume", "--failed")]
)
def test_an_archived_run_is_not_changed(folder, archived, wanted):
    content = archived.read_bytes()

    said = command(*wanted[:2], archived, *wanted[2:], folder=folder)

    assert said.code == 2
    assert "archived run" in said.err
    assert archived.read_bytes() == content


def test_an_archive_replaces_no_file(folder, two, archived):
    content = archived.read_bytes()

    said = command("runs", "archive", two[1], "-o", archived, folder=folder)

    assert said.code == 2
    assert archived.read_bytes() == content


def rewritten(archived, change):
    """Write the archive again, with a change to its members and index."""
    with zipfile.ZipFile(archived) as old:
        members = {name: old.read(name) for name in old.namelist()}
    how = change(members) or zipfile.ZIP_STORED
    path = archived.with_name("changed.run")
    with zipfile.ZipFile(path, "w", how) as new:
        for name, data in members.items():
            new.writestr(name, data)
    return path


def index_of(members, **new):
    index = json.loads(members["archive.json"])
    members["archive.json"] = json.dumps({**index, **new}).encode()


def flipped(members):
    data = bytearray(members["ledger.db"])
    data[len(data) // 2] ^= 1
    members["ledger.db"] = bytes(data)


def damaged(name):
    """Spoil a member, and make the index agree: as a damage before archiving does."""

    def change(members):
        data = bytearray(members[name])
        data[4096 if name == "ledger.db" else len(data) // 2] ^= 0xFF
        members[name] = bytes(data)
        sums = json.loads(members["archive.json"])["sha256"]
        index_of(members, sha256={**sums, name: hashlib.sha256(data).hexdigest()})

    return change


@pytest.mark.parametrize("name", ["ledger.db", "manifest.csv.gz"])
@pytest.mark.parametrize("wanted", ["report", "status", "verify", "undo"])
def test_a_fault_inside_an_archive_names_the_archive(
    folder, archived, tmp_path, wanted, name
):
    path = rewritten(archived, damaged(name))
    environ = {"TMPDIR": str(tmp_path / "job")}

    said = command(wanted, path, folder=folder, environ=environ)

    assert said.code == 2
    assert f"changed.run: {name} in it is damaged" in said.err
    assert "bulkbind-" not in said.err
    assert "restore" not in said.err


def link(members):
    info = zipfile.ZipInfo("ledger.db")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    members["ledger.db"] = b"/etc/passwd"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda m: index_of(m, run_id="../../../tmp/x"), id="path"),
        pytest.param(lambda m: index_of(m, run_id="/etc"), id="absolute"),
        pytest.param(lambda m: index_of(m, run_id=["x"]), id="kind"),
        pytest.param(lambda m: index_of(m, sha256=7), id="sums"),
        pytest.param(
            lambda m: index_of(m, run_id="20200101T000000Z-aaaaaa"), id="another"
        ),
        pytest.param(lambda m: zipfile.ZIP_DEFLATED, id="packed"),
        pytest.param(lambda m: m.pop("manifest.csv.gz") and None, id="lacking"),
        pytest.param(flipped, id="flipped"),
        pytest.param(link, id="link"),
    ],
)
def test_an_archive_that_was_tampered_with_is_refused_and_leads_nowhere(
    folder, archived, tmp_path, change
):
    path = rewritten(archived, change)
    before = sorted(tmp_path.rglob("*"))

    said = command(
        "report", path, folder=folder, environ={"TMPDIR": str(tmp_path / "job")}
    )

    assert said.code == 2
    assert "changed.run" in said.err
    assert "Traceback" not in said.err
    left = set(tmp_path.rglob("*")) - set(before)
    assert {one.suffix for one in left} <= {".out", ".err"}


def test_members_that_are_not_known_are_never_unpacked(folder, archived, tmp_path):
    path = rewritten(archived, lambda m: m.update({"../../../../evil": b"x"}))

    said = command("report", path, folder=folder)

    assert said.code == 0
    assert not list(tmp_path.rglob("evil"))


def test_a_file_that_is_no_archive_is_said(folder):
    (folder / "x.run").write_bytes(b"PK not really")

    said = command("report", "x.run", folder=folder)

    assert said.code == 2
    assert "is no archived run" in said.err


# --- clean ----------------------------------------------------------------------------


CLEAN = ("runs", "clean", "--older-than", "0d")


def test_cleaning_lists_and_does_nothing_until_somebody_says_yes(folder, two, state):
    said = command(*CLEAN, folder=folder)

    assert said.code == 2
    assert f"{two[0]}" in said.err
    assert "its job's newest run" in said.err
    assert "--yes" in said.err
    assert (state / "runs" / two[0] / "ledger.db").exists()


def test_what_is_young_is_not_cleaned(folder, two, state):
    said = command("runs", "clean", "--older-than", "90d", "-y", folder=folder)

    assert said.code == 0
    assert "nothing to clean" in said.err
    assert (state / "runs" / two[0] / "ledger.db").exists()


def test_a_cleaned_run_keeps_its_reports_and_says_what_is_gone(folder, two, state):
    old, new = (state / "runs" / name for name in two)

    said = command(*CLEAN, "-y", folder=folder)

    assert said.code == 0, said.err
    assert {path.name for path in old.iterdir()} == {
        *("run.json", "summary.json", "SHA256SUMS"),
        *("report.csv", "report.jsonl", "failed.csv"),
    }
    assert (new / "ledger.db").exists()
    for name in ("resume", "undo", "verify"):
        refused = command(name, two[0], folder=folder)
        assert refused.code == 2
        assert "was cleaned" in refused.err
    assert "cleaned" in command("report", two[0], folder=folder).out
    assert command("doctor", two[0], "-q", folder=folder).code == 0
    api = command("runs", "--api", binding(0).api_id, "--json", folder=folder).json
    assert [one["run_id"] for one in api["runs"]] == [two[0]]
    assert "nothing to clean" in command(*CLEAN, "-y", folder=folder).err


def test_an_unfinished_run_goes_only_if_that_is_said(bulkbind, folder, state, live):
    write_job(folder / "job.toml", FAST, name="night")
    for rows in (20, 21):
        write_manifest(folder / "apis.csv", bindings(rows))
        bulkbind(
            *("run", "job.toml", "--set", "sandbox.missing=9"),
            *("--set", "plan.batch_size=2", "--set", "stop.max_failed=1"),
            *("--no-live", "--on-replace", "allow"),
        )
    old, _ = runs_in(state)
    assert bulkbind("runs", "--json").json["runs"][1]["state"] == "stopped"

    kept = bulkbind(*CLEAN, "-y")
    assert "it can be resumed" in kept.err
    assert (old / "ledger.db").exists()

    assert bulkbind(*CLEAN, "-y", "--unfinished").code == 0
    assert not (old / "ledger.db").exists()


@pytest.mark.parametrize("age", ["", "90", "x", "-1d", "90y"])
def test_an_age_is_a_number_of_days(bulkbind, two, age):
    said = bulkbind("runs", "clean", "--older-than", age, "-y")

    assert said.code == (0 if age == "90" else 2)


@pytest.mark.parametrize("name", ["diff", "archive", "clean"])
def test_each_of_them_says_its_exit_codes(bulkbind, name):
    said = bulkbind("runs", name, "--help")

    assert said.code == 0
    assert "Exit codes:" in said.out


def test_a_run_that_cannot_be_read_hides_no_other(bulkbind, folder):
    write_manifest(folder / "apis.csv", bindings(3))
    first = bulkbind("run", "apis.csv", "--endpoint", "sandbox", "--json").json
    second = bulkbind("run", "apis.csv", "--endpoint", "sandbox", "--rebind", "--json")
    broken = folder / ".bulkbind" / "runs" / second.json["run_id"] / "ledger.db"
    broken.write_bytes(b"no ledger")

    said = bulkbind("runs", "--json")

    assert said.code == 2
    assert [run["run_id"] for run in said.json["runs"]] == [first["run_id"]]
    assert f"run {second.json['run_id']} cannot be read: " in said.err


@pytest.mark.parametrize(
    ("answer", "code", "is_cleaned"),
    [("n\n", 2, False), ("\n", 2, False), ("y\n", 0, True)],
)
def test_a_terminal_is_asked_before_anything_is_cleaned(
    folder, two, state, answer, code, is_cleaned
):
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-m", "bulkbind", *CLEAN])  # noqa: S606
    seen = ""
    try:
        while "[y/N]" not in seen:
            assert select.select([terminal], [], [], 30)[0], seen
            seen += os.read(terminal, 65536).decode()
        os.write(terminal, answer.encode())
        ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(terminal)

    assert "clean 1 run, " in seen
    assert ended == code
    assert (state / "runs" / two[0] / "ledger.db").exists() is not is_cleaned
