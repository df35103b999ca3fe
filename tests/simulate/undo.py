"""Worlds that are run over and undone: ``python -m tests.simulate.undo --seeds 1000``.

A seed draws a world in which many slots are taken, a manifest over it, and faults; the
job is planned live, run and undone, each of them killed and resumed some times, with
edits of others in between. In the end every slot that the run changed and nobody else
did holds what it held before; every other slot holds what others left there.
"""

import argparse
import asyncio
import csv
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from bulkbind.auth import Token
from bulkbind.gateway import Gateway
from bulkbind.job.connecting import Connections
from bulkbind.job.folders import RunFolder, StateFolder
from bulkbind.job.judging import Reader
from bulkbind.job.planning import draw_plan
from bulkbind.job.reading import Surroundings
from bulkbind.job.reporting import judge_run
from bulkbind.job.restoring import draw_undo
from bulkbind.job.running import Errand, engine_of
from bulkbind.job.undoing import undo_settings
from bulkbind.ledger import LedgerRecorder, SqliteLedger
from bulkbind.model import ID_COLUMNS, Action, RunState, Secret, Verdict
from bulkbind.pace import MemoryLog, Pace, Rate
from bulkbind.plan import OnReplace
from bulkbind.report import JudgedRow
from bulkbind.run import Observer
from bulkbind.sandbox import MemoryWorld, fill
from bulkbind.settings import AccountSettings, JobSettings
from tests.simulate.case import CALM, Ending, seeded
from tests.simulate.chronicle import Chronicle, Slot
from tests.simulate.life import SeededLoop, bury
from tests.simulate.power import Power, WatchedExecutor, WatchedLedger
from tests.simulate.server import EPOCH, Server, Wire
from tests.simulate.undo_case import UndoCase, draw_undo_case, slot_of

T = TypeVar("T")

#: Lives under a clear sky after which a run must be over.
PATIENCE = 12


#: Seconds after which a life is drained.
LONGEST_S = 1800.0


class Wrong(AssertionError):
    """A slot or a row is not what it should be."""


class _Host:
    """One process: nobody else holds a gateway."""

    @asynccontextmanager
    async def gateway(self, _: str, **__: object) -> AsyncIterator[None]:
        await asyncio.sleep(0)
        yield


@dataclass
class Ran:
    """A run's folder, and what is counted of its lives."""

    folder: RunFolder
    settings: JobSettings
    kills: int = 0


