"""Gateways whose every page a test writes: the real client, pace and waits read them."""

import json
from collections.abc import Callable, Coroutine, Mapping
from random import Random
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import anyio

from bulkbind.auth import Token
from bulkbind.errors import AnswerLost
from bulkbind.gateway import Gateway
from bulkbind.http import Answer
from bulkbind.live import Lists
from bulkbind.model import Lane, Secret
from bulkbind.pace import MemoryLog, Pace, Rate
from bulkbind.retry import RetryPolicy
from bulkbind.run import Halt, Observer, ReadTools, RunSettings
from tests.clock import run_virtually
from tests.factories import PROJECT

T = TypeVar("T")

LANE = Lane(0, "default", "host/gw")
ATTEMPTS = 4

Answerer = Callable[[int, str, int], tuple[int, object]]
"""Number of the request, last part of its path, offset -> status and body."""


class Shelf:
    """What ``Gateway`` sends with: a test's own pages."""

    def __init__(self, answer: Answerer) -> None:
        self._answer = answer
        self.asked: list[str] = []

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> Answer:
        parts = urlsplit(url)
        offset = int(parse_qs(parts.query)["offset"][0])
        what = parts.path.partition("/instances")[2]
        self.asked.append(f"{what} {offset}")
        assert len(self.asked) < 1000, "an endless loop"
        status, content = self._answer(len(self.asked) - 1, what, offset)
        if not status:
            message = "cut"
            raise AnswerLost(message)
        return Answer(status, {}, json.dumps(content).encode())


class Desk:
    """Reads from a shelf."""

    def __init__(self, answer: Answerer, *, bound: int) -> None:
        self.shelf = Shelf(answer)
        self.halt = Halt()
        self.reads = 0
        clock = anyio.current_time
        self.now = clock
        gateway = Gateway(
            self.shelf,
            endpoint="",
            project_id=PROJECT,
            credential=Token(Secret("sandbox"), label="test"),
        )
        tools = ReadTools(
            attacher=gateway,
            turns=Pace(Rate(0, 1.0), log=MemoryLog(clock=clock), clock=clock),
            slots=anyio.Semaphore(1),
            halt=self.halt,
            observer=Observer(),
            settings=RunSettings(retry=RetryPolicy(max_attempts=ATTEMPTS)),
            count_read=self._count,
            now=clock,
            random=Random(3),  # noqa: S311 - seeded
        )
        self.lists = Lists({"default": tools}, bound=bound)

    async def _count(self) -> None:
        self.reads += 1


def play(
    answer: Answerer,
    story: Callable[[Desk], Coroutine[Any, Any, T]],
    *,
    bound: int = 200_000,
) -> T:
    async def main() -> T:
        return await story(Desk(answer, bound=bound))

    return run_virtually(main)


def whole(number: int, what: str, offset: int) -> tuple[int, object]:
    """A gateway with two plug-ins of one type and one of another."""
    field = what.rpartition("/")[2]
    if field == "attached-apis":
        plugin = what.split("/")[3]
        bound = {"mine": "ab", "rival": "c", "gone": ""}.get(plugin, "z")
        items = [{"api_id": name, "env_id": "env"} for name in bound]
        return 200, {"total": len(items), "apis": items}
    known = {
        "plugins": [
            {"plugin_id": name, "plugin_type": kind, "plugin_name": f"n-{name}"}
            for name, kind in (("mine", "cors"), ("rival", "cors"), ("else", "log"))
        ],
        "envs": [{"id": "env", "name": "RELEASE"}],
    }[field]
    return 200, {"total": len(known), field: known}
