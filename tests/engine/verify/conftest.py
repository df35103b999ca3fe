"""Gateways on which a run has bound everything, for all that reads it back."""

import pytest

from tests.drift import rival
from tests.factories import bindings, write_manifest

#: Rows of two gateways.
MANY = 60


@pytest.fixture(autouse=True)
def reads(live, monkeypatch):
    """What runs do by default, but that nobody waits for lists that lag."""
    monkeypatch.setenv("BULKBIND_RETRY_SECOND_LOOK", "0")


@pytest.fixture
def rows():
    return bindings(MANY, gateways=2)


@pytest.fixture
def bound(bulkbind, folder, serve, remote, rows):
    """Serve gateways on which a run has bound everything."""
    manifest = write_manifest(folder / "apis.csv", rows)
    with serve([*rows, *map(rival, rows)]) as served:
        assert bulkbind("run", manifest, *remote(served)).code == 0
        yield served
