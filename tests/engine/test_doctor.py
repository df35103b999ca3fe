"""``doctor``: what would go wrong with a job's gateways, or did with a run's files."""

import socket
import time

import anyio
import pytest

from bulkbind.doctor import Grade, Machine, examine
from bulkbind.job.errand import Surroundings
from bulkbind.settings import Overrides, load_job
from bulkbind.state.folders import StateFolder
from tests.factories import (
    PROJECT,
    RELEASE,
    bindings,
    hex_id,
    write_job,
    write_manifest,
)
from tests.forbidding import forbidding

RIGHTS = {
    "plugins": "apig:plugin:list",
    "envs": "apig:environment:list",
    "apis": "apig:api:list",
    "attached-apis": "apig:plugin:listBoundApi",
}
LIST = "apig:instance:list"
ROWS = bindings(12, gateways=2)

MACHINE = Machine(
    tool="1.0.0",
    python="3.12.1",
    system="Linux x86_64",
    sqlite="3.51.3",
    mounts="",
    free=lambda _: 10 * 1024**3,
)


@pytest.fixture(autouse=True)
def reads(live):
    """What runs do by default."""


@pytest.fixture
def manifest(folder):
    return write_manifest(folder / "apis.csv", ROWS)


@pytest.fixture
def served(serve):
    with serve(ROWS) as gateways:
        yield gateways


@pytest.fixture
def doctor(bulkbind):
    """Run ``doctor --json``; return its exit code and its checks."""

    def run(*arguments):
        said = bulkbind("doctor", *arguments, "--json")
        document = said.json
        assert document["exit_code"] == said.code
        assert document["format_version"] == "1.0"
        grades = [check["grade"] for check in document["checks"]]
        assert document["faults"] == grades.count("fault")
        assert document["warnings"] == grades.count("warning")
        for check in document["checks"]:
            if check["grade"] != "note":
                assert bool(check["remedy"]) is (check["grade"] != "ok"), check
        return said.code, document["checks"]

    return run


def at(url, project=PROJECT):
    return ("--endpoint", url, "--project-id", project, "--rate", "unlimited")


def of(checks, *names, grade=None):
    """Return what checks of some names found, and how bad it is."""
    return [
        (check["grade"], check["found"])
        for check in checks
        if check["check"] in names and grade in {None, check["grade"]}
    ]


def bad(checks):
    return [check for check in checks if check["grade"] in {"warning", "fault"}]


def examined(folder, *, now, url):
    """Examine a job with a clock of the test's own."""
    overrides = Overrides(values={"account.project_id": PROJECT}, endpoint=url)
    environ = {"BULKBIND_TOKEN": "sandbox", "BULKBIND_HOST_DIR": str(folder / "host")}

    async def hear():
        checks = examine(
            load_job(folder / "apis.csv", overrides, environ={}),
            state=StateFolder(folder / ".bulkbind"),
            machine=MACHINE,
            around=Surroundings(now=now, environ=environ),
        )
        return [check async for check in checks]

    return anyio.run(hear)


# --- all is well ----------------------------------------------------------------------


def test_a_job_with_nothing_wrong_is_exit_0(doctor, manifest, served):
    code, checks = doctor(manifest, *at(served.url))

    assert (code, bad(checks)) == (0, [])
    rights = {found for _, found in of(checks, "right", grade="ok")}
    assert rights == {f"{right}, on 2 gateways" for right in RIGHTS.values()}
    assert of(checks, "project") == [("ok", f"{PROJECT}: 2 gateways ({LIST})")]
    assert of(checks, "rows") == [("ok", "12 rows, 2 gateways")]


def test_a_line_is_told_for_each_check_and_quiet_tells_none(bulkbind, manifest, served):
    loud = bulkbind("doctor", manifest, *at(served.url))
    quiet = bulkbind("doctor", manifest, *at(served.url), "-q")

    lines = loud.out.splitlines()
    checks = [line for line in lines if line.startswith(("  ok ", "  note "))]
    assert lines[-1] == f"{len(checks)} checks: 0 faults, 0 warnings"
    assert [line for line in lines if line.startswith("account")] == ["account default"]
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")


