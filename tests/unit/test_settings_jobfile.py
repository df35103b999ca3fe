"""A job file's shape: all faults at once, each with its path and what is allowed."""

import pytest

from bulkbind.errors import SettingsError
from bulkbind.settings.jobfile import JobFile, check_job, sections


def problems(raw) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        check_job(raw, where="job.toml")
    return list(refused.value.problems)


def problem(raw) -> str:
    (only,) = problems(raw)
    return only


def test_an_empty_job_has_every_default():
    assert check_job({}, where="job.toml") == JobFile()


def test_all_faults_are_reported_together_with_their_paths():
    found = problems(
        {
            "manifets": "a.csv",
            "plan": {"batch_size": 501, "on_conflict": "newest"},
            "pace": {"rate": "fast", "concurrency": 0},
            "retry": {"timeout": "1 day"},
            "sandbox": {"errors": 1.5},
            "account": {"endpoint": "http://apig.example.com"},
        }
    )

    paths = [text.split(": ")[1] for text in found]
    assert all(text.startswith("job.toml: ") for text in found)
    assert sorted(paths) == [
        "account.endpoint",
        "manifets",
        "pace.concurrency",
        "pace.rate",
        "plan.batch_size",
        "plan.on_conflict",
        "retry.timeout",
        "sandbox.errors",
    ]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"plan": {"batch_size": 0}}, "greater than or equal to 1 (given: 0)"),
        ({"plan": {"batch_size": 501}}, "less than or equal to 500 (given: 501)"),
        ({"plan": {"batch_size": "many"}}, "valid integer"),
        ({"plan": {"batch_size": True}}, "a number is wanted, not true or false"),
        ({"plan": {"on_invalid": "ignore"}}, "'stop' or 'skip' (given: 'ignore')"),
        ({"plan": {"on_conflict": "x"}}, "'stop', 'first' or 'last' (given: 'x')"),
        ({"plan": {"fill_blank": "maybe"}}, "valid boolean"),
        ({"plan": []}, "valid dictionary"),
        ({"action": "delete"}, "'bind'"),
        ({"report": {"formats": ["xml"]}}, "'csv', 'jsonl' or 'html' (given: 'xml')"),
        ({"report": {"formats": []}}, "at least 1 item"),
        ({"sandbox": {"missing": -1}}, "greater than or equal to 0"),
        ({"sandbox": {"errors": True}}, "a number is wanted"),
        ({"sandbox": {"latency": 61}}, "less than or equal to 60"),
        ({"retry": {"timeout": 0}}, "greater than 0"),
        ({"retry": {"timeout": "2h"}}, "less than or equal to 3600"),
        ({"retry": {"busy_timeout": "500ms"}}, "'500ms' is no duration"),
        ({"retry": {"max_attempts": 101}}, "less than or equal to 100"),
        ({"pace": {"rate": "10"}}, "'10' is no rate"),
        ({"pace": {"rate": 10}}, "'10' is no rate"),
        ({"pace": {"concurrency": 10_001}}, "less than or equal to 10000"),
        ({"name": "a b"}, "should match pattern"),
        ({"name": "../x"}, "should match pattern"),
        ({"name": ""}, "should match pattern"),
        ({"account": {"project_id": "a/b"}}, "should match pattern"),
        ({"manifest": 3}, "valid string"),
        ({"columns": {"api": "API Id"}}, "unknown column api; ours are account,"),
        ({"defaults": {"ap_id": "x"}}, "unknown column ap_id; ours are account,"),
    ],
)
def test_a_fault_says_what_is_allowed_and_what_was_given(raw, said):
    assert said in " ".join(problems(raw))


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"manifets": "x"}, "manifets: unknown key; did you mean 'manifest'?"),
        ({"pase": {}}, "pase: unknown key; did you mean 'pace'?"),
        (
            {"pace": {"concurency": 1}},
            "pace.concurency: unknown key; did you mean 'concurrency'?",
        ),
        ({"pace": {"zzz": 1}}, "pace.zzz: unknown key; known here: rate, concurrency"),
        ({"zzz": 1}, "zzz: unknown key; known here: name, manifest, "),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_or_all(raw, said):
    assert f"job.toml: {said}" in problem(raw)


