"""Who does the ledger's work: one commit for many writes, one fault for all of them."""

import sqlite3
from threading import Event

import anyio
import anyio.lowlevel
import pytest

from bulkbind.errors import LedgerFailed
from bulkbind.ledger import InlineExecutor, LedgerRecorder, SqliteLedger, ThreadExecutor
from bulkbind.model import Scope, Settled
from tests.contract.test_ledger import answer, batch, intent, stop


@pytest.fixture
def ledger(tmp_path):
    ledger = SqliteLedger.create(tmp_path / "ledger.db", tool="test")
    ledger.begin()
    ledger.put_batches([batch(1), batch(2)])
    ledger.commit()
    yield ledger
    ledger.close()


def note(name: str):
    return lambda ledger: ledger.put_meta({name: "x"})


def notes(ledger: SqliteLedger) -> set[str]:
    return {name for name in ledger.meta() if name.startswith("n")}


async def together(executor: ThreadExecutor, *works) -> list[BaseException | None]:
    """Hand in work that has all gathered before any of it is done."""
    gathered = Event()
    errors: dict[int, BaseException | None] = {}

    async def hand_in(place: int, work) -> None:
        errors[place] = None
        try:
            await executor.do(work)
        except LedgerFailed as error:
            errors[place] = error

    async with anyio.create_task_group() as group:
        for place, work in enumerate([lambda ledger: gathered.wait(10), *works]):
            group.start_soon(hand_in, place, work)
        await anyio.lowlevel.checkpoint()
        gathered.set()
    return [errors[place] for place in range(1, 1 + len(works))]


async def test_64_writes_that_gather_share_a_commit(ledger):
    async with ThreadExecutor(ledger) as executor:
        await together(executor, *(note(f"n{number}") for number in range(64)))

    assert len(notes(ledger)) == 64
    assert executor.commits <= 2


async def test_writes_of_one_turn_of_the_event_loop_share_one_commit(ledger):
    async with (
        ThreadExecutor(ledger) as executor,
        anyio.create_task_group() as group,
    ):
        for number in range(64):
            group.start_soon(executor.do, note(f"n{number}"))

    assert len(notes(ledger)) == 64
    assert executor.commits == 1


async def test_what_gathers_while_a_group_is_written_is_the_next_group(ledger):
    going_on, is_written = Event(), Event()

    def hold(ledger) -> None:
        going_on.set()
        is_written.wait(10)

    async with (
        ThreadExecutor(ledger) as executor,
        anyio.create_task_group() as group,
    ):
        group.start_soon(executor.do, hold)
        while not going_on.is_set():
            await anyio.lowlevel.checkpoint()
        for number in range(64):
            group.start_soon(executor.do, note(f"n{number}"))
            await anyio.lowlevel.checkpoint()
        is_written.set()

    assert len(notes(ledger)) == 64
    assert executor.commits == 2


async def test_writes_one_after_another_have_a_commit_each(ledger):
    async with ThreadExecutor(ledger) as executor:
        for number in range(5):
            await executor.do(note(f"n{number}"))

    assert executor.commits == 5


async def test_what_a_piece_of_work_returns_comes_back_to_who_asked(ledger):
    async with ThreadExecutor(ledger) as executor:
        found = await executor.do(lambda ledger: ledger.open_lanes())

    assert found == [0]


async def test_a_fault_fails_the_whole_group_and_keeps_nothing(ledger):
    def fail(ledger) -> None:
        message = "the disk is full"
        raise LedgerFailed(message)

    async with ThreadExecutor(ledger) as executor:
        errors = await together(executor, note("n1"), fail, note("n2"))

    assert [str(error) for error in errors] == ["the disk is full"] * 3
    assert notes(ledger) == set()


async def test_the_next_group_is_written_after_a_fault(ledger):
    def fail(ledger) -> None:
        raise ZeroDivisionError

    async with ThreadExecutor(ledger) as executor:
        with pytest.raises(ZeroDivisionError):
            await executor.do(fail)
        await executor.do(note("n1"))

    assert notes(ledger) == {"n1"}


async def test_leaving_waits_for_what_was_handed_in(ledger):
    async with anyio.create_task_group() as group, ThreadExecutor(ledger) as executor:
        for number in range(10):
            group.start_soon(executor.do, note(f"n{number}"))
        await anyio.lowlevel.checkpoint()

    assert len(notes(ledger)) == 10


