"""What processes of one user share: locks free at death, a ring that outlives them."""

import fcntl
import os
import stat
import struct
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkbind.errors import JobBusy, StateError
from bulkbind.host import (
    RING,
    HostFolder,
    JobLock,
    Ring,
    default_host_folder,
    is_locked,
    private_folder,
)
from tests.clock import FakeClock


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- folders --------------------------------------------------------------------------


def test_a_private_folder_is_entered_by_its_user_alone(tmp_path):
    made = private_folder(tmp_path / "state")

    assert mode(made) == 0o700


def test_the_folders_made_above_a_private_one_are_private_too(tmp_path):
    private_folder(tmp_path / "state" / "runs" / "one")

    assert mode(tmp_path / "state") == 0o700
    assert mode(tmp_path / "state" / "runs") == 0o700


def test_a_folder_that_is_there_already_stays_as_it_is(tmp_path):
    (tmp_path / "state").mkdir(mode=0o755)
    (tmp_path / "state").chmod(0o755)
    private_folder(tmp_path / "state")

    assert mode(tmp_path / "state") == 0o755


def test_a_folder_in_the_place_of_a_file_is_refused_with_advice(tmp_path):
    (tmp_path / "state").write_text("")

    with pytest.raises(StateError, match=r"cannot be made .*--state-dir"):
        private_folder(tmp_path / "state")


def test_a_folder_below_a_file_is_refused_with_advice(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(StateError, match="cannot be made"):
        private_folder(tmp_path / "file" / "state")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "/home/u/.local/state/bulkbind"),
        ({"XDG_STATE_HOME": "/x"}, "/x/bulkbind"),
        ({"XDG_STATE_HOME": "/x", "BULKBIND_HOST_DIR": "/h"}, "/h"),
        ({"BULKBIND_HOST_DIR": ""}, "/home/u/.local/state/bulkbind"),
    ],
)
def test_the_host_folder_is_found_by_environment_then_by_xdg(
    environ, expected, tmp_path
):
    home = tmp_path / "home"
    found = default_host_folder(environ, home=home)

    assert str(found) == expected.replace("/home/u", str(home))


# --- the job lock ---------------------------------------------------------------------


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def lock(path, holder="pid 1 (me@here)") -> JobLock:
    return JobLock(path, job="cors", holder=holder)


def test_a_second_holder_is_told_who_holds_the_job(tmp_path):
    path = tmp_path / "locks" / "job.lock"
    with (
        lock(path, "pid 7 (ann@box, since noon)"),
        pytest.raises(JobBusy, match=r"cors .*pid 7 \(ann@box, since noon\)") as busy,
        lock(path),
    ):
        pass

    assert busy.value.job == "cors"
    assert busy.value.holder == "pid 7 (ann@box, since noon)"


def test_a_lock_is_free_when_its_holder_lets_go(tmp_path):
    path = tmp_path / "job.lock"
    with lock(path):
        pass

    with lock(path):
        assert path.read_text() == "pid 1 (me@here)"


def test_a_lock_is_free_when_its_holder_fails(tmp_path):
    path = tmp_path / "job.lock"
    with pytest.raises(ZeroDivisionError), lock(path):
        raise ZeroDivisionError

    with lock(path):
        assert path.exists()


def test_nobody_is_named_in_a_lock_that_is_free(tmp_path):
    path = tmp_path / "job.lock"
    with lock(path):
        pass

    assert path.read_text() == ""


def test_a_holder_that_left_no_name_is_another_process(tmp_path):
    path = tmp_path / "job.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        with pytest.raises(JobBusy, match="another process"), lock(path):
            pass


def test_a_refused_lock_leaves_no_file_open(tmp_path):
    path = tmp_path / "job.lock"
    with lock(path):
        before = open_files()
        with pytest.raises(JobBusy), lock(path):
            pass

        assert open_files() == before


def test_the_lock_file_is_private(tmp_path):
    with lock(tmp_path / "job.lock"):
        assert mode(tmp_path / "job.lock") == 0o600


def test_a_lock_is_never_taken_through_a_link(tmp_path):
    (tmp_path / "job.lock").symlink_to(tmp_path / "elsewhere")

    with (
        pytest.raises(StateError, match="cannot be opened"),
        lock(tmp_path / "job.lock"),
    ):
        pass


