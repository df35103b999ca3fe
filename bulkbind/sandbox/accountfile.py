"""Who a sandbox knows, from a TOML file. Pure: a text in, values out.

region = "cn-north-4"                     # where the gateways are; absent: anywhere
token_life_s = 86400                      # of tokens that its IAM gives out
grants = [{ actions = ["*"] }]            # of `sandbox`; absent: every right

[[projects]]                              # absent: any project there may be
id = "..."
name = "cn-north-4"                       # region: the same, unless it is given

[[keys]]
ak = "..."
sk = "..."
security_token = "..."                    # a temporary key
expires = 2026-12-01T00:00:00Z
grants = [{ actions = ["apig:*:get"], tags = { team = "a" } }]

[[users]]
name = "..."
password = "..."
domain = "..."                            # absent: sandbox

[tags.INSTANCE_ID]                        # of the gateway
team = "a"
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from bulkbind.sandbox.account import (
    EVERYTHING,
    NAME,
    AccessKey,
    Account,
    Grant,
    Project,
    User,
)


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    pass


class _Grant(_Table):
    actions: list[str]
    tags: dict[str, str] = {}


class _Key(_Table):
    ak: str
    sk: str
    security_token: str = ""
    expires: datetime | None = None
    grants: list[_Grant] | None = None


class _User(_Table):
    name: str
    password: str
    domain: str = NAME
    grants: list[_Grant] | None = None


class _Project(_Table):
    id: str
    name: str
    region: str = ""


class _Account(_Table):
    region: str = ""
    token_life_s: float = 86_400.0
    grants: list[_Grant] | None = None
    projects: list[_Project] = []
    keys: list[_Key] = []
    users: list[_User] = []
    tags: dict[str, dict[str, str]] = {}


def parse_account(text: str) -> Account:
    """Read an account.

    Args:
        text: TOML, as this module's docstring shows it; empty: nothing is restricted.

    Raises:
        ValueError: It is no TOML, or a key is unknown, missing or of the wrong kind.
    """
    told = msgspec.toml.decode(text, type=_Account)
    return Account(
        region=told.region,
        token_life_s=told.token_life_s,
        grants=_grants(told.grants),
        projects=[
            Project(one.id, one.name, one.region or one.name) for one in told.projects
        ],
        keys=[_key(one) for one in told.keys],
        users=[
            User(one.name, one.password, one.domain, _grants(one.grants))
            for one in told.users
        ],
        tags=told.tags,
    )


def _key(told: _Key) -> AccessKey:
    expires_ns = 0
    if told.expires is not None:
        at = told.expires
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
        expires_ns = int(at.timestamp()) * 10**9
    return AccessKey(
        told.ak, told.sk, told.security_token, expires_ns, _grants(told.grants)
    )


def _grants(told: list[_Grant] | None) -> Sequence[Grant]:
    if told is None:
        return EVERYTHING
    return [Grant(tuple(one.actions), one.tags) for one in told]
