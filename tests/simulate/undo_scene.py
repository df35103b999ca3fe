"""A seed's gateways, job and state, and how plans are drawn and carried out there."""

import asyncio
import shutil
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from bulkbind.errors import CredentialsRejected, InputError
from bulkbind.job.errand import Surroundings
from bulkbind.job.judging import Reader
from bulkbind.job.planning import Plan, draw_plan
from bulkbind.job.restoring import Restoration, draw_undo
from bulkbind.ledger import SqliteLedger
from bulkbind.pace import MemoryLog, Pace
from bulkbind.run import Observer
from bulkbind.sandbox import MemoryWorld, Request, fill
from bulkbind.sandbox.world import Binding
from bulkbind.settings import JobSettings
from bulkbind.state.folders import RunFolder, StateFolder
from tests.simulate.case import CALM, Ending
from tests.simulate.chronicle import Chronicle
from tests.simulate.judge import Truth
from tests.simulate.life import BY_ITSELF, Body, Lived, LoopClock, PaceLog, SeededLoop
from tests.simulate.power import Power
from tests.simulate.scene import Lies
from tests.simulate.server import EPOCH, Server
from tests.simulate.telling import Storyteller
from tests.simulate.undo_case import UndoCase
from tests.simulate.undo_job import images, job_settings
from tests.simulate.undo_judge import Phase
from tests.simulate.undo_life import (
    LONGEST_S,
    Duty,
    Joint,
    Killed,
    SightedLife,
    let_go,
    surroundings,
)
from tests.simulate.undo_witness import Rights, UndoWitness
from tests.simulate.witness import Witness