def test_one_who_looks_sees_whether_a_job_is_being_worked_on(tmp_path):
    path = tmp_path / "job.lock"
    before = is_locked(path)
    with lock(path):
        during = is_locked(path)

    assert (before, during, is_locked(path)) == (False, True, False)


# --- gateways -------------------------------------------------------------------------


async def test_a_gateway_is_held_by_one_at_a_time(tmp_path):
    host, events = HostFolder(tmp_path), []

    async def pause(seconds: float) -> None:
        events.append("wait")
        await anyio.lowlevel.checkpoint()

    async def hold(name: str) -> None:
        async with host.gateway("host/gw", pause=pause):
            events.append(f"{name} in")
            await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()
            events.append(f"{name} out")

    async with anyio.create_task_group() as group:
        group.start_soon(hold, "a")
        group.start_soon(hold, "b")

    assert [event for event in events if event != "wait"] in (
        ["a in", "a out", "b in", "b out"],
        ["b in", "b out", "a in", "a out"],
    )
    assert "wait" in events


async def test_two_gateways_are_held_side_by_side(tmp_path):
    host, waits = HostFolder(tmp_path), []

    async def pause(seconds: float) -> None:
        waits.append(seconds)

    async with host.gateway("host/a", pause=pause), host.gateway("host/b", pause=pause):
        pass

    assert waits == []


async def test_a_gateway_is_free_when_the_request_fails(tmp_path):
    host, waits = HostFolder(tmp_path), []

    async def pause(seconds: float) -> None:
        waits.append(seconds)

    with pytest.raises(ZeroDivisionError):
        async with host.gateway("host/a", pause=pause):
            raise ZeroDivisionError
    async with host.gateway("host/a", pause=pause):
        pass

    assert waits == []


# --- the ring -------------------------------------------------------------------------


@pytest.fixture
def now():
    return FakeClock()


@pytest.fixture
def ring(tmp_path, now):
    ring = Ring(tmp_path / "ring", clock=now)
    yield ring
    ring.close()


def test_a_ring_releases_up_to_the_limit_at_once(ring):
    waits = [ring.release(limit=3, window_s=1.0) for _ in range(4)]

    assert waits == [0.0, 0.0, 0.0, 1.0]


def test_a_ring_says_how_long_to_wait(ring, now):
    ring.release(limit=1, window_s=10.0)
    now.forward(4.0)

    assert ring.release(limit=1, window_s=10.0) == pytest.approx(6.0)


def test_a_ring_releases_again_when_the_window_has_passed(ring, now):
    ring.release(limit=1, window_s=10.0)
    now.forward(10.0)

    assert ring.release(limit=1, window_s=10.0) == 0.0


def test_a_ring_that_was_asked_in_vain_writes_nothing_down(ring, now):
    ring.release(limit=1, window_s=10.0)
    now.forward(9.0)
    ring.release(limit=1, window_s=10.0)
    now.forward(1.0)

    assert ring.release(limit=1, window_s=10.0) == 0.0


def test_a_ring_remembers_as_many_releases_as_it_is_long(ring, now):
    for _ in range(RING):
        ring.release(limit=RING, window_s=1.0)

    assert ring.release(limit=RING, window_s=1.0) == 1.0


def test_a_ring_goes_on_when_it_has_come_round(ring, now):
    for _ in range(3 * RING):
        ring.release(limit=5, window_s=1.0)
        now.forward(0.3)

    assert ring.release(limit=3, window_s=1.0) == pytest.approx(0.1)


def test_two_rings_on_one_file_count_together(tmp_path, ring, now):
    other = Ring(tmp_path / "ring", clock=now)
    ring.release(limit=2, window_s=1.0)
    other.release(limit=2, window_s=1.0)

    assert ring.release(limit=2, window_s=1.0) == 1.0
    assert other.release(limit=2, window_s=1.0) == 1.0
    other.close()


def test_a_ring_survives_being_closed_and_opened(tmp_path, now):
    first = Ring(tmp_path / "ring", clock=now)
    first.release(limit=1, window_s=1.0)
    first.close()
    second = Ring(tmp_path / "ring", clock=now)

    assert second.release(limit=1, window_s=1.0) == 1.0
    second.close()


