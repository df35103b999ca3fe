"""``python -m tests.simulate --seeds 10000``: many seeds, and one command for each that fails."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable

from tests.simulate import Told, tell
from tests.simulate.lost import lose
from tests.simulate.undo_story import tell_undo


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for; 1: a seed failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulate")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--verbose", action="store_true", help="tell the whole story")
    parser.add_argument("--undo", action="store_true", help="look first; then undo it")
    parser.add_argument("--lost-answers", type=int, help="lose so many, and show them")
    wanted = parser.parse_args(arguments)
    if wanted.lost_answers is not None:
        return _lost(wanted.lost_answers)
    seeds = range(wanted.first, wanted.first + wanted.seeds)
    if wanted.seed is not None:
        teller = tell_undo if wanted.undo else tell
        return _one(teller(wanted.seed, verbose=wanted.verbose))
    return _many_undone(seeds) if wanted.undo else _many(seeds)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _one(told: Told) -> int:
    _say("\n".join(told.lines))
    _say("\n".join(f"WRONG {wrong}" for wrong in told.wrongs) or "all well")
    return bool(told.wrongs)


def _lost(answers: int) -> int:
    figures = lose(answers)
    _say(
        f"{figures.answers:,} answers lost after the effect, in {figures.seeds:,} runs"
        f" of {figures.sent:,} rows: {figures.bound:,} bound,"
        f" {figures.failed:,} failed, {figures.wrong:,} runs wrong"
    )
    return bool(figures.failed or figures.wrong or figures.bound != figures.sent)


def _many(seeds: Iterable[int]) -> int:
    began = time.monotonic()
    sums: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    bad = 0
    for done, seed in enumerate(seeds, start=1):
        told = tell(seed)
        _add(told, sums, faults)
        bad += _complain(told)
        if done % 500 == 0:
            sys.stderr.write(f"{done} seeds, {time.monotonic() - began:.0f} s\n")
    seconds = time.monotonic() - began
    _say(
        f"{sums['seeds']:,} seeds, {bad} wrong; {sums['lives']:,} lives,"
        f" {sums['kills']:,} kills, {sums['requests']:,} requests,"
        f" {sums['rows']:,} rows, {sums['given_up']:,} given up;"
        f" {sums['hours']:,} virtual hours in {seconds:.1f} s"
        f" ({sums['seeds'] / seconds:.1f} seeds/s)"
    )
    told_of = (f"{name} {many:,}" for name, many in faults.most_common())
    _say(f"faults: {', '.join(told_of)}")
    return bool(bad)


def _complain(told: Told, *, flag: str = "") -> bool:
    """Say what is wrong with a seed, and how to see it again."""
    if told.wrongs:
        wrongs = f"{len(told.wrongs)} wrong; the first: {told.wrongs[0]}"
        _say(f"seed {told.seed}: {wrongs}")
        _say(f"    python -m tests.simulate {flag}--seed {told.seed} --verbose")
    return bool(told.wrongs)


def _many_undone(seeds: Iterable[int]) -> int:
    began = time.monotonic()
    counts: Counter[str] = Counter()
    bad = 0
    for done, seed in enumerate(seeds, start=1):
        told = tell_undo(seed)
        counts += told.counts
        counts.update(
            seeds=1, lives=told.lives, kills=told.kills, changes=told.requests
        )
        bad += _complain(told, flag="--undo ")
        if done % 100 == 0:
            sys.stderr.write(f"{done} seeds, {time.monotonic() - began:.0f} s\n")
    figures = ", ".join(f"{name} {many:,}" for name, many in sorted(counts.items()))
    _say(f"{bad} wrong in {time.monotonic() - began:.0f} s: {figures}")
    return bool(bad)


def _add(told: Told, sums: Counter[str], faults: Counter[str]) -> None:
    sums.update(
        seeds=1,
        lives=told.lives,
        kills=told.kills,
        requests=told.requests,
        rows=told.rows,
        given_up=told.given_up,
    )
    sums["hours"] += round(told.virtual_s / 3600)
    faults.update(told.faults)


if __name__ == "__main__":
    sys.exit(main())
