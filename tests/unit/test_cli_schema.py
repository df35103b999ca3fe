"""Real answers and files are as ``schema`` says; what the reader refuses, it does too."""

import json
import tomllib

import jsonschema
import pytest

from bulkbind.cli.schemas import DRAFT, SCHEMAS
from bulkbind.errors import SettingsError
from bulkbind.settings.jobfile import check_job
from tests.engine import conftest as engine
from tests.factories import bindings, events_of, latest, write_job, write_manifest

surroundings = engine.surroundings
folder = engine.folder
state = engine.state
bulkbind = engine.bulkbind
live = engine.live

#: A job file with every section in it, each key as people write it.
FULL = """
name = "cors-rollout"
manifest = ["apis.csv", "more-*.csv"]
requires = ">=0.1"
note = "change 4711"
action = "bind"
encoding = "gbk"
[account]
region = "cn-north-4"
project_id = "0123456789abcdef0123456789abcdef"
credential_command = ["vault", "read"]
rate = "60/min"
[accounts.payments]
endpoint = "https://apig.cn-north-1.myhuaweicloud.com"
product = "apig"
credential = "env:PAY_"
[defaults]
env_id = "DEFAULT_ENVIRONMENT_RELEASE_ID"
[columns]
api_id = "API"
[plan]
batch_size = 100
on_invalid = "skip"
on_conflict = "first"
fill_blank = true
[pace]
rate = "unlimited"
concurrency = 4
[retry]
max_attempts = 3
timeout = "90s"
busy_timeout = 1800
probe_wait = 0.5
second_look = "10s"
[stop]
max_failed = "5 %"
[safety]
live = true
live_max_age = "15min"
on_replace = "allow"
max_replace = 20
rebind = false
verify = true
[report]
dir = "reports"
formats = ["csv"]
[sandbox]
missing = 1
unpublished = 2
latency = 0.1
rate = "100/s"
errors = 0.1
lost = 0
faults = ["storm"]
hint = "lying"
seed = 7
"""

#: Texts that both reader and schema refuse, and what they are about.
REFUSED = {
    "a key that nobody knows": "nmae = 'x'",
    "a section that nobody knows": "[paces]\nrate = '10/s'",
    "a key that the section does not know": "[pace]\nrates = '10/s'",
    "a key of another section": "[plan]\nrate = '10/s'",
    "a key that an account does not know": "[account]\ntoken = 'x'",
    "a key that a named account does not know": "[accounts.pay]\nsk = 'x'",
    "an account's name": "[accounts.'a b']\nregion = 'x'",
    "a column that is none of ours": "[columns]\nowner = 'x'",
    "a default for a column that is none of ours": "[defaults]\nowner = 'x'",
    "a word that is not one of three": "[safety]\non_replace = 'maybe'",
    "a number that is too large": "[plan]\nbatch_size = 501",
    "a number that is too small": "[pace]\nconcurrency = 0",
    "a share above one": "[sandbox]\nlost = 1.5",
    "a truth for a number": "[retry]\nmax_attempts = true",
    "a negative duration": "[retry]\ntimeout = -1",
    "a table for a text": "[note]\nx = 1",
    "no report at all": "[report]\nformats = []",
}


@pytest.fixture
def schema(bulkbind):
    """Return a validator of what ``schema NAME`` prints."""

    def printed(name):
        document = bulkbind("schema", name).json
        jsonschema.Draft202012Validator.check_schema(document)
        return jsonschema.Draft202012Validator(document)

    return printed


@pytest.fixture
def job(folder, live):
    write_manifest(folder / "apis.csv", bindings(40, gateways=2))
    return write_job(folder / "job.toml", '[pace]\nrate = "unlimited"\n')


def stray(schema, document):
    """Return keys of an object, and of those in it, that its schema does not list."""
    kinds = [schema, *schema.get("oneOf", [])]
    known = {
        key: kind for one in kinds for key, kind in one.get("properties", {}).items()
    }
    found = [key for key in document if key not in known]
    for key, kind in known.items():
        inner = document.get(key)
        if isinstance(inner, dict) and "properties" in kind:
            found += stray(kind, inner)
        if isinstance(inner, list) and "properties" in kind.get("items", {}):
            found += [name for one in inner for name in stray(kind["items"], one)]
    return found


def is_read(text):
    """Tell whether the reader takes a job file."""
    try:
        check_job(tomllib.loads(text), where="job.toml")
    except SettingsError:
        return False
    return True


# --- the command ----------------------------------------------------------------------


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_one_of_the_draft_it_names(bulkbind, schema, name):
    said = bulkbind("schema", name)

    assert said.code == 0
    assert said.json["$schema"] == DRAFT
    assert said.json["title"] == f"bulkbind {name}"
    assert schema(name).is_valid([]) is False


def test_an_unknown_name_lists_those_that_are_known(bulkbind):
    for arguments in (("sumary",), ()):
        said = bulkbind("schema", *arguments)

        assert (said.code, said.out) == (2, "")
        assert all(name in said.err for name in SCHEMAS)


# --- job ------------------------------------------------------------------------------


def test_a_job_with_every_key_is_what_its_schema_says(schema):
    assert is_read(FULL)

    schema("job").validate(tomllib.loads(FULL))


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_the_reader_refuses_the_schema_refuses(schema, text):
    assert not is_read(text)
    assert not schema("job").is_valid(tomllib.loads(text))


