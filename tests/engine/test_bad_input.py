"""Bad input: one clear message, exit 2, nothing sent, nothing left behind."""

import gzip
import resource
import socket
import zipfile
from functools import partial

import pytest

from bulkbind.sandbox import SandboxOptions
from tests.factories import (
    HEADER,
    PROJECT,
    bindings,
    latest,
    read_csv,
    runs_in,
    started,
    world_of,
    write_job,
    write_manifest,
)

GOOD = ",".join(bindings(1)[0])
TOP = ",".join(HEADER)


@pytest.fixture
def refused(bulkbind, folder, state, serve, remote):
    """Run a manifest that must be refused; return what was said."""
    with serve(bindings(1)) as served:

        def run(manifest, *options):
            said = bulkbind("run", manifest, *remote(served), *options)

            assert said.code == 2, (said.out, said.err)
            assert not served.requests
            assert "Traceback" not in said.err
            assert "fault of bulkbind" not in said.err
            assert runs_in(state) == []
            assert not list(state.glob("runs/.*"))
            return said

        yield run


def text_of(*lines):
    return "\n".join([TOP, *lines]) + "\n"


def row(**cells):
    """Write a row with some cells that are not as they should be."""
    return ",".join(bindings(1)[0]._replace(**cells))


# --- the file as a whole --------------------------------------------------------------


def test_a_missing_manifest(refused):
    said = refused("none.csv")

    assert "none.csv" in said.err
    assert "no such file" in said.err


def test_a_folder_in_place_of_a_manifest(refused, folder):
    (folder / "apis.csv").mkdir()

    said = refused("apis.csv")

    assert "apis.csv" in said.err
    assert "folder" in said.err


def test_a_missing_manifest_of_a_job(refused, folder):
    said = refused(write_job(folder / "job.toml"))

    assert "apis.csv" in said.err


def xlsx(path):
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("[Content_Types].xml", "<Types/>")


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: path.write_bytes(b""), ["empty", "header"]),
        (lambda path: path.write_bytes(b"\xef\xbb\xbf"), ["header"]),
        (lambda path: path.write_bytes(b"\n\n \n"), ["header"]),
        (lambda path: path.write_bytes(bytes(range(256)) * 40), ["binary", "CSV"]),
        (lambda path: path.write_bytes(b"\x7fELF" + b"\0" * 500), ["binary"]),
        (xlsx, ["Excel", "CSV"]),
        (
            lambda path: path.write_bytes(
                gzip.compress(text_of(*[GOOD] * 5000).encode())[:-20]
            ),
            ["gzip", "cut off"],
        ),
        (
            lambda path: path.write_bytes(gzip.compress(text_of(GOOD).encode())[:15]),
            ["gzip"],
        ),
        (
            lambda path: path.write_bytes((TOP + ",名称\n").encode("gbk")),
            ["encoding", "gbk"],
        ),
    ],
    ids=[
        *("empty", "mark-only", "blank-lines", "binary", "elf", "xlsx"),
        *("cut-gzip", "stub-gzip", "gbk"),
    ],
)
def test_a_file_that_is_no_manifest_is_named_and_the_remedy_said(
    refused, folder, write, words
):
    write(folder / "apis.csv")

    said = refused("apis.csv")

    assert "apis.csv" in said.err
    assert all(word in said.err for word in words), said.err


# --- columns --------------------------------------------------------------------------


def test_unknown_columns_say_what_is_missing_and_what_is_there(refused, folder):
    (folder / "apis.csv").write_text("gateway,plug,api\na,b,c\n")

    said = refused("apis.csv")

    assert "apis.csv" in said.err
    for name in ("instance_id", "plugin_id", "env_id", "api_id"):
        assert name in said.err
    assert "gateway" in said.err


def test_a_default_for_no_column_of_ours(refused, folder):
    write_manifest(folder / "apis.csv", bindings(1))

    said = refused("apis.csv", "--default", "owner=me")

    assert "owner" in said.err
    assert "env_id" in said.err


def test_only_that_matches_no_row(refused, folder):
    write_manifest(folder / "apis.csv", bindings(1))

    said = refused("apis.csv", "--only", "owner=nobody")

    assert "owner=nobody" in said.err


def test_only_on_no_such_column(refused, folder):
    write_manifest(folder / "apis.csv", bindings(1))

    said = refused("apis.csv", "--only", "ownr=team-0")

    assert "ownr" in said.err


