"""One seed of ``--undo``: plan, run, edits by others, undo, and maybe undo of that."""

import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from bulkbind.errors import RefusedForSafety
from bulkbind.job.planning import Plan
from bulkbind.job.refusing import refuse_replacements
from bulkbind.job.restoring import Restoration
from bulkbind.job.undoing import undo_settings
from bulkbind.job.unfinished import abandon
from bulkbind.model import RunState
from bulkbind.plan import OnReplace
from bulkbind.settings import JobSettings
from tests.simulate.case import CALM
from tests.simulate.scene import SHM, TRUTH, Lies
from tests.simulate.story import Told
from tests.simulate.undo_case import UndoCase, draw_undo_case
from tests.simulate.undo_judge import Phase, UndoJudge
from tests.simulate.undo_scene import DRAWN, UndoScene

#: Lives under a clear sky after which a run must be over.
ENOUGH = 6


@dataclass(slots=True)
class UndoTold(Told):
    """What came of one seed that was undone."""

    counts: Counter[str] = field(default_factory=Counter)
    """Verdicts in the end, as ``run bound``; edits, refusals, races."""


def tell_undo(seed: int, *, verbose: bool = False, lies: Lies = TRUTH) -> UndoTold:
    """Live through one seed, and say what was wrong with it."""
    case = draw_undo_case(seed)
    told = UndoTold(seed, rows=len(case.rows))
    folder = SHM if SHM.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="simulate-", dir=folder) as name:
        lines = told.lines if verbose else None
        scene = UndoScene(case, Path(name), lies=lies, lines=lines)
        story = _Story(case, scene, told)
        try:
            story.tell()
        except Exception as error:
            told.wrongs.append(f"{type(error).__name__}: {error}")
            if verbose:
                raise
        told.wrongs += [*scene.gate.wrongs, *story.wrongs]
        told.requests = scene.changes
        told.counts["reads"] = scene.reads
        told.virtual_s = scene.clock() - 1000.0
        told.faults = scene.body.server.faults()
    return told


