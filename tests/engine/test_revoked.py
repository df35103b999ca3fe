"""A token that is refused while six lanes work with it."""

from bisect import bisect_left

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


# --- two accounts ---------------------------------------------------------------------

#: Requests a second of each account.
PACES = {"default": 40, "pay": 20}


def windows(served):
    """Return the most attaches that came within any second."""
    times = [seen.at for seen in served.journal]
    return max(bisect_left(times, at + 1) - place for place, at in enumerate(times))


def test_one_accounts_revoked_key_leaves_the_other_its_work_and_each_its_pace(
    bulkbind, folder, state, tmp_path, hour, monkeypatch
):
    mine, theirs = bindings(80), WANTED
    monkeypatch.setenv("BULKBIND_TOKEN", FIRST)
    monkeypatch.setenv("PAY_TOKEN", FIRST)
    with (folder / "apis.csv").open("w") as file:
        file.write("account,instance_id,plugin_id,plugin_type,env_id,api_id\n")
        for account, rows in (("default", mine), ("pay", theirs)):
            file.writelines(f"{account},{','.join(row[:5])}\n" for row in rows)
    revoked = SandboxOptions(token=FIRST, weather=WEATHER)
    with (
        gateways(
            tmp_path / "mine.db", mine, options=SandboxOptions(token=FIRST)
        ) as one,
        gateways(
            tmp_path / "theirs.db", theirs, options=revoked, clock=hour.clock
        ) as other,
    ):
        accounts = (
            f'[account]\nendpoint = "{one.url}"\nproject_id = "{PROJECT}"\n'
            f'rate = "{PACES["default"]}/s"\n'
            f'[accounts.pay]\nendpoint = "{other.url}"\nproject_id = "{PROJECT}"\n'
            f'credential = "env:PAY_"\nrate = "{PACES["pay"]}/s"\n'
            "[plan]\nbatch_size = 2\n"
        )
        said = bulkbind("run", write_job(folder / "job.toml", accounts))

        assert one.bound == {row.bound for row in mine}
        assert 0 < len(other.bound) < len(theirs)
        assert refused(other) <= LANES
        assert windows(one) <= PACES["default"] + 1
        assert windows(other) <= PACES["pay"] + 1
    assert said.code == 3
