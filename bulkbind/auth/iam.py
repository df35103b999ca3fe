"""The identity service: tokens for user and password, and a region's project.

Source: IAM, Obtaining a User Token Through Password Authentication; Querying Project
Information; apig-contract 4.1 and 4.3.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlencode

import msgspec

from bulkbind.auth.asking import ask
from bulkbind.auth.clock import ServerClock
from bulkbind.auth.renewing import Fetched, Renewing
from bulkbind.auth.token import Credential, Sender, Signable, Token, check_text
from bulkbind.errors import (
    AnswerLost,
    CredentialsMissing,
    CredentialUnavailable,
    NotSent,
)
from bulkbind.http import Answer
from bulkbind.model import OurCode, Secret
from bulkbind.wire import scrub

#: Tokens are replaced when less is left of their 24 hours.
_EARLY_S = 1800.0

_OK, _CREATED, _BAD_REQUEST, _NOBODY = 200, 201, 400, 401
_TIMEOUT, _TOO_MANY, _SERVER = 408, 429, 500


@dataclass(frozen=True, slots=True)
class Iam:
    """The identity service of an account."""

    endpoint: str
    """Scheme and host; empty: not known."""
    region: str
    """Names the project where none is given; empty: not known."""


#: No identity service is known.
NOWHERE = Iam("", "")


#: Characters of a shorter password; it is a word, and no cloud takes it.
_SHORTEST = 6


class Login(NamedTuple):
    """Who signs in; a ``Secret`` shows nothing."""

    user: str
    password: Secret
    domain: str


class _Project(msgspec.Struct):
    id: str
    name: str = ""
    enabled: bool = True


class _Projects(msgspec.Struct):
    projects: list[_Project]


class _Issued(msgspec.Struct):
    expires_at: str


class _IssuedToken(msgspec.Struct):
    token: _Issued


class _Error(msgspec.Struct):
    message: str = ""


class _Refused(msgspec.Struct):
    error: _Error | None = None
    error_msg: str = ""
    error_code: str = ""


_PROJECTS = msgspec.json.Decoder(_Projects)
_ISSUED = msgspec.json.Decoder(_IssuedToken)
_REFUSED = msgspec.json.Decoder(_Refused)


def login_credential(
    login: Login, iam: Iam, *, label: str, clock: ServerClock
) -> Renewing:
    """Return a credential that signs in when a token is needed.

    Args:
        login: Who signs in.
        iam: Where.
        label: Where user and password came from.
        clock: Of who gives and takes tokens.

    Raises:
        CredentialsMissing: It is not known where to sign in.
    """
    if not iam.endpoint:
        message = (
            f"{label}: user and password are there, and not where to sign in; give the"
            " account a region, or iam_endpoint"
        )
        raise CredentialsMissing(message)

    async def fetch(http: Sender, project_id: str) -> Fetched:
        return await _sign_in(login, iam, http, project_id, label, clock)

    text = "\0".join((iam.endpoint, login.domain, login.user, login.password.reveal()))
    return Renewing(
        fetch,
        label=label,
        identity=hashlib.sha256(text.encode()).hexdigest(),
        clock=clock,
        early_s=_EARLY_S,
    )


async def _sign_in(
    login: Login,
    iam: Iam,
    http: Sender,
    project_id: str,
    label: str,
    clock: ServerClock,
) -> Fetched:
    if not project_id and not iam.region:
        message = f"{label}: no token without a project; give region or project_id"
        raise CredentialUnavailable(message, status=401)
    scope = {"id": project_id} if project_id else {"name": iam.region}
    body = _body(login, scope)
    try:
        answer = await http.send(
            "POST",
            f"{iam.endpoint}/v3/auth/tokens?nocatalog=true",
            headers={"Content-Type": "application/json;charset=utf8"},
            body=body,
        )
    except (NotSent, AnswerLost) as error:
        raise _unreached(iam, error) from error
    clock.hear(answer.headers)
    if answer.status != _CREATED:
        hidden = login.password.reveal()
        raise _refusal(answer, iam, OurCode.SIGN_IN_REFUSED, hidden=hidden)
    return _read_token(answer, label)


def _body(login: Login, scope: dict[str, str]) -> bytes:
    user = {
        "name": login.user,
        "password": login.password.reveal(),
        "domain": {"name": login.domain},
    }
    identity = {"methods": ["password"], "password": {"user": user}}
    return msgspec.json.encode(
        {"auth": {"identity": identity, "scope": {"project": scope}}}
    )


def _read_token(answer: Answer, label: str) -> Fetched:
    token = answer.headers.get("X-Subject-Token", "")
    try:
        expires_at = read_time(_ISSUED.decode(answer.body).token.expires_at)
        check_text(token, label="the identity service's token")
    except (msgspec.MsgspecError, ValueError, CredentialsMissing):
        token = ""
    if not token:
        message = "the identity service gave no token that can be read; try again later"
        raise CredentialUnavailable(message)
    return Fetched(Token(Secret(token), label=label), expires_at)


async def find_project(credential: Credential, iam: Iam, http: Sender) -> str:
    """Ask which project a credential has in the account's region.

    Raises:
        CredentialUnavailable: The answer is no, none, or several; what to do is said.
    """
    query = urlencode({"name": iam.region})
    request = Signable(
        "GET", iam.endpoint.partition("://")[2], f"/v3/projects?{query}", ""
    )
    try:
        answer = await ask(credential, http, request, endpoint=iam.endpoint)
    except (NotSent, AnswerLost) as error:
        raise _unreached(iam, error) from error
    if answer.status != _OK:
        nobody = answer.status == _NOBODY
        code = OurCode.SIGN_IN_REFUSED if nobody else OurCode.PROJECT_UNKNOWN
        raise _refusal(answer, iam, code)
    try:
        found = [one for one in _PROJECTS.decode(answer.body).projects if one.enabled]
    except msgspec.MsgspecError:
        message = f"{iam.endpoint} answers what is no list of projects; give project_id"
        raise CredentialUnavailable(message) from None
    if len(found) != 1:
        raise _not_one(found, iam)
    return found[0].id


def _not_one(found: list[_Project], iam: Iam) -> CredentialUnavailable:
    many = f"{len(found)} projects" if found else "no project"
    shown = ", ".join(scrub(one.id) for one in found[:5])
    message = (
        f"the credential has {many} named {iam.region}{': ' * bool(found)}{shown};"
        " give project_id, or a region in which the account has one"
    )
    return CredentialUnavailable(message, status=401, code=OurCode.PROJECT_UNKNOWN)


def _unreached(iam: Iam, error: Exception) -> CredentialUnavailable:
    message = f"the identity service {iam.endpoint} does not answer ({error})"
    return CredentialUnavailable(message)


def _refusal(
    answer: Answer, iam: Iam, code: OurCode, *, hidden: str = ""
) -> CredentialUnavailable:
    """Say what the identity service said; 4xx is for good, but a throttle.

    A password that it, or a proxy before it, repeats is not said.
    """
    try:
        said = _REFUSED.decode(answer.body)
    except msgspec.MsgspecError:
        said = _Refused()
    text = said.error_msg or (said.error.message if said.error else "") or "no message"
    if len(hidden) >= _SHORTEST:
        text = text.replace(hidden, "***")
    message = f"{iam.endpoint} says {answer.status} {scrub(said.error_code)}"
    message = f"{message.rstrip()}: {scrub(text)}"
    is_final = _BAD_REQUEST <= answer.status < _SERVER and answer.status not in {
        _TIMEOUT,
        _TOO_MANY,
    }
    return CredentialUnavailable(
        message, status=401 if is_final else 0, code=code if is_final else ""
    )


def read_time(text: str) -> float:
    """Return a time as the vendor writes it, in seconds since the epoch.

    Raises:
        ValueError: It is none.
    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        message = "there is no time that can be read in expires_at"
        raise ValueError(message) from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
