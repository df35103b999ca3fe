"""A connection that is lost, and work that is done once all the same."""

import signal
from contextlib import closing

import psycopg
import pytest

from bulkbind.errors import LedgerFailed, LedgerUnreachable
from bulkbind.ledger.enduring import EnduringExecutor
from bulkbind.ledger.postgres import PostgresLedger
from bulkbind.ledger.postgres_link import is_way_lost
from bulkbind.model import Action, Batch, Record, RecordKind


@pytest.fixture
def ledger(server):
    with closing(PostgresLedger.create(server.url(), "run", tool="test")) as ledger:
        ledger.begin()
        ledger.put_batches([Batch(1, 0, 0, Action.ATTACH, (0, 1), ("a", "b"))])
        ledger.commit()
        yield ledger


def intent(at):
    return Record(batch=1, kind=RecordKind.INTENT, invocation=1, at=at, span=(0, 1))


def records(ledger):
    ((_, records),) = ledger.batches(0)
    return [record.at for record in records]


class Waits:
    """A clock that stands still but while somebody sleeps, and what happens then."""

    def __init__(self, then=lambda: None):
        self.now = 0.0
        self.times = 0
        self._then = then

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.times += 1
        if self.times == 2:
            self._then()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
async def test_work_waits_for_a_server_that_comes_back(server, ledger, how):
    waits = Waits(server.start)
    async with EnduringExecutor(
        ledger, clock=waits.clock, sleep=waits.sleep
    ) as executor:
        await executor.do(lambda ledger: ledger.put_record(intent(1.0)))
        server.stop(how=how)
        await executor.do(lambda ledger: ledger.put_record(intent(2.0)))
        found = await executor.do(records)

    assert found == [1.0, 2.0]
    assert waits.times == 2
    assert executor.mends == 1


async def test_work_that_was_cut_off_in_its_middle_is_done_again(server, ledger):
    tries: list[None] = []

    def work(ledger):
        tries.append(None)
        ledger.put_record(intent(2.0))
        if len(tries) == 1:
            server.stop(how=signal.SIGQUIT)
            server.start()
        ledger.put_record(intent(3.0))

    async with EnduringExecutor(ledger) as executor:
        await executor.do(work)
        found = await executor.do(records)

    assert len(tries) == 2
    assert found == [2.0, 3.0]


def test_what_the_driver_says_of_its_connection_is_no_refusal(postgres):
    """It may take the connection for open while the server ends it."""
    with closing(psycopg.connect(postgres.url(), autocommit=True)) as db:
        with db.pipeline():
            db.execute("SELECT 1")
            with pytest.raises(psycopg.OperationalError, match="pipeline") as driver:
                db.pgconn.exit_pipeline_mode()
        with pytest.raises(psycopg.errors.UndefinedTable) as refused:
            db.execute("SELECT * FROM nowhere")
        with pytest.raises(psycopg.Error) as ended:
            db.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with closing(psycopg.connect(postgres.url(), autocommit=True)) as db:
        assert is_way_lost(driver.value, db)
        assert not is_way_lost(refused.value, db)
        assert is_way_lost(ended.value, db)


class Unheard(PostgresLedger):
    """A ledger whose first commit is kept, and the connection lost before it says so."""

    lost = False

    def __init__(self, session):
        super().__init__(session)
        self.commit = self._commit

    def _commit(self):
        self.session.commit()
        if not self.lost:
            self.lost = True
            self.session.connection.close()
            self.session.do("SELECT 1")


async def test_work_whose_commit_was_kept_unheard_is_not_done_twice(server, ledger):
    tries: list[None] = []

    def work(ledger):
        tries.append(None)
        ledger.put_record(intent(2.0))
        return "done"

    ledger.close()
    with closing(Unheard.open(server.url(), "run")) as unheard:
        async with EnduringExecutor(unheard) as executor:
            said = await executor.do(work)
            found = await executor.do(records)

    assert said == "done"
    assert len(tries) == 1
    assert found == [2.0]
    assert executor.mends == 1


async def test_who_was_taken_over_while_it_was_cut_off_writes_nothing_more(
    server, ledger
):
    async with EnduringExecutor(ledger) as executor:
        await executor.do(lambda ledger: ledger.put_record(intent(1.0)))
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'bulkbind'"
        )
        with closing(PostgresLedger.open(server.url(), "run")) as other:
            other.begin()
            other.put_record(intent(2.0))
            other.commit()
        with pytest.raises(LedgerFailed, match="another process went on"):
            await executor.do(lambda ledger: ledger.put_record(intent(3.0)))

    with closing(PostgresLedger.read(server.url(), "run")) as reader:
        assert records(reader) == [1.0, 2.0]


async def test_a_server_that_stays_away_is_waited_for_no_longer_than_a_bound(
    server, ledger
):
    waits = Waits()
    server.stop()
    async with EnduringExecutor(
        ledger, patience_s=60, clock=waits.clock, sleep=waits.sleep
    ) as executor:
        with pytest.raises(LedgerUnreachable, match="cannot be reached"):
            await executor.do(lambda ledger: ledger.put_record(intent(1.0)))

    assert 50 < waits.now <= 60


async def test_a_statement_that_the_server_refuses_is_not_tried_again(server, ledger):
    tries: list[None] = []

    def work(ledger):
        tries.append(None)
        ledger.session.do("SELECT nothing FROM nowhere")

    async with EnduringExecutor(ledger) as executor:
        with pytest.raises(Exception, match="cannot be used") as refused:
            await executor.do(work)

    assert isinstance(refused.value.__cause__, psycopg.errors.UndefinedTable)
    assert len(tries) == 1
    assert executor.mends == 0
