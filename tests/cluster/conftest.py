"""The cluster ring lives in the surroundings of the engine ring, beside PostgreSQL."""

import pytest

from tests.engine import conftest as engine
from tests.postgres import running_postgres

surroundings = engine.surroundings
folder = engine.folder
state = engine.state
bulkbind = engine.bulkbind
live = engine.live
serve = engine.serve
remote = engine.remote


@pytest.fixture
def database(postgres):
    """URL of an empty database."""
    return postgres.url(postgres.new_database())


@pytest.fixture
def server():
    """A server of this test's own, which it may end."""
    with running_postgres() as server:
        yield server