async def test_work_whose_asker_is_gone_is_done_all_the_same(ledger):
    async with ThreadExecutor(ledger) as executor:
        gathered = Event()
        async with anyio.create_task_group() as group:
            group.start_soon(executor.do, lambda ledger: gathered.wait(10))
            group.start_soon(executor.do, note("n1"))
            await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        gathered.set()
        await executor.do(note("n2"))

    assert notes(ledger) == {"n1", "n2"}


async def test_work_handed_in_after_the_end_is_refused(ledger):
    async with ThreadExecutor(ledger) as executor:
        await executor.do(note("n1"))

    with anyio.fail_after(10), pytest.raises(RuntimeError, match="has ended"):
        await executor.do(note("n2"))

    assert notes(ledger) == {"n1"}


async def test_work_handed_in_before_the_beginning_is_refused(ledger):
    with anyio.fail_after(10), pytest.raises(RuntimeError, match="nothing would do"):
        await ThreadExecutor(ledger).do(note("n1"))


class Unforgetting(SqliteLedger):
    """A ledger whose disk fails when something is to be taken back."""

    rollbacks = 0

    def rollback(self) -> None:
        self.rollbacks += 1
        message = "disk I/O error"
        raise sqlite3.OperationalError(message)


@pytest.fixture
def unforgetting(ledger):
    return Unforgetting(ledger.path, ledger._db)


def fail(ledger) -> None:
    ledger.put_meta({"n1": "x"})
    message = "the disk is full"
    raise LedgerFailed(message)


async def test_a_rollback_that_fails_leaves_nobody_waiting(unforgetting):
    with anyio.fail_after(10):
        async with ThreadExecutor(unforgetting) as executor:
            first = await together(executor, note("n2"), fail)
            second = await together(executor, note("n3"))
    SqliteLedger.rollback(unforgetting)

    assert unforgetting.rollbacks == 2
    assert [str(error) for error in first] == ["the disk is full"] * 2
    # what was not taken back is never committed with something else
    assert "within a transaction" in str(second[0])
    assert notes(unforgetting) == set()


async def test_the_inline_executor_tells_the_first_fault(unforgetting):
    with pytest.raises(LedgerFailed, match="the disk is full"):
        await InlineExecutor(unforgetting).do(fail)
    SqliteLedger.rollback(unforgetting)

    assert notes(unforgetting) == set()


async def test_work_that_gives_up_altogether_leaves_nobody_waiting(ledger):
    def leave(ledger) -> None:
        raise SystemExit

    with anyio.fail_after(10):
        async with ThreadExecutor(ledger) as executor:
            with pytest.raises(LedgerFailed, match="SystemExit"):
                await executor.do(leave)
            await executor.do(note("n1"))

    assert notes(ledger) == {"n1"}


async def test_the_inline_executor_commits_each_piece_of_work(ledger, tmp_path):
    await InlineExecutor(ledger).do(note("n1"))
    reader = SqliteLedger.read(tmp_path / "ledger.db")

    assert notes(reader) == {"n1"}
    reader.close()


async def test_the_inline_executor_keeps_nothing_of_work_that_fails(ledger):
    def fail(ledger) -> None:
        ledger.put_meta({"n1": "x"})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await InlineExecutor(ledger).do(fail)

    assert notes(ledger) == set()


# --- the recorder ---------------------------------------------------------------------


@pytest.fixture
def recorder(ledger):
    return LedgerRecorder(InlineExecutor(ledger))


async def test_the_recorder_hands_out_open_batches(recorder):
    found = await recorder.open_batches(0, after=1, limit=5)

    assert found == [(batch(2), [])]


async def test_an_intent_is_written_down(recorder, ledger):
    await recorder.intend(intent(1))

    assert next(ledger.batches(0))[1] == [intent(1)]


async def test_an_answer_is_written_down_with_where_the_batch_stands(recorder, ledger):
    await recorder.answer(answer(1), counts=Settled(done=2), settled=True)

    assert next(ledger.batches(0))[1] == [answer(1)]
    assert [b.id for b, _ in ledger.open_batches(0, after=0, limit=9)] == [2]


async def test_a_batch_that_was_settled_already_is_marked(recorder, ledger):
    await recorder.mark(2, Settled(done=1, failed=1))

    assert [b.id for b, _ in ledger.open_batches(0, after=0, limit=9)] == [1]


async def test_a_stop_is_written_down(recorder, ledger):
    await recorder.stop(stop(Scope.GATEWAY, "0"))

    assert ledger.stops() == [stop(Scope.GATEWAY, "0")]


async def test_a_page_that_was_read_is_counted(recorder, ledger):
    number = ledger.start(command="run", operator="me@here", pid=7, at=1.0)
    await recorder.count_read(number)

    assert ledger.reads() == 1
