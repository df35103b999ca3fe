"""How a lane reads lists: at the account's pace, again where that helps, else not.

``Scene`` is one lane's own tools over a gateway in memory: the real client, pace and
ledger, and no socket. Time is virtual.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import anyio
import pytest

from bulkbind.auth import Token
from bulkbind.errors import AnswerLost
from bulkbind.gateway import Gateway
from bulkbind.http import Answer
from bulkbind.ledger import InlineExecutor, LedgerRecorder, SqliteLedger
from bulkbind.model import Action, Batch, Lane, Record, Reply, Secret, Target
from bulkbind.pace import MemoryLog, Pace, Rate
from bulkbind.retry import RetryPolicy
from bulkbind.run import Engine, MaxFailed, Observer, RunSettings
from bulkbind.run.progress import Progress
from bulkbind.run.reading import Reading
from bulkbind.run.waiting import Waiting
from bulkbind.sandbox import MemoryWorld, Request, SandboxOptions, Service, fill
from bulkbind.sandbox.faults import Fault, make_plan
from bulkbind.sandbox.weather import Outage, Weather
from tests.clock import run_virtually
from tests.factories import PROJECT, bindings, rows_of

T = TypeVar("T")

LATENCY_S = 0.01
EPOCH_S = 1_767_225_600.0
POLICY = RetryPolicy(max_attempts=4)
CALM = Weather()


class Way:
    """What ``Gateway`` sends with: straight to the sandbox's gateways."""

    def __init__(self, world: MemoryWorld) -> None:
        self.world = world
        self.asked: list[str] = []
        """What was read: the last part of the path, and the offset."""
        self.change(CALM)

    def change(self, weather: Weather, rate: tuple[int, float] | None = None) -> None:
        """Let the weather be another one from now on."""
        options = SandboxOptions(weather=weather, rate=rate)
        started = anyio.current_time()
        self.service = Service(self.world, options=options, started=started)

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> Answer:
        await anyio.sleep(LATENCY_S)
        if method == "GET":
            path, _, query = url.partition("?")
            offset = query.rpartition("=")[2]
            self.asked.append(f"{path.rpartition('/')[2]} {offset}")
        now = anyio.current_time()
        seen = self.service.ask(
            Request(method, url), body=body or b"", now=now, now_ns=int(1e9 * wall())
        )
        if not seen.is_whole:
            message = "the connection was cut"
            raise AnswerLost(message)
        return Answer(seen.status, seen.headers, seen.body)


def wall() -> float:
    return EPOCH_S + anyio.current_time()


class Waits(Observer):
    """Remembers why the lane waited."""

    def __init__(self) -> None:
        self.why: list[str] = []

    def lane_waits(self, lane: Lane, *, why: str, seconds: float) -> None:
        self.why.append(why)


class Scene:
    """One lane and its target, some batches, and a gateway that has their APIs."""

    def __init__(
        self,
        ledger: SqliteLedger,
        *,
        batches: int = 1,
        size: int = 5,
        rate: Rate,
        max_failed: MaxFailed | None = None,
        **planted: int,
    ) -> None:
        rows = bindings(batches * size)
        first = rows[0]
        self.lane = Lane(0, "default", "host/gateway")
        self.target = Target(
            0,
            "default",
            PROJECT,
            *(first.instance_id, first.plugin_id, first.env_id),
            *(0, first.plugin_type),
        )
        self.ids = [row.api_id for row in rows]
        self.batches = [
            _batch(number, self.ids[number * size :][:size])
            for number in range(batches)
        ]
        self.ledger = ledger
        self.world = MemoryWorld()
        fill(self.world, rows_of(rows), **planted)
        self.way = Way(self.world)
        self.waits = Waits()
        self._plan()
        self.tools = self._engine(rate, max_failed)._tools()["default"]
        self.tools.breaker.join(0)
        self.waiting = Waiting(self.lane, self.tools)
        self.reading = Reading(self.lane, self.tools, self.waiting)

    def _plan(self) -> None:
        ledger = self.ledger
        ledger.begin()
        ledger.put_plan(lanes=[self.lane], targets=[self.target], asides=[])
        ledger.put_batches(self.batches)
        self.invocation = ledger.start(command="run", operator="me", pid=1, at=1.0)
        ledger.commit()

    def _engine(self, rate: Rate, max_failed: MaxFailed | None) -> Engine:
        clock = anyio.current_time
        self.gateway = Gateway(
            self.way,
            endpoint="",
            project_id=PROJECT,
            credential=Token(Secret("sandbox"), label="test"),
        )
        self.pace = Pace(rate, log=MemoryLog(clock=clock), clock=clock)
        return Engine(
            attachers={"default": self.gateway},
            turns={"default": self.pace},
            recorder=LedgerRecorder(InlineExecutor(self.ledger)),
            locks=_no_lock,
            observer=self.waits,
            settings=RunSettings(retry=POLICY, max_failed=max_failed),
            invocation=self.invocation,
            now=wall,
            random=Random(7),  # noqa: S311 - seeded
        )

    # --- what happened before --------------------------------------------------------

    async def bind(self, api_ids: Sequence[str]) -> Reply:
        """Attach some APIs past the ledger."""
        return await self.gateway.apply(Action.ATTACH, self.target, api_ids)

    def write(self, *records: Record) -> None:
        """Put records in the ledger."""
        self.ledger.begin()
        for record in records:
            self.ledger.put_record(record)
        self.ledger.commit()

    async def halt_in(self, seconds: float) -> None:
        """Stop the run after some seconds."""
        await anyio.sleep(seconds)
        self.tools.halt.stop("SIGINT")

    def progress(self, number: int = 0) -> Progress:
        """Return where a batch stands, by its records in the ledger."""
        return Progress(self.batches[number], self.records(number))

    def records(self, number: int = 0) -> list[Record]:
        """Return what the ledger says of a batch."""
        found = {batch.id: records for batch, records in self.ledger.batches(0)}
        return found[self.batches[number].id]