class UndoScene:
    """What all phases of a seed have in common.

    Args:
        case: What the seed is about.
        folder: Where everything is kept.
        lies: What to tell the engine that is not so.
        lines: Takes every event; None: nobody wants to know.
    """

    def __init__(
        self, case: UndoCase, folder: Path, *, lies: Lies, lines: list[str] | None
    ) -> None:
        self.case, self.folder, self.lies = case, folder, lies
        self.clock = LoopClock()
        self.reads = 0
        self.changes = 0
        self.options = case.case.options
        self._lines = lines
        self.world = MemoryWorld()
        self.chronicle = Chronicle(self.world, now=self.wall)
        self._furnish()
        self.truth = Truth(self.world)
        self.gate = Witness((), ceiling=case.case.rate, now=self.clock)
        """Counts the releases of all phases."""
        self.witness = self.gate
        self.body = self._body()
        self.body.server.acted = self.chronicle.acted
        self.body.server.meddle = lies.behind_answers
        self.state = StateFolder(folder / "state")
        self.state.prepare()
        self.settings = job_settings(case, folder)
        self.serve(weather_too=True)

    def wall(self) -> float:
        """Return seconds since the epoch."""
        return EPOCH + self.clock()

    def say(self, text: str) -> None:
        """Put an event into the story."""
        if self._lines is not None:
            self._lines.append(f"{self.clock():14.6f} {text}")

    def _furnish(self) -> None:
        case, world = self.case.case, self.world
        rows = [
            row
            for row in (*self.case.rows, *self.case.ground)
            if row.plugin_id not in case.absent
        ]
        fill(
            world,
            rows,
            missing=case.missing,
            unpublished=case.unpublished,
            seed=case.seed,
        )
        for number, (slot, holder) in enumerate(self.case.held.items(), start=1):
            instance = world.find_instance(slot.instance_id)
            assert instance is not None
            plugin = world.find_plugin(instance, plugin_id=holder)
            env = world.find_env(instance, env_id=slot.env_id)
            api = world.find_api(instance, api_id=slot.api_id)
            if plugin and env and api:
                world.bind(plugin, env=env, bindings=[Binding(api.no, number, 0)])
        self.chronicle.begin()
        self.kinds = {
            (row.instance_id, row.plugin_id): row.plugin_type
            for row in (*self.case.rows, *self.case.ground)
        }

    def _body(self) -> Body:
        case, is_told = self.case.case, self._lines is not None
        accounts = {row.account for row in (*self.case.rows, *self.case.ground)}
        return Body(
            case=case,
            ledger=self.folder,
            server=Server(case, self.world, say=self.say if is_told else None),
            witness=self.gate,
            paces={
                name: PaceLog(
                    MemoryLog(clock=self.clock),
                    released=partial(self.gate.released, name),
                )
                for name in accounts
            },
            observer=Storyteller(self.say) if is_told else Observer(),
            rate=case.rate,
        )

    # --- the sky ---------------------------------------------------------------------

    def serve(self, *, weather_too: bool) -> None:
        """Let the gateways be served anew, under the case's weather or none but lag."""
        options = self.options = replace(
            self.case.case.options,
            seed=self.options.seed + 1,
            token=f"token-{self.options.seed + 1}",
        )
        unreachable = self.case.case.unreachable
        if not weather_too:
            calm = replace(CALM, lag_s=self.lag_s)
            options = self.options = replace(options, weather=calm, rate=None)
            unreachable = 0.0
        self.body = replace(
            self.body, case=replace(self.case.case, unreachable=unreachable)
        )
        self.body.server.start(options, now=self.clock())

    @property
    def lag_s(self) -> float:
        """How far lists are behind."""
        weather = self.case.case.options.weather
        return weather.lag_s if weather else 0.0

    def refresh(self) -> None:
        """Log in anew where the token is worn out; now and then, a new gateway."""
        weather = self.options.weather
        if not self.case.case.keeps_server or (weather and weather.token_life_s):
            self.serve(weather_too=weather != replace(CALM, lag_s=self.lag_s))

    def wait(self, seconds: float) -> None:
        """Let time pass, with whatever is under way."""

        async def pass_time(_: Power, loop: SeededLoop) -> None:
            await asyncio.sleep(seconds)

        let_go(self.body, self.clock, pass_time)

    def edit(self, moment: str) -> int:
        """Do what others do at a moment."""
        done = 0
        for edit in self.case.edits:
            if edit.moment == moment and self.chronicle.edit(edit.slot, edit.plugin_id):
                self.say(f"somebody edits {edit}")
                done += 1
        return done

    def sent(self, request: Request, body: bytes, change: int) -> None:
        """Hear that a request leaves (1) or is over (-1)."""
        if request.method == "GET":
            self.reads += change > 0
        else:
            self.changes += change > 0
            self.witness.sent(request, body, change)

    def joined(self, paces: Mapping[str, Pace]) -> None:
        """Hear what the next releases are paced by."""
        self.gate.paces = paces

    # --- plans -----------------------------------------------------------------------

    def draw(
        self, name: str, *, undone: RunFolder | None, settings: JobSettings
    ) -> tuple[RunFolder, Plan | Restoration]:
        """Draw a plan, as often as it takes: killed, refused, and at last in peace.

        Raises:
            RefusedForSafety: It cannot be undone.
        """
        run = RunFolder(self.state.runs_path / name)
        endings = [ending.after_s for ending in self.case.endings[DRAWN[name]]]
        for kill_after_s in (*endings, None, None):
            shutil.rmtree(run.path, ignore_errors=True)
            run.path.mkdir()
            main = partial(self._draw, run, undone, settings)
            try:
                return run, let_go(
                    self.body, self.clock, main, kill_after_s=kill_after_s
                )
            except (Killed, CredentialsRejected) as ended:
                self.say(f"--- no plan of {name}: {type(ended).__name__}")
                if isinstance(ended, CredentialsRejected):
                    self.serve(weather_too=False)
                self.refresh()
        message = f"{name} cannot be planned"
        raise InputError(message)

    async def _draw(
        self,
        run: RunFolder,
        undone: RunFolder | None,
        settings: JobSettings,
        power: Power,
        loop: SeededLoop,
    ) -> Plan | Restoration:
        around = surroundings(loop, seed=self.case.case.seed)
        reader = self._reader(power, loop, around, looks_behind=undone is not None)
        if undone is None:
            return await draw_plan(
                settings,
                run.path,
                run_id=run.id,
                now=around.now(),
                reader=reader if settings.live else None,
            )
        return await draw_undo(
            undone,
            run,
            run_id=run.id,
            settings=settings,
            only=(),
            reader=reader,
            notice=self.say,
        )

    def _reader(
        self,
        power: Power,
        loop: SeededLoop,
        around: Surroundings,
        *,
        looks_behind: bool,
    ) -> Reader:
        joint = Joint(
            body=self.body,
            power=power,
            loop=loop,
            token=self.options.token,
            sent=self.sent,
            joined=self.joined,
        )
        return Reader(
            credentials={},
            state=self.state,
            around=around,
            looks_behind=looks_behind,
            opens=joint.open,
        )

    def begin(self, name: str, run: RunFolder, *, undone: Phase | None) -> Phase:
        """Make everybody ready who watches a plan being carried out."""
        began, held = self.wall(), dict(self.chronicle.held)
        with closing(SqliteLedger.read(run.ledger)) as ledger:
            targets = ledger.targets()
            found = [one for t in targets for one in ledger.batches(t.no)]
        after, before = images(run, undone) if undone else ({}, {})
        witness = UndoWitness(
            batches=[batch for batch, _ in found],
            targets=targets,
            kinds=self.kinds,
            chronicle=self.chronicle,
            rights=Rights(
                policy=self.settings.on_replace,
                approved=after if undone else None,
                is_blind=self.case.is_blind and undone is None,
            ),
            ceiling=self.case.case.rate,
            now=self.clock,
            wall=self.wall,
            lag_s=self.lag_s,
        )
        self.chronicle.changed = witness.changed
        self.witness = witness
        witness.wrote(record for _, records in found for record in records)
        return Phase(
            name=name,
            folder=run,
            witness=witness,
            began=began,
            held=held,
            rebind=self.settings.rebind and undone is None,
            after=after,
            before=before,
        )

    # --- lives -----------------------------------------------------------------------

    def live(
        self,
        phase: Phase,
        *,
        settings: JobSettings,
        ending: Ending = BY_ITSELF,
        take_failed: bool = False,
    ) -> Lived:
        """Carry a plan out, until it is done or the ending comes."""
        body = replace(self.body, ledger=phase.folder.ledger, witness=phase.witness)
        moment = "in_undo" if phase.is_undo else "in_run"
        duty = Duty(
            run=phase.folder,
            settings=settings,
            state=self.state,
            looks_anew=phase.is_undo,
            joined=self.joined,
            sent=self.sent,
            soon=tuple(
                (edit.after_s, partial(self.chronicle.edit, edit.slot, edit.plugin_id))
                for edit in self.case.edits
                if edit.moment == moment
            ),
        )
        life = SightedLife(
            body,
            duty=duty,
            clock=self.clock,
            token=self.options.token,
            ending=ending,
            take_failed=take_failed,
        )
        try:
            life.advance(LONGEST_S)
        finally:
            lived = life.leave()
        if self.lies.between_lives is not None:
            self.lies.between_lives(phase.folder.ledger)
        return lived


#: The endings of a plan's drawing.
DRAWN = {"run": "plan", "undo": "draw", "redo": "redraw"}
