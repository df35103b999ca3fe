"""What a gateway answers: values, and the documented refusals. Pure.

Source: apig-contract.md section 3, which names the page of each code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bulkbind.errors import BulkbindError


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: Mapping[str, Any] | None = None
    """None: no body at all."""
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(BulkbindError):
    """The request is refused, and nothing was changed."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        super().__init__(str(answer.body))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the contract leaves open, decided. Source: apig-contract.md section 9."""

    hint: Literal["present", "absent"] = "present"
    """Whether a refusal names the first API at fault in its text."""
    reattach: Literal["keep", "renew"] = "keep"
    """Whether attaching what is attached keeps ``plugin_attach_id``."""
    duplicate_ids: Literal["accept", "refuse"] = "accept"
    """What an id given twice in one request does; accepted, it has one record."""
    unbound_detach: Literal["accept", "refuse"] = "accept"
    """What detaching an API that is not attached does."""


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


def no_api(api_id: str, *, rules: Rules) -> Answer:
    """Refuse an API that does not exist."""
    named = f"API {api_id}" if rules.hint == "present" else "The API"
    return refusal(404, "APIG.3002", f"{named} does not exist")


def not_published(api_id: str, *, rules: Rules) -> Answer:
    """Refuse an API that is not published in the environment."""
    text = "Only published APIs can be bound with plug-ins"
    named = f"{text}. API {api_id} is not published"
    return refusal(409, "APIG.3707", named if rules.hint == "present" else text)


#: Two operations on one gateway at a time. Source: PR-3013, TF common.go.
OVERLAP = refusal(500, "APIG.3500", "Failed to synchronize data to etcd")
SYSTEM_ERROR = refusal(500, "APIG.9999", "System error")

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
TOO_LARGE = refusal(413, "APIGW.0201", "Request entity too large")


def throttled(*, limit: int, seconds: float) -> Answer:
    """Refuse what exceeds the rate, in the documented words. Source: FAQ-0308."""
    unit, length = "second", seconds
    for name, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds % size == 0:
            unit, length = name, seconds / size
            break
    return refusal(
        429,
        "APIGW.0308",
        "The throttling threshold has been reached: policy user over ratelimit,"
        f"limit:{limit},time:{length:g} {unit}",
    )