# --- endpoints ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", ""),
        ("sandbox", "sandbox"),
        ("https://apig.cn-north-4.myhuaweicloud.com",) * 2,
        ("https://apig.example.com/", "https://apig.example.com"),
        ("https://apig.example.com:8443",) * 2,
        ("https://[2001:db8::1]:8443",) * 2,
        ("http://127.0.0.1:8080",) * 2,
        ("http://localhost:8080",) * 2,
        ("http://[::1]:8080",) * 2,
    ],
)
def test_an_endpoint_is_https_or_this_machine(given, kept):
    assert (
        check_job({"account": {"endpoint": given}}, where="").account.endpoint == kept
    )


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://apig.example.com",
        "http://10.0.0.1",
        "http://127.0.0.1.example.com",
        "ftp://apig.example.com",
        "file:///etc/passwd",
        "http://localhost.example.com",
    ],
)
def test_plain_http_to_another_machine_is_refused(endpoint):
    said = problem({"account": {"endpoint": endpoint}})

    assert "account.endpoint: " in said
    assert "only https is spoken" in said or "nothing after it" in said


@pytest.mark.parametrize(
    "endpoint",
    [
        "apig.example.com",
        "https://",
        "https://apig.example.com/v2",
        "https://apig.example.com?x=1",
        "https://apig.example.com#x",
        "https://me:secret@apig.example.com",
        "https://:secret@apig.example.com",
        "https://me@apig.example.com",
        "https://apig.example.com@evil.example.com",
        "https://apig.example.com:port",
        "https://apig.example.com:99999",
        "https://apig.example.com:0",
        "https://[::1",
        "https://apig example.com",
        "https://apig.example.com\n.evil.example.com",
        "https://apig.example.com\\.evil.example.com",
    ],
)
def test_anything_but_scheme_and_host_is_refused(endpoint):
    said = problem({"account": {"endpoint": endpoint}})

    assert 'write "https://HOST" and nothing after it' in said


# --- canary ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "sizes"),
    [
        (True, (1, 10)),
        ("true", (1, 10)),
        (False, ()),
        ([], ()),
        ([3], (3,)),
        ("1, 20,500", (1, 20, 500)),
    ],
)
def test_a_canary_is_read_from_a_flag_a_list_or_a_text(given, sizes):
    job = check_job({"plan": {"canary": given}}, where="job.toml")

    assert job.plan.canary == sizes


@pytest.mark.parametrize("given", [[0], [501], [1] * 9, ["x"], "maybe", 7.5, [-1]])
def test_a_canary_of_no_size_is_refused(given):
    assert "plan.canary: " in problem({"plan": {"canary": given}})


# --- requires -------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", ["", ">=0.1", ">=0", " >= 0.0.1 "])
def test_a_job_that_an_older_tool_can_run_is_taken(wanted):
    check_job({"requires": wanted}, where="job.toml")


def test_a_job_for_a_newer_tool_is_refused():
    assert "the job wants bulkbind >=99.0" in problem({"requires": ">=99.0"})


@pytest.mark.parametrize("wanted", ["1.0", "==1.0", ">=", ">=x", ">=1.0,<2"])
def test_a_requirement_that_cannot_be_read_is_refused(wanted):
    assert 'write ">=1.0"' in problem({"requires": wanted})


def test_every_key_of_every_section_is_known():
    keys = sections()

    assert {"name", "manifest", "columns", "defaults", "note"} <= set(keys[""])
    assert keys["pace"] == ("rate", "concurrency")
    assert "batch_size" in keys["plan"]