class _Story:
    def __init__(self, case: UndoCase, scene: UndoScene, told: UndoTold) -> None:
        self.case, self.scene, self.told = case, scene, told
        self.phases: list[Phase] = []

    @property
    def wrongs(self) -> list[str]:
        return [wrong for phase in self.phases for wrong in phase.witness.wrongs]

    def tell(self) -> None:
        scene = self.scene
        scene.say(f"{replace(self.case, rows=(), ground=(), held={})}")
        run = self._run()
        if run is None:
            return
        self._rest()
        undo = self._undo("undo", run)
        if undo is not None and self.case.is_redone:
            self._rest()
            self._undo("redo", undo)

    def _rest(self) -> None:
        """Let what is under way end, and others do something."""
        scene, is_late = self.scene, not self.case.is_at_once or self.case.is_early
        for _ in range(ENOUGH):
            if scene.body.server.flights:
                scene.wait(100.0)
        if is_late:
            scene.wait(scene.lag_s + 2.0)
        moment = "ran" if len(self.phases) == 1 else "undone"
        if self._edited(moment):
            scene.wait(scene.lag_s + 2.0)
        if is_late:
            scene.serve(weather_too=True)

    def _edited(self, moment: str) -> bool:
        done = self.scene.edit(moment)
        self.told.counts["edits"] += done
        return bool(done)

    # --- the run ---------------------------------------------------------------------

    def _run(self) -> Phase | None:
        scene, settings = self.scene, self.scene.settings
        reads = scene.reads
        folder, plan = scene.draw("run", undone=None, settings=settings)
        assert isinstance(plan, Plan)
        self._see_reads("run", scene.reads - reads, looks=1)
        phase = scene.begin("run", folder, undone=None)
        self.phases.append(phase)
        try:
            if settings.live:
                refuse_replacements(settings, plan)
        except RefusedForSafety:
            self._see_refused(phase, plan)
            return None
        self._edited("planned")
        self._carry_out(phase, settings, to_the_end=not self.case.is_early)
        return phase

    def _see_refused(self, phase: Phase, plan: Plan) -> None:
        """See that a run was refused with reason, and that nothing was sent."""
        self.told.counts["refused for safety"] += 1
        if self.case.on_replace is not OnReplace.STOP:
            phase.witness.wrong("refused, though it has leave")
        if not plan.totals.replaced or self.scene.changes:
            phase.witness.wrong("refused without reason, or too late")
        if self.scene.chronicle.look() != phase.held:
            phase.witness.wrong("refused, and something was changed")

    def _undo(self, name: str, undone: Phase) -> Phase | None:
        scene = self.scene
        facts = undone.folder.facts()
        settings = undo_settings(facts, lambda own: own)
        sent = [one for one in undone.witness.seen.values() if one.sent_at is not None]
        reads = scene.reads
        try:
            folder, plan = scene.draw(name, undone=undone.folder, settings=settings)
        except RefusedForSafety:
            self.told.counts["no pre-images"] += 1
            if not (undone.witness.rights.is_blind and sent):
                undone.witness.wrong("refused to undo what has pre-images")
            return None
        self._see_reads(name, scene.reads - reads, looks=4)
        rows = plan.rows if isinstance(plan, Restoration) else 0
        if rows != len(sent):
            undone.witness.wrong(f"{name} has {rows} rows of {len(sent)}")
        if not sent:
            self.told.counts["nothing to undo"] += 1
            return None
        if facts.is_unfinished:
            abandon(facts, by=name)
        phase = scene.begin(name, folder, undone=undone)
        self.phases.append(phase)
        if name == "undo" and self._edited("drawn"):
            scene.wait(scene.lag_s + 2.0)
        self._carry_out(phase, settings, to_the_end=True)
        return phase

    def _see_reads(self, name: str, reads: int, *, looks: int) -> None:
        """See that a plan reads no list twice for nothing, where nothing goes wrong."""
        case = self.case.case
        is_disturbed = case.options.rate or self.case.endings[DRAWN[name]]
        if case.options.weather != CALM or is_disturbed:
            return
        gateways = {row.instance_id for row in self.case.ground}
        plugins = {(row.instance_id, row.plugin_id) for row in self.case.ground}
        envs = {row.env_id for row in self.case.ground}
        most = looks * (3 * len(gateways) + len(plugins) * len(envs))
        if reads > most:
            self.scene.gate.wrong(f"{name}: its plan reads {reads} pages, most: {most}")

    # --- lives -----------------------------------------------------------------------

    def _carry_out(
        self, phase: Phase, settings: JobSettings, *, to_the_end: bool
    ) -> None:
        scene, told = self.scene, self.told
        judge = UndoJudge(phase, chronicle=scene.chronicle, truth=scene.truth)
        moment = "undo_lives" if phase.is_undo else "lives"
        state = RunState.RUNNING
        for ending in self.case.endings[phase.name]:
            scene.say(f"--- {phase.name}: {ending}")
            state = self._live(phase, judge, settings, ending=ending)
            if state is RunState.FINISHED:
                break
            scene.refresh()
            if self._edited(moment):
                scene.wait(scene.lag_s + 2.0)
        if to_the_end:
            self._finish(phase, judge, settings)
        verdicts = Counter(str(one.shared.verdict) for one in phase.report)
        told.counts.update({f"{phase.name} {v}": n for v, n in verdicts.items()})
        told.counts["races"] += phase.witness.races

    def _finish(self, phase: Phase, judge: UndoJudge, settings: JobSettings) -> None:
        """Let the sky clear, and see that all ends well."""
        scene = self.scene
        scene.serve(weather_too=False)
        for turn in range(ENOUGH):
            scene.say(f"--- {phase.name}: clear sky, {turn}")
            is_given_up = any(
                judged.shared.http_status >= 500 and judged.shared.verdict == "failed"
                for judged in phase.report
            )
            state = self._live(phase, judge, settings, take_failed=is_given_up)
            if state is RunState.FINISHED:
                break
        else:
            if settings.on_replace is not OnReplace.STOP or phase.is_undo:
                phase.witness.wrong(f"{phase.name} does not end")
        judge.conclude()

    def _live(
        self,
        phase: Phase,
        judge: UndoJudge,
        settings: JobSettings,
        **how: object,
    ) -> RunState:
        scene, told = self.scene, self.told
        lived = scene.live(phase, settings=settings, **how)  # type: ignore[arg-type]
        told.lives += 1
        told.kills += lived.ended == "killed"
        told.verdicts = judge.look()
        scene.say(f"--- {lived.ended} {lived.state}: {dict(told.verdicts)}")
        return lived.state