@asynccontextmanager
async def _no_lock(gateway: str) -> AsyncIterator[None]:
    yield


def _batch(number: int, api_ids: Sequence[str]) -> Batch:
    first = number * len(api_ids)
    return Batch(
        id=number + 1,
        target=0,
        lane=0,
        action=Action.ATTACH,
        rows=tuple(range(first, first + len(api_ids))),
        api_ids=tuple(api_ids),
    )


def play(
    folder: Path,
    story: Callable[[Scene], Coroutine[Any, Any, T]],
    *,
    rate: Rate = Rate(0, 1.0),  # noqa: B008 - frozen
    **how: Any,
) -> T:
    """Play a story in virtual time, in a scene of its own."""

    async def main() -> T:
        ledger = SqliteLedger.create(folder / "ledger.db", tool="test")
        try:
            return await story(Scene(ledger, rate=rate, **how))
        finally:
            ledger.close()

    return run_virtually(main)


def failing(fault: Fault, *, in_a_row: int, **conditions: Any) -> Weather:
    """Let every read fail, but one after so many in a row."""
    plan = make_plan({fault: 1.0}, longest_run=in_a_row)
    return Weather(reads=plan, **conditions)


# --- a list is read -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page_limit", "asked"),
    [(500, ["apis 0"]), (5, ["apis 0"]), (2, ["apis 0", "apis 2", "apis 4"])],
)
def test_a_list_is_read_page_by_page_to_its_end(tmp_path, page_limit, asked):
    async def story(scene):
        scene.way.change(Weather(page_limit=page_limit))
        listing = await scene.reading.apis(scene.target.instance_id)
        return set(listing.items) == set(scene.ids), listing.proves_absence, scene.way

    is_all, proves, way = play(tmp_path, story)
    assert (is_all, proves) == (True, True)
    assert way.asked == asked


def test_what_a_plugin_is_attached_to_is_read_by_target(tmp_path):
    async def story(scene):
        await scene.bind(scene.ids[:3])
        listing = await scene.reading.attached(scene.target)
        return set(listing.items) == set(scene.ids[:3]), scene.way.asked

    assert play(tmp_path, story) == (True, ["attached-apis 0"])


def test_every_page_is_counted_in_the_ledger_those_that_failed_too(tmp_path):
    async def story(scene):
        scene.way.change(failing(Fault.READ_ERROR, in_a_row=1, page_limit=2))
        await scene.reading.apis(scene.target.instance_id)
        return scene.ledger.reads(), len(scene.way.asked)

    assert play(tmp_path, story) == (6, 6)


def test_every_page_waits_for_the_accounts_turn(tmp_path):
    async def story(scene):
        scene.way.change(Weather(page_limit=2))
        began = anyio.current_time()
        await scene.reading.apis(scene.target.instance_id)
        return anyio.current_time() - began

    assert play(tmp_path, story, rate=Rate(1, 60.0)) >= 120.0


# --- a page fails ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [Fault.READ_ERROR, Fault.READ_LOST, Fault.READ_502, Fault.READ_CUT]
)
def test_a_page_that_fails_in_passing_is_asked_for_again(tmp_path, fault):
    async def story(scene):
        scene.way.change(failing(fault, in_a_row=POLICY.max_attempts - 1))
        listing = await scene.reading.apis(scene.target.instance_id)
        return len(listing.items), scene.way.asked, scene.waits.why

    assert play(tmp_path, story) == (5, ["apis 0"] * 4, ["reading failed"] * 3)