def test_nothing_is_changed_here_or_there(doctor, manifest, served, folder):
    before = sorted(folder.iterdir())

    doctor(manifest, *at(served.url))

    assert served.journal == []
    assert served.bound == set()
    assert sorted(folder.iterdir()) == before


def test_one_page_of_each_list_is_read_and_no_more(doctor, folder, served):
    served.add(bindings(1200))
    manifest = write_manifest(folder / "many.csv", bindings(1))

    doctor(manifest, *at(served.url))

    names = ("no_route", "instances", "plugins", "envs", "apis", "attached_apis")
    assert dict(served.requests) == dict.fromkeys(names, 1)


def test_a_credential_is_named_by_where_it_was_found_and_never_shown(
    bulkbind, manifest, serve, monkeypatch
):
    with serve(ROWS) as served:
        monkeypatch.setenv("BULKBIND_TOKEN", "canary-0123456789")
        said = bulkbind("doctor", manifest, *at(served.url))

    assert "a token, found at env:BULKBIND_TOKEN" in said.out
    assert "canary" not in said.out + said.err


def test_without_a_job_the_machine_is_looked_at_and_nothing_is_asked(doctor, served):
    code, checks = doctor()

    assert code == 0
    assert {check["check"] for check in checks} == {
        *("version", "sqlite", "permissions", "disk", "file system", "git"),
        "credential",
    }
    assert of(checks, "credential") == [("ok", "a token, found at env:BULKBIND_TOKEN")]
    assert served.requests.total() == 0


def test_without_a_job_no_credential_is_no_fault(doctor):
    code, checks = doctor()

    assert code == 0
    assert [grade for grade, _ in of(checks, "credential")] == ["note"]


def test_an_endpoint_is_enough_to_look_at_an_account(doctor, served):
    code, checks = doctor(*at(served.url))

    assert code == 0
    assert ("ok", "apig:plugin:list, on 2 gateways") in of(checks, "right")


def test_the_built_in_sandbox_needs_nothing_and_is_not_started(doctor, manifest, state):
    code, checks = doctor(manifest, "--endpoint", "sandbox")

    assert code == 0
    assert of(checks, "credential") == [("ok", "the built-in sandbox needs none")]
    assert not state.exists()


# --- credentials ----------------------------------------------------------------------


def test_a_missing_credential_is_a_fault_of_its_account_and_others_are_asked(
    doctor, folder, served, manifest
):
    job = write_job(
        folder / "job.toml",
        '[pace]\nrate = "unlimited"\n'
        f'[account]\nendpoint = "{served.url}"\nproject_id = "{PROJECT}"\n'
        f'[accounts.pay]\nendpoint = "{served.url}"\nproject_id = "{PROJECT}"\n'
        'credential = "env:PAY_"\n',
    )

    code, checks = doctor(job)

    (wrong,) = bad(checks)
    assert code == 1
    assert (wrong["check"], wrong["of"], wrong["grade"]) == (
        "credential",
        "account pay",
        "fault",
    )
    assert "PAY_TOKEN" in wrong["found"] + wrong["remedy"]
    assert {check["of"] for check in checks if check["check"] == "right"} == {
        "account default"
    }


def test_a_refused_credential_is_tried_once_and_remembered(
    doctor, manifest, served, monkeypatch
):
    monkeypatch.setenv("BULKBIND_TOKEN", "wrong")

    first, checks = doctor(manifest, *at(served.url))
    asked = dict(served.requests)
    second, again = doctor(manifest, *at(served.url))

    assert (first, second) == (1, 1)
    assert asked.pop("no_route") == 1  # without the credential
    assert sum(asked.values()) <= 1
    assert served.requests.total() - served.requests["no_route"] == sum(asked.values())
    for found in (checks, again):
        (wrong,) = bad(found)
        assert wrong["check"] == "credential"
        assert "refused: 401" in wrong["found"]
    assert "not tried again for ten minutes" in bad(again)[0]["found"]


def test_an_unknown_project_is_a_fault_and_nothing_is_asked(doctor, manifest, served):
    code, checks = doctor(manifest, "--endpoint", served.url)

    (wrong,) = bad(checks)
    assert (code, wrong["check"]) == (1, "project")
    assert "--project-id" in wrong["remedy"]
    assert served.requests.total() == 0


