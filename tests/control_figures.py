"""Seconds until a run at work obeys, and that nothing is lost by it.

    python -m tests.control_figures [--rounds 5] [--gateways 4]

Runs the command on served gateways, and asks it from other processes, as a person does:
an order's time runs from the start of its command. A pause is effective when the last
request has come; then nothing may come for two seconds. Ends with 1 unless every row is
bound once and none is sent twice.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bulkbind.cli.saying import say
from bulkbind.sandbox import SandboxOptions
from tests.factories import (
    PROJECT,
    Gateways,
    Process,
    bindings,
    gateways,
    started,
    until,
    write_job,
    write_manifest,
)

#: Requests a second at the beginning, and after ``set``.
RATE, FASTER = 20, 40

#: Seconds that nothing may come while the run is paused.
SILENCE_S = 2.0

#: Seconds over which a rate is measured.
MEASURED_S = 3.0


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--gateways", type=int, default=4)
    wanted = parser.parse_args()
    found: dict[str, list[float]] = {}
    for number in range(wanted.rounds):
        with tempfile.TemporaryDirectory(prefix="control-") as name:
            for what, seconds in _round(Path(name), wanted.gateways).items():
                found.setdefault(what, []).append(seconds)
        say(f"round {number + 1} of {wanted.rounds}: nothing lost")
    say(f"{'':34}{'median':>8}{'worst':>8}")
    for what, values in found.items():
        say(f"{what:34}{statistics.median(values):8.2f}{max(values):8.2f}")
    return 0


def _round(folder: Path, many: int) -> dict[str, float]:
    """Pause, unpause, re-rate, stop and resume one run; return the figures."""
    os.environ |= {
        "BULKBIND_HOST_DIR": str(folder / "host"),
        "BULKBIND_TOKEN": "sandbox",
        "BULKBIND_SAFETY_LIVE": "false",
        "BULKBIND_SAFETY_ON_REPLACE": "allow",
    }
    rows = bindings(3000, gateways=many)
    write_manifest(folder / "apis.csv", rows)
    write_job(folder / "job.toml")
    options = SandboxOptions(latency_s=0.05)
    with gateways(folder / "world.db", rows, options=options) as served:
        command = (
            *("run", "job.toml", "--endpoint", served.url, "--project-id", PROJECT),
            *("--rate", f"{RATE}/s", "--set", "plan.batch_size=5", "-q"),
        )
        with started(*command, folder=folder) as run:
            until(lambda: len(served.journal) > RATE, alive=run)
            found = _asked(served, run, folder)
            began = time.monotonic()
            _order(folder, "stop", "latest", "--wait")
            found["stop --wait"] = time.monotonic() - began
            assert run.wait().code == 3, run.err
        ended = Process("resume", "latest", "--rate", "unlimited", "-q", folder=folder)
        assert ended.wait().code == 0, ended.err
        assert served.bound == {row.bound for row in rows}, "rows are lost"
        assert len(served.journal) == len(rows) // 5, "a batch was sent twice"
    return found


def _asked(served: Gateways, run: Process, folder: Path) -> dict[str, float]:
    found = {}
    began = time.time()
    _order(folder, "pause", "latest")
    time.sleep(SILENCE_S)
    sent = len(served.journal)
    found["pause: last request after"] = max(0.0, served.journal[-1].at - began)
    assert time.time() - served.journal[-1].at >= SILENCE_S, "a request while paused"
    began = time.time()
    _order(folder, "unpause", "latest")
    until(lambda: len(served.journal) > sent, alive=run)
    found["unpause: first request after"] = served.journal[sent].at - began
    began = time.monotonic()
    _order(folder, "set", "latest", f"rate={FASTER}/s")
    found["set rate: obeyed after"] = time.monotonic() - began
    time.sleep(1.0)
    found[f"requests/s after set {FASTER}/s"] = _measured(lambda: len(served.journal))
    return found


def _measured(count: Callable[[], int]) -> float:
    began, first = time.monotonic(), count()
    time.sleep(MEASURED_S)
    return (count() - first) / (time.monotonic() - began)


def _order(folder: Path, *command: str) -> None:
    said = Process(*command, folder=folder).wait()
    assert said.code == 0, said.err


if __name__ == "__main__":
    sys.exit(main())
