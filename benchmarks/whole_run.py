"""How long a whole run takes, and how much memory: plan, send, report, on the sandbox.

    python benchmarks/whole_run.py --rows 1000000

Makes a manifest in random order (gateways of 8,000 APIs, the most that one has, each
API with 4 plug-ins in 2 environments), runs
``bulkbind plan`` and ``bulkbind run --endpoint sandbox`` as processes of their own and
prints seconds, peak resident memory and bytes as JSON. The sandbox lives in the same
process as the run, so its world is in the figures.
"""

import argparse
import hashlib
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

#: Most APIs of a gateway by default quotas.
APIS = 8_000
ENVIRONMENTS = 2
TYPES = ("cors", "rate_limit", "jwt_auth", "kafka_log")


def make_manifest(path: Path, *, rows: int, seed: int) -> None:
    """Write a manifest of distinct bindings in random order."""
    numbers = list(range(rows))
    random.Random(seed).shuffle(numbers)
    each = len(TYPES) * ENVIRONMENTS
    targets = [
        (name("gateway", g), name("plugin", g, kind), kind, name("env", g, e))
        for g in range(-(-rows // (APIS * each)))
        for kind in TYPES
        for e in range(ENVIRONMENTS)
    ]
    with path.open("w") as file:
        file.write("instance_id,plugin_id,plugin_type,env_id,api_id,owner\n")
        for number in numbers:
            gateway, within = divmod(number, APIS * each)
            target = targets[gateway * each + within % each]
            api_id = name("api", gateway, within // each)
            file.write(f"{','.join(target)},{api_id},team-{number % 50}\n")


def name(*parts: object) -> str:
    """Derive an id of 32 hexadecimal digits."""
    return hashlib.md5(repr(parts).encode(), usedforsecurity=False).hexdigest()


def measure(*arguments: str) -> dict[str, float]:
    """Run bulkbind; return its seconds and its own peak memory in MB."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "bulkbind", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    return {
        "exit": os.waitstatus_to_exitcode(status),
        "seconds": round(time.monotonic() - began, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_rss_mb": round(usage.ru_maxrss / 1024, 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "apis.csv"
        make_manifest(manifest, rows=wanted.rows, seed=wanted.seed)
        os.environ["BULKBIND_HOST_DIR"] = f"{folder}/host"
        figures = {
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "rows": wanted.rows,
            "manifest_mb": round(manifest.stat().st_size / 1e6, 1),
            "plan": measure("plan", str(manifest), "--endpoint", "sandbox"),
            "run": measure(
                *("run", str(manifest), "--endpoint", "sandbox"),
                *("--rate", "unlimited", "-q"),
            ),
        }
        (run,) = (Path(folder) / ".bulkbind/runs").iterdir()
        figures["bytes_per_row"] = {
            file: round((run / file).stat().st_size / wanted.rows, 1)
            for file in ("ledger.db", "manifest.csv.gz", "report.csv")
        }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