def test_a_ring_survives_the_death_of_its_process(tmp_path, now):
    child = os.fork()
    if not child:
        Ring(tmp_path / "ring", clock=now).release(limit=1, window_s=1.0)
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    ring = Ring(tmp_path / "ring", clock=now)

    assert ring.release(limit=1, window_s=1.0) == 1.0
    ring.close()


def test_a_ring_of_another_boot_is_begun_anew(tmp_path, now):
    first = Ring(tmp_path / "ring", clock=now)
    first.release(limit=1, window_s=1e9)
    first.close()
    with (tmp_path / "ring").open("r+b") as file:
        file.seek(16)
        file.write(b"\x00" * 16)
    second = Ring(tmp_path / "ring", clock=now)

    assert second.release(limit=1, window_s=1e9) == 0.0
    second.close()


def test_a_host_that_names_no_boot_has_rings_all_the_same(tmp_path, now, monkeypatch):
    def missing(path, *_, **__) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr("pathlib.Path.read_text", missing)
    ring = Ring(tmp_path / "ring", clock=now)

    assert ring.release(limit=1, window_s=1.0) == 0.0
    ring.close()


def test_a_file_that_is_no_ring_is_begun_anew(tmp_path, now):
    (tmp_path / "ring").write_bytes(b"something else")
    ring = Ring(tmp_path / "ring", clock=now)

    assert ring.release(limit=1, window_s=1.0) == 0.0
    ring.close()


@settings(deadline=None)
@given(stamp=st.floats())
def test_a_stamp_that_makes_no_sense_never_holds_anyone_for_longer_than_a_window(
    tmp_path_factory, stamp
):
    path, now = tmp_path_factory.mktemp("ring") / "ring", FakeClock()
    ring = Ring(path, clock=now)
    ring.release(limit=1, window_s=5.0)
    place = ring._place(0)
    ring._map[place : place + 8] = struct.pack("<d", stamp)

    assert 0.0 <= ring.release(limit=1, window_s=5.0) <= 5.0
    ring.close()


def test_a_pause_holds_every_ring_on_the_file(tmp_path, ring, now):
    other = Ring(tmp_path / "ring", clock=now)
    ring.pause(5.0)

    assert other.release(limit=9, window_s=1.0) == 5.0
    assert other.paused_s() == 5.0
    other.close()


def test_a_shorter_pause_never_shortens_a_longer_one(ring):
    ring.pause(5.0)
    ring.pause(1.0)

    assert ring.paused_s() == 5.0


def test_a_ring_releases_when_its_pause_is_over(ring, now):
    ring.pause(5.0)
    now.forward(5.0)

    assert ring.release(limit=1, window_s=1.0) == 0.0
    assert ring.paused_s() == 0.0


def test_a_ring_without_a_limit_releases_any_number_and_remembers(ring):
    for _ in range(9):
        ring.release(limit=0, window_s=0.0)

    assert ring.release(limit=9, window_s=1.0) == 1.0


def test_the_ring_file_is_private(tmp_path, ring):
    assert mode(tmp_path / "ring") == 0o600


def test_accounts_have_rings_of_their_own(tmp_path, now):
    host = HostFolder(tmp_path / "host", clock=now)
    one, two = host.ring("apig.x/p1"), host.ring("apig.x/p2")
    one.release(limit=1, window_s=1.0)

    assert two.release(limit=1, window_s=1.0) == 0.0
    one.close()
    two.close()


def test_one_account_has_one_ring_whoever_asks(tmp_path, now):
    host = HostFolder(tmp_path / "host", clock=now)
    one, two = host.ring("apig.x/p1"), host.ring("apig.x/p1")
    one.release(limit=1, window_s=1.0)

    assert two.release(limit=1, window_s=1.0) == 1.0
    one.close()
    two.close()


def test_no_account_can_name_a_file_outside_the_host_folder(tmp_path, now):
    host = HostFolder(tmp_path / "host", clock=now)
    host.ring("../../etc/passwd\0/x").close()

    assert [path.parent for path in (tmp_path / "host").iterdir()] == [host.path]


def test_the_host_folder_is_private(tmp_path):
    assert mode(HostFolder(tmp_path / "host").path) == 0o700
