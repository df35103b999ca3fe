"""What the report of a run costs: seconds, peak memory, bytes.

    python benchmarks/folders.py /tmp/done --rows 10000000 --targets 600 --carried
    python benchmarks/report.py /tmp/done --times 3

Each time ``bulkbind report RUN`` is started as a process of its own, which writes
``report.csv``, ``failed.csv`` and the summary; then ``--format jsonl -o``, so that the
two take turns. ``--instead FOLDER`` gives a folder that holds another version of the
package, which then takes its turn, too, for a ratio of medians.
"""

import argparse
import hashlib
import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bulkbind.state.folders import RunFolder, StateFolder


def measure(package: str, *arguments: str) -> dict[str, float]:
    """Run bulkbind of a folder; return its seconds and its own peak memory in MB."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "bulkbind", *arguments],
        env={**os.environ, "PYTHONPATH": package},
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"bulkbind {' '.join(arguments)}: it failed")
    return {
        "seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_rss_mb": round(usage.ru_maxrss / 1024),
    }


def medians(measured: list[dict[str, float]]) -> dict[str, object]:
    """Return all seconds, and the median of each figure."""
    figures: dict[str, object] = {"all": [one["seconds"] for one in measured]}
    for name in ("seconds", "cpu_seconds", "peak_rss_mb"):
        figures[name] = statistics.median(one[name] for one in measured)
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("state", type=Path)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--no-jsonl", action="store_true")
    parser.add_argument("--instead", type=Path)
    wanted = parser.parse_args()
    (run,) = StateFolder(wanted.state.resolve()).runs()
    here = str(Path(__file__).parent.parent)
    csv, jsonl, instead = [], [], []
    sums, size = set(), 0
    with tempfile.TemporaryDirectory(dir=run.path.parent) as folder:
        other = f"{folder}/report.jsonl"
        for _ in range(wanted.times):
            csv.append(measure(here, "report", str(run.path)))
            sums.add(checksum(run))
            if not wanted.no_jsonl:
                jsonl.append(measure(here, "report", str(run.path), "-o", other))
                size = Path(other).stat().st_size
            if wanted.instead:
                instead.append(measure(str(wanted.instead), "report", str(run.path)))
                sums.add(checksum(run))
    facts = run.facts()
    figures: dict[str, object] = {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "cores": os.cpu_count(),
        "rows": facts.totals.rows,
        "targets": facts.totals.targets,
        "csv": medians(csv),
        "csv_gb": round((run.path / "report.csv").stat().st_size / 1e9, 2),
        "same_bytes": len(sums) == 1,
    }
    if jsonl:
        figures |= {"jsonl": medians(jsonl), "jsonl_gb": round(size / 1e9, 2)}
    if instead:
        before, now = medians(instead)["seconds"], medians(csv)["seconds"]
        figures |= {
            "instead": medians(instead),
            "ratio": round(float(str(now)) / float(str(before)), 2),
        }
    print(json.dumps(figures, indent=2))


def checksum(run: RunFolder) -> str:
    """Return the SHA-256 of the report's bytes."""
    with (run.path / "report.csv").open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main()
