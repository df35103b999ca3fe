"""Command line over environment over job file over defaults."""

from pathlib import Path

import pytest

from bulkbind.errors import SettingsError
from bulkbind.model import Action
from bulkbind.plan import OnConflict
from bulkbind.settings import (
    AccountSettings,
    JobSettings,
    OnInvalid,
    Overrides,
    load_job,
    revise,
)


@pytest.fixture
def job(tmp_path):
    """Write a job file; return how to load it."""

    def load(
        text: str = "", *, environ=None, head='manifest = "apis.csv"\n', **overrides
    ):
        path = tmp_path / "job.toml"
        path.write_text(head + text, encoding="utf-8")
        return load_job(path, Overrides(**overrides), environ=environ or {})

    return load


def refused(load, *args, **kwargs) -> str:
    with pytest.raises(SettingsError) as error:
        load(*args, **kwargs)
    return str(error.value)


# --- defaults and the file ------------------------------------------------------------


def test_an_almost_empty_job_has_every_default(job, tmp_path):
    path = tmp_path / "job.toml"

    assert job() == JobSettings(
        name=str(path), source=path, manifest=(tmp_path / "apis.csv",), base=tmp_path
    )


def test_every_key_of_a_job_file_is_taken(job, tmp_path):
    settings = job(
        """
        name = "cors-rollout"
        note = "CHG-1"
        encoding = "gbk"
        action = "bind"
        [account]
        endpoint = "https://apig.example.com/"
        project_id = "p1"
        [defaults]
        env_id = "e1"
        [columns]
        api_id = "API Id"
        [plan]
        batch_size = 100
        on_invalid = "skip"
        on_conflict = "last"
        fill_blank = true
        [pace]
        rate = "60/min"
        concurrency = 3
        [retry]
        max_attempts = 7
        timeout = "30s"
        busy_timeout = "1h"
        [report]
        dir = "out"
        formats = ["csv"]
        [sandbox]
        missing = 1
        unpublished = 2
        latency = "1s"
        rate = "5/s"
        errors = 0.1
        lost = 0.2
        seed = 9
        """
    )

    assert settings.name == "cors-rollout"
    assert (settings.note, settings.encoding) == ("CHG-1", "gbk")
    assert settings.action is Action.ATTACH
    assert settings.accounts == {
        "default": AccountSettings(endpoint="https://apig.example.com", project_id="p1")
    }
    assert (settings.defaults, settings.columns) == (
        {"env_id": "e1"},
        {"api_id": "API Id"},
    )
    assert settings.batch_size == 100
    assert settings.on_invalid is OnInvalid.SKIP
    assert settings.on_conflict is OnConflict.LAST
    assert settings.fill_blank is True
    assert (settings.rate, settings.concurrency) == ((60, 60.0), 3)
    assert (settings.max_attempts, settings.timeout_s) == (7, 30.0)
    assert settings.busy_timeout_s == 3600.0
    assert settings.report_dir == tmp_path / "out"
    assert settings.report_formats == ("csv",)
    assert settings.sandbox.missing == 1
    assert settings.sandbox.unpublished == 2
    assert settings.sandbox.latency_s == 1.0
    assert settings.sandbox.rate == (5, 1.0)
    assert (settings.sandbox.errors, settings.sandbox.lost) == (0.1, 0.2)
    assert settings.sandbox.seed == 9


def test_a_manifest_alone_is_a_job_named_by_its_path(tmp_path):
    source = tmp_path / "apis.csv"
    settings = load_job(source, Overrides(), environ={})

    assert settings.name == str(source)
    assert settings.manifest == (source,)
    assert settings.base == tmp_path


def test_standard_input_is_a_job_of_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = load_job(None, Overrides(), environ={})

    assert settings.manifest == (None,)
    assert settings.name == "stdin"
    assert settings.base == tmp_path