# --- rows -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        *("a/b", "a?b", "a#b", "a%2fb", "a b", "..", "a\tb", "ä" * 32),
        *("x" * 65, "1.2E+31", "../../etc/passwd", "http://evil.example/"),
    ],
)
@pytest.mark.parametrize("column", ["api_id", "instance_id", "plugin_id", "env_id"])
def test_a_hostile_id_is_refused_with_its_line_and_column(refused, folder, bad, column):
    (folder / "apis.csv").write_text(text_of(GOOD, row(**{column: bad})), "utf-8")

    said = refused("apis.csv")

    assert f"apis.csv:3: {column}:" in said.err


def test_every_bad_row_is_told_at_once(refused, folder):
    rows = [row(api_id=""), GOOD, row(env_id="a b"), row(plugin_id="")]
    (folder / "apis.csv").write_text(text_of(*rows))

    said = refused("apis.csv")

    assert "apis.csv:2: api_id:" in said.err
    assert "apis.csv:4: env_id:" in said.err
    assert "apis.csv:5: plugin_id:" in said.err
    assert len(said.err.strip().splitlines()) <= 3 + 1  # and the note on blind sending


def test_a_row_with_too_many_or_too_few_cells(refused, folder):
    (folder / "apis.csv").write_text(text_of(GOOD, GOOD + ",one,two", "a,b"))

    said = refused("apis.csv")

    assert "apis.csv:3" in said.err
    assert "apis.csv:4" in said.err


def test_a_quote_that_is_never_closed(refused, folder):
    (folder / "apis.csv").write_text(text_of(GOOD, '"' + GOOD))

    said = refused("apis.csv")

    assert "apis.csv" in said.err
    assert "quote" in said.err


def test_ten_thousand_bad_rows_are_counted_and_some_shown(refused, folder):
    (folder / "apis.csv").write_text(text_of(*[row(api_id="a b")] * 10_000))

    said = refused("apis.csv")

    assert len(said.err) < 50_000
    assert "9,950 more" in said.err


def test_bad_rows_can_be_skipped_and_are_invalid_in_the_report(
    bulkbind, folder, state, serve, remote
):
    rows = bindings(3)
    bad = row(api_id="a b")
    (folder / "apis.csv").write_text(text_of(*map(",".join, rows), bad))

    with serve(rows) as served:
        said = bulkbind(
            *("run", "apis.csv", *remote(served), "--set", "plan.on_invalid=skip"),
        )

        assert served.bound == {one.bound for one in rows}
    assert said.code == 1
    report = read_csv(latest(state) / "report.csv")
    assert [one["verdict"] for one in report] == ["bound"] * 3 + ["invalid"]
    (failed,) = read_csv(latest(state) / "failed.csv")
    assert failed["api_id"] == "a b"
    assert failed["verdict"] == "invalid"


def test_a_header_alone_is_no_rows_and_no_fault(bulkbind, folder, state, serve, remote):
    (folder / "apis.csv").write_text(TOP + "\n")

    with serve() as served:
        said = bulkbind("run", "apis.csv", *remote(served))
        plan = bulkbind("plan", "apis.csv", "--json")

        assert not served.requests
    assert said.code == plan.code == 0
    assert "no rows" in said.err
    assert plan.json["rows"] == 0
    assert runs_in(state) == []


# --- the job file ---------------------------------------------------------------------


def test_everything_wrong_with_a_job_file_is_told_at_once(bulkbind, folder):
    job = folder / "job.toml"
    job.write_text(
        """
manifest = "apis.csv"
colour = "red"
[pace]
rate = "fast"
concurency = 3
[plan]
batch_size = 501
on_conflict = "maybe"
[retry]
max_attempts = true
[account]
endpoint = "http://example.com"
"""
    )

    said = bulkbind("run", job)

    assert said.code == 2
    for words in (
        *("colour", "pace.rate", "pace.concurency", "concurrency", "10/s"),
        *("plan.batch_size", "500", "plan.on_conflict", "retry.max_attempts"),
        *("account.endpoint", "https"),
    ):
        assert words in said.err, words
    assert said.err.count("job.toml") >= 7


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("manifest = ", ["job.toml", "line 1"]),
        ('name = "x"', ["job.toml", "manifest"]),
        ('manifest = "*.nothing"', ["job.toml", "*.nothing"]),
        ('manifest = "a.csv"\nmanifest = "b.csv"', ["job.toml", "line 2"]),
        ('name = "../../x"\nmanifest = "a.csv"', ["job.toml", "name"]),
        ('manifest = "a.csv"\nrequires = ">=99"', ["job.toml", "99"]),
    ],
    ids=["cut", "no-manifest", "glob", "twice", "name", "requires"],
)
def test_a_job_file_that_cannot_be_used(refused, folder, text, words):
    (folder / "job.toml").write_text(text + "\n")

    said = refused(folder / "job.toml")

    assert all(word in said.err for word in words), said.err


