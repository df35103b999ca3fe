"""Hold a run's report against the sandbox's own world: is every verdict true?

Reads the newest report in STATE and, through the sandbox's oracle, the world file
beside it: a row must be ``bound`` exactly when the world holds its binding, and may be
``failed`` exactly when its API was planted as missing or unpublished. Compares rows,
not codes. Usage: ``python check_report.py STATE``.
"""

import csv
import sys
from collections import Counter
from pathlib import Path

from bulkbind.sandbox import oracle


def main(state: Path) -> int:
    """Compare; return 0 when every row's verdict is true."""
    run = max(path for path in (state / "runs").iterdir() if path.name[0] != ".")
    bound, missing, unpublished = read_world(state / "sandbox.db")
    counts: Counter[str] = Counter()
    lies = []
    with (run / "report.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            slot = (row["instance_id"], row["env_id"], row["api_id"])
            planted = row["api_id"] in missing or slot in unpublished
            expected = "failed" if planted else "bound"
            verdict = row["verdict"]
            counts[verdict] += 1
            if verdict == "duplicate":
                continue
            is_bound = (*slot, row["plugin_id"]) in bound
            if verdict != expected or is_bound != (verdict == "bound"):
                lies.append(f"line {row['line']}: {verdict}, expected {expected}")
    for lie in lies[:20]:
        print(lie)
    words = ", ".join(f"{n:,} {verdict}" for verdict, n in sorted(counts.items()))
    print(f"checked {counts.total():,} rows against the sandbox's world: {words}")
    if lies:
        print(f"{len(lies):,} verdicts are not true")
        return 1
    print(
        f"the failed rows are the planted ones: {len(missing)} APIs that do not exist,"
        f" {len(unpublished)} that are not published"
    )
    return 0


Slot = tuple[str, str, str]


def read_world(
    path: Path,
) -> tuple[set[tuple[str, str, str, str]], set[str], set[Slot]]:
    """Read what is bound, and what was planted."""
    bound = set(oracle.bindings(path))
    missing = set()
    unpublished = set()
    for planted in oracle.planted(path):
        if planted.kind == "missing":
            missing.add(planted.api_id)
        else:
            unpublished.add((planted.instance_id, planted.env_id, planted.api_id))
    return bound, missing, unpublished


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
