"""SDK-HMAC-SHA256: an access key signs a request. Pure.

Source: API signing guide; apig-contract.md 4.2; the vendor's SDK, ``signer.py``.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, unquote

ALGORITHM = "SDK-HMAC-SHA256"

#: The headers that are signed, if they are there: what the signature must cover.
SIGNED = ("content-type", "host", "x-project-id", "x-sdk-date", "x-security-token")

#: Characters that stand for themselves in paths and queries.
_UNRESERVED = "-._~"


def sdk_date(now: float) -> str:
    """Write a time as ``X-Sdk-Date`` has it.

    Args:
        now: Seconds since the epoch.
    """
    return f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}"


def authorization(
    *,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes,
    key: str,
    secret: str,
) -> str:
    """Return the ``Authorization`` header of a request.

    Args:
        method: As it is sent.
        target: Path and query as they are sent, percent-encoded.
        headers: With ``Host`` and ``X-Sdk-Date``; of them those in ``SIGNED`` are
            signed.
        body: Empty: none.
        key: The access key's id.
        secret: The access key's secret.
    """
    lowered = {name.lower(): value.strip() for name, value in headers.items()}
    names = [name for name in SIGNED if name in lowered]
    signed_names = ";".join(names)
    path, _, query = target.partition("?")
    request = "\n".join(
        (
            method.upper(),
            _canonical_path(path),
            _canonical_query(query),
            "".join(f"{name}:{lowered[name]}\n" for name in names),
            signed_names,
            hashlib.sha256(body).hexdigest(),
        )
    )
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"{ALGORITHM}\n{lowered['x-sdk-date']}\n{digest}"
    signature = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return (
        f"{ALGORITHM} Access={key}, SignedHeaders={signed_names}, Signature={signature}"
    )


def _canonical_path(path: str) -> str:
    """Encode it once; a slash ends it, in the signature only."""
    encoded = quote(unquote(path), safe=f"/{_UNRESERVED}")
    return encoded if encoded.endswith("/") else f"{encoded}/"


def _canonical_query(query: str) -> str:
    """Sort what it says, then encode it: ``:`` comes after ``0``, ``%3A`` would not."""
    pairs = sorted(parse_qsl(query, keep_blank_values=True))
    return "&".join(
        f"{quote(name, safe=_UNRESERVED)}={quote(value, safe=_UNRESERVED)}"
        for name, value in pairs
    )
