"""``bulkbind schedule`` as a user runs it; its text is run as cron would run it."""

import os
import shutil
import stat
import subprocess
import sys

import jsonschema
import pytest
from crontab import CronTab

from tests.engine import conftest as engine
from tests.factories import bindings, runs_in, started, write_job, write_manifest

surroundings = engine.surroundings
folder = engine.folder


@pytest.fixture
def awkward(folder):
    """A folder whose name every quoting must survive."""
    path = folder / "100% o'brien $HOME"
    path.mkdir()
    write_manifest(path / "apis.csv", bindings(4))
    write_job(path / "job.toml", name="night")
    return path


def schedule(*arguments, folder):
    with started("schedule", *arguments, folder=folder) as process:
        return process.wait()


def as_cron_runs_it(line, env):
    """Do with a crontab's command what cron does: ``%`` is a newline, then sh."""
    command = line.split(None, 5)[5].replace("\\%", "\0")
    assert "%" not in command
    return subprocess.run(
        ["/bin/sh", "-c", command.replace("\0", "%")],
        capture_output=True,
        text=True,
        check=False,
        env=env,
        cwd="/",
    )


def bare(monkeypatch_env):
    """An environment as cron gives it."""
    kept = ("BULKBIND_HOST_DIR", "HOME")
    return {"PATH": "/usr/bin:/bin"} | {name: monkeypatch_env[name] for name in kept}


def test_a_crontab_parser_takes_the_line_and_sh_runs_it(awkward):
    said = schedule("job.toml", "--at", "0 2 * * *", folder=awkward)

    (line,) = [one for one in said.out.splitlines() if not one.startswith("#")]
    (entry,) = CronTab(tab=said.out, user=False)
    done = as_cron_runs_it(line, bare(os.environ))
    assert (said.code, said.err) == (0, "")
    assert entry.is_valid()
    assert str(entry.slices) == "0 2 * * *"
    assert said.out.count("# next: ") == 5
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(runs_in(awkward / ".bulkbind")) == 1


def test_credentials_come_from_a_file_and_are_never_in_the_text(
    awkward, tmp_path, monkeypatch
):
    monkeypatch.setenv("BULKBIND_TOKEN", "canary-7f3a")
    secret = tmp_path / "to ken.env"
    secret.write_text("BULKBIND_NOTE='from the file'\n")
    options = ("--at", "0 2 * * *", "--env-file", secret)

    cron = schedule("job.toml", *options, folder=awkward)
    units = schedule("job.toml", *options, "--format", "systemd", folder=awkward)

    (line,) = [one for one in cron.out.splitlines() if not one.startswith("#")]
    done = as_cron_runs_it(line, bare(os.environ))
    (run,) = runs_in(awkward / ".bulkbind")
    assert (done.returncode, done.stderr) == (0, "")
    assert '"note":"from the file"' in (run / "summary.json").read_text().replace(
        '": "', '":"'
    )
    assert f"EnvironmentFile={secret}" in units.out
    assert "canary-7f3a" not in cron.out + cron.err + units.out + units.err


@pytest.mark.parametrize("more", [(), ("--state-dir", "st ate%d")])
def test_systemd_takes_the_units(awkward, tmp_path, more):
    options = ("--at", "30 2 1 * mon", "--tz", "Europe/Zurich", "--format", "systemd")
    said = schedule("job.toml", *options, "-o", "units", *more, folder=awkward)

    assert said.code == 0
    assert shutil.which("systemd-analyze"), "apt-get install systemd"
    units = sorted((awkward / "units").iterdir())
    copies = [shutil.copy(unit, tmp_path) for unit in units]
    verified = subprocess.run(
        ["systemd-analyze", "verify", *copies],
        capture_output=True,
        text=True,
        check=False,
    )
    service, timer = (unit.read_text() for unit in units)
    assert (verified.returncode, verified.stderr) == (0, "")
    assert "SuccessExitStatus=75 143" in service
    assert ("StateDirectory=bulkbind/night" in service) is not more
    assert ("st ate%%d" in service) is bool(more)
    assert "Persistent=true" in timer
    assert "RandomizedDelaySec=" in timer
    assert timer.count("OnCalendar=") == 2
    assert timer.count("# next: ") == 5


def test_a_zone_that_is_not_the_machines_is_warned_of(awkward):
    said = schedule(
        "job.toml", "--at", "30 2 * * *", "--tz", "America/Caracas", folder=awkward
    )

    assert said.code == 0
    assert "CRON_TZ=America/Caracas\n" in said.out
    assert "-04 (UTC-04:00)" in said.out
    assert "Debian's and Ubuntu's cron does not" in said.err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("job.toml", "--at", "0 25 * * *"), "write five fields"),
        (("job.toml", "--at", "0 2 * * *", "--tz", "Mars/Base"), "no such zone"),
        (("job.toml", "--at", "0 2 * * *", "--tz", "../x"), "no such zone"),
        (("none.toml", "--at", "0 2 * * *"), "none.toml"),
        (("none.csv", "--at", "0 2 * * *"), "no such file"),
        (("-", "--at", "0 2 * * *"), "only a job file or a manifest"),
        (("job.toml",), "--at"),
    ],
)
def test_what_is_wrong_is_exit_2_and_a_remedy(awkward, arguments, problem):
    said = schedule(*arguments, folder=awkward)

    assert (said.code, said.out) == (2, "")
    assert problem in said.err


def test_a_script_reads_it_as_json(awkward):
    with started(
        *("schedule", "job.toml", "--at", "0 2 * * *", "--json"), folder=awkward
    ) as process:
        said = process.wait()

    jsonschema.validate(
        said.json,
        {
            "required": ["format_version", "job", "zone", "files", "clock_changes"],
            "properties": {"next": {"minItems": 5, "maxItems": 5}},
        },
    )
    assert list(said.json["files"]) == ["bulkbind-night.crontab"]


def test_the_command_on_the_path_is_the_one_that_is_named(awkward, tmp_path):
    script = tmp_path / "bin dir" / "bulkbind"
    script.parent.mkdir()
    script.write_text(
        f"#!{sys.executable}\nfrom bulkbind.__main__ import main\nmain()\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)

    said = subprocess.run(
        ["bulkbind", "schedule", "job.toml", "--at", "0 2 * * *"],
        executable=script,
        cwd=awkward,
        env={**os.environ, "PATH": f"{script.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert f"exec '{script}' run " in said.stdout
