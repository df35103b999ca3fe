"""Who owns an account: exclusive, released by death or expiry, fenced by its epoch."""

import platform
from contextlib import closing, suppress

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bulkbind.errors import JobBusy, LeaseLost, LedgerUnreachable
from bulkbind.host import HostFolder
from bulkbind.job.connecting import Connections
from bulkbind.job.leasing import owning
from bulkbind.ledger.lease import Lease, Terms, take
from bulkbind.ledger.postgres import PostgresLedger
from bulkbind.ledger.postgres_session import Session
from bulkbind.model import Lane
from bulkbind.pace import Pace, Rate
from bulkbind.pace.log import MemoryLog
from tests.factories import until

ACCOUNT = "apig.example.com/project"
TTL_S = 15.0


def at(now):
    return Terms(ttl_s=TTL_S, now=now)


@pytest.fixture
def sessions(database):
    """Two connections that know nothing of each other."""
    with (
        closing(Session(database, "", writes=True)) as one,
        closing(Session(database, "", writes=True)) as two,
    ):
        one.prepare(tool="test")
        one.do("CREATE TABLE written (who text)")
        yield one, two


def write(session, lease, *, now=None):
    """Write as an owner writes: renewal and what is written, in one transaction."""
    session.begin()
    try:
        lease.renew(session, at(now))
        session.do("INSERT INTO written VALUES (%s)", lease.owner)
        session.commit()
    except LeaseLost:
        session.rollback()
        raise


def written(session):
    return [who for (who,) in session.do("SELECT who FROM written").fetchall()]


def test_an_account_has_one_owner(sessions):
    one, two = sessions
    take(one, ACCOUNT, owner="one", terms=at(100.0))

    with pytest.raises(JobBusy, match="one"):
        take(two, ACCOUNT, owner="two", terms=at(100.0 + TTL_S - 1))
    assert take(two, f"{ACCOUNT}2", owner="two", terms=at(100.0)).epoch == 1


def test_a_frozen_owner_is_replaced_after_expiry_and_fenced_at_its_first_write(
    sessions,
):
    one, two = sessions
    old = take(one, ACCOUNT, owner="one", terms=at(100.0))
    write(one, old, now=101.0)

    new = take(two, ACCOUNT, owner="two", terms=at(101.0 + TTL_S))
    write(two, new, now=102.0 + TTL_S)
    with pytest.raises(LeaseLost, match=ACCOUNT):
        write(one, old, now=103.0 + TTL_S)

    assert (old.epoch, new.epoch) == (1, 2)
    assert written(two) == ["one", "two"]


def test_a_write_keeps_the_lease(sessions):
    one, two = sessions
    lease = take(one, ACCOUNT, owner="one", terms=at(100.0))
    write(one, lease, now=100.0 + TTL_S - 1)

    with pytest.raises(JobBusy):
        take(two, ACCOUNT, owner="two", terms=at(100.0 + TTL_S + 1))


def test_an_owner_whose_connection_ended_is_replaced_at_once(sessions, postgres):
    one, two = sessions
    take(one, ACCOUNT, owner="one")
    pid = one.connection.info.backend_pid
    two.do("SELECT pg_terminate_backend(%s, 10000)", pid)

    assert take(two, ACCOUNT, owner="two").epoch == 2


def test_an_owner_that_is_stopped_in_its_transaction_locks_nobody_out(sessions):
    one, two = sessions
    short = Terms(ttl_s=0.2)
    lease = take(one, ACCOUNT, owner="one", terms=short)
    one.begin()
    lease.renew(one, short)  # and nothing more: it is frozen here

    while True:
        with suppress(JobBusy):
            new = take(two, ACCOUNT, owner="two", terms=short)
            break

    assert new.epoch == 2
    with pytest.raises(LedgerUnreachable):
        one.commit()


def _connected(postgres):
    return {pid for (pid,) in postgres.execute("SELECT pid FROM pg_stat_activity")}


@pytest.mark.parametrize("rows", [1, 3])
def test_a_transaction_is_ended_wherever_its_owner_stops(sessions, postgres, rows):
    """Also after it wrote many rows at once; nobody else asks for the account here."""
    one, _ = sessions
    short = Terms(ttl_s=1.0)
    lease = take(one, ACCOUNT, owner="one", terms=short)
    pid = one.connection.info.backend_pid
    one.begin()
    lease.renew(one, short)
    one.do_each("INSERT INTO written VALUES (%s)", [("one",)] * rows)

    assert pid in _connected(postgres)
    until(lambda: pid not in _connected(postgres))


def test_an_owner_that_stands_still_too_long_is_cut_off_by_the_next(sessions):
    """Also where the server does not end its transaction."""
    one, two = sessions
    lease = take(one, ACCOUNT, owner="one", terms=at(100.0))
    one.do("SET idle_in_transaction_session_timeout = 0")
    one.begin()
    lease.renew(one, at(101.0))

    with pytest.raises(JobBusy, match="writes just now"):
        take(two, ACCOUNT, owner="two", terms=at(100.0 + TTL_S - 1))
    one.do("SELECT 1")  # in time: left alone
    with pytest.raises(JobBusy, match="writes just now"):
        take(two, ACCOUNT, owner="two", terms=at(100.0 + TTL_S))
    assert take(two, ACCOUNT, owner="two", terms=at(100.0 + TTL_S)).epoch == 2
    with pytest.raises(LedgerUnreachable):
        one.commit()


