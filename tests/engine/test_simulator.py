"""The simulator: whole runs on a virtual clock; no invariant breaks, and lies are told."""

import sqlite3
from contextlib import closing

import pytest

from bulkbind.sandbox import Ceiling, Fault, Weather, make_plan
from bulkbind.sandbox.lag import WHOLE
from bulkbind.sandbox.world import ApiChoice
from tests.simulate import Lies, tell
from tests.simulate.__main__ import main
from tests.simulate.case import Wishes
from tests.simulate.life import BY_ITSELF
from tests.simulate.lost import lose

SEEDS = range(120)


@pytest.fixture(scope="module")
def stories():
    """Tell some hundred seeds once, for all that is asked of them."""
    return [tell(seed) for seed in SEEDS]


def test_no_seed_breaks_an_invariant(stories):
    wrong = {story.seed: story.wrongs[0] for story in stories if story.wrongs}

    assert wrong == {}, "python -m tests.simulate --seed N --verbose"


def test_seeds_meet_kills_resumes_and_most_kinds_of_faults(stories):
    faults = {fault for story in stories for fault in story.faults}

    assert sum(story.kills for story in stories) > len(SEEDS) / 3
    assert sum(story.lives for story in stories) > 2 * len(SEEDS)
    assert len(faults & set(Fault)) > 0.7 * len(Fault)


def test_a_seed_tells_the_same_story_again():
    first, again = tell(4, verbose=True), tell(4, verbose=True)

    assert len(first.lines) > 20
    assert first.lines == again.lines


def test_lost_answers_leave_no_row_failed():
    figures = lose(60)

    assert figures.answers >= 60
    assert (figures.failed, figures.wrong) == (0, 0)
    assert figures.bound == figures.sent


# --- what it has found -----------------------------------------------------------------


def told_of(weather):
    """Tell a few seeds of sound rows under one weather."""
    wishes = Wishes(weather=weather, endings=(BY_ITSELF,) * 3, is_clean=True)
    return [tell(seed, wishes=wishes) for seed in range(8)]


@pytest.mark.parametrize("fault", [Fault.FAILED_BINDINGS, Fault.FAILURE_LIST])
def test_an_api_that_a_201_says_is_busy_is_sent_again(fault):
    stories = told_of(Weather(changes=make_plan({fault: 0.5})))

    assert sum(story.faults[fault] for story in stories) > 5
    assert [story.failed for story in stories] == [0] * len(stories)
    assert [story.wrongs for story in stories] == [[]] * len(stories)


def test_a_receipt_that_its_own_answer_contradicts_binds_nothing():
    stories = told_of(Weather(changes=make_plan({Fault.FAILED_NAMED: 0.5})))

    assert sum(story.faults[Fault.FAILED_NAMED] for story in stories) > 5
    assert [story.wrongs for story in stories] == [[]] * len(stories)


def test_a_silent_limit_that_counts_refusals_is_got_under_at_last():
    limit = Ceiling(1, 60.0, is_told=False)
    stories = told_of(Weather(ceilings=(limit,), counts_refused=True))

    assert [story.wrongs for story in stories] == [[]] * len(stories)


# --- that it can fail -----------------------------------------------------------------


def take_one_away(world, request, seen):
    """Drop a binding behind a receipt's back."""
    if seen.status != 201:
        return
    for instance in world.instances():
        for plugin in world.plugins(instance):
            page = world.attached_apis(plugin, choice=ApiChoice(), window=WHOLE)
            for bound in page.items[:1]:
                world.unbind(plugin, env=bound.env, api_nos=[bound.api.no])


def forget_the_last(ledger):
    """Lose what was durable last, as a disk that lies about fsync would."""
    with closing(sqlite3.connect(ledger)) as db, db:
        db.execute("DELETE FROM record WHERE id = (SELECT MAX(id) FROM record)")


LIES = {
    "the world does not hold it": Lies(behind_answers=take_one_away),
    "durably known": Lies(between_lives=forget_the_last),
    "releases in": Lies(is_unpaced=True),
}


@pytest.mark.parametrize("words", LIES)
def test_a_lie_is_found_out(words):
    wrongs = [
        wrong for seed in range(16) for wrong in tell(seed, lies=LIES[words]).wrongs
    ]

    assert any(words in wrong for wrong in wrongs), wrongs[:3]


def test_the_command_says_how_to_see_a_seed_again(capsys):
    assert main(["--seeds", "2", "--first", "7"]) == 0

    said = capsys.readouterr().out
    assert "2 seeds, 0 wrong" in said
