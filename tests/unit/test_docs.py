"""What the README promises can be done as it stands there."""

import re
import shlex
from pathlib import Path

import pytest

import bulkbind as library
from bulkbind.cli.main import BLOCKS
from bulkbind.model import REPORT_COLUMNS, Verdict
from tests.engine import conftest as engine
from tests.factories import bindings, write_manifest

surroundings = engine.surroundings
folder = engine.folder
bulkbind = engine.bulkbind

ROOT = Path(library.__file__).parent.parent
PAGES = sorted(
    path
    for path in (
        *(ROOT / "README.md", ROOT / "tests/README.md", ROOT / "jobs/README.md"),
        *(ROOT / "bulkbind").glob("*.md"),
    )
    if path.exists()
)
COMMANDS = {name for block in BLOCKS.values() for name in block}


def readme():
    return (ROOT / "README.md").read_text(encoding="utf-8")


def named(page):
    """Return every ``bulkbind ...`` command line of a page."""
    text = page.read_text(encoding="utf-8")
    shown = re.findall(
        r"^(?: {4}|\$ |`)?(?:\w+=\S+ )?bulkbind +([^#`\n]+)", text, re.MULTILINE
    )
    return shown + re.findall(r"`bulkbind ([^`]+)`", text)


def test_the_first_two_commands_are_there():
    first = re.findall(r"^    sh (\S+)", readme(), re.MULTILINE)[:2]

    assert first == ["jobs/quickstart.sh", "tests/run.sh"]
    assert all((ROOT / name).is_file() for name in first)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_a_page_shows_exists_with_its_options(bulkbind, page):
    for line in named(page):
        words = shlex.split(line.replace("...", ""), comments=True)
        if not words or not words[0].isalpha() or words[0] not in COMMANDS:
            continue
        text = bulkbind(words[0], "--help").out
        if len(words) > 1 and f"\n  {words[1]} " in text.partition("Commands:")[2]:
            text += bulkbind(*words[:2], "--help").out
        for word in words[1:]:
            if word.startswith("-"):
                assert word.partition("=")[0] in text, line


def test_the_readme_shows_no_command_that_is_not_there():
    shown = {line.split()[0] for line in named(ROOT / "README.md")}

    assert {word for word in shown if word.islower()} <= COMMANDS
    assert {"plan", "run", "resume", "report", "status"} <= shown


def test_the_readmes_python_example_runs(folder, capsys):
    write_manifest(folder / "apis.csv", bindings(4))
    (code,) = re.findall(r"```python\n(.*?)```", readme(), re.DOTALL)

    exec(compile(code, "<README>", "exec"), {})  # noqa: S102 - our own README

    out = capsys.readouterr().out.splitlines()
    assert out[0] == "4 bindings in 1 requests"
    assert [line.split()[-1] for line in out[1:]] == ["bound"] * 4


def test_the_packages_docstring_example_runs(folder, capsys, monkeypatch):
    write_manifest(folder / "apis.csv", bindings(4))
    (folder / "jobs" / "catalogue").mkdir(parents=True)
    (folder / "jobs/catalogue/job.toml").write_text(
        f'manifest = "{folder / "apis.csv"}"\n[account]\nendpoint = "sandbox"\n'
    )
    block = re.search(r"::\n\n((?: {4}.*\n|\n)+)", library.__doc__)
    assert block is not None
    code = re.sub(r"^ {4}", "", block[1], flags=re.MULTILINE)

    exec(compile(code, "<docstring>", "exec"), {})  # noqa: S102 - our own docstring

    out = capsys.readouterr().out
    assert out.count("bound") == 4
    assert bindings(1)[0].api_id in out


def test_the_readmes_first_job_runs(bulkbind):
    assert bulkbind("init", "mine").code == 0
    assert bulkbind("plan", "mine/job.toml").code == 0
    assert bulkbind("run", "mine/job.toml").code == 0


def test_the_readme_names_the_verdicts_a_run_can_give():
    for verdict in Verdict:
        if verdict not in {Verdict.UNCHANGED, Verdict.UNBOUND, Verdict.KEPT}:
            assert f"`{verdict}`" in readme(), verdict


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / target).exists(), target


def test_the_report_columns_are_those_of_the_design():
    assert ",".join(REPORT_COLUMNS) == (
        "file,line,account,project_id,instance_id,plugin_id,plugin_name,env_id,"
        "env_name,api_id,verdict,cause,replaced_plugin_id,http_status,error_code,"
        "error_msg,advice,plugin_attach_id,attached_time,attempts,request_id,"
        "finished_at,verified"
    )
