"""What a plan costs, beside DuckDB, Polars and pyarrow doing the same work.

    python benchmarks/plan.py --rows 10000000 --pairs 5
    python benchmarks/plan.py --rows 10000000 --only bulkbind --form jsonl

The work: read the CSV, check four ids a row, sort by target, drop repeats (the first
stays), cut batches of 500 in order, and say the line of every bad row. bulkbind also
writes its plan into a ledger; keeping the pinned copy of the manifest is measured
apart. Candidates take turns, each in a process of its own.

Needs duckdb, polars and pyarrow beside bulkbind.
"""

# ruff: noqa: S608 - the SQL is this file's own

import argparse
import gc
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

if __package__ is None:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.manifests import make_manifest

BATCH = 500
_ID = "[0-9A-Za-z_-]{1,64}"
_COLUMNS = ("instance_id", "plugin_id", "env_id", "api_id")

Found = dict[str, Any]
"""``bindings``, ``batches`` and ``bad``: the lines of bad rows."""


class _NoPin:
    """Keeps nothing: pinning is measured apart."""

    def write(self, row: object) -> None:
        """Keep no row."""

    def write_block(self, block: object) -> None:
        """Keep no block."""


def bulkbind(path: Path, folder: Path, *, pins: bool = False) -> Found:
    """Plan with bulkbind's own parts."""
    from bulkbind.__main__ import COLLECT_AFTER
    from bulkbind.ledger import SqliteLedger
    from bulkbind.manifest import Manifest, PinWriter, Shape, Source
    from bulkbind.plan import Planner, PlanSettings, draw

    gc.set_threshold(*COLLECT_AFTER)  # as the command does
    manifest = Manifest([Source("m", path)], shape=Shape(accounts={"default": ""}))
    planner = Planner(
        PlanSettings(),
        gateway_of=lambda account, instance: f"{account}/{instance}",
        file_name=str,
        folder=folder,
    )
    if pins:
        with PinWriter(folder / "pin") as pin:
            draw(planner, manifest.read(), pin=pin)
    else:
        draw(planner, manifest.read(), pin=_NoPin())
    with closing(SqliteLedger.create(folder / "l.db", tool="benchmark")) as ledger:
        ledger.begin()
        ledger.put_batches(planner.batches())
        ledger.put_plan(
            lanes=planner.draft.lanes, targets=planner.draft.targets, asides=()
        )
        ledger.commit()
    totals = planner.draft.totals
    bad = [fault.line for fault in planner.draft.faults]
    return {"bindings": totals.bindings, "batches": totals.requests, "bad": bad}


def pinned(path: Path, folder: Path) -> Found:
    """Plan with bulkbind, and keep the pinned copy."""
    return bulkbind(path, folder, pins=True)


def duckdb(path: Path, folder: Path) -> Found:
    """Read whole lines, so that every row has its number; the rest is SQL."""
    import duckdb as engine

    db = engine.connect(str(folder / "plan.duckdb"))
    db.execute("SET memory_limit = '2GB'")
    db.execute(f"SET temp_directory = '{folder}'")
    db.execute(
        "CREATE TEMP TABLE lines AS SELECT row_number() OVER () + 1 AS line, text"
        f" FROM read_csv('{path}', columns = {{'text': 'VARCHAR'}}, delim = '\x01',"
        " quote = '', escape = '', header = true, auto_detect = false)"
    )
    sound = f"^({_ID},){{3}}{_ID}$"
    bad = db.execute(
        f"SELECT line FROM lines WHERE NOT regexp_full_match(text, '{sound}')"
        " ORDER BY line"
    ).fetchall()
    db.execute(
        "CREATE TABLE batch AS WITH cells AS ("
        "  SELECT line, string_split(text, ',') AS c FROM lines"
        f"  WHERE regexp_full_match(text, '{sound}')"
        "), once AS ("
        "  SELECT c[1] AS i, c[2] AS p, c[3] AS e, c[4] AS a, min(line) AS line"
        "  FROM cells GROUP BY ALL"
        "), numbered AS ("
        "  SELECT *, (row_number() OVER (PARTITION BY i, p, e ORDER BY line) - 1)"
        f"   // {BATCH} AS b FROM once"
        ") SELECT i, p, e, b, list(a ORDER BY line) AS ids, list(line ORDER BY line)"
        " AS rows FROM numbered GROUP BY i, p, e, b"
    )
    batches, bindings = db.execute(
        "SELECT count(*), sum(len(ids)) FROM batch"
    ).fetchall()[0]
    return {"bindings": int(bindings), "batches": batches, "bad": [n for (n,) in bad]}


