"""How fast requests go out without a rate limit, beside what people use today.

    python benchmarks/sending.py --json benchmarks/sending.json

Every sender runs in a process of its own, one after the other, round after round,
against one canned gateway; what is printed are medians over the rounds, and medians of
each round's ratios.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from importlib.util import find_spec
from itertools import islice, product
from pathlib import Path
from statistics import median
from typing import Any

from bars import bars
from canned_gateway import API_IDS, Request, ceiling, serving
from senders import SENDERS, write_ledger

#: Requests that a sender's speed is known by; slow ones get fewer.
REQUESTS = {"requests": 500, "official SDK": 64}

#: Requests before those that are measured.
WARM = 32

US = "bulkbind"
NO_LEDGER = "bulkbind, no ledger"


def requests_for(count: int, *, gateways: int) -> list[Request]:
    """Return distinct requests; each gateway's turn comes in order."""
    plugins = (f"{number:032x}" for number in range(0xC000, 0xC000 + count))
    names = [f"{number:032x}" for number in range(0xD000, 0xD000 + gateways)]
    pairs = islice(product(plugins, names), count)
    return [Request(name, plugin, "e" * 32) for plugin, name in pairs]


def send_once(sender: str, url: str, wanted: argparse.Namespace) -> None:
    """Send as one sender, warm; print requests, seconds and CPU seconds as JSON."""
    send = SENDERS[sender]
    requests = requests_for(
        REQUESTS.get(sender, wanted.requests), gateways=wanted.gateways
    )
    with tempfile.TemporaryDirectory(dir=wanted.disk) as name:
        for kind, part in (("warm", requests[:WARM]), ("timed", requests)):
            folder = Path(name) / kind
            folder.mkdir()
            write_ledger(folder / "ledger.db", part)
            began, cpu = time.monotonic(), cpu_seconds()
            confirmed = send(url, part, wanted.concurrency, folder)
            seconds, cpu = time.monotonic() - began, cpu_seconds() - cpu
    if confirmed != len(requests) * len(API_IDS):
        message = f"{sender} confirmed {confirmed} of {len(requests) * len(API_IDS)}"
        raise SystemExit(message)
    figures = {"requests": len(requests), "seconds": seconds, "cpu_seconds": cpu}
    print(json.dumps(figures))


def cpu_seconds() -> float:
    """Return the CPU time of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measure(wanted: argparse.Namespace) -> dict[str, Any]:
    """Run every sender in every round; return all figures."""
    senders = wanted.only or list(SENDERS)
    rounds: list[dict[str, dict[str, float]]] = []
    with serving() as port:
        most = ceiling(port, connections=wanted.concurrency)
        for number in range(wanted.rounds):
            order = senders if number % 2 == 0 else senders[::-1]
            rounds.append({name: run_sender(name, port, wanted) for name in order})
            print(f"round {number + 1} of {wanted.rounds}", file=sys.stderr)
    return {
        "machine": machine(),
        "gateways": wanted.gateways,
        "concurrency": wanted.concurrency,
        "gateway_ceiling_per_s": round(most),
        "senders": {name: summary(name, rounds) for name in senders},
        "rounds": rounds,
    }


def run_sender(name: str, port: int, wanted: argparse.Namespace) -> dict[str, float]:
    """Run one sender in a process of its own."""
    command = [
        *(sys.executable, __file__, "--as", name, "--port", str(port)),
        *("--requests", str(wanted.requests), "--gateways", str(wanted.gateways)),
        *("--concurrency", str(wanted.concurrency), "--disk", str(wanted.disk)),
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    figures["per_s"] = round(figures["requests"] / figures["seconds"], 1)
    figures["cpu_ms"] = round(1000 * figures["cpu_seconds"] / figures["requests"], 3)
    return figures


def summary(name: str, rounds: list[dict[str, dict[str, float]]]) -> dict[str, float]:
    """Return a sender's medians, and the median of bulkbind's ratio to it."""
    own = [one[name] for one in rounds]
    figures = {
        "per_s": median(one["per_s"] for one in own),
        "cpu_ms": median(one["cpu_ms"] for one in own),
    }
    if US in rounds[0]:
        ratios = [one[US]["per_s"] / one[name]["per_s"] for one in rounds]
        figures |= {
            "bulkbind_is": round(median(ratios), 3),
            "lowest": round(min(ratios), 3),
            "highest": round(max(ratios), 3),
        }
    return figures


def machine() -> dict[str, Any]:
    """Name what the figures are true of."""
    model = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    names = ["aiohttp", "msgspec", "requests", "huaweicloudsdkapig", "uvloop"]
    return {
        "cpu": model[0] if model else platform.machine(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in names if find_spec(name)},
    }


def table(found: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    lines = [
        "| sender | requests/s | CPU ms/request | bulkbind / it (lowest-highest) |",
        "| --- | --- | --- | --- |",
    ]
    for name, one in found["senders"].items():
        ratio = ""
        if name != US and "bulkbind_is" in one:
            ratio = (
                f"{one['bulkbind_is']:.2f} ({one['lowest']:.2f}-{one['highest']:.2f})"
            )
        lines.append(
            f"| {name} | {one['per_s']:,.0f} | {one['cpu_ms']:.2f} | {ratio} |"
        )
    ceiling_line = f"the canned gateway's ceiling: {found['gateway_ceiling_per_s']:,}/s"
    share = [ceiling_line]
    if {US, NO_LEDGER} <= set(found["senders"]):
        part = 1 - found["senders"][NO_LEDGER]["bulkbind_is"]
        share.append(f"the ledger's share of the time: {part:.1%}")
    return "\n".join([*lines, "", *share])


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=3000, help="of the fast ones")
    parser.add_argument("--gateways", type=int, default=32)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--disk", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--only", action="append", choices=list(SENDERS))
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--svg", type=Path, help="where the plot goes")
    parser.add_argument("--as", dest="sender", choices=list(SENDERS))
    parser.add_argument("--port", type=int)
    return parser.parse_args()


def main() -> None:
    """Measure and print; or be one of the senders."""
    wanted = read_arguments()
    if wanted.sender:
        send_once(wanted.sender, f"http://127.0.0.1:{wanted.port}", wanted)
        return
    found = measure(wanted)
    if wanted.json:
        wanted.json.write_text(json.dumps(found, indent=1) + "\n")
    if wanted.svg:
        speeds = {name: one["per_s"] for name, one in found["senders"].items()}
        title = "Requests of 500 ids a second, no rate limit"
        wanted.svg.write_text(bars(title, speeds, unit="/s"))
    print(table(found))


if __name__ == "__main__":
    main()
