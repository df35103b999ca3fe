"""24,000 rows through a storm: about a third of the attaches fail, in nine ways.

python -m tests.storm_show
"""

import sys
import tempfile
from pathlib import Path

from tests.export_figures import command, say
from tests.factories import bindings, write_manifest

ROWS, GATEWAYS, BATCH, RATE = 24_000, 4, 50, "500/s"


def main() -> int:
    """Run it, print what it came to; 0: every row is bound."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = write_manifest(
            folder / "apis.csv", bindings(ROWS, gateways=GATEWAYS)
        )
        done, seconds, _ = command(
            folder,
            *("run", manifest, "--endpoint", "sandbox", "--rate", RATE),
            *("--set", f"plan.batch_size={BATCH}", "--set", "sandbox.faults=storm"),
        )
    requests = done["requests"]
    say(
        f"{done['rows']:,} rows, {done['verdicts']['bound']:,} bound, {seconds:.0f} s;"
        f" {requests['sent']:,} attaches for {ROWS // BATCH:,} batches,"
        f" {requests['retries']:,} of them again; {requests['reads']:,} pages read"
    )
    return 0 if done["verdicts"]["bound"] == ROWS else 1


if __name__ == "__main__":
    sys.exit(main())