def test_a_good_page_gives_the_next_one_all_attempts_again(tmp_path):
    async def story(scene):
        weather = failing(Fault.READ_ERROR, in_a_row=3, page_limit=2)
        scene.way.change(weather)
        listing = await scene.reading.apis(scene.target.instance_id)
        return len(listing.items), len(scene.way.asked)

    assert play(tmp_path, story) == (5, 12)


def test_a_list_is_given_up_when_one_page_has_had_its_attempts(tmp_path):
    async def story(scene):
        scene.way.change(failing(Fault.READ_ERROR, in_a_row=0))
        listing = await scene.reading.apis(scene.target.instance_id)
        return listing, scene.reading.refusal.code, len(scene.way.asked)

    assert play(tmp_path, story) == (None, "APIG.9999", POLICY.max_attempts)


@pytest.mark.parametrize(
    ("weather", "code"),
    [
        (Weather(outages=(Outage("away", 0.0, 1e9),)), "APIG.3030"),
        (failing(Fault.READ_EXPIRED, in_a_row=0), "APIG.1001"),
    ],
    ids=["the gateway is gone", "the token has expired"],
)
def test_a_list_is_given_up_at_once_when_asking_again_cannot_help(
    tmp_path, weather, code
):
    async def story(scene):
        scene.way.change(weather)
        listing = await scene.reading.apis(scene.target.instance_id)
        return listing, scene.reading.refusal.code, len(scene.way.asked)

    assert play(tmp_path, story) == (None, code, 1)


def test_a_refusal_is_forgotten_when_the_next_list_is_read(tmp_path):
    async def story(scene):
        scene.way.change(failing(Fault.READ_ERROR, in_a_row=0))
        await scene.reading.apis(scene.target.instance_id)
        scene.way.change(CALM)
        await scene.reading.apis(scene.target.instance_id)
        return scene.reading.refusal

    assert play(tmp_path, story) is None


@pytest.mark.parametrize("retry_after", ["none", "seconds", "date"])
def test_being_too_fast_is_no_failure_and_slows_the_whole_account(
    tmp_path, retry_after
):
    async def story(scene):
        weather = Weather(page_limit=1, retry_after=retry_after)
        scene.way.change(weather, rate=(1, 1.0))
        listing = await scene.reading.apis(scene.target.instance_id)
        return len(listing.items), set(scene.waits.why), str(scene.pace.rate)

    assert play(tmp_path, story) == (5, {"throttled"}, "1/s")


# --- a list that is not what it should be ---------------------------------------------


@pytest.mark.parametrize("fault", [Fault.REPEATED_PAGE, Fault.MOVING_TOTAL])
def test_an_odd_list_is_read_to_an_end_and_proves_no_absence(tmp_path, fault):
    async def story(scene):
        scene.way.change(failing(fault, in_a_row=0, page_limit=2))
        listing = await scene.reading.apis(scene.target.instance_id)
        return listing.is_done, listing.proves_absence

    assert play(tmp_path, story) == (True, False)


# --- the run halts --------------------------------------------------------------------


def test_a_halted_run_asks_for_nothing(tmp_path):
    async def story(scene):
        scene.tools.halt.stop("SIGINT")
        listing = await scene.reading.apis(scene.target.instance_id)
        return listing, scene.reading.refusal, scene.way.asked

    assert play(tmp_path, story) == (None, None, [])


def test_a_halt_ends_the_wait_for_a_turn(tmp_path):
    async def story(scene):
        scene.way.change(Weather(page_limit=2))
        began = anyio.current_time()
        async with anyio.create_task_group() as group:
            group.start_soon(scene.halt_in, 5.0)
            listing = await scene.reading.apis(scene.target.instance_id)
        return listing, anyio.current_time() - began < 6.0, scene.way.asked

    assert play(tmp_path, story, rate=Rate(1, 60.0)) == (None, True, ["apis 0"])


def test_a_page_that_is_out_is_waited_for_and_no_other_is_asked_for(tmp_path):
    async def story(scene):
        scene.way.change(Weather(page_limit=2))
        async with anyio.create_task_group() as group:
            group.start_soon(scene.halt_in, LATENCY_S / 2)
            listing = await scene.reading.apis(scene.target.instance_id)
        return listing, scene.way.asked

    assert play(tmp_path, story) == (None, ["apis 0"])
