"""What ``report.html`` costs: seconds and memory to write, bytes, seconds to open.

    python benchmarks/folders.py /tmp/done --rows 1000000 --targets 600 --carried
    python benchmarks/report_html.py /tmp/done --times 5

Each time ``bulkbind report RUN --format html`` is started as a process of its own, and
Chromium opens what it wrote, from disk, in a new context: from the navigation until the
table is there; then each search and sort is timed in the page, from the input to the
rows put into the table. CHROMIUM names the browser; ``chromium`` otherwise.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright
from report import measure, medians

from bulkbind.state.folders import StateFolder

#: Nothing is drawn before the next frame is due: what is timed is the work for it.
_SEARCH = """(text) => {
  const began = performance.now();
  document.getElementById("search").value = text;
  report.refresh();
  document.getElementById("grid").getBoundingClientRect();
  return [performance.now() - began, report.view.length];
}"""

_SORT = """(name) => {
  const column = report.columns.find((one) => one.name === name);
  const began = performance.now();
  report.sortBy(column);
  document.getElementById("grid").getBoundingClientRect();
  return performance.now() - began;
}"""

_LOOK = """() => ({
  shown: performance.getEntriesByName("shown")[0].startTime,
  painted: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0,
  id: report.rows.id(report.rows.length >> 1),
  owner: report.rows.facts.carried[0]?.values[0] ?? "",
})"""


def look(browser: Browser, path: Path) -> dict[str, Any]:
    """Open a page once; return milliseconds."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(path.as_uri())
    page.wait_for_selector("#explorer:not([hidden])", timeout=120_000)
    found: dict[str, Any] = page.evaluate(_LOOK)
    searches = {
        "search: one digit": found["id"][:1],
        "search: three digits": found["id"][:3],
        "search: an id": found["id"],
        "search: a carried value": found["owner"] or "none",
        "search: nothing found": "nowhere at all",
    }
    times = {"painted": found["painted"], "shown": found["shown"]}
    for name, text in searches.items():
        times[name] = page.evaluate(_SEARCH, text)[0]
    page.evaluate(_SEARCH, "")
    for column in ("api_id", "target"):
        times[f"sort: {column}"] = page.evaluate(_SORT, column)
    context.close()
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("state", type=Path)
    parser.add_argument("--times", type=int, default=5)
    wanted = parser.parse_args()
    (run,) = StateFolder(wanted.state.resolve()).runs()
    here = str(Path(__file__).parent.parent)
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        sys.exit("no chromium: apt-get install chromium, or name one in CHROMIUM")
    written, looks = [], []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "report.html"
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        for _ in range(wanted.times):
            written.append(measure(here, "report", str(run.path), "-o", str(path)))
            looks.append(look(browser, path))
        size, version = path.stat().st_size, browser.version
        browser.close()
    figures = {
        "rows": run.facts().totals.rows,
        "bytes": size,
        "write": medians(written),
        "open_ms": {
            name: {
                "median": round(statistics.median(one[name] for one in looks), 1),
                "highest": round(max(one[name] for one in looks), 1),
            }
            for name in looks[0]
        },
        "python": platform.python_version(),
        "chromium": version,
        "load_average": [round(load, 1) for load in os.getloadavg()],
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