def test_a_credential_file_that_others_can_read_is_a_warning(doctor, tmp_path):
    path = tmp_path / "home" / ".huaweicloud" / "credentials"
    path.parent.mkdir(parents=True)
    path.write_text("[basic]\nak = AK\nsk = SK\n")
    path.chmod(0o644)

    code, checks = doctor()

    (wrong,) = bad(checks)
    assert (code, wrong["check"], wrong["grade"]) == (0, "credential file", "warning")
    assert wrong["remedy"] == f"chmod 600 {path}"


# --- endpoint and clock ---------------------------------------------------------------


def test_an_endpoint_that_does_not_answer_is_a_fault(doctor, manifest, monkeypatch):
    monkeypatch.setenv("BULKBIND_TOKEN", "sandbox")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        code, checks = doctor(manifest, *at(url))

    (wrong,) = bad(checks)
    assert (code, wrong["check"]) == (1, "endpoint")
    assert url in wrong["found"]
    assert of(checks, "right", "clock", "project") == []


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b"<html><title>Not here</title></html>"),
        (302, b""),
        (200, b"<html><title>Log in to the network</title></html>"),
        (404, b'{"error_code":"APIGW.0101","error_msg":"no","request_id":"r"}'),
    ],
)
def test_an_endpoint_that_is_no_api_gateway_is_told_apart_from_a_missing_right(
    doctor, manifest, served, status, body
):
    with forbidding(served.port, lambda _: True, status=status, body=body) as url:
        code, checks = doctor(manifest, *at(url))

    (wrong,) = bad(checks)
    assert (code, wrong["check"]) == (1, "endpoint")
    assert f"is not API Gateway: {status}" in wrong["found"]
    assert "apig.REGION" in wrong["remedy"]


def test_a_gateway_that_is_out_for_now_is_a_warning(doctor, manifest, served):
    body = b"<html><title>502 Bad Gateway</title></html>"
    with forbidding(served.port, lambda _: True, status=502, body=body) as url:
        code, checks = doctor(manifest, *at(url))

    assert code == 0
    assert {check["grade"] for check in bad(checks)} == {"warning"}
    assert len(of(checks, "right", grade="warning")) == len(RIGHTS)


