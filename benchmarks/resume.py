"""How long a resume takes until its first request leaves.

    python benchmarks/folders.py /tmp/half --rows 10000000 --answered 0.5
    python benchmarks/resume.py /tmp/half --times 5

A socket here stands for the gateway. Each time ``bulkbind resume`` is started as a
process of its own, the seconds until its first byte arrives are taken, and it is
killed before it is answered, so that the folder stays as it is. Beside it: ``bulkbind
--version``, which is what any start costs. The two take turns.
"""

import argparse
import json
import os
import platform
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from bulkbind.state.facts import freeze, thaw
from bulkbind.state.folders import RunFolder, StateFolder

#: Seconds after which a resume that has sent nothing is given up.
PATIENCE_S = 600


def point_at(run: RunFolder, endpoint: str) -> None:
    """Let the run go on at another endpoint."""
    settings = thaw(run.facts().meta["settings"])
    accounts = {
        name: replace(account, endpoint=endpoint)
        for name, account in settings.accounts.items()
    }
    run.note({"settings": freeze(replace(settings, accounts=accounts))})


def resume(run: RunFolder, server: socket.socket, host: str) -> dict[str, object]:
    """Start a resume; return what its first request was, seconds and peak memory."""
    environ = {
        **os.environ,
        "BULKBIND_TOKEN": "bench",
        "BULKBIND_HOST_DIR": host,
    }
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "bulkbind", "resume", str(run.path), "-q"],
        env=environ,
        stdout=subprocess.DEVNULL,
    )
    client, _ = server.accept()
    line = client.recv(65_536).split(b"?")[0].split(b"\r\n")[0].decode()
    seconds = time.monotonic() - began
    process.kill()
    _, _, usage = os.wait4(process.pid, 0)
    client.close()
    return {
        "first": line,
        "seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_rss_mb": round(usage.ru_maxrss / 1024),
    }


def start() -> float:
    """Return the seconds of a start that does nothing."""
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "bulkbind", "--version"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.monotonic() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("state", type=Path)
    parser.add_argument("--times", type=int, default=5)
    wanted = parser.parse_args()
    (run,) = StateFolder(wanted.state.resolve()).runs()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_S)
        point_at(run, f"http://127.0.0.1:{server.getsockname()[1]}")
        starts, resumes = [], []
        with tempfile.TemporaryDirectory() as host:
            for _ in range(wanted.times):
                starts.append(start())
                resumes.append(resume(run, server, host))
    seconds = [float(str(one["seconds"])) for one in resumes]
    figures = {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "cores": os.cpu_count(),
        "rows": run.facts().totals.rows,
        "ledger_mb": round(run.ledger.stat().st_size / 1e6),
        "pinned_mb": round(run.pin.stat().st_size / 1e6),
        "start_seconds": [round(one, 2) for one in starts],
        "first_request_seconds": [round(one, 2) for one in seconds],
        "median": round(statistics.median(seconds), 2),
        "median_of_start": round(statistics.median(starts), 2),
        "first_request": resumes[0]["first"],
        "cpu_seconds": round(float(str(resumes[-1]["cpu_seconds"])), 2),
        "peak_rss_mb": max(int(str(one["peak_rss_mb"])) for one in resumes),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
