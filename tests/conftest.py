"""For every ring: hypothesis judges answers, not speed; machines are shared."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.postgres import PostgresServer, running_postgres

settings.register_profile("bulkbind", deadline=None)
settings.load_profile("bulkbind")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for everybody who does not end it."""
    with running_postgres() as server:
        yield server