def test_what_init_writes_is_what_the_schema_says(bulkbind, folder, schema):
    bulkbind("init", "mine")

    written = tomllib.loads((folder / "mine/job.toml").read_text())
    assert list(schema("job").iter_errors(written)) == []


def test_no_key_is_described_as_it_is_kept_instead_of_as_it_is_written(schema):
    text = json.dumps(schema("job").schema)

    assert "prefixItems" not in text
    assert '"null"' not in text
    assert '"ge"' not in text


# --- what is wrong --------------------------------------------------------------------


def spoilt(document, schema):
    """Yield a document without each key that must be there, and with a wrong value."""
    for key in schema["required"]:
        yield f"no {key}", {name: document[name] for name in document if name != key}
    for key in document:
        yield f"wrong {key}", {**document, key: [[]]}


def test_an_answer_that_lacks_a_key_or_has_another_kind_is_refused(
    bulkbind, schema, job, state
):
    plan = bulkbind("plan", job, "--live", "--json").json
    bulkbind("run", job)
    summary = json.loads((latest(state) / "summary.json").read_text())
    events = {event["event"]: event for event in events_of(latest(state))}
    drawn, _ = schema("plan").schema["oneOf"]
    listed = {
        kind["properties"]["event"]["const"]: kind
        for kind in schema("events").schema["oneOf"]
    }
    wrong = [("plan", *one) for one in spoilt(plan, drawn)]
    whole = schema("summary").schema["$defs"]["Summary"]
    wrong += [("summary", *one) for one in spoilt(summary, whole)]
    for name, event in events.items():
        wrong += [("events", *one) for one in spoilt(event, listed[name])]

    assert len(events) >= 3
    taken = [one[:2] for one in wrong if schema(one[0]).is_valid(one[2])]
    assert taken == []


# --- plan -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["--offline", "--live"])
def test_a_plan_is_what_its_schema_says(bulkbind, schema, job, how):
    document = bulkbind("plan", job, how, "--json").json

    schema("plan").validate(document)
    assert stray(schema("plan").schema, document) == []
    assert ("judged" in document) is (how == "--live")


def test_a_plan_that_displaces_somebody_is_what_its_schema_says(
    bulkbind, schema, job, folder
):
    bulkbind("run", job)
    write_manifest(
        folder / "apis.csv",
        [
            row._replace(plugin_id=f"other-{row.plugin_id[:8]}")
            for row in bindings(9, gateways=2)
        ],
    )

    document = bulkbind("plan", job, "--live", "--json").json

    assert len(document["replacements"]) == 9
    schema("plan").validate(document)
    assert stray(schema("plan").schema, document) == []


def test_the_faults_of_a_manifest_are_what_the_schema_of_a_plan_says(
    bulkbind, schema, job, folder
):
    write_manifest(folder / "apis.csv", [bindings(1)[0]._replace(api_id="1.2E+31")])

    document = bulkbind("plan", job, "--json").json

    assert document["fault_count"] == 1
    schema("plan").validate(document)
    assert stray(schema("plan").schema, document) == []


# --- summary and events ---------------------------------------------------------------


def test_an_undo_is_summed_up_and_told_as_the_schemas_say(bulkbind, schema, job, state):
    bulkbind("run", job)
    first = latest(state)
    said = bulkbind("undo", "latest", "--json")

    assert list(schema("summary").iter_errors(said.json)) == []
    (undone,) = [path for path in (state / "runs").iterdir() if path != first]
    events = list(events_of(undone))
    assert {event["event"] for event in events} >= {"run_started", "run_ended"}
    for event in events:
        assert list(schema("events").iter_errors(event)) == []


@pytest.mark.parametrize("more", [(), ("--verify",), ("--set", "sandbox.missing=3")])
def test_a_summary_is_what_its_schema_says(bulkbind, schema, job, state, more):
    said = bulkbind("run", job, "--json", *more)

    schema("summary").validate(said.json)
    written = json.loads((latest(state) / "summary.json").read_text())
    schema("summary").validate(written)
    properties = schema("summary").schema["$defs"]["Summary"]["properties"]
    assert set(written) == set(properties)


@pytest.mark.parametrize(
    ("settings", "kinds"),
    [
        (
            ("sandbox.errors=0.3", "plan.batch_size=5"),
            {"run_started", "request_settled", "lane_waited", "run_ended"},
        ),
        (
            ("sandbox.missing=30", "plan.batch_size=2", "stop.max_failed=1"),
            {"run_started", "stopped", "run_ended"},
        ),
    ],
)
def test_every_event_is_what_the_schema_says(
    bulkbind, schema, job, state, settings, kinds
):
    sets = [text for setting in settings for text in ("--set", setting)]

    bulkbind("run", job, "--no-live", "--on-replace", "allow", *sets)

    events = events_of(latest(state))
    listed = {
        kind["properties"]["event"]["const"]: kind
        for kind in schema("events").schema["oneOf"]
    }
    assert kinds <= {event["event"] for event in events} <= set(listed)
    for event in events:
        schema("events").validate(event)
        assert stray(listed[event["event"]], event) == []
