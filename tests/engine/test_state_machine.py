"""Anything a person may do to a run, in any order: no invariant of it breaks."""

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bulkbind.pace import Rate
from tests.simulate.case import Wishes, draw
from tests.simulate.life import BY_ITSELF, Life
from tests.simulate.scene import Lies, Scene, stage
from tests.simulate.story import LONGEST_S

RATES = [Rate(0, 0.0), Rate(1, 1.0), Rate(10, 1.0), Rate(5, 60.0), Rate(2, 0.5)]

alive = precondition(lambda self: self.life is not None)
between_lives = precondition(lambda self: self.life is None)


class Run(RuleBasedStateMachine):
    """A run, and the person who watches it."""

    scene: Scene

    def __init__(self):
        super().__init__()
        self.stack = ExitStack()
        self.life: Any = None
        self.tokens = 0

    @initialize(seed=st.integers(0, 10_000))
    def plan(self, seed):
        case = draw(seed, wishes=Wishes(endings=(BY_ITSELF,)))
        self.scene = self.stack.enter_context(self.open(case))
        self.ceiling = case.rate

    def open(self, case):
        return stage(case)

    @property
    def token(self):
        return f"{self.scene.options.token}/{self.tokens}"

    @between_lives
    @rule(take_failed=st.sampled_from([False, False, False, True]))
    def run_or_resume(self, take_failed):
        scene = self.scene
        if scene.body.server.revoked & {self.token}:
            self.tokens += 1
        scene.witness.ceiling = self.ceiling
        self.life = Life(
            scene.body, clock=scene.clock, token=self.token, take_failed=take_failed
        )

    @alive
    @rule(seconds=st.sampled_from([0.01, 0.2, 1.0, 5.0, 60.0, 3600.0]))
    def wait(self, seconds):
        self.life.advance(seconds)
        if self.life.is_over:
            self.bury()

    @alive
    @rule()
    def kill(self):
        self.life.kill()
        self.bury()

    @alive
    @rule(now=st.booleans())
    def interrupt(self, now):
        self.life.stop(now=now)

    @alive
    @rule()
    def pause(self):
        self.life.pause()

    @alive
    @rule()
    def unpause(self):
        self.life.unpause()

    @alive
    @rule(rate=st.sampled_from(RATES))
    def set_rate(self, rate):
        self.life.set_rate(rate)
        self.scene.body = replace(self.scene.body, rate=rate)
        self.ceiling = rate

    @rule()
    def expire_token(self):
        self.scene.body.server.revoked.add(self.token)

    def bury(self):
        life, self.life = self.life, None
        return self.scene.look(life.leave())

    @invariant()
    def nothing_is_wrong(self):
        if hasattr(self, "scene"):
            assert not self.scene.witness.wrongs, self.scene.witness.wrongs[:3]

    def teardown(self):
        """Let the sky clear: a last resume or two bind all that can be bound."""
        with self.stack:
            if not hasattr(self, "scene"):
                return
            if self.life is not None:
                self.life.kill()
                self.bury()
            self.scene.clear_up()
            self.scene.body.server.revoked.clear()
            for take_failed in (False, True):
                self.run_or_resume(take_failed)
                self.life.advance(LONGEST_S)
                self.bury()
            self.scene.judge.conclude()
            self.nothing_is_wrong()


Run.TestCase.settings = settings(
    max_examples=70,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestRun = Run.TestCase


class Unpaced(Run):
    """A run whose engine was never told how fast it may go."""

    def open(self, case):
        return stage(case, lies=Lies(is_unpaced=True))


def test_the_machine_notices_an_engine_that_keeps_no_pace():
    how = settings(Run.TestCase.settings, phases=[Phase.generate], max_examples=60)

    with pytest.raises(AssertionError, match="releases in"):
        run_state_machine_as_test(Unpaced, settings=how)
