"""The event loop: the faster one where it is installed, and needed nowhere."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

import bulkbind
from bulkbind.job.looping import run_async


async def loop_in_use() -> str:
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]


def test_uvloop_runs_everything_where_it_is_installed():
    assert run_async(loop_in_use) == "uvloop"


def test_without_uvloop_the_loop_of_the_standard_library_does(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)

    assert run_async(loop_in_use) == "asyncio"


def test_what_is_raised_inside_comes_out():
    async def fail() -> None:
        message = "in the loop"
        raise KeyError(message)

    with pytest.raises(KeyError, match="in the loop"):
        run_async(fail)


def test_no_other_place_starts_a_loop():
    package = Path(bulkbind.__file__).parent
    starts = re.compile(r"\b(anyio|asyncio)\.run\(")
    places = [p.name for p in package.rglob("*.py") if starts.search(p.read_text())]

    assert places == ["looping.py"]
