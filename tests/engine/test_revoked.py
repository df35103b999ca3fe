"""A token that is refused while six lanes work with it."""

import anyio
import pytest

from bulkbind.sandbox import Clock, SandboxOptions, parse_weather
from tests.cloud import PASSWORD, cloud
from tests.factories import PROJECT, bindings, gateways, write_job, write_manifest

LANES = 6
FIRST = "sandbox"
SECOND = "the-second-token-that-is-given"
WANTED = bindings(120, gateways=LANES)
WEATHER = parse_weather("token_life=100s")


class Hour:
    """A clock that leaps once ten requests were let in: the first token is over."""

    def __init__(self) -> None:
        self.requests = 0
        self.leaps = lambda: None
        self.clock = Clock(monotonic=self._now, sleep=self._sleep)

    def _now(self) -> float:
        return 1000.0 if self.requests > 10 else 0.0

    async def _sleep(self, seconds: float) -> None:
        self.requests += 1
        if self.requests == 11:
            self.leaps()
        await anyio.lowlevel.checkpoint()


@pytest.fixture
def hour():
    return Hour()


@pytest.fixture
def served(tmp_path, hour):
    options = SandboxOptions(token=SECOND, weather=WEATHER)
    world = tmp_path / "world.db"
    with gateways(world, WANTED, options=options, clock=hour.clock) as found:
        yield found


@pytest.fixture
def iam(monkeypatch):
    monkeypatch.setenv("HW_USER_NAME", "robot")
    monkeypatch.setenv("HW_USER_PASSWORD", PASSWORD)
    monkeypatch.setenv("HW_DOMAIN_NAME", "company")
    with cloud(tokens=(FIRST, SECOND), now=4e9) as found:
        yield found


@pytest.fixture
def job(folder, served, iam):
    write_manifest(folder / "apis.csv", WANTED)
    account = (
        f'[account]\nendpoint = "{served.url}"\niam_endpoint = "{iam.url}"\n'
        f'project_id = "{PROJECT}"\n[pace]\nrate = "unlimited"\n[plan]\nbatch_size = 4\n'
    )
    return write_job(folder / "job.toml", account)


def refused(served):
    return served.requests["unauthorized"]


def test_it_is_renewed_once_and_every_row_is_bound(bulkbind, served, iam, job):
    said = bulkbind("run", job)

    assert said.code == 0
    assert served.bound == {row.bound for row in WANTED}
    assert iam.given["token"] == 2
    assert 1 <= refused(served) <= LANES


def test_refused_for_good_each_lane_stops_and_a_resume_finishes(
    bulkbind, served, iam, job, hour, monkeypatch
):
    def revoke() -> None:
        iam.status = 401

    hour.leaps = revoke
    said = bulkbind("run", job)
    asked = len(iam.asked)
    stopped = refused(served)
    monkeypatch.setenv("BULKBIND_TOKEN", SECOND)
    resumed = bulkbind("resume", "latest")

    assert said.code == 3
    assert asked == 2
    assert 1 <= stopped <= LANES
    assert resumed.code == 0
    assert served.bound == {row.bound for row in WANTED}
