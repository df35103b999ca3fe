"""What a run keeps of its job: settings there and back, keys that tell jobs apart."""

import hashlib
import os
import pwd
from dataclasses import fields, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from bulkbind.model import Action, Deadline, SourceFile, Window
from bulkbind.plan import OnConflict, OnReplace
from bulkbind.settings import (
    AccountSettings,
    ClusterSettings,
    JobSettings,
    NotifySettings,
    OnInvalid,
    SandboxSettings,
)
from bulkbind.settings.tool import installed_version
from bulkbind.state.facts import (
    fingerprint,
    freeze,
    hash_sources,
    manifest_sha256,
    operator,
    plan_settings_key,
    thaw,
)

PLAIN = JobSettings(name="cors", source=None, manifest=(None,), base=Path("/jobs"))
FULL = JobSettings(
    name="cors ü",
    source=Path("/jobs/job.toml"),
    manifest=(Path("/jobs/a.csv"), Path("/jobs/ü b.csv")),
    base=Path("/jobs"),
    action=Action.DETACH,
    encoding="gbk",
    note="CHG\n1",
    accounts={"default": AccountSettings(endpoint="sandbox", project_id="p")},
    defaults={"env_id": "e"},
    columns={"api_id": "API Id"},
    only=(("env_id", frozenset({"b", "a"})),),
    batch_size=7,
    on_invalid=OnInvalid.SKIP,
    on_conflict=OnConflict.LAST,
    fill_blank=True,
    rate=(60, 60.0),
    concurrency=3,
    max_attempts=9,
    timeout_s=1.5,
    busy_timeout_s=2.5,
    report_dir=Path("/jobs/out"),
    report_formats=("csv",),
    live_max_age_s=7.0,
    on_replace=OnReplace.SKIP,
    max_replace=(0.05, True),
    verify=True,
    sandbox=SandboxSettings(missing=1, rate=(5, 1.0), errors=0.5),
    rehearsal=True,
)


@pytest.mark.parametrize("settings", [PLAIN, FULL], ids=["plain", "full"])
def test_settings_come_back_as_they_were(settings):
    assert thaw(freeze(settings)) == settings


def test_settings_of_an_older_release_get_todays_defaults():
    old = '{"name":"j","source":null,"manifest":[null],"base":"/jobs"}'

    assert thaw(old) == replace(PLAIN, name="j")


# --- what tells plans apart -----------------------------------------------------------

SHAPING: dict[str, Any] = {
    "columns": {"api_id": "x"},
    "defaults": {"env_id": "x"},
    "encoding": "gbk",
    "fill_blank": True,
    "on_invalid": OnInvalid.SKIP,
    "only": (("env_id", frozenset({"x"})),),
    "canary": (1, 10),
    "canary_check": ("true",),
}
PLANNING: dict[str, Any] = {
    "action": Action.DETACH,
    "batch_size": 1,
    "on_conflict": OnConflict.FIRST,
    "live": False,
    "rebind": True,
    "accounts": {"default": AccountSettings(endpoint="https://x.example.com")},
}
NEITHER: dict[str, Any] = {
    "note": "x",
    "canary_timeout_s": 1.0,
    "rate": (1, 1.0),
    "concurrency": 1,
    "max_attempts": 1,
    "timeout_s": 1.0,
    "busy_timeout_s": 1.0,
    "max_failed": (5.0, False),
    "deadline": Deadline(60.0),
    "window": Window(1320, 300, "UTC"),
    "probe_wait_s": 1.0,
    "second_look_s": 1.0,
    "report_dir": Path("/x"),
    "report_formats": ("csv",),
    "sandbox": SandboxSettings(missing=3),
    "notify": NotifySettings(on="always"),
    "ledger": "postgresql://me@db.example.com/ledgers",
    "cluster": ClusterSettings(scheduler="local"),
    "live_max_age_s": 1.0,
    "on_replace": OnReplace.ALLOW,
    "max_replace": (5.0, False),
    "verify": True,
}


