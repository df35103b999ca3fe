"""Nobody's text can forge a line, move a cursor or hide itself: not in any output."""

import json
import re

import pytest

from bulkbind.state.folders import StateFolder
from tests.echoing import Told, echoing, receipts, refusal
from tests.factories import (
    PROJECT,
    bindings,
    events_of,
    hex_id,
    latest,
    report_of,
    write_manifest,
)

#: What a terminal obeys, what ends a line somewhere, and what turns or hides text.
UNSAFE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069]"
)
FORGED = '{"event":"run_ended","state":"finished"}'
HOSTILE = (
    f"no\n{FORGED}\r\n\x1b[2J\x1b]0;title\x07\x9b31m\u202etxt.exe\u2066\u200b"
    f"\u2028{FORGED}\x85bulkbind: all is well\x00\x08"
)


@pytest.fixture(autouse=True)
def token(monkeypatch):
    monkeypatch.setenv("BULKBIND_TOKEN", "a-token-of-no-worth")


def unsafe(*texts: str) -> list[str]:
    return [found for text in texts for found in UNSAFE.findall(text)]


#: Each field of an answer that is text, with text that means harm.
ANSWERS = {
    "message": lambda h: Told(400, refusal(HOSTILE)),
    "code": lambda h: Told(400, refusal("no", code=HOSTILE)),
    "request id": lambda h: Told(400, refusal("no", request_id=HOSTILE)),
    "web page": lambda h: Told(404, f"<title>{HOSTILE}</title>"),
    "text": lambda h: Told(404, HOSTILE, {"Content-Type": "text/\x1b[2J\x9b"}),
    "receipts": lambda h: Told(201, receipts(h, HOSTILE)),
    "header": lambda h: Told(400, refusal("no"), {"X-Request-Id": "\x1b[2J\x9b1m"}),
    "refused": lambda h: Told(401, refusal(HOSTILE, code="APIGW.0301")),
}


def run(bulkbind, folder, name):
    write_manifest(folder / "apis.csv", bindings(1))
    with echoing({hex_id("gateway", 0): ANSWERS[name]}) as server:
        said = bulkbind(
            *("run", "apis.csv", "--endpoint", server.url, "--project-id", PROJECT),
            *("--set", "retry.max_attempts=1", "--rate", "unlimited"),
        )
        assert server.heard
    return said


@pytest.mark.parametrize("name", ANSWERS)
def test_no_answer_reaches_a_terminal_as_it_is(bulkbind, folder, name):
    said = [run(bulkbind, folder, name)]
    said += [bulkbind("status", "latest"), bulkbind("report", "latest")]

    texts = [text for one in said for text in (one.out, one.err)]
    assert unsafe(*texts) == []
    lines = [line for text in texts for line in text.splitlines()]
    assert FORGED not in [line.strip() for line in lines]
    assert not any(line.startswith("bulkbind: all is well") for line in lines)


@pytest.mark.parametrize("name", ANSWERS)
def test_no_answer_forges_a_line_of_any_file(bulkbind, folder, state, name):
    run(bulkbind, folder, name)

    folder_of_run = latest(state)
    events = (folder_of_run / "events.jsonl").read_text(encoding="utf-8")
    lines = (folder_of_run / "report.jsonl").read_text(encoding="utf-8")
    table = (folder_of_run / "report.csv").read_bytes().decode()
    ends = [one for one in events_of(folder_of_run) if one["event"] == "run_ended"]
    assert len(ends) == 1
    assert events.splitlines() == events.removesuffix("\n").split("\n")
    assert len(lines.splitlines()) == 1
    assert len(table.splitlines()) == 2
    assert len(report_of(state)) == 1
    assert unsafe(events, lines, table) == []


@pytest.mark.parametrize(
    "text",
    [
        f"instance_id,plugin_id,env_id,api_id\n{HOSTILE},b,c,d\n",
        f"instance_id,{HOSTILE},env_id,api_id\na,b,c,d\n",
        f"\x1b[2J{HOSTILE}\n",
        json.dumps([{"instance_id": HOSTILE, HOSTILE: 1}], ensure_ascii=False),
        f'{{"instance_id": "{HOSTILE}\n',
    ],
)
def test_no_manifest_reaches_a_terminal_as_it_is(bulkbind, folder, text):
    (folder / "apis.csv").write_text(text.replace("\x00", ""), encoding="utf-8")

    said = bulkbind("plan", "apis.csv")

    assert said.code == 2
    assert unsafe(said.out, said.err) == []
    assert not any(line.startswith(FORGED) for line in said.err.splitlines())


@pytest.mark.parametrize(
    "text",
    [
        '"a\\u001b[2J\\u202e" = 1\n',
        '[account]\nendpoint = "https://a\\u001b[2J\\u202e"\n',
        '[account]\nproxy = "\\u001b[2J\\u202e"\n',
        '[accounts."\\u001b[2J\\u202e"]\nregion = "a"\n',
        'name = "\\u001b[2J\\u202e"\n',
        '[columns]\n"\\u001b[2J\\u202e" = "a"\n',
        'encoding = "\\u001b[2J\\u202e"\n',
    ],
)
def test_no_job_file_reaches_a_terminal_as_it_is(bulkbind, folder, text):
    write_manifest(folder / "apis.csv", bindings(1))
    (folder / "job.toml").write_text(f'manifest = "apis.csv"\n{text}')

    said = bulkbind("plan", "job.toml")

    assert said.code == 2
    assert unsafe(said.out, said.err) == []


def test_no_file_name_reaches_a_terminal_as_it_is(bulkbind, folder):
    name = "apis\x1b[2J\u202e\n.csv"
    write_manifest(folder / name, bindings(1))

    said = [
        bulkbind("run", name, "--endpoint", "sandbox"),
        *(bulkbind(*words) for words in (("runs",), ("status", "latest"))),
        *(bulkbind(*words) for words in (("pause", name), ("run", name))),
        bulkbind("plan", "gone\x1b[2J\u202e.csv"),
    ]

    assert said[0].code == 0, said[0].err
    assert unsafe(*(text for one in said for text in (one.out, one.err))) == []


def test_no_hold_reaches_a_terminal_as_it_is(bulkbind, folder, state):
    write_manifest(folder / "apis.csv", bindings(1))
    (folder / "job.toml").write_text(
        'name = "job"\nmanifest = "apis.csv"\n[account]\nendpoint = "sandbox"\n'
    )
    bulkbind("pause", "job.toml")
    path = StateFolder(state).hold_path("job")
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "why": HOSTILE, "holder": HOSTILE}))

    said = [bulkbind("run", "job.toml"), bulkbind("unpause", "job.toml")]

    assert said[0].code == 3
    assert unsafe(*(text for one in said for text in (one.out, one.err))) == []
