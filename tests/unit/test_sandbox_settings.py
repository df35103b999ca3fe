"""Faults and hints on their way from a job file or command line to the sandbox."""

import pytest
from click.testing import CliRunner

from bulkbind.cli.sandbox import command
from bulkbind.errors import SettingsError
from bulkbind.job.connecting import find_credentials, sandbox_options
from bulkbind.sandbox import MemoryWorld, Service, SqliteWorld, Weather, parse_weather
from bulkbind.sandbox.options import SandboxOptions
from bulkbind.settings import Overrides, SandboxSettings, load_job


def load(folder, text="", **values):
    path = folder / "job.toml"
    path.write_text(f'manifest = "apis.csv"\n[sandbox]\n{text}\n')
    given = {f"sandbox.{key}": value for key, value in values.items()}
    overrides = Overrides(values=given, endpoint="sandbox")
    return load_job(path, overrides, environ={})


def test_a_job_file_names_a_scenario(tmp_path):
    job = load(tmp_path, 'faults = "storm"\nhint = "lying"')

    assert (job.sandbox.faults, job.sandbox.hint) == ("storm", "lying")


def test_a_job_file_may_list_faults(tmp_path):
    job = load(tmp_path, 'faults = ["flaky", "lag=3s"]')

    assert parse_weather(job.sandbox.faults) == parse_weather("flaky, lag=3s")


def test_the_command_line_comes_first(tmp_path):
    job = load(tmp_path, 'faults = "storm"', faults="lost_after=0.1", hint="absent")

    assert (job.sandbox.faults, job.sandbox.hint) == ("lost_after=0.1", "absent")


@pytest.mark.parametrize("text", ["faults = 7", "faults = [1]", 'hint = "loud"'])
def test_what_is_no_text_or_no_hint_is_refused(tmp_path, text):
    with pytest.raises(SettingsError, match=f"sandbox.{text[:4]}"):
        load(tmp_path, text)


def test_settings_become_options():
    wanted = SandboxSettings(faults="lossy, lag=2s", hint="all", errors=0.1, seed=7)
    options = sandbox_options(wanted, token="own")  # noqa: S106

    assert options.weather == parse_weather("lossy, lag=2s")
    assert (options.rules.hint, options.error_before, options.seed) == ("all", 0.1, 7)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (SandboxSettings(faults="strom"), "sandbox.faults: 'strom' is no fault"),
        (SandboxSettings(faults="cut=0.9", lost=0.2), "the shares are 1.1 together"),
    ],
)
def test_faults_that_cannot_be_are_settings_errors(wanted, told):
    with pytest.raises(SettingsError) as refused:
        sandbox_options(wanted, token="own")  # noqa: S106

    assert told in str(refused.value)


def test_a_run_on_the_sandbox_asks_for_faults_before_anything_else(tmp_path):
    with pytest.raises(SettingsError, match="Scenarios: none, storm"):
        find_credentials(load(tmp_path, faults="strom"), {})


def test_the_command_refuses_unknown_faults_before_it_listens(tmp_path):
    given = ["--faults", "strom", "--world", str(tmp_path / "world.db")]
    result = CliRunner().invoke(command, given)

    assert isinstance(result.exception, SettingsError)
    assert "listening" not in result.output


@pytest.fixture(params=["memory", "sqlite"])
def world(request, tmp_path):
    if request.param == "memory":
        yield MemoryWorld()
    else:
        with SqliteWorld(tmp_path / "world.db") as world:
            yield world


def test_a_world_keeps_a_weather_for_who_brings_none(world):
    assert world.kept_weather() == ""
    world.keep_weather("storm")
    world.keep_weather("lagging")

    assert world.kept_weather() == "lagging"
    calm = SandboxOptions(weather=Weather())
    assert SandboxOptions().whole_weather(kept="lagging").lag_s == 3.0
    assert calm.whole_weather(kept="lagging") == Weather()
    assert Service(world, options=SandboxOptions(), started=0.0)._lag is not None
    assert Service(world, options=calm, started=0.0)._lag is None


def test_a_kept_weather_that_cannot_be_read_is_told(world):
    world.keep_weather("strom")

    with pytest.raises(ValueError, match="'strom' is no fault"):
        Service(world, options=SandboxOptions(), started=0.0)
