"""What ``doctor`` says of a machine, its folders and its clock."""

import errno
import os
from dataclasses import replace

import pytest

from bulkbind.doctor import Grade, Machine
from bulkbind.doctor.check import from_error
from bulkbind.doctor.clock import check_clock
from bulkbind.doctor.folders import (
    Folder,
    check_file,
    check_folder,
    check_git,
    file_system_of,
)
from bulkbind.doctor.machine import check_machine
from bulkbind.doctor.refusals import mend_credential
from bulkbind.errors import StateError
from bulkbind.model import Reply

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:40 / /home rw shared:2 - nfs4 server:/home rw,vers=4.2
31 30 0:41 / /home/ann/disk rw - xfs /dev/vdb rw
32 22 0:42 / /mnt/a\\040b rw - fuse.sshfs ann@host:/ rw
33 22 0:43 / /mnt/twice rw - ext4 /dev/vdc rw
34 22 0:44 / /mnt/twice rw - cifs //server/share rw
a line that is none
"""

PLENTY = 10 * 1024**3

MACHINE = Machine(
    tool="1.0.0",
    python="3.12.1",
    system="Linux x86_64",
    sqlite="3.51.3",
    mounts="",
    free=lambda _: PLENTY,
)

NOON = 1_700_000_000.0
NOON_TEXT = "Tue, 14 Nov 2023 22:13:20 GMT"


def state_at(path):
    return Folder(name="STATE", path=path, setting="--state-dir")


def by_name(checks):
    return {check.name: check for check in checks}


def looked_at(path, **machine):
    return by_name(check_folder(state_at(path), machine=replace(MACHINE, **machine)))


@pytest.fixture
def state(tmp_path):
    path = tmp_path / "tree" / ".bulkbind"
    path.mkdir(mode=0o700, parents=True)
    return path


# --- versions -------------------------------------------------------------------------


def test_versions_are_told():
    found = by_name(check_machine(MACHINE))

    assert found["version"].found == "bulkbind 1.0.0, Python 3.12.1, Linux x86_64"
    assert found["sqlite"].found == "3.51.3"
    assert {check.grade for check in found.values()} == {Grade.OK}


@pytest.mark.parametrize("version", ["3.40.1", "3.51.2", "3.9.0"])
def test_a_sqlite_with_the_defect_is_a_note_and_no_fault(version):
    found = by_name(check_machine(replace(MACHINE, sqlite=version)))["sqlite"]

    assert found.grade is Grade.NOTE
    assert "before 3.51.3" in found.found
    assert "ledger.db" in found.remedy


@pytest.mark.parametrize("version", ["3.51.3", "3.51.10", "3.52.0", "4.0"])
def test_a_sqlite_without_the_defect_is_not_talked_about(version):
    found = by_name(check_machine(replace(MACHINE, sqlite=version)))["sqlite"]

    assert found.found == version


def test_a_tool_that_is_not_installed_is_a_warning():
    found = by_name(check_machine(replace(MACHINE, tool="0")))["version"]

    assert found.grade is Grade.WARNING
    assert "install" in found.remedy


# --- folders --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("free", "grade"),
    [
        (PLENTY, Grade.OK),
        (1024**3, Grade.OK),
        (1024**3 - 1, Grade.WARNING),
        (64 * 1024**2 - 1, Grade.FAULT),
    ],
)
def test_room_is_graded(state, free, grade):
    found = looked_at(state, free=lambda _: free)["disk"]

    assert found.grade is grade
    assert ("--state-dir" in found.remedy) is (grade is not Grade.OK)


def test_room_that_cannot_be_asked_is_a_warning(state):
    def fail(_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    found = looked_at(state, free=fail)["disk"]

    assert found.grade is Grade.WARNING
    assert os.strerror(errno.EIO) in found.found


def test_a_folder_that_is_not_there_is_looked_at_where_it_will_be(tmp_path):
    asked = []

    def free(folder):
        asked.append(folder)
        return PLENTY

    found = looked_at(tmp_path / "a" / "b", free=free)

    assert asked == [tmp_path]
    assert found["permissions"].grade is Grade.OK
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("mode", [0o755, 0o710, 0o701])
def test_a_folder_that_others_can_enter_is_a_warning(state, mode):
    state.chmod(mode)

    found = looked_at(state)["permissions"]

    assert found.grade is Grade.WARNING
    assert f"{mode:04o}" in found.found
    assert found.remedy == f"chmod 700 {state}"


def test_a_folder_of_ones_own_is_fine(state):
    assert looked_at(state)["permissions"].grade is Grade.OK


def test_a_file_in_the_folders_place_is_a_fault(tmp_path):
    (tmp_path / "file").touch()

    found = looked_at(tmp_path / "file" / ".bulkbind")["permissions"]

    assert found.grade is Grade.FAULT
    assert "--state-dir" in found.remedy


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib", "ext4"),
        ("/home", "nfs4"),
        ("/home/ann", "nfs4"),
        ("/home/ann/disk/x", "xfs"),
        ("/homely", "ext4"),
        ("/mnt/a b/c", "fuse.sshfs"),
        ("/mnt/twice/x", "cifs"),
    ],
)
def test_a_path_lies_on_the_deepest_and_last_mount_above_it(tmp_path, path, kind):
    assert file_system_of(tmp_path.__class__(path), MOUNTS) == kind


@pytest.mark.parametrize(
    "kind",
    ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "fuse.s3fs", "ceph", "lustre"],
)
def test_a_network_file_system_is_a_fault(state, kind):
    found = looked_at(state, mounts=f"22 1 0:1 / / rw - {kind} x rw")["file system"]

    assert found.grade is Grade.FAULT
    assert found.found.startswith(f"{kind}: ")
    assert "--state-dir" in found.remedy


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "overlay", "tmpfs"])
def test_a_local_file_system_is_fine(state, kind):
    found = looked_at(state, mounts=f"22 1 0:1 / / rw - {kind} x rw")["file system"]

    assert (found.grade, found.found) == (Grade.OK, kind)


def test_a_system_that_does_not_tell_its_mounts_is_no_fault(state):
    assert looked_at(state, mounts="")["file system"].grade is Grade.OK


# --- git ------------------------------------------------------------------------------


def test_a_state_outside_any_work_tree_is_fine(state):
    assert check_git(state_at(state)).found == "in no work tree"


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_state_that_git_would_take_is_a_warning(state, kind):
    git = state.parent / ".git"
    git.mkdir() if kind == "folder" else git.write_text("gitdir: elsewhere")

    found = check_git(state_at(state))

    assert found.grade is Grade.WARNING
    assert str(state / ".gitignore") in found.remedy


def test_a_state_that_ignores_itself_is_fine(state):
    (state.parent / ".git").mkdir()
    (state / ".gitignore").write_text("*\n")

    assert check_git(state_at(state)).grade is Grade.OK


def test_a_state_that_is_not_there_yet_will_ignore_itself(state):
    (state.parent / ".git").mkdir()

    found = check_git(state_at(state.parent / "other"))

    assert found.grade is Grade.OK
    assert "will ignore itself" in found.found


# --- credential files -----------------------------------------------------------------


def test_a_credential_file_that_is_not_there_is_no_matter(tmp_path):
    assert check_file(tmp_path / "credentials") is None


@pytest.mark.parametrize(("mode", "grade"), [(0o600, Grade.OK), (0o640, Grade.WARNING)])
def test_a_credential_file_is_for_one_reader(tmp_path, mode, grade):
    path = tmp_path / "credentials"
    path.write_text("[basic]\nak = AK-PLANTED\nsk = SK-PLANTED\n")
    path.chmod(mode)

    found = check_file(path)

    assert found is not None
    assert found.grade is grade
    assert "PLANTED" not in repr(found)


# --- clock ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead", "grade", "words"),
    [
        (0, Grade.OK, "0 s from"),
        (300, Grade.OK, "300 s from"),
        (-300, Grade.OK, "300 s from"),
        (301, Grade.WARNING, "5 minutes ahead of"),
        (-900, Grade.WARNING, "15 minutes behind"),
        (901, Grade.FAULT, "15 minutes ahead of"),
        (-7200, Grade.FAULT, "120 minutes behind"),
    ],
)
def test_a_clock_is_graded_by_its_distance(ahead, grade, words):
    found = check_clock("default", NOON_TEXT, now=NOON + ahead)

    assert found.grade is grade
    assert words in found.found
    assert bool(found.remedy) is (grade is not Grade.OK)


@pytest.mark.parametrize(
    "date",
    [
        "",
        "yesterday",
        "Tue, 99 Nov 2023 22:13:20 GMT",
        "Fri, 01 Jan 0001 00:00:00 +2359",
    ],
)
def test_a_date_that_cannot_be_read_proves_nothing(date):
    assert check_clock("default", date, now=NOON).grade is not Grade.OK


def test_a_date_without_a_zone_is_utc():
    found = check_clock("default", "Tue, 14 Nov 2023 22:13:20", now=NOON)

    assert found.found == "0 s from the gateway's"


# --- errors ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found", "remedy"),
    [
        ("it is gone; look\nfor it", "it is gone", "look for it"),
        ("a; b; do c", "a; b", "do c"),
        ("it is gone", "it is gone", "do something"),
        ("it is gone; or try x", "it is gone", "do something, or try x"),
    ],
)
def test_an_error_says_what_is_wrong_and_what_to_do(text, found, remedy):
    check = from_error("ledger", "run", StateError(text), remedy="do something")

    assert (check.grade, check.found, check.remedy) == (Grade.FAULT, found, remedy)


# --- refused credentials --------------------------------------------------------------

IAM = "Incorrect IAM authentication information: "


@pytest.mark.parametrize(
    ("code", "message", "words"),
    [
        ("APIGW.0301", f"{IAM}AK access failed to reach the limit,forbidden", "locked"),
        ("APIG.0301", f"{IAM}verify aksk signature fail", "secret"),
        ("APIGW.0301", f"{IAM}Get secretKey failed", "no such access key"),
        ("APIGW.0301", f"{IAM}decrypt token fail", "another region"),
        ("APIGW.0301", f"{IAM}token expires", "has expired"),
        ("APIGW.0301", "something new", "check key"),
        ("APIG.0307", "The token must be updated", "another region"),
        ("APIG.1003", "The token lacks a project", "scope.project"),
        ("APIG.1002", "Incorrect token or token resolution failed", "a new one"),
        ("", "", "check the credential"),
    ],
)
def test_a_refused_credential_is_told_what_to_do_about_it(code, message, words):
    assert words in mend_credential(Reply(401, code, message))
