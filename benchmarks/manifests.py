"""Large manifests for benchmarks: random order, repeats, and bad rows of four kinds."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ENVIRONMENTS = 3

_NAMES = ("instance_id", "plugin_id", "env_id", "api_id")

#: A repeat of the row before it comes once in so many rows.
REPEATS_EVERY = 100


class Made(NamedTuple):
    """A manifest, and what a planner must find in it."""

    path: Path
    rows: int
    bad_lines: frozenset[int]
    targets: int


def make_manifest(
    path: Path, *, rows: int, targets: int = 600, bad: int = 1000, seed: int = 1
) -> Made:
    """Write a manifest, its rows in random order.

    Args:
        path: Where to: JSON lines by its ending, else CSV with a byte order mark.
        rows: Of the body.
        targets: Gateway, plug-in and environment; a multiple of 30.
        bad: Rows with a blank in an id, a cell too many (JSON: an id that is none), an
            id that a spreadsheet turned into a number, or no environment.
        seed: The same seed makes the same file.
    """
    chance = random.Random(seed)
    bad_rows = frozenset(chance.sample(range(rows), bad))
    groups = list(_targets(chance, targets))
    before = ("", "")
    is_json = path.suffix == ".jsonl"
    with path.open("w", encoding="utf-8" if is_json else "utf-8-sig") as file:
        if not is_json:
            file.write(",".join(_NAMES) + "\n")
        for number in range(rows):
            if number % REPEATS_EVERY != REPEATS_EVERY - 1:
                before = groups[int(chance.random() * targets)], _hex(chance)
            target, api_id = before
            line = f"{target},{api_id}"
            if number in bad_rows:
                line = _spoiled(target, api_id, number % 4)
            file.write((_as_json(line) if is_json else line) + "\n")
    first = 1 if is_json else 2
    return Made(path, rows, frozenset(row + first for row in bad_rows), targets)


def _as_json(line: str) -> str:
    cells: list[str | int] = [*line.split(",")]
    if len(cells) > len(_NAMES):
        cells[3] = 5
    return json.dumps(dict(zip(_NAMES, cells, strict=False)))


def _targets(chance: random.Random, count: int) -> Iterator[str]:
    environments = [_hex(chance) for _ in range(ENVIRONMENTS)]
    plugins_each = count // ENVIRONMENTS // 10
    for _ in range(10):
        gateway = _hex(chance)
        for _ in range(plugins_each):
            plugin = _hex(chance)
            for environment in environments:
                yield f"{gateway},{plugin},{environment}"


def _spoiled(target: str, api_id: str, kind: int) -> str:
    gateway, plugin, _ = target.split(",")
    return (
        f"{target},{api_id[:20]} {api_id[21:]}",
        f"{target},{api_id},more",
        f"{target},1.2345E+31",
        f"{gateway},{plugin},,{api_id}",
    )[kind]


def _hex(chance: random.Random) -> str:
    return f"{chance.getrandbits(128):032x}"
