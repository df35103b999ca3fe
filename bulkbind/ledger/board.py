"""The board of a database: what hosts tell each other beside the ledgers.

Orders to a run at work, which stay until its next invocation begins, for whoever comes
to work on it meanwhile; what its processes say they are doing; the holds of jobs; and
which runs there are. Nothing here decides what is sent twice: that is in the ledgers and
leases.
"""

from typing import NamedTuple

from bulkbind.ledger import postgres_schema as schema
from bulkbind.ledger.postgres_session import Session


class Asked(NamedTuple):
    """An order."""

    number: int
    """Rises with each one."""
    name: str
    body: bytes


class Told(NamedTuple):
    """What a process said last of its work."""

    body: bytes
    age_s: float
    """How long ago, by the server's clock; seconds."""


class Board:
    """Reads and writes the board; in a transaction, if one is open.

    Args:
        session: Connected; it has found its run for what is about one.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def runs(self, job: str | None = None) -> list[str]:
        """Return the id of every run, oldest first; of one job, if it is named."""
        if not self._session.has_tables():
            return []
        if job is None:
            found = self._session.do(schema.GET_RUNS)
        else:
            found = self._session.do(schema.GET_RUNS_OF, job.encode())
        return [run_id for (run_id,) in found.fetchall()]

    def is_job_held(self, job: str) -> bool:
        """Tell whether some host works on a job."""
        key = self._session.job_key(job)
        return bool(self._session.one(schema.IS_LOCKED, schema.LOCKS + 1, key)[0])

    # --- of the session's run ---------------------------------------------------------

    def is_worked_on(self) -> bool:
        """Tell whether a connected process writes to the run's ledger."""
        key = self._session.run % (1 << 31)
        return bool(self._session.one(schema.IS_LOCKED, schema.LOCKS, key)[0])

    def ask(self, name: str, body: bytes) -> int:
        """Leave an order for whoever works on the run; return its number."""
        return int(self._session.one(schema.ASK, self._session.run, name, body)[0])

    def asked(self) -> list[Asked]:
        """Return what was asked of the newest invocation, in that order."""
        return [Asked(*row) for row in self._session.rows(schema.GET_ASKED)]

    def forget(self, *names: str, until: int | None = None) -> None:
        """Forget orders of some names, up to a number; None: all of them."""
        self._session.do(schema.DROP_ASKED, self._session.run, list(names), until)

    def tell(self, who: str, body: bytes) -> None:
        """Say what a process does now.

        Args:
            who: The account that it works; empty: all, or it has others work them.
            body: What it does.
        """
        self._session.do(schema.TELL, self._session.run, who, body)

    def told(self) -> list[Told]:
        """Return what every process said last; the one that works all comes first."""
        return [Told(*row) for row in self._session.rows(schema.GET_TOLD)]

    def fall_silent(self, who: str) -> None:
        """Forget what a process said; it has ended."""
        self._session.do(schema.DROP_TOLD, self._session.run, who)

    # --- holds ------------------------------------------------------------------------

    def place_hold(self, job: str, body: bytes) -> None:
        """Put a job on hold; one that is there already stands."""
        self._session.do(schema.PUT_HOLD, job, body)

    def hold_of(self, job: str) -> bytes | None:
        """Return the hold that a job has; None: it has none."""
        if not self._session.has_tables():
            return None
        found = self._session.one(schema.GET_HOLD, job)
        return bytes(found[0]) if found else None

    def release_hold(self, job: str) -> None:
        """Take a job's hold away."""
        if self._session.has_tables():
            self._session.do(schema.DROP_HOLD, job)