def test_a_byte_order_mark_does_no_harm(tmp_path):
    path = tmp_path / "job.toml"
    path.write_bytes(b'\xef\xbb\xbfmanifest = "apis.csv"\n')

    assert load_job(path, Overrides(), environ={}).manifest == (tmp_path / "apis.csv",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"manifest = \n", "not TOML: "),
        (b"a = 1\na = 2\n", "not TOML: "),
        (b"note = '\xff'\n", "not UTF-8; save the job file as UTF-8"),
    ],
)
def test_a_job_file_that_cannot_be_read_says_why(tmp_path, content, said):
    path = tmp_path / "job.toml"
    path.write_bytes(content)

    assert said in refused(load_job, path, Overrides(), environ={})


def test_a_job_file_that_is_not_there_is_told(tmp_path):
    said = refused(load_job, tmp_path / "job.toml", Overrides(), environ={})

    assert said.endswith("job.toml: no such file; name a job file or a manifest")


def test_a_folder_is_no_job_file(tmp_path):
    (tmp_path / "job.toml").mkdir()

    assert "cannot be read" in refused(
        load_job, tmp_path / "job.toml", Overrides(), environ={}
    )


# --- which files the manifest is ------------------------------------------------------


def manifest_of(job, manifest: str) -> list[str]:
    settings = job(head=f"manifest = {manifest}\n")
    return [str(path.relative_to(settings.base)) for path in settings.manifest if path]


def test_a_manifest_is_relative_to_the_job_file_wherever_one_stands(
    job, monkeypatch, tmp_path
):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)

    assert manifest_of(job, '"data/apis.csv"') == ["data/apis.csv"]


def test_an_absolute_manifest_stays_where_it_is(job):
    settings = job(head='manifest = "/data/apis.csv"\n')

    assert settings.manifest == (Path("/data/apis.csv"),)


def test_a_list_keeps_its_order(job):
    assert manifest_of(job, '["b.csv", "a.csv"]') == ["b.csv", "a.csv"]


@pytest.mark.parametrize(
    "pattern", ["part-*.csv", "part-?.csv", "part-[ab].csv", "*-*"]
)
def test_a_glob_is_sorted(job, tmp_path, pattern):
    for name in ("part-b.csv", "part-a.csv", "other.csv"):
        (tmp_path / name).touch()

    assert manifest_of(job, f'"{pattern}"') == ["part-a.csv", "part-b.csv"]


def test_a_glob_goes_into_folders(job, tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "a.csv").touch()

    assert manifest_of(job, '"deep/**/*.csv"') == ["deep/er/a.csv"]


def test_an_absolute_glob_is_found(job, tmp_path):
    (tmp_path / "a.csv").touch()

    assert manifest_of(job, f'"{tmp_path}/*.csv"') == ["a.csv"]


def test_a_folder_with_brackets_in_its_name_is_no_pattern(tmp_path):
    folder = tmp_path / "job[1]"
    folder.mkdir()
    (folder / "a.csv").touch()
    (folder / "job.toml").write_text('manifest = "*.csv"')

    settings = load_job(folder / "job.toml", Overrides(), environ={})
    assert settings.manifest == (folder / "a.csv",)


def test_a_file_with_brackets_in_its_name_is_itself(job, tmp_path):
    (tmp_path / "apis[1].csv").touch()

    assert manifest_of(job, '"apis[1].csv"') == ["apis[1].csv"]


def test_a_glob_that_matches_nothing_is_told(job, tmp_path):
    said = refused(job, head='manifest = "*.csv"\n')

    assert said.endswith(f"manifest '*.csv' matches no file in {tmp_path}")


@pytest.mark.parametrize("head", ["", 'manifest = ""\n', "manifest = []\n"])
def test_a_job_without_a_manifest_is_told_what_to_add(job, head):
    assert 'no manifest; add manifest = "apis.csv"' in refused(job, head=head)


# --- what lies over the file ----------------------------------------------------------

FILE = '[pace]\nrate = "1/s"\n'
ENVIRON = {"BULKBIND_PACE_RATE": "2/s"}
VALUES = {"pace.rate": "3/s"}


