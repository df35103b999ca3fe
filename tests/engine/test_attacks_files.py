"""Files: for their owner alone, never through a link, never outside their folder."""

import json
import os
import stat
from pathlib import Path

import pytest

from bulkbind.errors import StateError
from bulkbind.host import HostFolder
from bulkbind.model import Reply
from bulkbind.state.folders import StateFolder
from bulkbind.state.holds import new_hold, place_hold
from tests.factories import (
    bindings,
    latest,
    read_csv,
    runs_in,
    write_job,
    write_manifest,
)

#: What a name of a run, a job or a file may try to be.
ELSEWHERE = (
    *("../x", "../../x", "/etc/passwd", "..", ".", "", "a/../../x", "./x", "x/"),
    *("..\\x", "~/x", "$HOME/x", "$(id)", "`id`", "x;id", "x|id", "%2e%2e/x", "-rf"),
    *("x\ny", "x\x00y", "x\x1by", "CON", "a" * 300, "..%00", "\u202ex", "\uff0e\uff0e"),
)


@pytest.fixture
def open_umask():
    """Let nothing be private that is not made so."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def job(folder):
    write_manifest(folder / "apis.csv", bindings(3))
    return write_job(folder / "job.toml")


def modes(path: Path) -> dict[Path, int]:
    found = [path, *path.rglob("*")]
    return {
        one: stat.S_IMODE(one.lstat().st_mode) for one in found if not one.is_symlink()
    }


@pytest.mark.usefixtures("open_umask")
def test_whatever_the_umask_nobody_else_can_read_what_is_kept(
    bulkbind, folder, tmp_path, state, job, live
):
    words = [
        *(("plan", job), ("plan", job, "-o", "saved.plan"), ("run", "saved.plan")),
        *(("verify", "latest"), ("pause", "job"), ("unpause", "job")),
        *(
            (
                "undo",
                "latest",
            ),
            ("pause", "job"),
            ("export", job, "-o", "e.csv"),
        ),
        ("report", "job", "-o", "r.csv"),
    ]
    said = [bulkbind(*one) for one in words]

    assert [one.err for one in said if one.code not in {0, 1}] == []
    made = [folder / name for name in ("saved.plan", "e.csv", "r.csv")]
    kept = {**modes(state), **modes(tmp_path / "host")}
    assert len(kept) > 20
    assert {path: oct(mode) for path, mode in kept.items() if mode & 0o077} == {}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o600}


@pytest.mark.usefixtures("open_umask")
def test_whatever_the_umask_nobody_else_can_change_a_published_report(
    bulkbind, folder, job
):
    said = bulkbind("run", job, "--report-dir", "reports")

    assert said.code == 0
    published = modes(folder / "reports")
    published.pop(folder / "reports")
    assert len(published) > 4
    assert {path: oct(mode) for path, mode in published.items() if mode & 0o022} == {}


# --- links ----------------------------------------------------------------------------


@pytest.fixture
def victim(tmp_path):
    path = tmp_path / "victim"
    path.write_text("mine")
    return path


PLANTED = {
    "plan": (("plan", "job.toml", "-o", "out.plan"), ".out.plan.{pid}.tmp"),
    "plan itself": (("plan", "job.toml", "-o", "out.plan"), "out.plan"),
    "report itself": (("report", "latest", "-o", "out.csv"), "out.csv"),
    "export itself": (("export", "job.toml", "-o", "out.csv"), "out.csv"),
    "latest": (("run", "job.toml", "--report-dir", "reports"), "reports/latest"),
    "link to be": (
        ("run", "job.toml", "--report-dir", "reports"),
        "reports/.latest-{pid}",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_link_that_waits_under_a_name_is_replaced_and_not_followed(
    bulkbind, folder, job, victim, name
):
    words, link = PLANTED[name]
    bulkbind("run", job)
    path = folder / link.format(pid=os.getpid())
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(victim)

    said = bulkbind(*words)

    assert said.code == 0, said.err
    assert victim.read_text() == "mine"
    assert not path.is_symlink() or path.readlink() != victim


def test_a_report_that_is_copied_again_goes_through_no_link(
    bulkbind, folder, job, state, victim
):
    bulkbind("run", job, "--report-dir", "reports")
    target = folder / "reports" / latest(state).name
    for name in ("report.csv", f".report.csv.{os.getpid()}-copy"):
        (target / name).unlink(missing_ok=True)
        (target / name).symlink_to(victim)

    said = bulkbind("report", "latest")

    assert said.code == 0
    assert victim.read_text() == "mine"
    assert (
        len(read_csv(target / "report.csv")) == 3
        or (target / "report.csv").readlink() == victim
    )


@pytest.mark.parametrize("name", [".gitignore", "lock"])
def test_state_is_not_written_through_a_link(bulkbind, state, job, victim, name):
    state.mkdir(mode=0o700)
    path = state / ".gitignore"
    if name == "lock":
        path = StateFolder(state).lock_path("job")
        path.parent.mkdir(mode=0o700)
    path.symlink_to(victim.with_name("new"))

    said = bulkbind("run", job)

    assert said.code == 2
    assert path.name in said.err
    assert not victim.with_name("new").exists()


def test_a_hold_is_not_written_through_a_link(state, victim):
    folder = StateFolder(state)
    folder.prepare()
    path = folder.hold_path("job")
    path.parent.mkdir(exist_ok=True)
    path.with_name(f".{path.name}.{os.getpid()}").symlink_to(victim)

    with pytest.raises(StateError):
        place_hold(folder, new_hold("job", now=0.0, why="test"))

    assert victim.read_text() == "mine"


def test_a_refusal_is_not_remembered_through_a_link(tmp_path, victim):
    host = HostFolder(tmp_path / "host")
    host.refuse("someone", Reply(401, "APIGW.0301", "no"))
    (path,) = (tmp_path / "host").glob("refused-*")
    path.unlink()
    path.symlink_to(victim)

    host.refuse("someone", Reply(401, "APIGW.0301", "no"))

    assert victim.read_text() == "mine"


# --- names ----------------------------------------------------------------------------


def everything(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if "pytest" not in path.name}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_no_name_of_a_run_leads_out_of_its_folder(
    bulkbind, folder, tmp_path, state, job, name
):
    bulkbind("run", job)
    before = everything(tmp_path)
    commands = [("status",), ("report",), ("resume",), ("undo",)]

    said = [bulkbind(*(*words, "--", name)) for words in commands if "\0" not in name]

    assert all(one.code == 2 for one in said)
    assert everything(tmp_path) == before
    assert len(runs_in(state)) == 1


@pytest.mark.parametrize("name", [name for name in ELSEWHERE if name != "CON"])
def test_no_name_of_a_job_leads_out_of_its_folder(bulkbind, folder, tmp_path, name):
    write_manifest(folder / "apis.csv", bindings(1))
    (folder / "job.toml").write_text(
        f'name = {json.dumps(name)}\nmanifest = "apis.csv"\n'
        '[account]\nendpoint = "sandbox"\n'
    )
    before = everything(tmp_path)

    said = [bulkbind("plan", "job.toml"), bulkbind("run", "job.toml")]

    assert [one.code for one in said] == [2, 2]
    assert everything(tmp_path) == before


@pytest.mark.parametrize("name", [name for name in ELSEWHERE if "\0" not in name])
def test_no_name_that_is_held_leads_out_of_its_folder(
    bulkbind, folder, tmp_path, state, name
):
    before = {path for path in everything(tmp_path) if path.parent != state}

    bulkbind("pause", "--", name)

    made = everything(tmp_path) - before
    assert all(path == state or state in path.parents for path in made)


def test_no_cell_names_a_file_outside_of_a_split(bulkbind, folder, tmp_path):
    rows = [
        one._replace(owner=name.replace("\0", ""))
        for one, name in zip(bindings(len(ELSEWHERE)), ELSEWHERE, strict=True)
    ]
    write_manifest(folder / "apis.csv", rows)
    bulkbind("run", write_job(folder / "job.toml"))
    before = everything(tmp_path)

    said = bulkbind("report", "latest", "--split-by", "owner", "-o", "split")

    assert said.code == 0, said.err
    made = everything(tmp_path) - before - {folder / "split"}
    assert {path.parent for path in made} == {folder / "split"}
    assert sum(len(read_csv(path)) for path in made) == len(rows)
