"""The crash ring lives in the surroundings of the engine ring."""

from tests.crash.points import NOT_RUN
from tests.engine import conftest as engine

surroundings = engine.surroundings
folder = engine.folder
state = engine.state
bulkbind = engine.bulkbind
serve = engine.serve
remote = engine.remote


def pytest_terminal_summary(terminalreporter):
    """Say it once and loudly when calls could not be traced here."""
    skips = terminalreporter.stats.get("skipped", [])
    reasons = {
        reason.removeprefix("Skipped: ")
        for _, _, reason in (skip.longrepr for skip in skips)
        if NOT_RUN in reason
    }
    for reason in sorted(reasons):
        terminalreporter.write_line(f"WARNING: {reason}", red=True, bold=True)