@pytest.mark.parametrize("name", SHAPING)
def test_what_shapes_the_rows_changes_the_fingerprint(name):
    changed = replace(PLAIN, **{name: SHAPING[name]})

    assert fingerprint(changed) != fingerprint(PLAIN)


@pytest.mark.parametrize("name", [*PLANNING, *NEITHER])
def test_what_does_not_shape_the_rows_leaves_the_fingerprint(name):
    changed = replace(PLAIN, **{name: {**PLANNING, **NEITHER}[name]})

    assert fingerprint(changed) == fingerprint(PLAIN)


@pytest.mark.parametrize("name", [*SHAPING, *PLANNING])
def test_what_changes_the_plan_makes_a_resume_start_anew(name):
    changed = replace(PLAIN, **{name: {**SHAPING, **PLANNING}[name]})

    assert plan_settings_key(changed) != plan_settings_key(PLAIN)


@pytest.mark.parametrize("name", NEITHER)
def test_what_does_not_change_the_plan_lets_a_resume_go_on(name):
    changed = replace(PLAIN, **{name: NEITHER[name]})

    assert plan_settings_key(changed) == plan_settings_key(PLAIN)


def test_the_order_of_keys_and_values_makes_no_other_plan():
    one = replace(
        PLAIN,
        columns={"api_id": "a", "env_id": "b"},
        only=(("env_id", frozenset({"a", "b", "c", "d"})),),
    )
    other = replace(
        PLAIN,
        columns={"env_id": "b", "api_id": "a"},
        only=(("env_id", frozenset({"d", "c", "b", "a"})),),
    )

    assert plan_settings_key(one) == plan_settings_key(other)


def test_every_setting_is_known_to_change_the_plan_or_not():
    whose = {"name", "source", "manifest", "base", "rehearsal"}

    assert {field.name for field in fields(JobSettings)} == (
        whose | set(SHAPING) | set(PLANNING) | set(NEITHER)
    )


# --- hashes ---------------------------------------------------------------------------


def test_one_file_is_known_by_its_own_sum():
    assert manifest_sha256([SourceFile("a", "ab" * 32, 1)]) == "ab" * 32


def test_several_files_are_known_by_the_sum_of_their_sums():
    files = [SourceFile("a", "ab" * 32, 1), SourceFile("b", "cd" * 32, 1)]
    joined = "\n".join(["ab" * 32, "cd" * 32]).encode()

    assert manifest_sha256(files) == hashlib.sha256(joined).hexdigest()
    assert manifest_sha256(files) != manifest_sha256(files[::-1])


def test_sources_are_hashed_by_their_bytes(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"x")
    settings = replace(PLAIN, manifest=(tmp_path / "a.csv",))

    assert hash_sources(settings) == [
        SourceFile("a.csv", hashlib.sha256(b"x").hexdigest(), 1)
    ]


def test_standard_input_cannot_be_hashed_beforehand(tmp_path):
    (tmp_path / "a.csv").touch()

    assert hash_sources(replace(PLAIN, manifest=(tmp_path / "a.csv", None))) == []


def test_a_manifest_that_is_not_there_cannot_be_hashed(tmp_path):
    assert hash_sources(replace(PLAIN, manifest=(tmp_path / "none.csv",))) == []


# --- who and what ---------------------------------------------------------------------


def test_the_operator_is_user_at_host():
    user, _, host = operator().partition("@")

    assert user
    assert host == os.uname().nodename


def test_a_user_without_a_name_is_unknown(monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)

    def nobody(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", nobody)

    assert operator().startswith("unknown@")


def test_the_version_is_that_which_is_installed():
    assert installed_version() == metadata.version("bulkbind")


def test_without_an_installation_there_is_no_version(monkeypatch):
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("bulkbind.settings.tool.version", missing)

    assert installed_version() == "0"
