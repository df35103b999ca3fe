"""Completion as three real shells ask for it."""

import os
import pty
import select
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.factories import bindings, runs_in, write_job, write_manifest

ACCOUNTS = """
[accounts.payments]
endpoint = "sandbox"
credential = "env:PAY_"
"""


@pytest.fixture(autouse=True)
def programme(tmp_path, monkeypatch):
    """Put the command on the path, as an installation does."""
    script = tmp_path / "bin" / "bulkbind"
    script.parent.mkdir()
    script.write_text(
        f"#!{sys.executable}\nfrom bulkbind.__main__ import main\nmain()\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")


@pytest.fixture
def run(bulkbind, folder, state):
    write_manifest(folder / "apis.csv", bindings(3))
    write_job(folder / "job.toml", name="night")
    assert bulkbind("run", "job.toml").code == 0
    write_job(folder / "job.toml", ACCOUNTS, name="night")
    return runs_in(state)[-1].name


def shell(name, *arguments):
    assert shutil.which(name), f"apt-get install {name}"
    return subprocess.run(
        [name, *arguments], capture_output=True, text=True, check=True, timeout=60
    ).stdout


def ask_bash(line):
    """Let bash cut the line as it does for TAB, with its own word breaks."""
    words = [
        piece
        for word in line.split(" ")
        for piece in word.replace("=", "\0=\0").split("\0")
    ]
    words = [
        word for place, word in enumerate(words) if word or place == len(words) - 1
    ]
    if words[-1] == "" and len(words) > 1 and words[-2] == "=":
        words.pop()
    script = (
        'eval "$(bulkbind completion bash)"\n'
        f"COMP_WORDS=({shlex.join(words)}) COMP_CWORD={len(words) - 1}\n"
        "compopt() { :; }\n"
        "_bulkbind_completion bulkbind\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    return shell("bash", "--norc", "-c", script).split()


def ask_fish(line):
    script = f"bulkbind completion fish | source; complete -C {shlex.quote(line)}"
    return [one.split("\t")[0] for one in shell("fish", "-c", script).splitlines()]


def ask_zsh(line, answer):
    """Type a line and TAB into an interactive zsh, and wait for the answer."""
    assert shutil.which("zsh"), "apt-get install zsh"
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["PS1"] = "> "
        os.execvp("zsh", ["zsh", "-f", "-i"])  # noqa: S606
    seen = ""
    try:
        setup = (
            "autoload -U compinit; compinit -D -u;"
            ' eval "$(bulkbind completion zsh)"; echo rea""dy\n'
        )
        os.write(terminal, setup.encode())
        seen = heard(terminal, "ready")
        os.write(terminal, f"{line}\t".encode())
        return heard(terminal, answer)
    except TimeoutError as error:
        raise AssertionError(seen) from error
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)


def heard(terminal, answer):
    """Read a terminal until it shows an answer."""
    seen, until = "", time.monotonic() + 30
    while answer not in seen.replace("\r", "").replace("\n", ""):
        ready, _, _ = select.select([terminal], [], [], until - time.monotonic())
        if not ready:
            raise TimeoutError(seen)
        seen += os.read(terminal, 65536).decode("utf-8", "replace")
    return seen


CASES = [
    ("bulkbind resu", "resume"),
    ("bulkbind completion z", "zsh"),
    ("bulkbind report --only verd", "verdict="),
    ("bulkbind explain not_s", "not_sent"),
    ("bulkbind explain BULKBIND.API_UNK", "BULKBIND.API_UNKNOWN"),
    ("bulkbind schema summ", "summary"),
    ("bulkbind pause nig", "night"),
    ("bulkbind runs cl", "clean"),
    ("bulkbind report --split-by verd", "verdict"),
]


@pytest.mark.parametrize(("line", "answer"), CASES)
@pytest.mark.parametrize("ask", [ask_bash, ask_fish])
def test_commands_columns_codes_and_jobs_are_completed(run, ask, line, answer):
    assert answer in ask(line)


@pytest.mark.parametrize("ask", [ask_bash, ask_fish])
@pytest.mark.parametrize("command", ["resume", "report", "undo", "verify", "doctor"])
def test_a_run_is_completed_by_its_id(run, ask, command):
    assert run in ask(f"bulkbind {command} {run[:4]}")


def test_bash_completes_values_though_it_cuts_at_the_sign(run):
    assert ask_bash("bulkbind report --only verdict=unco") == ["unconfirmed"]
    assert ask_bash("bulkbind report --only verdict=failed,unco") == [
        "failed,unconfirmed"
    ]
    assert "failed" in ask_bash("bulkbind report --only verdict=")
    assert ask_bash("bulkbind run job.toml --only account=pay") == ["payments"]


def test_fish_completes_values(run):
    assert ask_fish("bulkbind run job.toml --only account=pay") == ["account=payments"]
    assert ask_fish("bulkbind report --only verdict=failed,unco") == [
        "verdict=failed,unconfirmed"
    ]


def test_zsh_completes_commands_values_and_runs(run):
    assert "resume" in ask_zsh("bulkbind resu", "resume")
    only = "bulkbind report --only verdict=unco"
    assert "unconfirmed" in ask_zsh(only, "unconfirmed")
    assert run in ask_zsh(f"bulkbind resume {run[:3]}", run)


def test_where_nothing_can_be_read_nothing_is_said(folder):
    Path(folder, "job.toml").write_text("not toml at all [")

    assert ask_bash("bulkbind run job.toml --only account=pay") == []
    assert ask_bash("bulkbind resume 2") == []


def test_commands_are_completed_without_importing_any():
    code = (
        "import os, sys; from bulkbind.cli.main import run\n"
        "os.environ.update(_BULKBIND_COMPLETE='bash_complete',"
        " COMP_WORDS='bulkbind re', COMP_CWORD='1')\n"
        "try:\n    run([])\nfinally:\n"
        "    print([m for m in ('aiohttp', 'pydantic', 'sqlite3', 'msgspec')"
        " if m in sys.modules])\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert "plain,resume" in said.stdout
    assert said.stdout.splitlines()[-1] == "[]"
