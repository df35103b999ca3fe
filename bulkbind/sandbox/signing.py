"""SDK-HMAC-SHA256, from the gateway's side: is this request signed with that key? Pure.

Written from the contract, not from what bulkbind signs with, so that neither can hide
a fault of the other. Source: apig-contract.md 4.2, API signing guide.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote, unquote, unquote_plus

ALGORITHM = "SDK-HMAC-SHA256"

#: What a request says that does not sign its body.
UNSIGNED = "UNSIGNED-PAYLOAD"

#: How far a request's time may be from the gateway's, in seconds.
MAX_SKEW_S = 15 * 60

_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} +Access=([^,\s]+), *SignedHeaders=([^,\s]+), *Signature=([0-9a-f]+)"
)
_DATE = re.compile(r"\d{8}T\d{6}Z", re.ASCII)


class Claim(NamedTuple):
    """What an ``Authorization`` header claims."""

    access: str
    names: tuple[str, ...]
    """Of the headers that are signed, lower-cased, in the order of the claim."""
    signature: str


class Sent(NamedTuple):
    """A request as it came over the wire."""

    method: str
    target: str
    """Path and query, percent-encoded."""
    headers: Mapping[str, str]
    """By lower-cased name."""
    body: bytes = b""


def read_claim(authorization: str) -> Claim | None:
    """Read an ``Authorization`` header; None: it is no signature of this algorithm."""
    found = _AUTHORIZATION.fullmatch(authorization.strip())
    if found is None:
        return None
    access, names, signature = found.groups()
    return Claim(access, tuple(names.lower().split(";")), signature)


def read_date(text: str) -> float | None:
    """Read ``X-Sdk-Date`` as seconds since the epoch; None: it is none."""
    if not _DATE.fullmatch(text):
        return None
    try:
        date = datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return date.timestamp()


def write_date(now_ns: int) -> str:
    """Write a time as ``X-Sdk-Date`` has it."""
    return f"{datetime.fromtimestamp(now_ns // 1_000_000_000, UTC):%Y%m%dT%H%M%SZ}"


def canonical_request(sent: Sent, names: tuple[str, ...]) -> str:
    """Write a request in the one form that is signed.

    Args:
        sent: The request.
        names: Of the headers that its signature covers.
    """
    path, _, query = sent.target.partition("?")
    lines = [sent.method.upper(), _path(path), _query(query)]
    lines += [f"{name}:{sent.headers.get(name, '').strip()}" for name in names]
    lines += ["", ";".join(names), _payload(sent)]
    return "\n".join(lines)


def signature(canonical: str, *, date: str, secret: str) -> str:
    """Sign a canonical request with the secret itself: no key is derived from it."""
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    text = f"{ALGORITHM}\n{date}\n{digest}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def is_signed(sent: Sent, claim: Claim, *, secret: str) -> bool:
    """Say whether a claim is true: the time is signed, and the signature is right."""
    date = sent.headers.get("x-sdk-date", "").strip()
    if "x-sdk-date" not in claim.names:
        return False
    right = signature(canonical_request(sent, claim.names), date=date, secret=secret)
    return hmac.compare_digest(right, claim.signature)


def _path(path: str) -> str:
    whole = "/".join(_encode(part) for part in unquote(path).split("/"))
    return whole if whole[-1:] == "/" else f"{whole}/"


def _query(query: str) -> str:
    pairs = []
    for item in filter(None, query.split("&")):
        name, _, value = item.partition("=")
        pairs.append((unquote_plus(name), unquote_plus(value)))
    return "&".join(
        f"{_encode(name)}={_encode(value)}" for name, value in sorted(pairs)
    )


def _encode(text: str) -> str:
    return quote(text, safe="~")


def _payload(sent: Sent) -> str:
    if sent.body and sent.headers.get("x-sdk-content-sha256") == UNSIGNED:
        return UNSIGNED
    return hashlib.sha256(sent.body).hexdigest()
