"""What a gateway answers: values, and the documented refusals. Pure.

Source: apig-contract.md section 3, which names the page of each code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from enum import StrEnum
from math import ceil
from typing import Any, Literal, NamedTuple

from bulkbind.errors import BulkbindError


class Effect(StrEnum):
    """How much of what a request asked for has happened."""

    NONE = "none"
    PART = "part"
    WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: Mapping[str, Any] | None = None
    """None: no body at all."""
    headers: Mapping[str, str] = field(default_factory=dict)
    effect: Effect = Effect.NONE


class Page(NamedTuple):
    """An answer that is no JSON."""

    status: int
    text: bytes
    content_type: str = "text/html"


class Refused(BulkbindError):
    """The request is refused, and nothing was changed."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        super().__init__(str(answer.body))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the contract leaves open, decided. Source: apig-contract.md section 9."""

    hint: Literal["present", "absent", "lying", "all", "plugin"] = "present"
    """Whom a refusal names in its text: the first API at fault, nobody, a good API
    of the request, every API at fault for that reason, or the plug-in."""
    on_bad: Literal[
        "refuse",
        "bind_good",
        "bind_until",
        "omit",
        "bindings",
        "bindings_named",
        "lists",
    ] = "refuse"
    """What an attach does that names an API at fault: refuse it and bind nothing;
    refuse it and bind every good API, or those before the first bad one; or answer
    201, bind the good ones, and leave the others out, tell them in ``bindings``
    (``bindings_named``: and name them in ``attached_plugins`` too), or in ``failure``.
    Source: apig-contract.md 3.4."""
    reattach: Literal["keep", "renew"] = "keep"
    """Whether attaching what is attached keeps ``plugin_attach_id``."""
    duplicate_ids: Literal["accept", "refuse"] = "accept"
    """What an id given twice in one request does; accepted, it has one record."""
    unbound_detach: Literal["accept", "refuse"] = "accept"
    """What detaching an API that is not attached does."""
    page_limit: int = 500
    """Most items in a page. Source: OTC, SDK."""


def refusal(status: int, code: str, message: str) -> Answer:
    """Make an answer with the two fields every error body has."""
    return Answer(status, {"error_code": code, "error_msg": message})


def invalid(parameter: str) -> Answer:
    """Refuse a parameter, by its name."""
    return refusal(
        400,
        "APIG.2012",
        f"Invalid parameter value,parameterName:{parameter}."
        " Please refer to the support documentation",
    )


def no_instance(instance_id: str) -> Answer:
    """Refuse a gateway that does not exist."""
    return refusal(404, "APIG.3030", f"The instance does not exist;id:{instance_id}")


def unknown_instance(instance_id: str) -> Answer:
    """Refuse a gateway, in the words of the instance service."""
    text = f"The instance does not exist;id:{instance_id}"
    return refusal(404, "APIC.7302", text)


def no_plugin(plugin_id: str) -> Answer:
    """Refuse a plug-in that does not exist."""
    return refusal(404, "APIG.3068", f"Plugin {plugin_id} does not exist")


def no_env(env_id: str) -> Answer:
    """Refuse an environment that does not exist."""
    return refusal(404, "APIG.3003", f"Environment {env_id} does not exist")


class Blame(NamedTuple):
    """Who a refusal is about, and whom it could name."""

    bad: Sequence[str]
    """API ids at fault, in the request's order; at least one."""
    good: Sequence[str] = ()
    plugin_id: str = ""

    def names(self, rules: Rules) -> str:
        """Return the API ids that the text names, joined by commas; empty: none."""
        if rules.hint == "all":
            return ",".join(self.bad)
        if rules.hint == "lying":
            return self.good[0] if self.good else ""
        return self.bad[0] if rules.hint == "present" else ""


def no_api(blame: Blame, *, rules: Rules) -> Answer:
    """Refuse an API that does not exist."""
    named = blame.names(rules)
    subject = f"API {named}" if named else "The API"
    if rules.hint == "plugin" and blame.plugin_id:
        subject = f"The API to bind to plugin {blame.plugin_id}"
    return refusal(404, "APIG.3002", f"{subject} does not exist")


def not_published(blame: Blame, *, rules: Rules) -> Answer:
    """Refuse an API that is not published in the environment."""
    text = "Only published APIs can be bound with plug-ins"
    named = blame.names(rules)
    if named:
        text = f"{text}. API {named} is not published"
    elif rules.hint == "plugin" and blame.plugin_id:
        text = f"{text}. Plugin {blame.plugin_id} cannot be bound"
    return refusal(409, "APIG.3707", text)


