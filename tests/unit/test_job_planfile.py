"""FILE.plan: there and back, private, and never believed when it was changed."""

import json
import os
import stat
import subprocess
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from bulkbind.errors import ManifestError, SettingsError, StateError
from bulkbind.job.planfile import is_plan_file, open_plan, save_plan
from bulkbind.ledger import SqliteLedger
from bulkbind.state.folders import RunFolder
from tests.unit.test_report_write import files_of_at_most


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = tmp_path / "run"
    folder.mkdir()
    with closing(SqliteLedger.create(folder / "ledger.db", tool="t")) as ledger:
        ledger.begin()
        ledger.put_meta({"job": "cors"})
        ledger.commit()
    (folder / "manifest.csv.gz").write_bytes(b"pinned" * 1000)
    return RunFolder(folder)


@pytest.fixture
def saved(run, tmp_path: Path) -> Path:
    path = tmp_path / "cors.plan"
    save_plan(run, path, digest="v1:abc")
    return path


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def rewritten(path: Path, **members: bytes | None) -> Path:
    """Copy a plan with other members; None leaves one out."""
    copy = path.with_name("copy.plan")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
        for name in old.namelist():
            content = members.get(name.partition(".")[0], old.read(name))
            if content is not None:
                new.writestr(name, content)
    return copy


def refused(path: Path, folder: Path) -> str:
    with pytest.raises(ManifestError, match="make the plan again") as error:
        open_plan(path, folder)
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.plan", True),
        ("A.PLAN", True),
        ("a.toml", False),
        ("plan", False),
        ("a.plan.csv", False),
    ],
)
def test_a_plan_is_known_by_its_ending(name, expected):
    assert is_plan_file(Path(name)) is expected


def test_standard_input_is_no_plan():
    assert not is_plan_file(None)


def test_a_plan_comes_back_byte_for_byte(run, saved, empty):
    opened = open_plan(saved, empty)

    assert opened.path == empty
    assert opened.facts().job == "cors"
    assert opened.pin.read_bytes() == run.pin.read_bytes()


def test_a_plan_tells_its_digest_to_whoever_unzips_it(saved):
    with zipfile.ZipFile(saved) as archive:
        index = json.loads(archive.read("plan.json"))

    assert index["digest"] == "v1:abc"
    assert index["format_version"] == "1.0"
    assert set(index["sha256"]) == {"ledger.db", "manifest.csv.gz"}


def test_one_plan_is_saved_to_the_same_bytes_every_time(run, saved, tmp_path):
    save_plan(run, tmp_path / "again.plan", digest="v1:abc")

    assert (tmp_path / "again.plan").read_bytes() == saved.read_bytes()


def test_a_plan_is_private_and_so_is_what_comes_out_of_it(saved, empty):
    opened = open_plan(saved, empty)
    paths = (saved, opened.ledger, opened.pin)

    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}


def test_saving_leaves_nothing_but_the_plan(saved, tmp_path):
    assert {path.name for path in tmp_path.iterdir()} == {"run", "cors.plan"}


def test_saving_sweeps_what_killed_processes_left_of_the_plan(run, tmp_path):
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    for pid in (ended.pid, os.getppid()):
        (tmp_path / f".cors.plan.{pid}.tmp").write_text("half of it")

    save_plan(run, tmp_path / "cors.plan", digest="v1:abc")

    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"run", "cors.plan", f".cors.plan.{os.getppid()}.tmp"}


def test_saving_over_a_plan_replaces_it(run, saved, empty):
    save_plan(run, saved, digest="v1:def")
    with zipfile.ZipFile(saved) as archive:
        index = json.loads(archive.read("plan.json"))

    assert index["digest"] == "v1:def"


def test_a_plan_that_cannot_be_written_leaves_nothing(run, tmp_path):
    with pytest.raises(StateError, match="cannot be written"):
        save_plan(run, tmp_path / "none" / "cors.plan", digest="v1:abc")

    assert {path.name for path in tmp_path.iterdir()} == {"run"}


def test_a_plan_cannot_take_the_place_of_a_folder(run, tmp_path):
    (tmp_path / "cors.plan").mkdir()
    with pytest.raises(StateError, match="cannot be written"):
        save_plan(run, tmp_path / "cors.plan", digest="v1:abc")

    assert {path.name for path in tmp_path.iterdir()} == {"run", "cors.plan"}


