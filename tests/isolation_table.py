"""What finding the bad ids of a batch costs: requests by number, layout and hint.

``python -m tests.isolation_table`` prints the table; every run in it is checked, and so
are ``--sets`` random bad sets of every kind. The same seed prints the same table.
"""

import argparse
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, cycle, islice, product
from random import Random
from statistics import mean

from bulkbind.isolate import Search
from bulkbind.model import Action, Batch, Record, RecordKind, Scope
from bulkbind.model.records import Receipts
from bulkbind.run.progress import Progress

SIZE = 500
COUNTS = (1, 2, 5, 25, 100, 250, 500)
API_IDS = tuple(f"{place * 2654435761 % 2**128:032x}" for place in range(SIZE))

#: isolation.md, table 3: mean requests for 500 ids.
RUN_AWARE = {
    "random": dict(zip(COUNTS, (12, 22, 48, 163, 426, 649, 512), strict=True)),
    "block": dict(zip(COUNTS, (13, 21, 23, 44, 119, 269, 512), strict=True)),
}
#: Bad ids unconfirmed; add one for each. ``None``: the table has no entry.
HINTED: dict[str, dict[int, int | None]] = {
    "right": dict(zip(COUNTS, (2, 3, 6, 26, 101, 251, 500), strict=True)),
    "90 %": dict(zip(COUNTS, (2, 4, 9, 50, 234, None, 505), strict=True)),
    "50 %": dict(zip(COUNTS, (4, 7, 17, 88, 333, None, 508), strict=True)),
    "all": dict(zip(COUNTS, (2, 2, 2, 2, 2, 2, 1), strict=True)),
}


def seeded(seed: object) -> Random:
    return Random(str(seed))  # noqa: S311


#: Says which ids of a refused group the message names; given the group and its bad ids.
Hint = Callable[[Sequence[int], Sequence[int], Random], Collection[int]]


def _wrong(group: Sequence[int], bad: Sequence[int], random: Random) -> Collection[int]:
    good = sorted(set(group).difference(bad))
    return (random.choice(good),) if good else ()


def _now_and_then(
    share: float,
    otherwise: Hint,
    group: Sequence[int],
    bad: Sequence[int],
    random: Random,
) -> Collection[int]:
    if random.random() < share:
        return bad[:1]
    return otherwise(group, bad, random)


def _silent(*_: object) -> Collection[int]:
    return ()


HINTS: dict[str, Hint] = {
    "none": _silent,
    "right": lambda _, bad, __: bad[:1],
    "90 %": partial(_now_and_then, 0.9, _silent),
    "50 %": partial(_now_and_then, 0.5, _silent),
    "any": lambda _, bad, random: (random.choice(bad),),
    "all": lambda _, bad, __: bad,
    "half lies": partial(_now_and_then, 0.5, _wrong),
    "wrong": _wrong,
    "echo": lambda group, *_: group,
}


@dataclass
class Gateway:
    """Takes all of a request or none of it."""

    bad: frozenset[int]
    hint: Hint = HINTS["none"]
    random: Random = field(default_factory=lambda: seeded(0))
    requests: int = 0
    taken: list[int] = field(default_factory=list)
    refused_alone: list[int] = field(default_factory=list)

    def answer(self, span: tuple[int, ...]) -> str | None:
        """Return the message of a refusal; None: taken."""
        self.requests += 1
        bad = [place for place in span if place in self.bad]
        if not bad:
            self.taken += span
            return None
        if len(span) == 1:
            self.refused_alone += span
        named = self.hint(span, bad, self.random)
        return f"refused: {', '.join(API_IDS[place] for place in named)}."


def solve(gateway: Gateway, *, size: int = SIZE) -> int:
    """Search a batch to the end, check what was found, and count the requests."""
    search = Search(range(size), api_ids=API_IDS[:size])
    while span := search.ask():
        message = gateway.answer(span)
        if message is None:
            search.settle(span)
        else:
            search.refuse(span, message=message)
    check(gateway, size=size)
    return gateway.requests


def check(gateway: Gateway, *, size: int = SIZE) -> None:
    """The bad set is exact, each was refused alone once, each good id taken once."""
    assert sorted(gateway.refused_alone) == sorted(gateway.bad)
    assert sorted(gateway.taken) == sorted(set(range(size)) - gateway.bad)


def scattered(count: int, random: Random, *, size: int = SIZE) -> frozenset[int]:
    """Lay bad ids anywhere."""
    return frozenset(random.sample(range(size), count))


def blocks(
    count: int, random: Random, *, size: int = SIZE, number: int = 1
) -> frozenset[int]:
    """Lay bad ids in so many contiguous blocks, which may touch."""
    if not count:
        return frozenset()
    number = min(number, count)
    cuts = sorted(random.sample(range(1, count), number - 1))
    gaps = sorted(random.choices(range(size - count + 1), k=number))
    parts = zip([0, *cuts], [*cuts, count], gaps, strict=True)
    return frozenset(
        chain.from_iterable(range(a + gap, b + gap) for a, b, gap in parts)
    )


