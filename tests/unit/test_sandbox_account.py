"""Who a sandbox knows, read from a file."""

from pathlib import Path

import pytest

from bulkbind.sandbox import Account, accountfile, parse_account
from bulkbind.sandbox.account import AccessKey, Grant, Project, User

WHOLE = """
region = "cn-north-4"
token_life_s = 60
grants = []

[[projects]]
id = "p1"
name = "cn-north-4"

[[projects]]
id = "p2"
name = "cn-north-4_sub"
region = "cn-north-4"

[[keys]]
ak = "AK"
sk = "SK"
security_token = "ST"
expires = 2026-12-01T00:00:00Z
grants = [{ actions = ["apig:*:get"], tags = { team = "a" } }]

[[users]]
name = "ann"
password = "secret"

[tags.gw]
team = "a"
"""


def test_everything_that_a_file_may_say():
    assert parse_account(WHOLE) == Account(
        region="cn-north-4",
        token_life_s=60,
        grants=[],
        projects=[
            Project("p1", "cn-north-4", "cn-north-4"),
            Project("p2", "cn-north-4_sub", "cn-north-4"),
        ],
        keys=[
            AccessKey(
                *("AK", "SK", "ST", 1_796_083_200 * 10**9),
                grants=[Grant(("apig:*:get",), {"team": "a"})],
            )
        ],
        users=[User("ann", "secret")],
        tags={"gw": {"team": "a"}},
    )


def test_an_empty_file_restricts_nothing():
    read, default = parse_account(""), Account()

    assert (read.grants, read.region) == (default.grants, default.region)
    assert read.project(project_id="any") == default.project(project_id="any")
    assert read.key("sandbox") == default.key("sandbox")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("region", "Expected '='"),
        ("rights = []", "unknown field `rights`"),
        ('[[keys]]\nak = "a"', "missing required field `sk`"),
        ('[[keys]]\nak = "a"\nsk = 7', r"got `int` - at `\$.keys\[0\].sk`"),
    ],
)
def test_what_is_wrong_is_named(text, why):
    with pytest.raises(ValueError, match=why):
        parse_account(text)


def test_the_example_of_the_docstring_can_be_read():
    text = Path(accountfile.__file__).read_text(encoding="utf-8")
    example = text.split('"""')[1].partition("\n\n")[2]

    account = parse_account(example.replace('"..."', '"x"'))

    assert [key.access for key in account.keys] == ["x"]
    assert account.tags == {"INSTANCE_ID": {"team": "a"}}
