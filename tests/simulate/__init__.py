"""Whole runs on a virtual clock, one for each seed: the real engine, no network.

``case`` draws what a seed is about, ``server`` is the gateway's side of the wire,
``power`` is what a kill takes away, ``life`` is one invocation of the engine,
``witness`` sees to what must hold at every step, ``judge`` to what must hold at the
end, ``story`` puts a seed together. ``python -m tests.simulate --seeds 1000``.
"""

from tests.simulate.scene import Lies as Lies
from tests.simulate.story import Told as Told
from tests.simulate.story import tell as tell