class Story:
    """One seed.

    Args:
        seed: Decides everything.
        folder: Empty.
    """

    def __init__(self, seed: int, folder: Path) -> None:
        self.case = _milder(draw_undo_case(seed))
        self._folder = folder
        self._now = 1000.0
        self._world = MemoryWorld()
        self._server = Server(self.case.case, self._world, say=None)
        self.chronicle = Chronicle(self._world, now=lambda: EPOCH + self._now)
        self._server.acted = self.chronicle.acted
        self._log = {
            n: MemoryLog(clock=lambda: self._now) for n in _accounts(self.case)
        }
        self._is_clear = False
        self._loop: SeededLoop | None = None

    # --- the plot --------------------------------------------------------------------

    def play(self) -> Counter[str]:
        """Play it.

        Raises:
            Wrong: The end is not what it should be.
        """
        self._make_world()
        self._begin_weather()
        run = Ran(RunFolder(self._empty("run")), self._settings())
        self._until_done(lambda: self._draw(run))
        self._live(run, self.case.endings["run"], looks_anew=False)
        ran = dict(self.chronicle.held)
        self._check_report(run, displaced=True)
        for edit in self.case.edits:
            self.chronicle.edit(edit.slot, edit.plugin_id)
        edited = dict(self.chronicle.held)
        self._now += 60.0
        sent = self._sent(run)
        undo = Ran(RunFolder(self._empty("undo")), self._undo_settings(run))
        rows = 0
        if sent:
            rows = self._until_done(lambda: self._draw_undo(run, undo))
        if rows:
            self._live(undo, self.case.endings["undo"], looks_anew=True)
            self._check_report(undo, displaced=False)
        self._check_end(sent, edited)
        return Counter(
            kills=run.kills + undo.kills,
            rows=len(self.case.rows),
            sent=len(sent),
            edits=sum(ran.get(s) != edited.get(s) for s in {*ran, *edited}),
            displaced=sum(bool(self._before.get(slot)) for slot in sent),
        )

    # --- what there is ---------------------------------------------------------------

    def _make_world(self) -> None:
        case = self.case
        fill(
            self._world,
            [row for row in (*case.ground, *case.rows) if not self._is_absent(row)],
            missing=case.case.missing,
            unpublished=case.case.unpublished,
            seed=case.case.seed,
        )
        for slot, holder in case.held.items():
            self.chronicle.edit(slot, holder)
        self.chronicle.begin()
        self._before = dict(self.chronicle.held)

    def _is_absent(self, row: Any) -> bool:
        return row.plugin_id in self.case.case.absent

    def _begin_weather(self) -> None:
        self._server.start(self.case.case.options, now=self._now)

    def _settings(self) -> JobSettings:
        manifest = self._folder / "apis.csv"
        with manifest.open("w", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(ID_COLUMNS)
            lines.writerows([getattr(r, c) for c in ID_COLUMNS] for r in self.case.rows)
        case = self.case.case
        return JobSettings(
            name="simulated",
            source=manifest,
            manifest=(manifest,),
            base=self._folder,
            action=self.case.action,
            accounts={
                name: AccountSettings(name=name, endpoint="https://sim.example.com")
                for name in _accounts(self.case)
            },
            batch_size=case.batch_size,
            rate=(0, 1.0),
            concurrency=case.concurrency,
            max_attempts=case.retry.max_attempts,
            probe_wait_s=case.retry.probe_wait_s,
            second_look_s=self.case.second_look_s,
            on_replace=OnReplace.ALLOW,
            on_conflict=case.on_conflict,
            rebind=self.case.rebind and self.case.action is Action.ATTACH,
            live_max_age_s=self.case.live_max_age_s,
        )

    def _undo_settings(self, run: Ran) -> JobSettings:
        return undo_settings(run.folder.facts(), lambda settings: settings)

    def _empty(self, name: str) -> Path:
        folder = self._folder / name
        folder.mkdir()
        return folder

    # --- time and wires --------------------------------------------------------------

    def _virtually(self, main: Coroutine[Any, Any, T]) -> T:
        """Run something to its end."""
        loop = self._open_loop()
        try:
            return loop.run_until_complete(main)
        finally:
            self._close_loop(loop, is_killed=False)

    def _open_loop(self) -> SeededLoop:
        order = seeded(self.case.case.seed, "order", self._now)
        loop = self._loop = SeededLoop(now=self._now, chance=order)
        self._power = Power(loop, ending=Ending())
        self._server.enter(loop)
        return loop

    def _close_loop(self, loop: SeededLoop, *, is_killed: bool) -> None:
        self._server.leave(is_killed=is_killed)
        bury(loop)
        self._now, self._loop = loop.now, None
        loop.close()

    def _wall(self) -> float:
        return EPOCH + (self._loop.now if self._loop else self._now)

    @property
    def _around(self) -> Surroundings:
        jitter = seeded(self.case.case.seed, "jitter", self._now)
        return Surroundings(environ={}, now=self._wall, random=jitter)

    @asynccontextmanager
    async def _connect(self, *_: object, **__: object) -> AsyncIterator[Connections]:
        case, loop = self.case.case, self._loop
        assert loop is not None
        if self._is_clear:
            case = replace(case, unreachable=0.0)
        wire = Wire(self._server, power=self._power, case=case, sent=lambda *_: None)
        token = Token(Secret("sandbox"), label="simulated")
        projects = {row.account: row.project_id for row in self.case.rows}
        yield Connections(
            attachers={
                name: Gateway(wire, endpoint="", project_id=pid, credential=token)
                for name, pid in projects.items()
            },
            turns={
                name: cast("Any", Pace(Rate(0, 1.0), log=log, clock=loop.time))
                for name, log in self._log.items()
            },
            label="simulated",
            host=cast("Any", _Host()),
            scope="",
        )

    def _reader(self, *, looks_behind: bool) -> Reader:
        return Reader(
            credentials={},
            state=StateFolder(self._folder / "state"),
            around=self._around,
            looks_behind=looks_behind,
            opens=self._connect,
        )

    # --- plan, run, undo -------------------------------------------------------------

    def _until_done(self, plan: Any) -> Any:
        """Plan until every gateway could be read; under a clear sky it must."""
        for turn in range(PATIENCE):
            done = plan()
            if done is not None:
                return done
            if turn:
                self._clear_up()
        message = "what is bound can never be read"
        raise Wrong(message)

    def _draw(self, run: Ran) -> int | None:
        self._wipe(run)
        plan = self._virtually(
            draw_plan(
                run.settings,
                run.folder.path,
                run_id=run.folder.id,
                now=self._wall(),
                reader=self._reader(looks_behind=False),
            )
        )
        return None if plan.unread else plan.totals.rows

    def _draw_undo(self, run: Ran, undo: Ran) -> int | None:
        self._wipe(undo)
        plan = self._virtually(
            draw_undo(
                run.folder,
                undo.folder,
                run_id=undo.folder.id,
                settings=undo.settings,
                only=(),
                reader=self._reader(looks_behind=True),
                notice=lambda _: None,
            )
        )
        return None if plan.found.unread else plan.rows

    def _wipe(self, run: Ran) -> None:
        for path in run.folder.path.iterdir():
            path.unlink()

    def _clear_up(self) -> None:
        if not self._is_clear:
            calm = replace(self.case.case.options, weather=CALM, rate=None)
            self._server.start(calm, now=self._now)
            self._is_clear = True

    def _live(self, run: Ran, endings: tuple[Ending, ...], *, looks_anew: bool) -> None:
        """Live the drawn lives, then as many as it takes under a clear sky."""
        for number in range(len(endings) + PATIENCE):
            if number == len(endings):
                self._clear_up()
            ending = endings[number] if number < len(endings) else Ending()
            state = self._life(run, ending, looks_anew=looks_anew)
            if state is RunState.FINISHED:
                break
            run.kills += state is None
        else:
            message = "the run never ends"
            raise Wrong(message)
        self._is_clear = False
        self._begin_weather()

    def _life(self, run: Ran, ending: Ending, *, looks_anew: bool) -> RunState | None:
        """Live one invocation; None: it was killed."""
        loop = self._open_loop()
        power = self._power = Power(loop, ending=ending)
        ledger = cast("WatchedLedger", WatchedLedger.open(run.folder.ledger))
        ledger.watch(power, lambda _: None)
        executor = WatchedExecutor(
            ledger,
            power=power,
            chance=seeded(self.case.case.seed, "commit", loop.now),
            longest_s=self.case.case.commit_s,
        )
        task = loop.create_task(
            self._work(run, ledger, executor, ending, looks_anew=looks_anew)
        )
        task.add_done_callback(lambda _: loop.stop())
        loop.run_forever()
        is_killed = not power.is_on
        ledger.watch(Power(loop, ending=Ending()), lambda _: None)
        self._close_loop(loop, is_killed=is_killed)
        ledger.close()
        return None if is_killed else task.result()

    async def _work(
        self,
        run: Ran,
        ledger: SqliteLedger,
        executor: WatchedExecutor,
        ending: Ending,
        *,
        looks_anew: bool,
    ) -> RunState:
        lanes, targets = ledger.lanes(), ledger.targets()
        around, loop = self._around, self._loop
        assert loop is not None
        number = await executor.do(
            lambda ledger: ledger.start(
                command="run", operator="sim@virtual", pid=1, at=self._wall()
            )
        )
        errand = Errand(
            run=run.folder,
            settings=run.settings,
            command="run",
            credentials={},
            state=StateFolder(self._folder / "state"),
            looks_anew=looks_anew,
        )
        async with self._connect() as connections:
            engine = engine_of(
                errand,
                ledger,
                connections,
                lanes=lanes,
                recorder=LedgerRecorder(executor),
                observer=Observer(),
                invocation=number,
                around=around,
            )
            if ending.how == "kill":
                loop.call_later(ending.after_s, self._power.cut)
            elif ending.how in {"drain", "now"}:
                loop.call_later(ending.after_s, engine.halt.stop, "SIGINT")
            # a gateway that says "too fast" for ever is waited for, for ever
            loop.call_later(LONGEST_S, engine.halt.stop, "SIGINT")
            open_lanes = set(await executor.do(lambda ledger: ledger.open_lanes()))
            to_do = [lane for lane in lanes if lane.no in open_lanes]
            await engine.run(to_do, targets=targets)
        left = await executor.do(lambda ledger: ledger.open_lanes())
        state = RunState.STOPPED if left else RunState.FINISHED
        await executor.do(
            lambda ledger: ledger.end(
                number, at=self._wall(), state=state, stopped_by=engine.halt.reason
            )
        )
        return state

    # --- what must hold --------------------------------------------------------------

    def _rows(self, run: Ran) -> list[JudgedRow]:
        with closing(SqliteLedger.read(run.folder.ledger)) as ledger:
            return list(judge_run(run.folder.facts(), ledger))

    def _sent(self, run: Ran) -> dict[Slot, str]:
        """Return what the run was to leave in each slot that it sent."""
        is_attach = self.case.action is Action.ATTACH
        return {
            slot_of(judged.row): judged.row.plugin_id if is_attach else ""
            for judged in self._rows(run)
            if judged.attempts
        }

    def _check_report(self, run: Ran, *, displaced: bool) -> None:
        for judged in self._rows(run):
            verdict, row = judged.shared.verdict, judged.row
            if displaced and verdict is Verdict.BOUND:
                self._check(
                    judged.shared.replaced_plugin_id,
                    self._before.get(slot_of(row), ""),
                    f"{row.api_id} displaced",
                )
            if verdict is Verdict.UNCHANGED:
                self._check(judged.attempts, 0, f"{row.api_id} unchanged, attempts")
            if verdict in {Verdict.UNCONFIRMED, Verdict.NOT_SENT}:
                message = f"{row.api_id} is {verdict} under a clear sky"
                raise Wrong(message)

    def _check_end(self, sent: dict[Slot, str], edited: dict[Slot, str]) -> None:
        found = self.chronicle.look()
        for slot in {*found, *edited, *self._before, *sent}:
            wanted = edited.get(slot, "")
            if slot in sent and wanted == sent[slot]:
                wanted = self._before.get(slot, "")
            self._check(found.get(slot, ""), wanted, f"{slot} holds")

    def _check(self, found: object, wanted: object, what: str) -> None:
        if found != wanted:
            message = f"{what} {found!r}, and should {wanted!r}"
            raise Wrong(message)


def _accounts(case: UndoCase) -> list[str]:
    return sorted({row.account for row in case.rows})


def _milder(case: UndoCase) -> UndoCase:
    """Leave out what only other simulations are about: lying lists, and lag."""
    weather = case.case.options.weather or CALM
    options = replace(
        case.case.options, rate=None, weather=replace(CALM, changes=weather.changes)
    )
    edits = tuple(edit for edit in case.edits if edit.moment == "ran")
    return replace(case, case=replace(case.case, options=options), edits=edits)


def play(seed: int) -> Counter[str]:
    """Play one seed.

    Raises:
        Wrong: Its end is not what it should be.
    """
    shelf = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
    with tempfile.TemporaryDirectory(dir=shelf) as name:
        return Story(seed, Path(name)).play()


def main() -> int:
    """Play many seeds, print what came of them; 0: nothing was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    began, wrong = time.perf_counter(), 0
    totals: Counter[str] = Counter()
    for seed in range(given.first, given.first + given.seeds):
        try:
            totals += play(seed)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong is a finding
            wrong += 1
            sys.stdout.write(
                f"WRONG {type(error).__name__}: {error}\n"
                f"  python -m tests.simulate.undo --first {seed} --seeds 1\n"
            )
    counted = ", ".join(f"{number:,} {what}" for what, number in totals.items())
    seconds = time.perf_counter() - began
    sys.stdout.write(
        f"{given.seeds:,} seeds, {wrong} wrong; {counted}; {seconds:.0f} s\n"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
