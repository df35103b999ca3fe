"""Answers lost after the effect, a thousand of them: no row ends failed."""

from dataclasses import dataclass
from itertools import count

from bulkbind.sandbox import Fault, Weather, make_plan
from tests.simulate.case import Ending, Wishes
from tests.simulate.story import tell

#: Every other answer is lost, and what was asked for has been done.
LOSSY = Weather(changes=make_plan({Fault.LOST_AFTER: 0.5}))
_WISHES = Wishes(weather=LOSSY, endings=(Ending(),) * 5, is_clean=True)


@dataclass(slots=True)
class Figures:
    """What came of it."""

    answers: int = 0
    """Lost after the effect."""
    seeds: int = 0
    rows: int = 0
    sent: int = 0
    """Rows that were not set aside by the plan."""
    bound: int = 0
    failed: int = 0
    """Rows that any invocation left failed."""
    wrong: int = 0
    """Seeds in which something else was wrong."""


def lose(answers: int) -> Figures:
    """Run seed after seed until so many answers were lost."""
    figures = Figures()
    for seed in count():
        if figures.answers >= answers or figures.wrong:
            break
        told = tell(seed, wishes=_WISHES)
        verdicts = told.verdicts
        aside = verdicts["duplicate"] + verdicts["superseded"] + verdicts["invalid"]
        figures.seeds += 1
        figures.answers += told.faults[Fault.LOST_AFTER]
        figures.rows += told.rows
        figures.sent += told.rows - aside
        figures.bound += verdicts["bound"]
        figures.failed += told.failed
        figures.wrong += bool(told.wrongs)
    return figures
