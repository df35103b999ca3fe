"""Attach and detach: path, body, answer. Source: apig-contract 1.2, 1.3, 3."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from operator import attrgetter
from urllib.parse import quote

import msgspec

from bulkbind.model import Action, Named, OurCode, Refusal, Reply, Target
from bulkbind.wire.text import scrub

METHODS = {Action.ATTACH: "POST", Action.DETACH: "PUT"}

#: What a product's paths have behind the project.
_SEGMENTS = {"apig": "apigw", "roma": "apic"}

_CREATED = 201
_MULTIPLE_CHOICES = 300

#: Bounded, so that no page takes long to read.
_TITLE = re.compile(rb"(?is)<title[^>]{0,200}>(.{0,1000}?)</title>")

#: Longest fact of a receipt, on average; ids have 32 characters, times up to 30.
_MAX_FACTS = 128

#: What a body that is not as promised makes the decoder raise.
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class _Record(msgspec.Struct, gc=False):
    api_id: str | None = None
    plugin_attach_id: str | None = None
    attached_time: str | None = None


class _Plain(msgspec.Struct, gc=False):
    """A receipt whose facts are texts, as promised: nearly all are."""

    api_id: str = ""
    plugin_attach_id: str = ""
    attached_time: str = ""


class _Names(msgspec.Struct):
    plugin_name: str | None = None
    env_name: str | None = None


class _NamedRecords(msgspec.Struct):
    attached_plugins: list[_Names] = []
    success: list[_Names] = []


class _Result(msgspec.Struct):
    status: str | None = None
    error_code: str | None = None
    error_msg: str | None = None


class _Binding(msgspec.Struct):
    api_id: str | None = None
    binding_result: _Result | None = None


class _Failure(msgspec.Struct):
    api_id: str | None = None
    error_code: str | None = None
    error_msg: str | None = None


class _Promised(msgspec.Struct):
    attached_plugins: list[_Record] = []


class _Beside(msgspec.Struct):
    """What no page promises; of any other shape it says nothing."""

    bindings: list[_Binding] = []
    failure: list[_Failure] = []


class _Attached(_Beside):
    attached_plugins: list[_Record] = []
    success: list[_Record] = []


class _PlainAttached(_Beside):
    attached_plugins: list[_Plain] = []
    success: list[_Plain] = []


class _Refused(msgspec.Struct):
    error_code: str | None = None
    error_msg: str | None = None
    request_id: str | None = None


_PLAIN = msgspec.json.Decoder(_PlainAttached)
_ATTACHED = msgspec.json.Decoder(_Attached)
_PROMISED = msgspec.json.Decoder(_Promised)
_NAMES = msgspec.json.Decoder(_NamedRecords)
_REFUSED = msgspec.json.Decoder(_Refused)
_ENCODER = msgspec.json.Encoder()


def instances_path(project_id: str, *, product: str = "apig") -> str:
    """Return the path of a project's gateways, percent-encoded.

    Args:
        project_id: The project.
        product: ``apig`` or ``roma``; all that differs is one segment.

    Source:
        APIG and ROMA Connect, API reference: URI; apig-contract 6.
    """
    return f"/v2/{quote(project_id, safe='')}/{_SEGMENTS[product]}/instances"


def plugin_path(
    target: Target, *, project_id: str, action: Action, product: str = "apig"
) -> str:
    """Return the path of an attach or detach request, percent-encoded.

    Source:
        APIG, AttachApiToPlugin and DetachApiFromPlugin: URI.
    """
    instances = instances_path(project_id, product=product)
    parts = (target.instance_id, target.plugin_id)
    instance, plugin = (quote(part, safe="") for part in parts)
    return f"{instances}/{instance}/plugins/{plugin}/{action}"


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
    return read_refusal(status, headers, body)


def _read_receipts(body: bytes, request_id: str) -> Reply:
    try:
        attached = _decode_attached(body)
    except UNREADABLE as error:
        message = f"the 201 cannot be read: {scrub(str(error))}"
        return Reply(_CREATED, OurCode.REPLY_MALFORMED, message, request_id)
    names = _read_names(body)
    return Reply(
        _CREATED,
        request_id=request_id,
        named=_tidy(_columns(attached), is_plain=_is_plain(body)),
        plugin_name=scrub(names.plugin_name or ""),
        env_name=scrub(names.env_name or ""),
        refusals=tuple(_refusals(attached)),
    )


def _decode_attached(body: bytes) -> _PlainAttached | _Attached:
    """Read the receipts; the cheapest reading that fits."""
    with suppress(msgspec.ValidationError):
        return _PLAIN.decode(body)
    with suppress(msgspec.ValidationError):
        return _ATTACHED.decode(body)
    return _Attached(attached_plugins=_PROMISED.decode(body).attached_plugins)


def _columns(attached: _PlainAttached | _Attached) -> Named:
    """Return the facts of all receipts; empty: it was not given."""
    if isinstance(attached, _PlainAttached):
        plain = attached.attached_plugins + attached.success
        return Named(
            tuple(map(_API_ID, plain)),
            tuple(map(_ATTACH_ID, plain)),
            tuple(map(_TIME, plain)),
        )
    records = attached.attached_plugins + attached.success
    return Named(
        tuple([record.api_id or "" for record in records]),
        tuple([record.plugin_attach_id or "" for record in records]),
        tuple([record.attached_time or "" for record in records]),
    )


#: A record's facts: read without a loop in Python.
_API_ID = attrgetter("api_id")
_ATTACH_ID = attrgetter("plugin_attach_id")
_TIME = attrgetter("attached_time")


def _read_names(body: bytes) -> _Names:
    """Read the names that every record repeats, from the first one.

    The body is cut behind its first closing brace and closed; one whose first record
    does not end there is read as a whole.
    """
    cut = body.find(b"}") + 1
    for text in (body[:cut] + b"]}", body):
        with suppress(*UNREADABLE):
            found = _NAMES.decode(text)
            for names in found.attached_plugins or found.success:
                return names
    return _Names()


def _refusals(attached: _Beside) -> Iterator[Refusal]:
    """Read the failures that no page documents, should a 201 ever hold them.

    Source: apig-contract 3.4: a vendor client looks for ``bindings[].binding_result``;
    sibling calls have ``success`` and ``failure`` lists.
    """
    for binding in attached.bindings:
        result = binding.binding_result
        if result is not None and (result.status or "").upper() == "FAILED":
            yield _refusal(binding.api_id, result.error_code, result.error_msg)
    for failure in attached.failure:
        yield _refusal(failure.api_id, failure.error_code, failure.error_msg)


def _refusal(api_id: str | None, code: str | None, message: str | None) -> Refusal:
    return Refusal(
        api_id or "",
        scrub(code or "")[:64],
        scrub(message or "") or "the 201 says that this API failed",
    )


def _is_plain(body: bytes) -> bool:
    """Tell whether every text of a JSON body is surely printable.

    Control characters stand in JSON as escapes only, but for DEL.
    """
    return body.isascii() and b"\\" not in body and b"\x7f" not in body


def _tidy(named: Named, *, is_plain: bool) -> Named:
    """Scrub the facts of receipts that are not as plain as ids and times are."""
    api_ids, attach_ids, times = named
    facts = "".join(attach_ids + times)
    if len(facts) <= _MAX_FACTS * len(api_ids) and (is_plain or facts.isprintable()):
        return named
    return Named(api_ids, tuple(map(scrub, attach_ids)), tuple(map(scrub, times)))


def read_refusal(status: int, headers: Mapping[str, str], body: bytes) -> Reply:
    """Read an answer that is not the one hoped for, whatever its body is."""
    request_id = scrub(headers.get("X-Request-Id", ""))
    try:
        refused = _REFUSED.decode(body)
    except UNREADABLE:
        refused = _Refused()
    code = scrub(refused.error_code or "")[:64]
    message = refused.error_msg or ("" if code else _describe(headers, body))
    return Reply(
        status,
        code=code,
        message=scrub(message),
        request_id=request_id or scrub(refused.request_id or ""),
        retry_after=headers.get("Retry-After", ""),
    )


def _describe(headers: Mapping[str, str], body: bytes) -> str:
    """Say in a few words what came instead of an error body."""
    if not body:
        return "an empty answer"
    title = _TITLE.search(body[:65536])
    if title:
        return f"a web page: {title[1].decode('utf-8', 'replace').strip()}"
    kind = headers.get("Content-Type", "text").split(";")[0]
    return f"no error body ({kind}): {body[:200].decode('utf-8', 'replace')}"
