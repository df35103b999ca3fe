"""The import budget: nothing heavy before it is used, so that ``--help`` is quick."""

import json
import subprocess
import sys

import pytest

HEAVY = {"aiohttp", "pydantic", "rich", "structlog", "distributed"}

#: Not needed to show help either, and worth knowing when one creeps in.
UNWANTED = HEAVY | {"anyio", "asyncio", "msgspec", "sqlite3", "ssl", "zoneinfo"}

RUN = """
import contextlib, io, json, sys
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    {code}
print(json.dumps(sorted(sys.modules)))
"""

MAIN = "from bulkbind.__main__ import main; sys.argv = ['bulkbind', {}]; main()"


def imported(code: str) -> set[str]:
    """Return the modules that a fresh interpreter has after some code."""
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(code=code)],
        capture_output=True,
        check=True,
        text=True,
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


@pytest.mark.parametrize(
    "arguments", ["'--help'", "'--version'", "'explain', 'APIG.3002'"]
)
def test_a_command_that_only_tells_something_imports_nothing_heavy(arguments):
    assert not imported(MAIN.format(arguments)) & HEAVY


@pytest.mark.parametrize("arguments", ["'--help'", "'--version'"])
def test_help_imports_click_and_little_else(arguments):
    modules = imported(MAIN.format(arguments))

    assert "click" in modules
    assert not modules & UNWANTED


def test_importing_the_package_imports_nothing_at_all():
    assert not imported("import bulkbind") & (UNWANTED | {"click"})


@pytest.mark.parametrize(
    "module", ["errors", "model", "retry", "isolate", "verdict", "plan", "wire"]
)
def test_a_module_below_the_network_does_without_it(module):
    assert not imported(f"import bulkbind.{module}") & {"aiohttp", "pydantic", "rich"}


def test_settings_are_known_without_the_library_that_checks_them():
    assert "pydantic" not in imported("import bulkbind.settings")
