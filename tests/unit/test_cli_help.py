"""The command line as it is met first: help, explanations, wrong commands."""

import json
import re
import subprocess
import sys
import time

import pytest

from bulkbind.cli.main import BLOCKS, _unexpected
from bulkbind.errors import (
    BulkbindError,
    CredentialsMissing,
    EndpointUnreachable,
    InputError,
    JobBusy,
    LedgerDamaged,
    ManifestError,
    RefusedForSafety,
    RunInterrupted,
    SettingsError,
    StateError,
    UnknownRun,
    exit_code_of,
)
from bulkbind.model import OurCode, Verdict
from bulkbind.retry import OUR_CODES, RULES
from tests.engine import conftest as engine

surroundings = engine.surroundings
folder = engine.folder
bulkbind = engine.bulkbind

COMMANDS = [name for block in BLOCKS.values() for name in block]
HEAVY = ("aiohttp", "pydantic", "rich", "anyio", "asyncio", "msgspec", "structlog")


def test_help_names_every_command_in_its_block(bulkbind):
    said = bulkbind("--help")

    assert said.code == 0
    places = [said.out.index(f"\n  {name} ") for name in COMMANDS]
    assert places == sorted(places)
    titles = ("Look and do", "History", "Set-up", "Of many commands", "Exit codes")
    for title in titles:
        assert f"{title}:" in said.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(bulkbind, name):
    said = bulkbind(name, "--help")

    assert said.code == 0
    assert said.out.startswith(f"Usage: bulkbind {name}")
    codes = re.findall(r"Exit codes:\s+\d+ ", said.out)
    assert len(codes) == 1, "says its exit codes never, or twice"
    assert "\\b" not in said.out


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from bulkbind.cli.main import run; run(['--help']);"
        f" print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert said.stderr.strip() == "[]"


def test_help_comes_soon_after_a_bare_interpreter():
    def best(*command):
        times = []
        for _ in range(5):
            began = time.perf_counter()
            subprocess.run(command, capture_output=True, check=True)
            times.append(time.perf_counter() - began)
        return min(times)

    bare = best(sys.executable, "-c", "pass")
    ours = best(sys.executable, "-m", "bulkbind", "--help")

    assert ours - bare < 0.150


def test_the_version_is_told(bulkbind):
    said = bulkbind("--version")

    assert said.code == 0
    assert said.out.startswith("bulkbind, version 0.")


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["run"], ["plan", "a.csv", "--format", "yaml"], []]
)
def test_a_wrong_command_line_is_exit_2_and_no_traceback(bulkbind, arguments):
    said = bulkbind(*arguments)

    assert said.code == (2 if arguments else said.code)
    assert "Usage: bulkbind" in said.out + said.err
    assert "Traceback" not in said.err


# --- explain --------------------------------------------------------------------------


@pytest.mark.parametrize("code", [*RULES, *OUR_CODES])
def test_every_code_is_explained_with_advice(bulkbind, code):
    said = bulkbind("explain", code.lower())

    assert said.code == 0
    assert code.upper() in said.out.upper()
    assert "advice:" in said.out


@pytest.mark.parametrize("code", list(OurCode))
def test_no_code_of_ours_is_without_an_explanation(code):
    assert code in OUR_CODES or code in RULES


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_is_explained(bulkbind, verdict):
    said = bulkbind("explain", verdict)

    assert said.code == 0
    assert said.out.startswith(f"{verdict}: ")


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 10, 70, 75, 130, 143])
def test_every_exit_code_is_explained(bulkbind, number):
    said = bulkbind("explain", number)

    assert said.code == 0
    assert said.out.startswith(f"exit {number}: ")


def test_a_front_gateway_code_is_known_by_both_spellings(bulkbind):
    assert bulkbind("explain", "APIG.0308").out == bulkbind("explain", "APIGW.0308").out


def test_what_is_not_known_is_said(bulkbind):
    said = bulkbind("explain", "APIG.7777777")

    assert said.code == 2
    assert "APIG.7777777" in said.err


def test_explain_alone_lists_everything(bulkbind):
    said = bulkbind("explain")

    assert said.code == 0
    for word in ("not_sent", "143", "APIG.3500", "BULKBIND.ANSWER_LOST"):
        assert word in said.out


# --- exit codes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError(["x"]), 2),
        (ManifestError([]), 2),
        (InputError("x"), 2),
        (CredentialsMissing("x"), 2),
        (EndpointUnreachable("x"), 2),
        (UnknownRun("x"), 2),
        (StateError("x"), 2),
        (LedgerDamaged("x"), 2),
        (RunInterrupted("run", BulkbindError("x")), 3),
        (RefusedForSafety("x"), 4),
        (JobBusy("job", "pid 1"), 75),
    ],
)
def test_an_error_has_the_exit_code_of_whoever_can_mend_it(error, code):
    assert exit_code_of(error) == code


@pytest.mark.parametrize(
    ("error", "words", "code"),
    [
        (RuntimeError("odd"), ("status",), 70),
        (OSError(28, "No space left on device", "a.csv"), ("status",), 2),
        (OSError(28, "No space left on device", "a.csv"), ("run",), 3),
    ],
)
def test_a_script_is_told_of_what_nobody_expected(capsys, error, words, code):
    assert _unexpected(error, [*words, "--json"]) == code
    out, err = capsys.readouterr()

    told = json.loads(out)
    assert told["exit_code"] == code
    assert err == f"bulkbind: {told['error']}\n"
