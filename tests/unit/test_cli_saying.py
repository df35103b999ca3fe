"""What is said, is shown: letters, and nothing that a terminal obeys."""

import ast
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import bulkbind.cli
from bulkbind.cli.progress import LiveProgress
from bulkbind.model import Cause, Scope, Stop
from bulkbind.wire import visible

HOSTILE = "\x1b[2J\x1b]0;title\x07\x9b31m\u202etxt\u2066\u200b\u2028\x85\x00\x08\r"
#: Controls, but for the ends of lines and tabs, and what turns or hides letters.
OBEYED = {chr(n) for n in (*range(0x20), *range(0x7F, 0xA0))} - set("\n\t") | set(
    "\u061c\u200b\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069\ufeff\U000e0041"
)


@given(st.text() | st.text(st.sampled_from(HOSTILE)))
def test_visible_text_holds_nothing_that_a_terminal_obeys(text):
    shown = visible(text)

    assert not set(shown) & OBEYED
    assert shown.count("\n") == text.count("\n")
    assert shown.encode().decode() == shown


@given(st.text())
def test_a_document_that_is_made_visible_says_the_same(text):
    document = json.dumps({text: text}, ensure_ascii=False)

    assert json.loads(visible(document)) == {text: text}


@pytest.mark.parametrize("text", ["", "a\n\tb", "äöü 插件 …", "\\u001b"])
def test_what_is_harmless_is_said_as_it_is(text):
    assert visible(text) == text


def test_only_one_place_speaks():
    """Whoever adds a command says what it says through ``say``."""
    folder = Path(next(iter(bulkbind.cli.__path__)))
    speakers = {
        path.name
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and ast.unparse(node) in {"click.echo", "click.secho"}
    }

    assert speakers == {"saying.py", "plan.py"}


def on_a_terminal(folder, *words: str) -> bytes:
    """Run a command with a terminal for both of its outputs; return what it shows."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "bulkbind", *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:  # the other end is closed
            pass
        process.wait()
    os.close(ours)
    return shown


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "job.toml"),
        ("plan", "gone\x1b[2J\u202e.csv"),
        ("plan", "--\x1b[2J\u202e"),
        ("\x1b[2J\u202e",),
        ("init", "\x1b[2J\u202e"),
    ],
)
def test_a_terminal_gets_no_escape_of_anybodys_either(tmp_path, words):
    (tmp_path / "job.toml").write_text('"\\u001b[2J\\u202e" = 1\n')

    shown = on_a_terminal(tmp_path, *words)

    assert b"u001b" in shown or b"x1b" in shown
    assert b"\x1b[2J" not in shown
    assert "\u202e".encode() not in shown


def test_a_report_on_a_terminal_obeys_no_cell_and_a_pipe_gets_it_as_it_is(tmp_path):
    text = "\x1b[2J\u202e"
    rows = "instance_id,plugin_id,env_id,api_id,owner\n" + ",".join(
        ["a" * 32, "b" * 32, "DEFAULT_ENVIRONMENT_RELEASE_ID", "c" * 32, text]
    )
    (tmp_path / "apis.csv").write_text(rows + "\n")
    environ = {**os.environ, "BULKBIND_HOST_DIR": str(tmp_path / "host")}
    run = (sys.executable, "-m", "bulkbind", "run", "apis.csv", "-q")
    subprocess.run(
        [*run, "--endpoint", "sandbox"], cwd=tmp_path, env=environ, check=True
    )
    words = ("report", "latest", "--format", "csv")
    shown = on_a_terminal(tmp_path, *words)
    piped = subprocess.run(
        [sys.executable, "-m", "bulkbind", *words],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    ).stdout

    assert b"\\u001b[2J\\u202e\r\n" in shown  # the terminal's driver adds the CR
    assert b"\x1b" not in shown
    assert b"\\u000d" not in shown
    assert text.encode() in piped
    assert piped.count(b"\r\n") == 2


def test_what_is_said_above_the_bar_is_shown_too(capsys):
    progress = LiveProgress(Console(stderr=True))
    progress.stopped(
        Stop(
            scope=Scope.GATEWAY,
            key="gw",
            cause=Cause.GATEWAY,
            invocation=1,
            at=0.0,
            message=f"no {HOSTILE}",
        )
    )
    progress.close()

    assert not set(capsys.readouterr().err) & set("\x1b\x9b\x07\u202e\u2066\u2028")
