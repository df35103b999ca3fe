"""How time and memory grow with rows: plan, run, resume and report.

    python benchmarks/growth.py --rows 10000 100000 1000000

Each size is planned, run on the sandbox in the same process (its world is in the
figures) with the pace unlimited, resumed when nothing is left to do, and reported
again. Prints JSON; --plots FOLDER writes growth-seconds.svg (CPU seconds, which other
work on the machine changes least) and growth-memory.svg.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
from pathlib import Path

if __package__ is None:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.plots import slope, write_lines
from benchmarks.whole_run import make_manifest, measure

STEPS = ("plan", "run", "resume", "report")


def main() -> None:
    """Measure every size and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10**4, 10**5, 10**6])
    parser.add_argument("--plots", type=Path)
    wanted = parser.parse_args()
    figures = {rows: _measured(rows) for rows in wanted.rows}
    print(json.dumps(figures, indent=2))
    for figure, name in (("cpu_seconds", "seconds"), ("peak_rss_mb", "memory")):
        lines = {
            step: [(rows, found[step][figure]) for rows, found in figures.items()]
            for step in STEPS
        }
        print(figure, {step: round(slope(points), 2) for step, points in lines.items()})
        if wanted.plots:
            path = wanted.plots / f"growth-{name}.svg"
            write_lines(path, f"{figure} by rows", lines)


def _measured(rows: int) -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "apis.csv"
        # elsewhere: a child's peak memory is never less than its parent's was
        making = multiprocessing.get_context("spawn").Process(
            target=make_manifest, args=(manifest,), kwargs={"rows": rows, "seed": 1}
        )
        making.start()
        making.join()
        os.environ["BULKBIND_HOST_DIR"] = f"{folder}/host"
        state = ("--state-dir", f"{folder}/.bulkbind")
        return {
            "plan": measure("plan", str(manifest), "--endpoint", "sandbox"),
            "run": measure(
                *("run", str(manifest), "--endpoint", "sandbox"),
                *("--rate", "unlimited", "-q", *state),
            ),
            "resume": measure("resume", "latest", "-q", *state),
            "report": measure("report", "latest", "-q", *state),
        }


if __name__ == "__main__":
    main()
