"""One seed from its plan to its last verdict."""

from collections import Counter
from dataclasses import dataclass, field, replace

from bulkbind.model import RunState
from tests.simulate.case import Case, Ending, Wishes, draw
from tests.simulate.judge import lasting
from tests.simulate.life import BY_ITSELF, Life, Lived
from tests.simulate.scene import TRUTH, Lies, Scene, stage

#: No life of a simulation lasts longer; more is one that never ends.
LONGEST_S = 400_000.0


@dataclass(slots=True)
class Told:
    """What came of one seed."""

    seed: int
    wrongs: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    lives: int = 0
    kills: int = 0
    requests: int = 0
    rows: int = 0
    given_up: int = 0
    """Rows failed by a server that was unwell; ``resume --failed`` sends them again."""
    failed: int = 0
    """Most rows that any life left failed."""
    virtual_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    """At the end."""


def tell(
    seed: int,
    *,
    wishes: Wishes | None = None,
    verbose: bool = False,
    lies: Lies = TRUTH,
) -> Told:
    """Live through one seed, and say what was wrong with it.

    Args:
        seed: The same seed is the same story, to the last event.
        wishes: What to have otherwise.
        verbose: Keep every event.
        lies: What to tell the engine that is not so.
    """
    case = draw(seed, wishes=wishes)
    told, report = _lived_through(case, verbose=verbose, lies=lies)
    if case.is_calm and not case.absent and told.kills and not told.wrongs:
        calm = replace(case, endings=(BY_ITSELF,))
        _, undisturbed = _lived_through(calm, verbose=False, lies=lies)
        told.wrongs += [
            f"with kills {one}, without {other}"
            for one, other in zip(report, undisturbed, strict=True)
            if one != other
        ]
    return told


def _lived_through(
    case: Case, *, verbose: bool, lies: Lies
) -> tuple[Told, list[tuple[object, ...]]]:
    told = Told(case.seed, rows=len(case.rows))
    report: list[tuple[object, ...]] = []
    with stage(case, lies=lies, lines=told.lines if verbose else None) as scene:
        try:
            report = _play(scene, told)
        except Exception as error:
            told.wrongs.append(f"{type(error).__name__}: {error}")
            if verbose:
                raise
    told.wrongs += scene.witness.wrongs
    return told, report


def _play(scene: Scene, told: Told) -> list[tuple[object, ...]]:
    """Live every life, let the sky clear, and see that all ends well."""
    scene.say(f"{replace(scene.case, rows=())}")
    for ending in scene.case.endings:
        if _live(scene, told, ending=ending).state is RunState.FINISHED:
            break
        scene.refresh()
    scene.clear_up()
    _live(scene, told)
    told.given_up = scene.judge.given_up()
    if told.given_up:
        _live(scene, told, take_failed=True)
    scene.judge.conclude()
    told.requests = scene.witness.intents
    told.virtual_s = scene.clock() - 1000.0
    told.faults = scene.body.server.faults()
    return lasting(scene.judge.report)


def _live(
    scene: Scene,
    told: Told,
    *,
    ending: Ending = BY_ITSELF,
    take_failed: bool = False,
) -> Lived:
    told.lives += 1
    scene.say(f"--- life {told.lives}: {ending}")
    life = Life(
        scene.body,
        clock=scene.clock,
        token=scene.options.token,
        ending=ending,
        take_failed=take_failed,
    )
    try:
        life.advance(LONGEST_S)
    finally:
        lived = life.leave()
    told.kills += lived.ended == "killed"
    told.verdicts = scene.look(lived)
    told.failed = max(told.failed, told.verdicts["failed"])
    return lived
