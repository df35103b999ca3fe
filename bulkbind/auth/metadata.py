"""Temporary keys of the instance this runs on, from its metadata service.

Source: ECS, Instance Metadata: Security Key; the vendor's SDK, ``MetadataAccessor``.
"""

from pathlib import Path

import msgspec

from bulkbind.auth.clock import ServerClock
from bulkbind.auth.iam import read_time
from bulkbind.auth.keys import Key
from bulkbind.auth.renewing import Fetched, Renewing
from bulkbind.auth.token import Sender, check_text
from bulkbind.errors import (
    AnswerLost,
    CredentialsMissing,
    CredentialUnavailable,
    NotSent,
)
from bulkbind.http import Answer, Http
from bulkbind.model import OurCode, Secret

#: Link-local: never leaves the host. No setting changes it; tests pass their own.
METADATA_ADDRESS = "http://169.254.169.254"

#: Where the kernel says what machine this is.
MACHINE = Path("/sys/class/dmi/id")

#: Said by machines of the vendor and of who builds on it. Source: cloud-init,
#: ``DataSourceOpenStack``.
_MACHINES = frozenset(
    {"HUAWEICLOUD", "OpenTelekomCloud", "OpenStack Nova", "OpenStack Compute"}
)

#: Seconds for one request: the service is on this host, or nowhere.
_TIMEOUT_S = 3.0

#: Keys are replaced when less is left of them, as the vendor's SDK does.
_EARLY_S = 2400.0

#: Seconds that a session token of the service is asked for.
_SESSION_S = 21_600

_OK, _NOT_FOUND, _NOT_ALLOWED, _SERVER = 200, 404, 405, 500

_REMEDY = (
    "give the instance an agency with the right apig:plugin:bindApi, or give another"
    " credential"
)


class _Key(msgspec.Struct):
    access: str
    secret: str
    securitytoken: str
    expires_at: str


class _Document(msgspec.Struct):
    credential: _Key


_DOCUMENT = msgspec.json.Decoder(_Document)


def is_instance(machine: Path = MACHINE) -> bool:
    """Tell whether this machine says that it is an instance of the vendor's cloud."""
    for name in ("chassis_asset_tag", "product_name"):
        try:
            said = (machine / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if said.strip() in _MACHINES:
            return True
    return False


def metadata_credential(address: str, *, clock: ServerClock) -> Renewing:
    """Return the credential of this instance; asked for when it is needed.

    Args:
        address: ``METADATA_ADDRESS``.
        clock: The gateway's.
    """

    async def fetch(http: Sender, project_id: str) -> Fetched:
        del http, project_id
        return await fetch_key(address, clock=clock)

    return Renewing(
        fetch,
        label="metadata",
        identity="metadata",
        clock=clock,
        early_s=_EARLY_S,
    )


async def fetch_key(address: str, *, clock: ServerClock) -> Fetched:
    """Ask the metadata service for the instance's keys, past any proxy.

    Raises:
        CredentialUnavailable: It gives none.
    """
    try:
        async with Http(timeout_s=_TIMEOUT_S, connections=1) as http:
            headers = await _session(http, address)
            url = f"{address}/openstack/latest/securitykey"
            answer = await http.send("GET", url, headers=headers)
    except (NotSent, AnswerLost) as error:
        message = f"the instance's metadata service does not answer ({error})"
        raise CredentialUnavailable(message) from error
    if answer.status != _OK:
        raise _refused(answer)
    return _read(answer.body, clock)


async def _session(http: Http, address: str) -> dict[str, str]:
    """Begin a session; a service that knows none is asked without."""
    answer = await http.send(
        "PUT",
        f"{address}/meta-data/latest/api/token",
        headers={"X-Metadata-Token-Ttl-Seconds": str(_SESSION_S)},
        body=b"",
    )
    if answer.status in {_NOT_FOUND, _NOT_ALLOWED}:
        return {}
    if answer.status != _OK:
        raise _refused(answer)
    token = answer.body.decode("ascii", "replace").strip()
    _check(token)
    return {"X-Metadata-Token": token}


def _refused(answer: Answer) -> CredentialUnavailable:
    message = (
        f"the instance's metadata service gives no key ({answer.status}); {_REMEDY}"
    )
    if answer.status >= _SERVER:
        return CredentialUnavailable(message)
    return CredentialUnavailable(message, status=401, code=OurCode.NO_INSTANCE_KEY)


def _read(body: bytes, clock: ServerClock) -> Fetched:
    try:
        key = _DOCUMENT.decode(body).credential
        expires_at = read_time(key.expires_at)
    except (msgspec.MsgspecError, ValueError):
        message = f"the instance's metadata service says what is no key; {_REMEDY}"
        raise CredentialUnavailable(
            message, status=401, code=OurCode.NO_INSTANCE_KEY
        ) from None
    for text in (key.access, key.secret, key.securitytoken):
        _check(text)
    proof = Key(
        key.access,
        Secret(key.secret),
        security_token=Secret(key.securitytoken),
        label="metadata",
        clock=clock,
    )
    return Fetched(proof, expires_at)


def _check(text: str) -> None:
    try:
        check_text(text, label="the instance's metadata service")
    except CredentialsMissing as error:
        raise CredentialUnavailable(
            str(error), status=401, code=OurCode.NO_INSTANCE_KEY
        ) from None