#: Two operations on one gateway at a time. Source: PR-3013, TF common.go.
OVERLAP = refusal(500, "APIG.3500", "Failed to synchronize data to etcd")
SYSTEM_ERROR = refusal(500, "APIG.9999", "System error")
IAM_FAILED = refusal(500, "APIG.9004", "Failed to request IAM")
TOO_MANY = refusal(500, "APIG.9008", "Too many requests. Please try again later")
LOCKED = refusal(409, "APIC.7712", "The gateway is locked and cannot be operated")
UPGRADING = refusal(409, "APIC.7701", "The instance status conflicts: upgrading")
SESSION_EXPIRED = refusal(401, "APIG.1001", "The session has expired")

# --- the front gateway: it answers before APIG sees the call ---------------------------

NO_ROUTE = refusal(
    404,
    "APIGW.0101",
    "The API does not exist or has not been published in the environment",
)
NO_TOKEN = refusal(
    401,
    "APIGW.0301",
    "Incorrect IAM authentication information: x-auth-token not found",
)
WRONG_TOKEN = refusal(401, "APIG.1002", "Incorrect token or token resolution failed")
NO_PROJECT = refusal(401, "APIG.1003", "The token carries no project information")
NO_RIGHT = refusal(403, "APIG.1005", "No permissions to request this method")
UPDATE_TOKEN = refusal(401, "APIGW.0307", "The token must be updated")
PROJECT_UNAVAILABLE = refusal(403, "APIGW.0310", "The project is unavailable")
NO_SIGNATURE = refusal(401, "APIGW.0305", "Incorrect authentication information")


def _unproven(reason: str) -> Answer:
    text = f"Incorrect IAM authentication information: {reason}"
    return refusal(401, "APIGW.0301", text)


WRONG_SECURITY_TOKEN = _unproven("decrypt token fail")
KEY_LOCKED = _unproven("AK access failed to reach the limit,forbidden.")


def unknown_key(access: str) -> Answer:
    """Refuse an access key that does not exist. Source: FAQ-AUTH."""
    return _unproven(f"Get secretKey failed,ak:{access},err:ak not exist")


def wrong_signature(canonical: str) -> Answer:
    """Refuse a signature, and show what should have been signed.

    Source: trouble-roma, roma_08_1035: ``|`` stands for the ends of lines.
    """
    shown = canonical.encode("utf-8", "replace").decode().replace("\n", "|")
    return _unproven(f"verify aksk signature fail, canonicalRequest:{shown}")


def skewed(date: str, *, here: str) -> Answer:
    """Refuse a request whose time is too far off.

    Source: huaweicloud-sdk-java-v3 issue 44.
    """
    shown = date.encode("utf-8", "replace").decode()
    return _unproven(
        "calc aksk signature fail:signature expired,"
        f" signature time:{shown},server time:{here}"
    )


def spoken_by(answer: Answer, *, product: str) -> Answer:
    """Spell a front gateway's refusal as a product does.

    Source: roma_08_1035: ROMA Connect says ``APIC.0301``.
    """
    fields = answer.body or {}
    if product != "apic" or fields.get("error_code") != "APIGW.0301":
        return answer
    return replace(answer, body={**fields, "error_code": "APIC.0301"})


TOO_LARGE = refusal(413, "APIGW.0201", "Request entity too large")
IAM_UNAVAILABLE = refusal(503, "APIGW.0613", "The IAM service is unavailable")
BACKEND_TIMEOUT = refusal(504, "APIGW.0201", "Backend timeout")

BAD_GATEWAY = Page(
    502,
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    b"<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n"
    b"</body>\r\n</html>\r\n",
)
SIGN_IN = Page(
    200,
    b"<!DOCTYPE html><html><head><title>Sign in</title></head>"
    b"<body>Sign in to the network to go on.</body></html>\n",
)
NOT_JSON = Page(201, b"Created\n", "text/plain")

#: The words of a refusal that gives no figures.
OVER_RATE = "The throttling threshold has been reached: policy user over ratelimit"


def throttled(*, limit: int = 0, seconds: float = 1.0) -> Answer:
    """Refuse what exceeds the rate, in the documented words. Source: FAQ-0308.

    Args:
        limit: Requests in a window; 0: the text gives no figures.
        seconds: How long a window is.
    """
    if not limit:
        return refusal(429, "APIGW.0308", OVER_RATE)
    unit, length = "second", seconds
    for name, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds % size == 0:
            unit, length = name, seconds / size
            break
    text = f"{OVER_RATE},limit:{limit},time:{length:g} {unit}"
    return refusal(429, "APIGW.0308", text)


def retry_in(answer: Answer, seconds: float) -> Answer:
    """Say in ``Retry-After`` how long to wait: whole seconds, rounded up."""
    return replace(answer, headers={"Retry-After": str(max(1, ceil(seconds)))})


def retry_at(answer: Answer, *, seconds: float, now_ns: int) -> Answer:
    """Say in ``Retry-After`` until when to wait: an HTTP date, rounded up."""
    at = datetime.fromtimestamp(0, UTC) + timedelta(
        seconds=ceil(now_ns / 1e9 + seconds)
    )
    return replace(answer, headers={"Retry-After": format_datetime(at, usegmt=True)})
