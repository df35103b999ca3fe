"""What an undo does with a slot: the pure rules, against every state of the slot."""

from typing import NamedTuple

import pytest

from bulkbind.job.images import Restore, restore
from bulkbind.model import Action, OurCode, Target
from bulkbind.plan import (
    Binding,
    OnReplace,
    Picture,
    Planner,
    PlanSettings,
    What,
    decide,
    judge,
)
from bulkbind.report.merge import in_row_order
from bulkbind.verdict import UNKNOWN_REPLACED
from tests.factories import bindings, rows_of

NOTHING, OURS, OLD, THEIRS = "", "ours", "old", "theirs"
ENV = "release"


class Case(NamedTuple):
    """A request that a run sent for a slot."""

    action: Action
    before: str

    @property
    def after(self) -> str:
        return OURS if self.action is Action.ATTACH else NOTHING


CASES = [
    Case(Action.ATTACH, NOTHING),
    Case(Action.ATTACH, OLD),
    Case(Action.ATTACH, OURS),
    Case(Action.DETACH, OURS),
    Case(Action.DETACH, NOTHING),
]


def picture(slot, plugin_id):
    """Take a picture for a plug-in of a published API whose slot holds ``slot``."""
    is_mine = slot == plugin_id and slot
    return Picture(
        read_at=1.0,
        mine={"api": Binding("", "")} if is_mine else {},
        apis={"api": frozenset({ENV})},
        others={"api": slot} if slot and not is_mine else {},
    )


def undo(case, slot):
    """Judge an undo of a case while a slot holds something.

    Returns:
        What is done, what the slot holds then, and what was seen there.
    """
    wanted = restore(case.action, OURS, case.before)
    target = Target(0, "", "", "gateway", wanted.plugin_id, ENV, 0)
    seen = picture(slot, wanted.plugin_id)
    (judgement,) = judge(seen, ["api"], target=target, action=wanted.action)
    fate = decide(judgement, policy=OnReplace.KEEP, approved=wanted.after)
    left = slot
    if fate.what is What.SEND:
        left = wanted.plugin_id if wanted.action is Action.ATTACH else NOTHING
    return fate, left, judgement.other


@pytest.mark.parametrize("case", CASES)
def test_what_the_run_left_is_put_back(case):
    fate, left, _ = undo(case, case.after)

    assert left == case.before
    assert fate.what is (What.UNCHANGED if case.after == case.before else What.SEND)


@pytest.mark.parametrize("case", CASES)
def test_what_is_as_before_is_unchanged(case):
    fate, left, _ = undo(case, case.before)

    assert fate.what is What.UNCHANGED
    assert left == case.before


@pytest.mark.parametrize("slot", [NOTHING, OURS, OLD, THEIRS])
@pytest.mark.parametrize("case", CASES)
def test_anything_else_is_kept_and_named(case, slot):
    if slot in {case.before, case.after}:
        slot = "fourth"
    fate, left, seen = undo(case, slot)

    assert fate.what is What.KEPT
    assert fate.code == OurCode.CHANGED_SINCE
    assert left == seen == slot


def test_without_a_picture_nobody_knows_what_to_put_back():
    assert restore(Action.ATTACH, OURS, UNKNOWN_REPLACED) == Restore(
        Action.DETACH, OURS, OURS, is_known=False
    )


def test_batches_of_both_actions_are_numbered_by_their_first_row():
    planner = Planner(
        PlanSettings(batch_size=2),
        gateway_of=lambda account, instance: instance,
        file_name=str,
    )
    for place, row in enumerate(rows_of(bindings(10))):
        planner.add(row, place=place % 3)
    ((target, claims),) = next(planner.groups())

    kinds = {
        kind: claims.take(
            [at for at, place in enumerate(claims.places) if place == kind]
        )
        for kind in range(3)
    }
    actions = {0: Action.ATTACH, 1: Action.DETACH, 2: Action.DETACH}
    found = planner.cut(target, kinds, action_of=actions.__getitem__)

    batches = [batch for _, batch in found]
    assert [batch.id for batch in batches] == list(range(1, len(batches) + 1))
    firsts = [batch.rows[0] for batch in batches]
    assert firsts == sorted(firsts)
    assert all(batch.action is actions[kind] for kind, batch in found)
    walked = in_row_order(iter([(row, None) for row in b.rows]) for b in batches)
    assert [row for row, _ in walked] == list(range(10))