def test_a_host_folder_that_cannot_be_made_is_a_fault_and_no_crash(
    doctor, manifest, served, monkeypatch, tmp_path
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("BULKBIND_HOST_DIR", str(tmp_path / "file" / "host"))

    code, checks = doctor(manifest, *at(served.url))

    assert code == 1
    assert {check["check"] for check in bad(checks)} == {"permissions", "pace"}
    assert all("BULKBIND_HOST_DIR" in check["remedy"] for check in bad(checks))


@pytest.mark.parametrize(
    ("ahead", "grade"),
    [(0, Grade.OK), (600, Grade.WARNING), (1200, Grade.FAULT), (-1200, Grade.FAULT)],
)
def test_the_clock_is_held_against_the_answers_date(
    manifest, folder, served, ahead, grade
):
    found = examined(folder, now=lambda: time.time() + ahead, url=served.url)

    (clock,) = [check for check in found if check.name == "clock"]
    assert clock.grade is grade


def test_a_clock_is_looked_at_though_the_credential_is_refused(
    doctor, manifest, served, monkeypatch
):
    monkeypatch.setenv("BULKBIND_TOKEN", "wrong")

    for _ in range(2):  # the second time it is remembered, and not tried
        _, checks = doctor(manifest, *at(served.url))

        assert [grade for grade, _ in of(checks, "clock")] == ["ok"]


# --- rights ---------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "right"), RIGHTS.items())
def test_a_missing_right_is_named_with_what_works_without_it(
    doctor, manifest, served, path, right
):
    with forbidding(served.port, lambda asked: f"/{path}?" in asked) as url:
        code, checks = doctor(manifest, *at(url))

    (wrong,) = bad(checks)
    assert (code, wrong["check"], wrong["of"]) == (1, "right", "account default")
    assert "APIG.1005" in wrong["found"]
    assert wrong["found"].endswith("(so on 1 gateway more)")
    assert wrong["remedy"].startswith(f"the credential lacks {right}, or ")
    assert "still work" in wrong["remedy"]
    others = {found for _, found in of(checks, "right", grade="ok")}
    wanted = {f"{name}, on 2 gateways" for name in RIGHTS.values()}
    # whose plug-ins are not known is asked for the manifest's
    assert others == wanted - {f"{right}, on 2 gateways"}


def test_gateways_that_cannot_be_listed_are_no_fault_where_the_manifest_names_them(
    doctor, manifest, served
):
    with forbidding(served.port, lambda asked: "/instances?" in asked) as url:
        code, checks = doctor(manifest, *at(url))
        alone, found = doctor(*at(url))

    (wrong,) = bad(checks)
    assert (code, wrong["grade"]) == (0, "warning")
    assert LIST in wrong["remedy"]
    assert len(of(checks, "right", grade="ok")) == len(RIGHTS)
    assert alone == 1
    assert [check["check"] for check in bad(found)] == ["project"]


def test_a_credential_that_is_for_another_project_is_guessed(doctor, served):
    with forbidding(served.port, lambda _: True) as url:
        code, checks = doctor(*at(url))

    (wrong,) = bad(checks)
    assert (code, wrong["check"]) == (1, "project")
    assert (
        f"{PROJECT} may be a project that the credential is not for"
        in (wrong["remedy"])
    )


def test_a_token_that_wears_out_between_two_lists_ends_the_account(
    doctor, manifest, served
):
    body = b'{"error_code":"APIGW.0307","error_msg":"update it","request_id":"r"}'
    with forbidding(
        served.port, lambda asked: "/envs?" in asked, status=401, body=body
    ) as url:
        code, checks = doctor(manifest, *at(url))

    (wrong,) = bad(checks)
    assert (code, wrong["check"]) == (1, "credential")
    assert "another region" in wrong["remedy"]
    assert of(checks, "right") == []
    assert dict(served.requests) == {"no_route": 1, "instances": 1, "plugins": 1}


def test_a_gateway_that_is_not_there_is_a_fault_and_the_others_are_asked(
    doctor, folder, served
):
    gone = bindings(1)[0]._replace(instance_id=hex_id("gone"))
    manifest = write_manifest(folder / "apis.csv", [*ROWS, gone])

    code, checks = doctor(manifest, *at(served.url))

    (wrong,) = bad(checks)
    assert (code, wrong["check"], wrong["grade"]) == (1, "gateway", "fault")
    assert wrong["found"].startswith(hex_id("gone"))
    assert ("ok", "apig:api:list, on 2 gateways") in of(checks, "right")


def test_a_project_without_gateways_is_a_warning(doctor, serve):
    with serve() as served:
        code, checks = doctor(*at(served.url))

    (wrong,) = bad(checks)
    assert (code, wrong["check"], wrong["grade"]) == (0, "project", "warning")
    assert "region" in wrong["remedy"]


def test_a_gateways_name_that_nothing_bears_is_a_fault(doctor, folder, served):
    row = ROWS[0]
    (folder / "apis.csv").write_text(
        "instance_name,plugin_id,env_id,api_id\n"
        f"nowhere,{row.plugin_id},{RELEASE},{row.api_id}\n"
    )

    code, checks = doctor(folder / "apis.csv", *at(served.url))

    (wrong,) = bad(checks)
    assert (code, wrong["check"], wrong["of"]) == (1, "gateway", "account default")
    assert "'nowhere'" in wrong["found"]


def test_rows_that_cannot_be_sent_are_counted(doctor, folder, served):
    rows = [*ROWS, ROWS[0]._replace(api_id="1.2E+31")]
    manifest = write_manifest(folder / "apis.csv", rows)

    code, checks = doctor(manifest, *at(served.url))

    (wrong,) = bad(checks)
    assert (code, wrong["check"], wrong["grade"]) == (0, "rows", "warning")
    assert "1 row cannot be sent" in wrong["found"]


def test_a_manifest_that_cannot_be_read_is_a_fault(doctor, folder, served):
    (folder / "apis.csv").write_text("just,some,words\n1,2,3\n")

    code, checks = doctor(folder / "apis.csv", *at(served.url))

    assert code == 1
    assert [check["check"] for check in bad(checks)] == ["rows"]
