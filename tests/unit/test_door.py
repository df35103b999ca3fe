"""A credential that was refused is not tried again: five times lock a key."""

import itertools
from contextlib import asynccontextmanager

import anyio
import pytest

from bulkbind.door import Door
from bulkbind.host import REFUSED_S, HostFolder
from bulkbind.model import Reply
from tests.clock import run_virtually

REFUSED = Reply(401, "APIGW.0301", "incorrect IAM authentication information")
GOOD = Reply(200)


class Turns:
    """A pace that lets everybody out at once, and counts them."""

    def __init__(self) -> None:
        self.taken = 0

    @asynccontextmanager
    async def turn(self, slots):
        self.taken += 1
        yield

    def accepted(self) -> None:
        """Nobody asks."""

    def throttled(self, *, left_at, told, pause_s) -> None:
        """Nobody asks."""


@pytest.fixture
def host(tmp_path):
    return HostFolder(tmp_path / "host")


def send_many(host, *, reply, many=8, identity="key"):
    """Let many tasks send at once; return how many requests left."""
    sent = []

    async def story():
        turns = Turns()
        door = Door(identity, host, turns)
        slots = anyio.Semaphore(many)

        async def send():
            async with door.turn(slots):
                if door.refusal is not None:
                    return
                sent.append(anyio.current_time())
                await anyio.sleep(1)
                door.answered(reply)

        async with anyio.create_task_group() as group:
            for _ in range(many):
                group.start_soon(send)
        return door

    return run_virtually(story), sent


def test_one_request_is_out_until_the_credential_has_proved_good(host):
    _, sent = send_many(host, reply=GOOD)

    first, *others = sent
    assert len(sent) == 8
    assert min(others) >= first + 1


def test_after_a_refusal_nothing_leaves(host):
    door, sent = send_many(host, reply=REFUSED)

    assert len(sent) == 1
    assert door.refusal.code == "APIGW.0301"
    assert not door.refusal.left


@pytest.mark.parametrize(
    "reply",
    [Reply(403, "APIG.1005"), Reply(404, "APIG.3030"), Reply(429, "APIGW.0308")],
)
def test_other_answers_do_not_refuse_the_credential(host, reply):
    door, sent = send_many(host, reply=reply)

    assert door.refusal is None
    assert len(sent) == 8


def test_a_lost_answer_proves_nothing(host):
    _, sent = send_many(host, reply=Reply(0, "BULKBIND.ANSWER_LOST"), many=3)

    assert [later - sooner for sooner, later in itertools.pairwise(sent)] == (
        pytest.approx([1, 1], abs=0.01)
    )


def test_other_processes_remember_it(host):
    send_many(host, reply=REFUSED)
    door, sent = send_many(host, reply=GOOD)

    assert sent == []
    assert "refused lately" in door.refusal.message


def test_another_credential_is_tried_at_once(host):
    send_many(host, reply=REFUSED)
    door, sent = send_many(host, reply=GOOD, identity="another")

    assert door.refusal is None
    assert len(sent) == 8


def test_it_is_forgotten_after_ten_minutes(host, monkeypatch):
    send_many(host, reply=REFUSED)
    now = next(host.path.glob("refused-*")).stat().st_mtime
    monkeypatch.setattr("time.time", lambda: now + REFUSED_S + 1)

    assert host.refusal("key") is None


def test_what_is_remembered_shows_no_credential(host):
    send_many(host, reply=REFUSED, identity="hunter2")

    texts = [path.name + path.read_text() for path in host.path.glob("refused-*")]
    assert len(texts) == 1
    assert "hunter2" not in texts[0]
