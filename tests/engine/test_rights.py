"""A least-privilege set-up is rehearsed: the command line on both sides."""

import subprocess
import sys
from contextlib import contextmanager

import pytest

from bulkbind.sandbox import oracle
from bulkbind.sandbox.rights import NEEDS
from tests.factories import PROJECT, bindings, write_manifest

#: The least that a run needs which looks first: attach, and the reads before it.
ENOUGH = sorted(
    {
        action
        for name in ("attach_apis", "attached_apis", "plugins", "envs", "apis")
        for action in NEEDS[name]
    }
)
ROWS = bindings(12, gateways=3)


@contextmanager
def served(folder, tmp_path, *, actions, tagged):
    """Serve gateways to one key, whose rights hold for the team's gateways only."""
    manifest = write_manifest(folder / "apis.csv", ROWS)
    account = tmp_path / "account.toml"
    rights = f'[{{ actions = {list(actions)!r}, tags = {{ team = "a" }} }}]'
    tags = "".join(f'[tags."{one}"]\nteam = "a"\n' for one in tagged)
    account.write_text(
        'region = "cn-north-4"\ngrants = []\n'
        f'[[projects]]\nid = "{PROJECT}"\nname = "cn-north-4"\n'
        '[[keys]]\nak = "AK"\nsk = "SK"\nsecurity_token = "ST"\n'
        f"grants = {rights}\n{tags}",
        encoding="utf-8",
    )
    command = [
        *(sys.executable, "-m", "bulkbind", "sandbox", "--manifest", str(manifest)),
        *("--account", str(account), "--state-dir", str(tmp_path / "state")),
        *("--world", str(tmp_path / "world.db")),
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().split()[-1]
    finally:
        server.terminate()
        server.communicate(timeout=10)


def run(bulkbind, url, *more):
    return bulkbind(
        *("run", "apis.csv", "--endpoint", url, "--project-id", PROJECT),
        *("--rate", "unlimited", "--set", "retry.max_attempts=2"),
        *more,
    )


@pytest.fixture(autouse=True)
def key(live, monkeypatch):
    """Give bulkbind the temporary key, as the vendor's SDK would find it."""
    for name, value in (("AK", "AK"), ("SK", "SK"), ("SECURITY_TOKEN", "ST")):
        monkeypatch.setenv(f"HUAWEICLOUD_SDK_{name}", value)


@pytest.mark.parametrize("lacking", ["", *ENOUGH])
def test_a_right_that_lacks_stops_the_run(bulkbind, folder, tmp_path, lacking):
    actions = [one for one in ENOUGH if one != lacking]
    tagged = {row.instance_id for row in ROWS}
    with served(folder, tmp_path, actions=actions, tagged=tagged) as url:
        said = run(bulkbind, url)

    bound = list(oracle.bindings(tmp_path / "world.db"))
    assert (said.code == 0, len(bound)) == ((False, 0) if lacking else (True, 12))
    assert "APIG.1005" in said.out + said.err if lacking else "12  bound" in said.out
    if lacking and lacking not in NEEDS["attach_apis"]:
        assert lacking in said.out + said.err


def test_a_blind_run_needs_no_right_to_list(bulkbind, folder, tmp_path):
    tagged = {row.instance_id for row in ROWS}
    with served(folder, tmp_path, actions=NEEDS["attach_apis"], tagged=tagged) as url:
        said = run(bulkbind, url, "--no-live", "--on-replace", "allow")

    assert said.code == 0
    assert len(list(oracle.bindings(tmp_path / "world.db"))) == 12


def test_a_gateway_without_the_tag_is_out_of_reach(bulkbind, folder, tmp_path):
    one = ROWS[0].instance_id
    with served(folder, tmp_path, actions=ENOUGH, tagged=[one]) as url:
        said = run(bulkbind, url)

    gateways = {bound.instance_id for bound in oracle.bindings(tmp_path / "world.db")}
    assert said.code != 0
    assert gateways <= {one}
    assert "APIG.1005" in said.out + said.err


def test_a_file_that_says_nonsense_is_refused_with_its_name(bulkbind, tmp_path):
    account = tmp_path / "account.toml"
    account.write_text("rights = []", encoding="utf-8")
    said = bulkbind("sandbox", "--account", account)

    assert said.code == 2
    assert f"{account}: Object contains unknown field `rights`" in said.err