def polars(path: Path, folder: Path) -> Found:
    """The same with expressions: whole lines, then columns."""
    import polars as pl

    lines = pl.read_csv(
        path,
        separator="\x01",
        quote_char=None,
        has_header=True,
        new_columns=["text"],
        schema_overrides=[pl.String],
    ).with_row_index("line", offset=2)
    sound = pl.col("text").str.contains(f"^({_ID},){{3}}{_ID}$")
    bad = lines.filter(~sound)["line"].to_list()
    cells = (
        lines.filter(sound)
        .with_columns(pl.col("text").str.split_exact(",", 3).alias("c"))
        .select("line", pl.col("c").struct.rename_fields(list(_COLUMNS)))
        .unnest("c")
        .unique(list(_COLUMNS), keep="first", maintain_order=True)
    )
    target = list(_COLUMNS[:3])
    batches = (
        cells.with_columns((pl.int_range(pl.len()).over(target) // BATCH).alias("b"))
        .group_by([*target, "b"], maintain_order=True)
        .agg("api_id", "line")
    )
    batches.write_parquet(folder / "plan.parquet")
    bindings = int(batches["api_id"].list.len().sum())
    return {"bindings": bindings, "batches": len(batches), "bad": bad}


def pyarrow(path: Path, folder: Path) -> Found:
    """The streaming reader (one thread: else it gives no line numbers), then Acero."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv, parquet

    ragged: list[int] = []

    def skip(row: Any) -> str:  # noqa: ANN401 - pyarrow's
        ragged.append(row.number)
        return "skip"

    reader = csv.open_csv(
        path,
        read_options=csv.ReadOptions(use_threads=False, block_size=1 << 24),
        parse_options=csv.ParseOptions(quote_char=False, invalid_row_handler=skip),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(_COLUMNS, pa.string())
        ),
    )
    bad, parts, read = [], [], 0
    for part in reader:
        line = pa.array(range(read, read + len(part)))
        sound = None
        for name in _COLUMNS:
            good = pc.match_substring_regex(part[name], f"^{_ID}$")
            sound = good if sound is None else pc.and_(sound, good)
        bad += line.filter(pc.invert(sound)).to_pylist()
        parts.append(part.append_column("line", line).filter(sound))
        read += len(part)
    table = pa.Table.from_batches(parts)
    once = (
        table.group_by(list(_COLUMNS)).aggregate([("line", "min")]).sort_by("line_min")
    )
    groups = once.group_by(list(_COLUMNS[:3]), use_threads=False).aggregate(
        [("api_id", "list"), ("line_min", "list")]
    )
    parquet.write_table(groups, folder / "plan.parquet")
    batches = sum(-(-len(ids) // BATCH) for ids in groups["api_id_list"])
    # Values that are wrong have no line number: skipped rows are not counted above.
    return {"bindings": len(once), "batches": batches, "bad": sorted(ragged) + bad}


CANDIDATES: dict[str, Callable[[Path, Path], Found]] = {
    "bulkbind": bulkbind,
    "bulkbind, pinning": pinned,
    "duckdb": duckdb,
    "polars": polars,
    "pyarrow": pyarrow,
}


def measure(name: str, path: Path) -> Found:
    """Do the work in this process; return what was found and what it took."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        began = time.perf_counter()
        found = CANDIDATES[name](path, Path(folder))
        seconds = time.perf_counter() - began
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        **found,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mb": round(usage.ru_maxrss / 1024),
    }


def main() -> int:
    """Let the candidates take turns, and print medians as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=list(CANDIDATES))
    parser.add_argument("--form", choices=("csv", "jsonl"), default="csv")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--one", nargs=2, metavar=("NAME", "FILE"))
    wanted = parser.parse_args()
    if wanted.one:
        print(json.dumps(measure(wanted.one[0], Path(wanted.one[1]))))
        return 0
    path = wanted.folder / f"manifest-{wanted.rows}.{wanted.form}"
    made = make_manifest(path, rows=wanted.rows)
    runs: dict[str, list[Found]] = {name: [] for name in wanted.only}
    for _ in range(wanted.pairs):
        for name, found in runs.items():
            process = [sys.executable, __file__, "--one", name, str(path)]
            found.append(json.loads(subprocess.check_output(process)))
    path.unlink()
    print(json.dumps(_result(runs, made.bad_lines, wanted.rows), indent=2))
    return 0


def _result(
    runs: dict[str, list[Found]], bad_lines: frozenset[int], rows: int
) -> dict[str, Any]:
    return {
        "rows": rows,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.release()}",
        "python": platform.python_version(),
        "candidates": {
            name: {
                **{
                    figure: statistics.median(one[figure] for one in found)
                    for figure in ("seconds", "cpu_seconds", "peak_mb")
                },
                "all_seconds": [one["seconds"] for one in found],
                "bindings": found[0]["bindings"],
                "batches": found[0]["batches"],
                "bad_lines_right": len(bad_lines.intersection(found[0]["bad"])),
                "bad_lines_wrong": len(set(found[0]["bad"]) - bad_lines),
            }
            for name, found in runs.items()
        },
    }


if __name__ == "__main__":
    raise SystemExit(main())
