"""A run displaces no more than it has leave to, counted over all lanes."""

import math

from bulkbind.plan import Judged, Judgement, OnReplace, What
from bulkbind.run import Leave

THEIRS = Judgement(Judged.REPLACE, "theirs")
FREE = Judgement(Judged.BIND)


def test_leave_is_used_up():
    leave = Leave(OnReplace.ALLOW, 2)

    fates = [leave.fate(THEIRS, None).what for _ in range(3)]

    assert fates == [What.SEND, What.SEND, What.HELD]


def test_what_was_approved_does_not_use_leave():
    leave = Leave(OnReplace.ALLOW, 0)

    assert leave.fate(THEIRS, "theirs").what is What.SEND
    assert leave.fate(FREE, None).what is What.SEND


def test_another_plugin_than_the_approved_one_uses_leave():
    leave = Leave(OnReplace.ALLOW, 1)

    assert leave.fate(THEIRS, "a third").what is What.SEND
    assert leave.left == 0


def test_without_a_limit_everything_may_be_displaced():
    leave = Leave(OnReplace.ALLOW, math.inf)

    assert {leave.fate(THEIRS, None).what for _ in range(1000)} == {What.SEND}
