"""The sandbox's IAM: tokens for passwords, and the ids of projects. Pure.

Source: apig-contract.md 4.1 and 4.3 (IAM-TOK, Keystone v3, SDK).
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from bulkbind.sandbox.access import Access, Caller, Issued
from bulkbind.sandbox.account import NAME, Account, Project, User
from bulkbind.sandbox.answers import Answer
from bulkbind.sandbox.records import made_id, utc_text
from bulkbind.sandbox.signing import Sent

TOKENS, PROJECTS = "/v3/auth/tokens", "/v3/projects"


class _Domain(msgspec.Struct):
    name: str = ""


class _User(msgspec.Struct):
    name: str
    password: str
    domain: _Domain


class _Password(msgspec.Struct):
    user: _User


class _Identity(msgspec.Struct):
    methods: list[str]
    password: _Password


class _Project(msgspec.Struct):
    id: str = ""
    name: str = ""


class _Scope(msgspec.Struct):
    project: _Project | None = None


class _Auth(msgspec.Struct):
    identity: _Identity
    scope: _Scope | None = None


class _Wish(msgspec.Struct):
    """What a request for a token says. Source: IAM-TOK."""

    auth: _Auth


class Iam:
    """Gives out tokens, and tells the ids of projects.

    Args:
        account: Whose users and projects they are.
        access: Lets the tokens in afterwards.
        seed: Goes into the tokens; two sandboxes give out different ones.
    """

    def __init__(self, account: Account, *, access: Access, seed: int) -> None:
        self._account = account
        self._access = access
        self._seed = seed
        self._number = 0

    def operation(
        self, method: str, target: str
    ) -> tuple[str, Callable[[str, Sent, int], Answer]] | None:
        """Find what IAM is asked for, with its name; None: the request is not for it.

        What is returned is called with ``X-Auth-Token``, the request and the time.
        """
        path = target.partition("?")[0]
        if (method, path) == ("POST", TOKENS):
            return "iam_token", lambda _, sent, now_ns: self._issue(sent, now_ns)
        if (method, path) == ("GET", PROJECTS):
            return "iam_projects", self._list
        return None

    # --- tokens ----------------------------------------------------------------------

    def _issue(self, sent: Sent, now_ns: int) -> Answer:
        try:
            wish = msgspec.json.decode(sent.body, type=_Wish).auth
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _error(400, "Bad Request", "The request body is invalid.")
        if wish.identity.methods != ["password"]:
            return _error(400, "Bad Request", "The method is not supported.")
        asked = wish.identity.password.user
        user = self._account.user(asked.name, domain=asked.domain.name)
        if user is None or user.password != asked.password:
            text = "The username or password is wrong."
            return _error(401, "Unauthorized", text)
        scope = wish.scope.project if wish.scope else None
        project = None
        if scope is not None:
            project = self._account.project(project_id=scope.id, name=scope.name)
            if project is None:
                text = f"Could not find project: {scope.id or scope.name}."
                return _error(404, "Not Found", text)
        return self._hand_out(user, project, sent=sent, now_ns=now_ns)

    def _hand_out(
        self, user: User, project: Project | None, *, sent: Sent, now_ns: int
    ) -> Answer:
        self._number += 1
        key = f"{self._seed}/{self._number}/{user.name}/{now_ns}"
        token = f"MII{hashlib.sha256(key.encode()).hexdigest()}"
        caller = Caller(user.grants, project, has_no_scope=project is None)
        expires_ns = now_ns + int(self._account.token_life_s * 1e9)
        self._access.remember(token, Issued(caller, expires_ns))
        domain = {"id": made_id("domain", user.domain), "name": user.domain}
        told: dict[str, Any] = {
            "expires_at": _iso(expires_ns),
            "issued_at": _iso(now_ns),
            "methods": ["password"],
            "roles": [],
            "user": {
                "id": made_id("user", user.domain, user.name),
                "name": user.name,
                "domain": domain,
                "password_expires_at": "",
            },
        }
        if project is None:
            told["domain"] = domain
        else:
            told["project"] = {
                "id": project.project_id,
                "name": project.name,
                "domain": domain,
            }
        if _query(sent.target).get("nocatalog") != "true":
            told["catalog"] = []
        return Answer(201, {"token": told}, headers={"X-Subject-Token": token})

    # --- projects --------------------------------------------------------------------

    def _list(self, token: str, sent: Sent, now_ns: int) -> Answer:
        """List the projects. Source: SDK, ``KeystoneListProjects``."""
        caller = self._access.identify(token, sent, now_ns=now_ns)
        if isinstance(caller, Answer):
            return caller
        name = _query(sent.target).get("name", "")
        known = list(self._account.projects)
        if not known and name:
            made = self._account.project(name=name)
            known = [made] if made else []
        found = [_shown(one) for one in known if name in {"", one.name}]
        return Answer(
            200, {"links": {"next": None, "previous": None}, "projects": found}
        )


def _shown(project: Project) -> dict[str, Any]:
    return {
        "id": project.project_id,
        "name": project.name,
        "description": "",
        "domain_id": made_id("domain", NAME),
        "parent_id": made_id("domain", NAME),
        "is_domain": False,
        "enabled": True,
        "links": {},
    }


def _error(status: int, title: str, message: str) -> Answer:
    """Refuse in Keystone's form."""
    return Answer(
        status, {"error": {"code": status, "message": message, "title": title}}
    )


def _iso(now_ns: int) -> str:
    """Write a time as Keystone does: six digits of fraction."""
    return f"{utc_text(now_ns)[:-4]}Z"


def _query(target: str) -> Mapping[str, str]:
    return dict(parse_qsl(target.partition("?")[2], keep_blank_values=True))
