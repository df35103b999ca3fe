"""Runs that look first, and are undone, in random worlds: each step is judged.

The rest by command: ``python -m tests.simulate --undo --seeds 1000``.
"""

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace

import pytest

from bulkbind.ledger import SqliteLedger
from bulkbind.ledger.codec import checksum, encode_record
from bulkbind.model import RecordKind
from bulkbind.sandbox.lag import WHOLE
from bulkbind.sandbox.world import ApiChoice
from tests.simulate import Lies
from tests.simulate.__main__ import main
from tests.simulate.undo_story import tell_undo

SEEDS = range(40)


@pytest.fixture(scope="module")
def stories():
    """Tell some seeds once, for all that is asked of them."""
    return [tell_undo(seed) for seed in SEEDS]


def test_no_seed_breaks_an_invariant(stories):
    wrong = {story.seed: story.wrongs[0] for story in stories if story.wrongs}

    assert wrong == {}, "python -m tests.simulate --undo --seed N --verbose"


def test_seeds_meet_kills_edits_and_every_end_of_an_undo(stories):
    counts: Counter[str] = sum((story.counts for story in stories), Counter())
    ends = ("undo bound", "undo unbound", "undo kept", "undo unchanged", "redo bound")

    assert sum(story.kills for story in stories) > len(SEEDS)
    assert counts["edits"] > len(SEEDS)
    assert all(counts[end] > 0 for end in ends), counts
    assert counts["refused for safety"] > 0


def test_a_seed_tells_the_same_story_again():
    first, again = tell_undo(3, verbose=True), tell_undo(3, verbose=True)

    assert len(first.lines) > 20
    # the tasks of an engine that is cut off end in no promised order
    assert Counter(first.lines) == Counter(again.lines)


def renew_pictures(path):
    """Say of what was sent that its own plug-in was there before, as if read later."""
    with closing(SqliteLedger.read(path)) as ledger:
        targets = ledger.targets()
        found = [(t, *one) for t in targets for one in ledger.batches(t.no)]
    with closing(sqlite3.connect(path)) as db, db:
        for target, batch, records in found:
            if not any(one.kind is RecordKind.INTENT for one in records):
                continue
            for one in (one for one in records if one.kind is RecordKind.PICTURE):
                others = (target.plugin_id,) * len(one.others)
                body = encode_record(replace(one, others=others))
                label = f"{batch.id}/{one.kind}/{one.why}"
                db.execute(
                    "UPDATE record SET body = ?, crc = ? WHERE batch = ? AND kind = ?",
                    (body, checksum("record", label, body), batch.id, one.kind),
                )


def detach_another(world, request, seen):
    """Take something out of a slot behind everybody's back."""
    if seen.status != 201:
        return
    for instance in world.instances():
        for plugin in world.plugins(instance):
            page = world.attached_apis(plugin, choice=ApiChoice(), window=WHOLE)
            for bound in page.items[:1]:
                world.unbind(plugin, env=bound.env, api_nos=[bound.api.no])


LIES = {
    "its pre-image is": Lies(between_lives=renew_pictures),
    "changed in silence": Lies(behind_answers=detach_another),
}


@pytest.mark.parametrize("words", LIES)
def test_a_lie_is_found_out(words):
    wrongs = [
        wrong for seed in range(8) for wrong in tell_undo(seed, lies=LIES[words]).wrongs
    ]

    assert any(words in wrong for wrong in wrongs), wrongs[:3]


def test_the_command_says_how_many_seeds_were_wrong(capsys):
    assert main(["--undo", "--seeds", "2", "--first", "7"]) == 0

    assert "0 wrong in" in capsys.readouterr().out