def test_a_job_file_that_is_no_text(refused, folder):
    (folder / "job.toml").write_bytes(b"name = '\xff\xfe'")

    said = refused(folder / "job.toml")

    assert "UTF-8" in said.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--set", "pace.rat=1/s"), ["pace.rat", "rate"]),
        (("--set", "nonsense"), ["--set", "nonsense"]),
        (("--only", "owner"), ["--only", "owner"]),
        (("--rate", "10"), ["rate", "10/s"]),
        (("--rate", "0/s"), ["rate"]),
        (("--concurrency", "0"), ["concurrency"]),
        (("--project-id", "a/b"), ["project_id"]),
        (("--no-such-option",), ["--no-such-option"]),
    ],
)
def test_wrong_options_are_named(refused, folder, options, words):
    write_manifest(folder / "apis.csv", bindings(1))

    said = refused("apis.csv", *options)

    assert all(word in said.err for word in words), said.err


# --- endpoint and credential ----------------------------------------------------------


@pytest.mark.parametrize(
    "endpoint",
    [
        *("http://apig.example.com", "ftp://127.0.0.1", "apig.example.com"),
        *("https://", "https://a.example/path", "https://user:pw@a.example"),
    ],
)
def test_an_endpoint_that_is_not_https(bulkbind, folder, state, monkeypatch, endpoint):
    write_manifest(folder / "apis.csv", bindings(1))
    monkeypatch.setenv("BULKBIND_TOKEN", "sandbox")

    said = bulkbind("run", "apis.csv", "--endpoint", endpoint)

    assert said.code == 2
    assert "https" in said.err
    assert runs_in(state) == []


def test_no_endpoint(bulkbind, folder, state):
    write_manifest(folder / "apis.csv", bindings(1))

    said = bulkbind("run", "apis.csv")

    assert said.code == 2
    assert "--endpoint sandbox" in said.err
    assert runs_in(state) == []


def test_no_token(refused, folder, monkeypatch):
    write_manifest(folder / "apis.csv", bindings(1))
    monkeypatch.delenv("BULKBIND_TOKEN")

    said = refused("apis.csv")

    assert "BULKBIND_TOKEN" in said.err


def test_a_token_with_a_line_end(refused, folder, monkeypatch):
    write_manifest(folder / "apis.csv", bindings(1))
    monkeypatch.setenv("BULKBIND_TOKEN", "two\nlines")

    said = refused("apis.csv")

    assert "BULKBIND_TOKEN" in said.err
    assert "two" not in said.err


def test_no_project(bulkbind, folder, state, serve):
    rows = bindings(1)
    write_manifest(folder / "apis.csv", rows)

    with serve(rows) as served:
        said = bulkbind("run", "apis.csv", "--endpoint", served.url)

        assert not served.requests
    assert said.code == 2
    assert "--project-id" in said.err
    assert runs_in(state) == []


def test_an_endpoint_that_nobody_listens_at(bulkbind, folder, state, monkeypatch):
    write_manifest(folder / "apis.csv", bindings(10, gateways=2))
    monkeypatch.setenv("BULKBIND_TOKEN", "sandbox")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    said = bulkbind(
        *("run", "apis.csv", "--endpoint", f"http://127.0.0.1:{port}"),
        *("--project-id", PROJECT, "--set", "retry.max_attempts=2"),
    )

    assert said.code == 2
    assert f"127.0.0.1:{port}" in said.err
    assert "nothing was sent" in said.err
    assert "Traceback" not in said.err
    # it may be resumed once the network is well again
    assert f"bulkbind resume {latest(state).name}" in said.err


def test_a_run_that_reached_nobody_is_resumed(
    bulkbind, folder, state, serve, monkeypatch
):
    rows = bindings(10, gateways=2)
    write_manifest(folder / "apis.csv", rows)
    monkeypatch.setenv("BULKBIND_TOKEN", "sandbox")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    bulkbind(
        *("run", "apis.csv", "--endpoint", f"http://127.0.0.1:{port}"),
        *("--project-id", PROJECT, "--set", "retry.max_attempts=1"),
    )

    with serve(rows, port=port) as served:
        said = bulkbind("resume", "latest", "--json")

        assert served.bound == {one.bound for one in rows}
    assert said.code == 0


# --- the disk -------------------------------------------------------------------------


def at_most(size):
    """Let the process write no file beyond a size, as a full disk would."""
    return partial(resource.setrlimit, resource.RLIMIT_FSIZE, (size, size))


