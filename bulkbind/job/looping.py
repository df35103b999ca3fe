"""Starts the event loop: uvloop's where it is installed (``bulkbind[fast]``)."""

from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import TypeVar

import anyio

T = TypeVar("T")


def run_async(main: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine function in an event loop of its own, to its end."""
    fast = find_spec("uvloop") is not None
    return anyio.run(main, backend_options={"use_uvloop": fast})
