"""Rows of the PostgreSQL tables and their seals; pure.

A seal is the CRC-32 of a table's name and a row's columns, the same number that the
SQLite ledger keeps.
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from bulkbind.errors import LedgerDamaged
from bulkbind.ledger.codec import check, damaged, decode_record
from bulkbind.ledger.postgres_schema import AS_BYTES, COPIED
from bulkbind.ledger.schema import FRESH, SETTLED, STARTED
from bulkbind.model import Record, Settled


class Work(NamedTuple):
    """Where a batch stands."""

    batch: int
    lane: int
    target: int
    size: int
    state: int = FRESH
    done: int = 0
    unchanged: int = 0
    kept: int = 0
    failed: int = 0
    poisoned: int = 0

    def begin(self) -> "Work":
        """Note that something of the batch was sent."""
        return self._replace(state=STARTED) if self.state == FRESH else self

    def poison(self) -> "Work":
        """Note that the batch was refused as a whole."""
        return self._replace(poisoned=1)

    def settle(self, counts: Settled, *, settled: bool) -> "Work":
        """Note how many rows have an answer of their own."""
        state = SETTLED if settled else STARTED
        done, unchanged, kept, failed = counts
        return self._replace(
            state=state, done=done, unchanged=unchanged, kept=kept, failed=failed
        )

    def fail(self) -> "Work":
        """Note that the batch will never be sent."""
        return self._replace(state=SETTLED, failed=self.size)

    def retry(self) -> "Work":
        """Open the batch again for its rows that failed."""
        return self._replace(state=STARTED, failed=0)

    def forget(self) -> "Work":
        """Open the batch again, as it was before it was judged."""
        return self._replace(state=FRESH, unchanged=0, kept=0, failed=0)


def seal(table: str, *values: object) -> int:
    """Return the seal of a row."""
    return zlib.crc32(repr((table, *values)).encode())


def unsealed(table: str, rows: Iterable[tuple[Any, ...]]) -> Iterator[list[Any]]:
    """Yield rows without their last column, the seal.

    Raises:
        LedgerDamaged: A row is not what was written.
    """
    in_bytes = [(table, name) in AS_BYTES for name in COPIED[table]]
    for row in rows:
        *values, sealed = [
            bytes(value).decode(errors="replace") if is_bytes else value
            for value, is_bytes in zip(row, in_bytes, strict=True)
        ]
        if seal(table, *values) != sealed:
            raise LedgerDamaged(damaged(table, row[0]))
        yield values


def unsealed_stops(
    rows: Iterable[tuple[str, str, int, bytes, int, int]],
) -> Iterator[tuple[str, str, int, bytes, int]]:
    """Yield stops without their seal, which does not cover the body: the CRC does.

    Raises:
        LedgerDamaged: A row is not what was written.
    """
    for scope, key, lifted, body, crc, sealed in rows:
        if seal("stop", scope, key, lifted, crc) != sealed:
            raise LedgerDamaged(damaged("stop", f"{scope}/{key}"))
        yield scope, key, lifted, body, crc


def record_of(batch: int, kind: str, why: str, body: bytes, crc: int) -> Record:
    """Return the record that a row holds.

    Raises:
        LedgerDamaged: It is not what was written.
    """
    sound = check("record", f"{batch}/{kind}/{why}", body, crc)
    return decode_record(batch, kind, sound)