def test_a_disk_that_is_full_before_sending(folder, state, serve, remote):
    rows = bindings(20_000)
    manifest = write_manifest(folder / "apis.csv", rows)

    with (
        serve(rows[:1]) as served,
        started(
            *("run", manifest, *remote(served)),
            folder=folder,
            prepare=at_most(128 * 1024),
        ) as process,
    ):
        said = process.wait()

        assert not served.requests
    assert said.code == 2, said.err
    assert "Traceback" not in said.err
    assert "fault of bulkbind" not in said.err
    assert "disk" in said.err
    assert runs_in(state) == []


def test_a_disk_that_fills_while_sending(bulkbind, folder, state, serve, remote):
    rows = bindings(3000, gateways=3)
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows) as served:
        options = (*remote(served), "--set", "plan.batch_size=5")
        with started(
            *("run", manifest, *options), folder=folder, prepare=at_most(420 * 1024)
        ) as process:
            said = process.wait()
        sent = len(served.journal)
        again = bulkbind("resume", "latest", "--json")

        assert served.bound == {one.bound for one in rows}
        repeated = len(served.journal) - 600
    assert 0 < sent < 600
    assert said.code == 3, said.err
    assert "Traceback" not in said.err
    assert "fault of bulkbind" not in said.err
    assert "bulkbind resume" in said.err
    # room again: what was acknowledged is not lost, one request per lane at most twice
    assert again.code == 0
    assert again.json["verdicts"]["bound"] == 3000
    assert 0 <= repeated <= 3


def test_a_state_that_cannot_be_written(refused, folder, state):
    write_manifest(folder / "apis.csv", bindings(1))
    state.write_text("in the way")

    said = refused("apis.csv")

    assert str(state) in said.err
    assert "--state-dir" in said.err


def test_a_state_that_is_read_only(bulkbind, folder, serve, remote):
    rows = bindings(1)
    write_manifest(folder / "apis.csv", rows)

    with serve(rows) as served:  # root may write anywhere but here
        said = bulkbind("run", "apis.csv", *remote(served), "--state-dir", "/proc/no")

        assert not served.requests
    assert said.code == 2
    assert "/proc/no" in said.err
    assert "--state-dir" in said.err


def test_a_host_folder_that_cannot_be_written(
    bulkbind, folder, serve, remote, monkeypatch
):
    rows = bindings(1)
    write_manifest(folder / "apis.csv", rows)
    monkeypatch.setenv("BULKBIND_HOST_DIR", "/proc/no")

    with serve(rows) as served:
        said = bulkbind("run", "apis.csv", *remote(served))

        assert not served.requests
    assert said.code == 2
    assert "BULKBIND_HOST_DIR" in said.err


def test_a_report_that_cannot_be_written_elsewhere(bulkbind, folder, serve, remote):
    rows = bindings(1)
    manifest = write_manifest(folder / "apis.csv", rows)
    (folder / "out").write_text("in the way")

    with serve(rows) as served:
        said = bulkbind("run", manifest, *remote(served), "--report-dir", "out")

        assert served.bound == {rows[0].bound}
    assert said.code == 3
    assert "out" in said.err
    assert "Traceback" not in said.err


def test_a_sandbox_world_that_is_no_world(bulkbind, folder, state):
    write_manifest(folder / "apis.csv", bindings(1))
    state.mkdir()
    (state / "sandbox.db").write_text("not a world")

    said = bulkbind("run", "apis.csv", "--endpoint", "sandbox")

    assert said.code in {2, 3}
    assert "sandbox.db" in said.err
    assert "fault of bulkbind" not in said.err


def test_the_worlds_of_the_tests_are_read_as_the_oracle_reads_them(
    folder, bulkbind, state
):
    rows = bindings(2)
    write_manifest(folder / "apis.csv", rows)

    assert bulkbind("run", "apis.csv", "--endpoint", "sandbox").code == 0
    assert world_of(state / "sandbox.db") == {one.bound for one in rows}


def test_events_that_cannot_be_written_stop_the_run_in_good_order(
    bulkbind, folder, state, serve, remote
):
    rows = bindings(30, gateways=3)
    manifest = write_manifest(folder / "apis.csv", rows)
    with serve(rows, options=SandboxOptions(error_before=1)) as served:
        options = (*remote(served), "--set", "retry.max_attempts=1")
        bulkbind("run", manifest, *options)
        port = served.port
    with (latest(state) / "events.jsonl").open("a") as events:
        events.write("{}\n" * 100_000)

    with serve(rows, port=port) as served:
        with started(
            "resume", "latest", folder=folder, prepare=at_most(300_000)
        ) as process:
            said = process.wait()
        again = bulkbind("resume", "latest")

        assert served.bound == {one.bound for one in rows}
    assert said.code == 3, said.err
    assert "events.jsonl" in said.err
    assert "fault of bulkbind" not in said.err
    assert again.code == 0
