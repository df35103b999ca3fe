"""Export what is bound, plan it again: is all of it unchanged, how soon, how large?

python -m tests.export_figures [--rows N]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.factories import PROJECT, Binding, binding, gateways, write_manifest

TYPES = ("cors", "rate_limit", "jwt_auth", "http_log")
GATEWAYS = 5


def many(count: int) -> list[Binding]:
    """Spread bindings over gateways and types."""
    places = [(gateway, plugin) for gateway in range(GATEWAYS) for plugin in TYPES]
    each = count // len(places)
    return [
        binding(no, gateway=gateway, plugin=plugin)
        for gateway, plugin in places
        for no in range(each)
    ]


def command(folder: Path, *arguments: object) -> tuple[Any, float, float]:
    """Run bulkbind; return its JSON, its seconds and its largest size in MB."""
    began = time.perf_counter()
    out = folder / "out.json"
    with out.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "bulkbind", *map(str, arguments), "--json"],
            cwd=folder,
            stdout=file,
            env={
                **os.environ,
                "BULKBIND_TOKEN": "sandbox",
                "BULKBIND_HOST_DIR": "host",
            },
        )
        most = 0.0
        while process.poll() is None:
            most = max(most, _largest_mb(process.pid))
            time.sleep(0.01)
    if process.returncode:
        sys.exit(process.returncode)
    seconds = time.perf_counter() - began
    return json.loads(out.read_bytes()), seconds, most


def _largest_mb(pid: int) -> float:
    """Return how large a process has been since it began (rusage: and its parent)."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def say(line: str) -> None:
    """Print a figure at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Do it, print the figures; 0: every row is unchanged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    rows = many(parser.parse_args().rows)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = write_manifest(folder / "apis.csv", rows)
        with gateways(folder / "world.db", rows) as served:
            where = ("--endpoint", served.url, "--project-id", PROJECT)
            to = (*where, "--rate", "unlimited")
            bound, seconds, _ = command(
                folder, "run", manifest, *to, "--no-live", "--on-replace", "allow"
            )
            say(f"run     {bound['rows']:>9,} rows    {seconds:6.1f} s")
            done, seconds, most = command(folder, "export", *to, "-o", "live.csv")
            say(
                f"export  {done['rows']:>9,} rows    {seconds:6.1f} s"
                f"  {done['reads']:,} pages, {most:.0f} MB at most"
            )
            plan, seconds, _ = command(folder, "plan", "live.csv", "--live", *to)
            same = plan["judged"]["unchanged"]
            say(
                f"plan    {same:>9,} unchanged of {plan['rows']:,}, {seconds:.1f} s,"
                f" {plan['reads']:,} pages, {plan['requests']:,} requests to send"
            )
            found, seconds, _ = command(folder, "verify")
            say(
                f"verify  {found['same']:>9,} same of {found['rows']:,},"
                f" {seconds:.1f} s, {found['reads']:,} pages"
            )
    return 0 if same == plan["rows"] == len(rows) == found["same"] else 1


if __name__ == "__main__":
    sys.exit(main())
