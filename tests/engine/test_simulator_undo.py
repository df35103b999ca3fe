"""Random worlds that are run over and undone: a few here, the rest by command."""

import pytest

from tests.simulate.undo import Story, Wrong, play

SEEDS = 40


def test_an_undone_world_is_as_it_was_but_for_what_others_did():
    totals = sum((play(seed) for seed in range(1, SEEDS)), play(0))

    assert totals["displaced"] > SEEDS
    assert totals["kills"] > SEEDS // 2
    assert totals["edits"] > 0


class Forgetful(Story):
    """An undo that does nothing."""

    def _draw_undo(self, run, undo):
        return 0


def play_all(kind, folder):
    for seed in range(SEEDS):
        own = folder / str(seed)
        own.mkdir()
        kind(seed, own).play()


def test_an_undo_that_does_nothing_is_found_out(tmp_path):
    with pytest.raises(Wrong, match="holds"):
        play_all(Forgetful, tmp_path)


class Lying(Story):
    """A run that takes its pre-images from after its first request."""

    def _life(self, run, ending, *, looks_anew):
        state = super()._life(run, ending, looks_anew=looks_anew)
        if not looks_anew:
            self._before = dict(self.chronicle.held)
        return state


def test_a_pre_image_that_is_no_pre_image_is_found_out(tmp_path):
    with pytest.raises(Wrong, match="displaced"):
        play_all(Lying, tmp_path)