LAYOUTS = {"random": scattered, "block": blocks}


def cost(layout: str, count: int, hint: str, *, runs: int, seed: int) -> list[int]:
    """Count the requests of some checked searches."""
    random = seeded(f"{seed}/{layout}/{count}")  # one layout for every hint
    return [
        solve(Gateway(LAYOUTS[layout](count, random), HINTS[hint], seeded(run)))
        for run in range(runs)
    ]


def random_sets(number: int, *, seed: int) -> int:
    """Search random bad sets of every layout and hint; return the most requests."""
    random = seeded(seed)
    most = 0
    for hint, part in islice(cycle(product(HINTS.values(), range(7))), number):
        count = SIZE if part == 6 else random.randint(0, SIZE)
        if part == 0:
            bad = scattered(count, random)
        elif part == 1:
            bad = scattered(count // 20, random)
        else:
            bad = blocks(count, random, number=min(5, part - 1) or 1)
        most = max(most, solve(Gateway(bad, hint, seeded(count))))
    return most


# --- what it costs the processor ------------------------------------------------------


def batch_of(size: int = SIZE) -> Batch:
    return Batch(
        id=1,
        target=0,
        lane=0,
        action=Action.ATTACH,
        rows=tuple(range(size)),
        api_ids=API_IDS[:size],
    )


def answered(span: tuple[int, ...], message: str | None) -> Record:
    """Return the record of an answer."""
    named = span if message is None else ()
    texts = ("",) * len(named)
    return Record(
        batch=1,
        kind=RecordKind.ANSWER,
        invocation=1,
        at=0.0,
        span=span,
        scope=Scope.DONE if message is None else Scope.ITEM,
        message=message or "",
        receipts=Receipts(named, texts, texts),
    )


def left(span: tuple[int, ...]) -> Record:
    return Record(batch=1, kind=RecordKind.INTENT, invocation=1, at=0.0, span=span)


def progress_seconds(gateway: Gateway) -> tuple[float, float]:
    """Return what a batch's progress takes, without the gateway, and its replay."""
    progress, records, seconds = Progress(batch_of(), []), [], 0.0
    span = progress.ask()
    while span:
        intent, answer = left(span), answered(span, gateway.answer(span))
        began = time.process_time()
        progress.leave(intent)
        progress.learn(answer)
        span = progress.ask()
        seconds += time.process_time() - began
        records += [intent, answer]
    began = time.process_time()
    assert Progress(batch_of(), records).ask() == ()
    return seconds, time.process_time() - began


def search_seconds(gateway: Gateway) -> float:
    """Return what the search alone takes."""
    search = Search(range(SIZE), api_ids=API_IDS)
    seconds = 0.0
    span = search.ask()
    while span:
        message = gateway.answer(span)
        began = time.process_time()
        if message is None:
            search.settle(span)
        else:
            search.refuse(span, message=message)
        span = search.ask()
        seconds += time.process_time() - began
    return seconds


# --- the table ------------------------------------------------------------------------


def _print_table(*, layouts: int, seed: int, out: Callable[[str], object]) -> None:
    out("requests for 500 ids, mean/max; every bad id sent alone")
    out(f"{'hint':10}{'layout':8}" + "".join(f"{f'd={d}':>12}" for d in COUNTS))
    for hint, layout in product(HINTS, LAYOUTS):
        cells = []
        for count in COUNTS:
            runs = layouts if count < 100 else max(12, layouts // 5)
            costs = cost(layout, count, hint, runs=runs, seed=seed)
            cells.append(f"{mean(costs):.1f}/{max(costs)}")
        out(f"{hint:10}{layout:8}" + "".join(f"{cell:>12}" for cell in cells))


def _print_seconds(out: Callable[[str], object]) -> None:
    out("\nprocessor time for one batch, ms: search, progress with it, its replay")
    for hint, count in product(("none", "right", "all", "half lies"), (5, 250, 500)):
        bad = scattered(count, seeded(1))
        alone = min(search_seconds(Gateway(bad, HINTS[hint])) for _ in range(3))
        both = min(progress_seconds(Gateway(bad, HINTS[hint])) for _ in range(3))
        times = " ".join(f"{1e3 * seconds:6.1f}" for seconds in (alone, *both))
        out(f"{hint:10}d={count:<6}{times}")


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.isolation_table")
    parser.add_argument("--seed", type=int, default=1, help="which layouts")
    parser.add_argument("--layouts", type=int, default=120, help="per cell; d>=100: /5")
    parser.add_argument("--sets", type=int, default=5000, help="random bad sets")
    options = parser.parse_args()

    def out(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    _print_table(layouts=options.layouts, seed=options.seed, out=out)
    _print_seconds(out)
    most = random_sets(options.sets, seed=options.seed)
    out(f"\n{options.sets} random bad sets exact; most requests: {most}")


if __name__ == "__main__":
    main()
