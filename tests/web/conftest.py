"""A browser, and a page that a real run wrote."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.factories import Binding, bindings, latest, read_csv
from tests.web.opening import Opened, opened

#: What a carried cell may try.
HOSTILE = (
    "</script><script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "<!--packs-->",
    "\u202egnp.exe\u2066",
    '=HYPERLINK("http://evil.example","ok")',
    "&lt;b&gt;",
    "line\nend\ttab\u0007\u2028",
    "\U0001f980 team \u4e2d\u6587",
    "",
)

WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}


def pytest_addoption(parser):
    parser.addoption("--screenshots", metavar="DIR", help="Keep pictures of the page.")


@pytest.fixture(scope="session")
def browser():
    """Debian's Chromium; CHROMIUM names another."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert path, "apt-get install chromium, or name a browser in CHROMIUM"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        yield chromium
        chromium.close()


def hostile_rows() -> list[dict[str, str]]:
    """Bindings whose owner and tag are hostile, some twice, some no bindings."""
    wanted: list[Binding] = bindings(600, gateways=2)
    rows = [
        {
            **one._asdict(),
            "owner": f"team-{number % 7}",
            "tag": HOSTILE[number % len(HOSTILE)],
            "serial": str(number),
        }
        for number, one in enumerate(wanted)
    ]
    rows.append({**rows[0], "owner": "twice"})
    rows.append({**rows[1], "api_id": "<b>no id</b>", "owner": "nobody"})
    rows.append({**rows[2], "api_id": "Odd-Id_1", "owner": "odd"})
    return rows


JOB = """
name = "page"
manifest = "apis.json"
note = "</title><script>window.hacked = 1</script>"
[account]
endpoint = "sandbox"
[plan]
batch_size = 50
on_invalid = "skip"
[pace]
rate = "100/s"
[sandbox]
missing = 3
unpublished = 2
[report]
formats = ["csv", "html"]
"""


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Path:
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("web")
    lines = [json.dumps(row) for row in hostile_rows()]
    text = "[" + ",\n".join(lines[:-1]) + ", " + lines[-1] + "]"  # two on the last line
    (folder / "apis.json").write_text(text, encoding="utf-8")
    (folder / "job.toml").write_text(JOB, "utf-8")
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("BULKBIND_", "HUAWEI", "HW_", "OS_"))
    }
    done = subprocess.run(
        [sys.executable, "-m", "bulkbind", "run", "job.toml", "--quiet"],
        cwd=folder,
        env={**environment, "BULKBIND_HOST_DIR": str(folder / "host")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr  # rows failed, as planted
    return latest(folder / ".bulkbind")


@pytest.fixture(scope="session")
def rows(run) -> list[dict[str, str]]:
    """Every row of ``report.csv``."""
    return read_csv(run / "report.csv")


@pytest.fixture
def page(browser, run):
    """The page, opened at a desk."""
    with opened(browser, run / "report.html") as one:
        yield one


@pytest.fixture
def open_page(browser, run):
    """Open the page otherwise: hash, size, scheme, scripts off."""
    stack = []

    def start(**how) -> Opened:
        entered = opened(browser, run / "report.html", **how)
        one = entered.__enter__()
        stack.append(entered)
        return one

    yield start
    for entered in reversed(stack):
        entered.__exit__(None, None, None)