def test_a_plan_that_is_not_there_says_how_to_make_one(tmp_path, empty):
    with pytest.raises(
        SettingsError, match=r"no such file; save a plan with `bulkbind"
    ):
        open_plan(tmp_path / "none.plan", empty)


@pytest.mark.parametrize(
    "content", [b"", b"account,api_id\n", b"PK\x03\x04", b"PK\x05\x06" + b"\0" * 18]
)
def test_a_file_that_is_no_plan_is_refused(tmp_path, empty, content):
    path = tmp_path / "bad.plan"
    path.write_bytes(content)

    assert "is not a saved plan" in refused(path, empty)


def test_a_folder_is_no_plan(tmp_path, empty):
    assert "is not a saved plan" in refused(tmp_path, empty)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_a_plan_that_was_cut_is_refused(saved, empty, kept):
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(len(whole) * kept)])

    assert "is not a saved plan" in refused(saved, empty)


@pytest.mark.parametrize("member", ["ledger", "manifest", "plan"])
def test_a_plan_without_a_member_is_refused(saved, empty, member):
    assert "is not a saved plan" in refused(rewritten(saved, **{member: None}), empty)


@pytest.mark.parametrize("member", ["ledger", "manifest"])
def test_a_plan_with_another_member_is_refused(saved, empty, member):
    said = refused(rewritten(saved, **{member: b"something else"}), empty)

    assert "is not what was saved" in said


@pytest.mark.parametrize(
    "index",
    [
        b"",
        b"[]",
        b"7",
        b"{}",
        b'{"sha256":[]}',
        b'{"sha256":{"ledger.db":7}}',
        b"\xff",
        b"[" * 60_000,
        b" " * 1_000_000,
    ],
)
def test_an_index_that_makes_no_sense_is_refused(saved, empty, index):
    assert "is not a saved plan" in refused(rewritten(saved, plan=index), empty)


def test_any_byte_changed_in_the_pinned_copy_is_seen(saved, empty):
    whole = bytearray(saved.read_bytes())
    whole[whole.index(b"pinned" * 100) + 50] ^= 1
    saved.write_bytes(whole)

    assert "is not a saved plan" in refused(saved, empty)


def test_an_encrypted_plan_is_refused(saved, empty):
    whole = bytearray(saved.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = -1
        while (place := whole.find(mark, place + 1)) >= 0:
            whole[place + offset] |= 1
    saved.write_bytes(whole)

    assert "is not a saved plan" in refused(saved, empty)


def test_a_plan_in_a_compression_nobody_knows_is_refused(saved, empty):
    whole = bytearray(saved.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        place = -1
        while (place := whole.find(mark, place + 1)) >= 0:
            whole[place + offset] = 99
    saved.write_bytes(whole)

    assert "is not a saved plan" in refused(saved, empty)


def test_a_member_that_would_fill_the_disk_is_refused(saved, empty, monkeypatch):
    monkeypatch.setattr("bulkbind.job.planfile._MAX_MEMBER", 100)

    assert "ledger.db is too large" in refused(saved, empty)
    assert list(empty.iterdir()) == []


def test_a_full_disk_is_no_fault_of_the_plan(saved, empty):
    with (
        files_of_at_most(1024),
        pytest.raises(StateError, match=r"cannot be written .*nothing was sent.* room"),
    ):
        open_plan(saved, empty)


def test_a_plan_that_could_not_be_unpacked_is_unpacked_when_there_is_room(saved, empty):
    with files_of_at_most(1024), pytest.raises(StateError):
        open_plan(saved, empty)
    (empty / "ledger.db").unlink()

    assert open_plan(saved, empty).facts().job == "cors"


def test_a_member_can_never_leave_the_folder(saved, empty):
    copy = saved.with_name("copy.plan")
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(copy, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        new.writestr("../escaped", b"x")
    open_plan(copy, empty)

    assert not (empty.parent / "escaped").exists()


def test_a_plan_is_never_unpacked_over_something_else(saved, empty):
    (empty / "ledger.db").write_text("mine")
    with pytest.raises(StateError, match="File exists"):
        open_plan(saved, empty)

    assert (empty / "ledger.db").read_text() == "mine"