def test_a_released_account_is_free_at_once(sessions):
    one, two = sessions
    old = take(one, ACCOUNT, owner="one", terms=at(100.0))
    old.release(one, at(101.0))
    new = take(two, ACCOUNT, owner="two", terms=at(101.5))
    old.release(one, at(102.0))

    write(two, new, now=103.0)
    assert written(one) == ["two"]


def test_a_new_owner_counts_the_last_window_as_full(sessions):
    one, two = sessions
    first = take(one, ACCOUNT, owner="one", terms=at(100.0))
    write(one, first, now=110.0)
    first.release(one, at(112.0))
    second = take(two, ACCOUNT, owner="two", terms=at(130.0))

    assert first.pause_s(60.0) == 0
    assert second.pause_s(60.0) == 42.0
    assert second.pause_s(10.0) == 0


def test_an_owner_that_connects_anew_in_time_goes_on(sessions):
    one, two = sessions
    lease = take(one, ACCOUNT, owner="one", terms=at(100.0))
    one.mend()
    write(one, lease, now=101.0)

    with pytest.raises(JobBusy):
        take(two, ACCOUNT, owner="two", terms=at(102.0))


@pytest.mark.parametrize(
    ("before", "paused_s"), [("elsewhere pid 1", 60.0), ("{shared} pid 1", 0.0)]
)
def test_a_run_waits_for_the_window_of_another_host_and_not_of_its_own(
    database, tmp_path, before, paused_s
):
    host = HostFolder(tmp_path / "shared")
    shared = f"{platform.node()}:{host.path}"
    pace = Pace(Rate(1, 60.0), log=MemoryLog(clock=lambda: 5.0), clock=lambda: 5.0)
    connections = Connections(
        attachers={},
        turns={},
        paces={"a": pace},
        counted={"a": ACCOUNT},
        label="",
        host=host,
        scope="",
    )
    with (
        closing(PostgresLedger.create(database, "run", tool="test")) as ledger,
        closing(Session(database, "", writes=True)) as other,
    ):
        take(other, ACCOUNT, owner=before.format(shared=shared)).release(other)
        with owning(ledger, [Lane(0, "a", "host/g0")], connections) as owned:
            epoch = owned.leases["a"].epoch
            with pytest.raises(JobBusy):
                take(other, ACCOUNT, owner="other")
        after = take(other, ACCOUNT, owner="other").epoch

    assert (epoch, after) == (2, 3)
    assert pace.paused_s == pytest.approx(paused_s, abs=30)


# --- any order of things --------------------------------------------------------------


class Owners(RuleBasedStateMachine):
    """Three processes, one account, a clock; a model says who owns it."""

    url = ""

    def __init__(self):
        super().__init__()
        self.now = 1000.0
        self.sessions = [Session(self.url, "", writes=True) for _ in range(3)]
        self.sessions[0].do("DELETE FROM bulkbind.lease")
        self.leases: list[Lease | None] = [None, None, None]
        self.epoch = 0
        self.owner = None
        self.expires = 0.0
        self.is_released = False

    @property
    def is_free(self):
        return self.owner is None or self.expires <= self.now

    @rule(who=st.integers(0, 2))
    def take(self, who):
        is_own = self.owner == who
        try:
            lease = take(
                self.sessions[who], ACCOUNT, owner=str(who), terms=at(self.now)
            )
        except JobBusy:
            assert not self.is_free
            assert not is_own
            return
        assert self.is_free or is_own
        assert lease.epoch == self.epoch + 1
        self.leases[who] = lease
        self.epoch, self.owner = lease.epoch, who
        self.expires, self.is_released = self.now + TTL_S, False

    @rule(who=st.integers(0, 2))
    def write(self, who):
        lease = self.leases[who]
        if lease is None:
            return
        session = self.sessions[who]
        session.begin()
        try:
            lease.renew(session, at(self.now))
            session.commit()
        except LeaseLost:
            session.rollback()
            assert lease.epoch < self.epoch or self.is_released
        else:
            assert lease.epoch == self.epoch
            assert not self.is_released
            self.owner, self.expires = who, self.now + TTL_S

    @rule(seconds=st.sampled_from([1.0, TTL_S / 3, TTL_S]))
    def wait(self, seconds):
        self.now += seconds

    @rule(who=st.integers(0, 2))
    def release(self, who):
        lease = self.leases[who]
        if lease is not None:
            lease.release(self.sessions[who], at(self.now))
            if lease.epoch == self.epoch:
                self.owner, self.expires, self.is_released = None, 0.0, True

    @precondition(lambda self: any(self.leases))
    @rule(who=st.integers(0, 2))
    def die(self, who):
        other = self.sessions[(who + 1) % 3]
        pid = self.sessions[who].connection.info.backend_pid
        other.do("SELECT pg_terminate_backend(%s, 10000)", pid)
        self.sessions[who].close()
        self.sessions[who] = Session(self.url, "", writes=True)
        self.leases[who] = None
        if self.owner == who:
            self.owner = None

    @invariant()
    def the_row_says_what_the_model_says(self):
        rows = self.sessions[0].do("SELECT epoch FROM bulkbind.lease").fetchall()
        assert rows == ([(self.epoch,)] if self.epoch else [])

    def teardown(self):
        for session in self.sessions:
            session.close()


def test_in_any_order_there_is_one_owner_and_older_ones_are_fenced(database):
    with closing(Session(database, "", writes=True)) as session:
        session.prepare(tool="test")

    class Here(Owners):
        url = database

    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        Here, settings=settings(max_examples=30, stateful_step_count=30, deadline=None)
    )
