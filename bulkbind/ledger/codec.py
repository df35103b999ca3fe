"""Ledger values <-> checksummed bytes."""

import zlib

import msgspec

from bulkbind.errors import LedgerDamaged
from bulkbind.ledger.packing import (
    pack_numbers,
    pack_repeats,
    pack_texts,
    unpack_numbers,
    unpack_repeats,
    unpack_texts,
)
from bulkbind.model import (
    Action,
    Batch,
    Cause,
    Receipts,
    Record,
    RecordKind,
    Scope,
    Stop,
    Why,
)


class _BatchBody(msgspec.Struct, array_like=True):
    rows: bytes
    api_ids: bytes


class _RecordBody(msgspec.Struct, array_like=True, omit_defaults=True):
    invocation: int
    at: float
    span: bytes
    why: str
    scope: str = ""
    status: int = 0
    code: str = ""
    message: str = ""
    request_id: str = ""
    positions: bytes = b""
    attach_ids: bytes = b""
    times: bytes = b""
    plugin_name: str = ""
    env_name: str = ""
    others: bytes = b""


class _StopBody(msgspec.Struct, array_like=True):
    cause: str
    invocation: int
    at: float
    status: int
    code: str
    message: str
    request_id: str


_ENCODER = msgspec.msgpack.Encoder()
_BATCH = msgspec.msgpack.Decoder(_BatchBody)
_RECORD = msgspec.msgpack.Decoder(_RecordBody)
_STOP = msgspec.msgpack.Decoder(_StopBody)


def checksum(kind: str, key: object, body: bytes) -> int:
    """Return the CRC-32 of a body and of what says where it belongs."""
    return zlib.crc32(f"{kind}/{key}/".encode() + body)


def check(kind: str, key: object, body: bytes, crc: int) -> bytes:
    """Return the body if it is what was written.

    Raises:
        LedgerDamaged: It is not.
    """
    if checksum(kind, key, body) == crc:
        return body
    raise LedgerDamaged(damaged(kind, key))


def damaged(kind: str, key: object) -> str:
    """Say that something in the ledger is not believed, and what to do."""
    return (
        f"the ledger's {kind} {key} is not what was written: the disk or somebody"
        " changed it; start a new run from the manifest (what is bound stays bound)"
    )


def batch_key(number: int, target: int, lane: int, action: str) -> str:
    """Return what stands beside a batch's body, for its checksum."""
    return f"{number}/{target}/{lane}/{action}"


def encode_batch(batch: Batch) -> bytes:
    """Pack a batch's rows and ids."""
    return _ENCODER.encode(
        _BatchBody(pack_numbers(batch.rows), pack_texts(batch.api_ids))
    )


def decode_batch(
    batch_id: int, target: int, lane: int, action: str, body: bytes
) -> Batch:
    """Return what ``encode_batch`` was given."""
    packed = _BATCH.decode(body)
    return Batch(
        id=batch_id,
        target=target,
        lane=lane,
        action=Action(action),
        rows=unpack_numbers(packed.rows),
        api_ids=unpack_texts(packed.api_ids),
    )


def encode_record(record: Record) -> bytes:
    """Pack a record; its batch and kind stand beside the body."""
    body = _RecordBody(
        record.invocation, record.at, pack_numbers(record.span), record.why
    )
    if record.kind is not RecordKind.INTENT:
        body.scope = record.scope
        body.status = record.status
        body.code = record.code
        body.message = record.message
        body.request_id = record.request_id
        body.plugin_name = record.plugin_name
        body.env_name = record.env_name
        if record.receipts.positions:
            body.positions = pack_numbers(record.receipts.positions)
            body.attach_ids = pack_texts(record.receipts.attach_ids)
            body.times = pack_texts(record.receipts.times)
        if record.others:
            body.others = pack_repeats(record.others)
    return _ENCODER.encode(body)


def decode_record(batch_id: int, kind: str, body: bytes) -> Record:
    """Return what ``encode_record`` was given."""
    packed = _RECORD.decode(body)
    receipts = Receipts((), (), ())
    if packed.positions:
        receipts = Receipts(
            unpack_numbers(packed.positions),
            unpack_texts(packed.attach_ids),
            unpack_texts(packed.times),
        )
    return Record(
        batch=batch_id,
        kind=RecordKind(kind),
        invocation=packed.invocation,
        at=packed.at,
        span=unpack_numbers(packed.span),
        why=Why(packed.why),
        scope=Scope(packed.scope or Scope.AMBIGUOUS),
        status=packed.status,
        code=packed.code,
        message=packed.message,
        request_id=packed.request_id,
        receipts=receipts,
        plugin_name=packed.plugin_name,
        env_name=packed.env_name,
        others=unpack_repeats(packed.others) if packed.others else (),
    )


def encode_stop(stop: Stop) -> bytes:
    """Pack a stop; its scope and key stand beside the body."""
    return _ENCODER.encode(
        _StopBody(
            stop.cause,
            stop.invocation,
            stop.at,
            stop.status,
            stop.code,
            stop.message,
            stop.request_id,
        )
    )


def decode_stop(scope: str, key: str, body: bytes) -> Stop:
    """Return what ``encode_stop`` was given."""
    packed = _STOP.decode(body)
    return Stop(
        scope=Scope(scope),
        key=key,
        cause=Cause(packed.cause),
        invocation=packed.invocation,
        at=packed.at,
        status=packed.status,
        code=packed.code,
        message=packed.message,
        request_id=packed.request_id,
    )