def test_the_file_lies_over_the_default(job):
    assert job(FILE).rate == (1, 1.0)


def test_the_environment_lies_over_the_file(job):
    assert job(FILE, environ=ENVIRON).rate == (2, 1.0)


def test_the_command_line_lies_over_the_environment(job):
    assert job(FILE, environ=ENVIRON, values=VALUES).rate == (3, 1.0)


def test_one_key_laid_over_a_section_keeps_the_others(job):
    settings = job('[pace]\nrate = "1/s"\nconcurrency = 3\n', environ=ENVIRON)

    assert (settings.rate, settings.concurrency) == ((2, 1.0), 3)


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("BULKBIND_NOTE", "CHG-2", lambda s: s.note == "CHG-2"),
        ("BULKBIND_ENCODING", "gbk", lambda s: s.encoding == "gbk"),
        ("BULKBIND_PLAN_BATCH_SIZE", "7", lambda s: s.batch_size == 7),
        ("BULKBIND_PLAN_FILL_BLANK", "true", lambda s: s.fill_blank is True),
        ("BULKBIND_PACE_CONCURRENCY", "9", lambda s: s.concurrency == 9),
        ("BULKBIND_RETRY_BUSY_TIMEOUT", "1min", lambda s: s.busy_timeout_s == 60.0),
        ("BULKBIND_REPORT_FORMATS", "csv, jsonl", lambda s: len(s.report_formats) == 2),
        ("BULKBIND_SANDBOX_LATENCY", "0.5", lambda s: s.sandbox.latency_s == 0.5),
        (
            "BULKBIND_ACCOUNT_PROJECT_ID",
            "p9",
            lambda s: s.accounts["default"].project_id == "p9",
        ),
    ],
)
def test_any_key_may_come_from_the_environment(job, name, value, read):
    assert read(job(environ={name: value}))


@pytest.mark.parametrize(
    "name", ["BULKBIND_NAME", "BULKBIND_MANIFEST", "BULKBIND_TOKEN"]
)
def test_what_belongs_to_one_job_never_comes_from_the_environment(job, name):
    assert job(environ={name: "x"}) == job()


def test_a_fault_in_the_environment_is_told_like_one_in_the_file(job):
    assert "pace.rate: 'fast' is no rate" in refused(
        job, environ={"BULKBIND_PACE_RATE": "fast"}
    )


def test_faults_of_file_environment_and_command_line_are_told_together(job):
    said = refused(
        job,
        "zzz = 1\n",
        environ={"BULKBIND_PACE_RATE": "fast"},
        values={"plan.batch_size": "0", "retry.nope": "1"},
    )

    assert len(said.splitlines()) == 4


def test_a_report_folder_of_the_command_line_starts_from_here(
    job, tmp_path, monkeypatch
):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    assert job("[report]\ndir = 'out'\n").report_dir == tmp_path / "out"
    assert job(values={"report.dir": "out"}).report_dir == tmp_path / "here" / "out"


def test_a_key_without_a_section_may_be_set(job):
    assert job(values={"note": "CHG-3"}).note == "CHG-3"


def test_a_list_is_set_with_commas(job):
    assert job(values={"report.formats": "jsonl,"}).report_formats == ("jsonl",)


def test_a_key_of_an_unknown_section_is_told(job):
    assert "unknown key" in refused(job, values={"nope.rate": "1/s"})


def test_defaults_of_the_command_line_lie_over_those_of_the_file(job):
    settings = job(
        '[defaults]\nenv_id = "a"\ninstance_id = "g"\n', defaults={"env_id": "b"}
    )

    assert settings.defaults == {"env_id": "b", "instance_id": "g"}


def test_only_comes_from_the_command_line_alone(job):
    only = (("env_id", frozenset({"e1", "e2"})),)

    assert job(only=only).only == only


# --- endpoints and rehearsals ---------------------------------------------------------

