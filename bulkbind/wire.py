"""The wire contract of APIG V2, as bulkbind reads it: paths, bodies, replies.

Promised by the vendor's page "Binding a Plug-in to APIs" and the published API
definition: ``POST .../plugins/{plugin_id}/attach`` with ``env_id`` and 1-500
``api_ids`` answers 201 and ``attached_plugins``, one record for each API; detach is
``PUT .../detach`` and answers 204 with no body; an error body has ``error_code`` and
``error_msg``; the answer's ``X-Request-Id`` names the request.

Assumed, because no page says it: records may come in any order (they are matched by
``api_id``), a field of a record may be missing, and unknown fields may appear.
"""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

import msgspec

from bulkbind.model import Action, OurCode, Receipt, Reply, Target

#: Longest outside text that is kept, in characters.
MAX_TEXT = 500

METHODS = {Action.ATTACH: "POST", Action.DETACH: "PUT"}

_CREATED = 201
_MULTIPLE_CHOICES = 300

#: C0 and C1 controls, line separators and the characters that turn text around.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]+"
)
_SECRET = re.compile(
    r"(?i)(x-auth-token|x-security-token|x-subject-token|authorization|signature"
    r"|access|secret[a-z_-]*|password)\s*[:=]\s*[^|,;\s]+(\s+Access=[^|,;\s]+)?"
)
_TITLE = re.compile(rb"(?is)<title[^>]*>(.*?)</title>")


class _Record(msgspec.Struct):
    api_id: str = ""
    plugin_attach_id: str = ""
    attached_time: str = ""
    plugin_name: str = ""
    env_name: str = ""


class _Attached(msgspec.Struct):
    attached_plugins: list[_Record] = []


class _Refused(msgspec.Struct):
    error_code: str = ""
    error_msg: str = ""
    request_id: str = ""


_ATTACHED = msgspec.json.Decoder(_Attached)
_REFUSED = msgspec.json.Decoder(_Refused)
_ENCODER = msgspec.json.Encoder()


def plugin_path(target: Target, *, project_id: str, action: Action) -> str:
    """Return the path of an attach or detach request, percent-encoded.

    Source:
        APIG, AttachApiToPlugin and DetachApiFromPlugin: URI.
    """
    parts = (project_id, target.instance_id, target.plugin_id)
    project, instance, plugin = (quote(part, safe="") for part in parts)
    return f"/v2/{project}/apigw/instances/{instance}/plugins/{plugin}/{action}"


def plugin_body(env_id: str, api_ids: Sequence[str]) -> bytes:
    """Return the JSON body of an attach or detach of 1-500 ids.

    Source:
        APIG, PluginOperApiInfo.
    """
    return _ENCODER.encode({"env_id": env_id, "api_ids": api_ids})


def read_reply(status: int, headers: Mapping[str, str], body: bytes) -> Reply:
    """Read the answer to an attach or detach.

    Args:
        status: HTTP status.
        headers: Response headers; looked up case-insensitively by the mapping.
        body: The whole body.

    Returns:
        What the answer says; text from outside is scrubbed and cut.
    """
    request_id = scrub(headers.get("X-Request-Id", ""))
    if status == _CREATED:
        return _read_receipts(body, request_id)
    if status < _MULTIPLE_CHOICES:
        return Reply(status, request_id=request_id)
    return _read_refusal(status, headers, body, request_id)


def _read_receipts(body: bytes, request_id: str) -> Reply:
    try:
        records = _ATTACHED.decode(body).attached_plugins
    except msgspec.MsgspecError as error:
        message = f"the 201 cannot be read: {scrub(str(error))}"
        return Reply(_CREATED, OurCode.REPLY_MALFORMED, message, request_id)
    first = records[0] if records else _Record()
    return Reply(
        _CREATED,
        request_id=request_id,
        receipts=tuple(
            Receipt(r.api_id, r.plugin_attach_id, r.attached_time) for r in records
        ),
        plugin_name=scrub(first.plugin_name),
        env_name=scrub(first.env_name),
    )


def _read_refusal(
    status: int, headers: Mapping[str, str], body: bytes, request_id: str
) -> Reply:
    try:
        refused = _REFUSED.decode(body)
    except msgspec.MsgspecError:
        refused = _Refused(error_msg=_describe(headers, body))
    return Reply(
        status,
        code=scrub(refused.error_code)[:64],
        message=scrub(refused.error_msg),
        request_id=request_id or scrub(refused.request_id),
        retry_after=headers.get("Retry-After", ""),
    )


def _describe(headers: Mapping[str, str], body: bytes) -> str:
    """Say in a few words what came instead of a JSON error body."""
    if not body:
        return "an empty answer"
    title = _TITLE.search(body[:65536])
    if title:
        return f"a web page: {title[1].decode('utf-8', 'replace').strip()}"
    kind = headers.get("Content-Type", "text").split(";")[0]
    return f"not JSON ({kind}): {body[:200].decode('utf-8', 'replace')}"


def scrub(text: str) -> str:
    """Make outside text safe to keep and to show: no secrets, controls or length."""
    if len(text) > 4 * MAX_TEXT:
        text = text[: 4 * MAX_TEXT]
    text = _SECRET.sub(r"\1=***", text)
    text = _UNSAFE.sub(" ", text).strip()
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