NAMED = 'name = "cors"\n[account]\nendpoint = "https://apig.example.com"\n'


def test_an_endpoint_of_the_command_line_replaces_that_of_the_file(job):
    settings = job(NAMED, endpoint="https://other.example.com/")

    assert settings.accounts["default"].endpoint == "https://other.example.com"
    assert (settings.name, settings.rehearsal) == ("cors", False)


def test_an_endpoint_of_the_command_line_is_held_to_the_same_rules(job):
    said = refused(job, NAMED, endpoint="http://other.example.com")

    assert said.startswith("--endpoint: account.endpoint: ")


def test_the_sandbox_over_another_endpoint_is_a_rehearsal_of_another_job(job):
    settings = job(NAMED, endpoint="sandbox")

    assert (settings.name, settings.rehearsal) == ("cors@sandbox", True)
    assert settings.accounts["default"].endpoint == "sandbox"


@pytest.mark.parametrize("own", ["", '[account]\nendpoint = "sandbox"\n'])
def test_the_sandbox_over_itself_or_nothing_is_no_rehearsal(job, own):
    settings = job(f'name = "cors"\n{own}', endpoint="sandbox")

    assert (settings.name, settings.rehearsal) == ("cors", False)


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        ("https://apig.example.com:8443", "apig.example.com:8443"),
        ("sandbox", "sandbox"),
        ("", ""),
    ],
)
def test_the_host_of_an_account_is_what_makes_its_gateways(endpoint, host):
    assert AccountSettings(endpoint=endpoint).host == host


# --- what a resume may say anew -------------------------------------------------------


@pytest.fixture
def settings(job):
    return job(NAMED)


def test_nothing_said_changes_nothing(settings):
    assert revise(settings, Overrides()) == settings


def test_pace_retries_and_note_may_be_said_anew(settings):
    revised = revise(
        settings,
        Overrides(
            values={
                "pace.rate": "99/s",
                "pace.concurrency": "2",
                "retry.max_attempts": "9",
                "retry.timeout": "9s",
                "retry.busy_timeout": "9min",
                "note": "again",
            }
        ),
    )

    assert (revised.rate, revised.concurrency) == ((99, 1.0), 2)
    assert (revised.max_attempts, revised.timeout_s) == (9, 9.0)
    assert (revised.busy_timeout_s, revised.note) == (540.0, "again")
    assert revised.name == settings.name


def test_one_thing_said_anew_leaves_the_others(job):
    settings = job('[pace]\nrate = "7/s"\nconcurrency = 3\n[retry]\ntimeout = "9s"\n')
    revised = revise(settings, Overrides(values={"pace.concurrency": "4"}))

    assert (revised.rate, revised.concurrency, revised.timeout_s) == ((7, 1.0), 4, 9.0)


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (Overrides(values={"plan.batch_size": "9"}), "plan.batch_size"),
        (Overrides(values={"manifest": "x"}), "manifest"),
        (Overrides(values={"account.endpoint": "sandbox"}), "account.endpoint"),
        (Overrides(values={"nope": "x"}), "nope"),
        (Overrides(defaults={"env_id": "e"}), "--default"),
        (Overrides(only=(("env_id", frozenset("e")),)), "--only"),
        (Overrides(endpoint="sandbox"), "--endpoint"),
        (
            Overrides(
                values={"pace.rate": "1/s", "plan.batch_size": "9"}, endpoint="x"
            ),
            "plan.batch_size, --endpoint",
        ),
    ],
)
def test_what_would_change_the_plan_is_refused_by_name(settings, overrides, named):
    said = refused(revise, settings, overrides)

    assert said.startswith(f"{named}: the plan stands")


def test_what_is_said_anew_is_checked_like_a_job_file(settings):
    said = refused(
        revise,
        settings,
        Overrides(values={"pace.rate": "fast", "pace.concurrency": "0"}),
    )

    assert len(said.splitlines()) == 2
    assert said.startswith("command line: pace.")
