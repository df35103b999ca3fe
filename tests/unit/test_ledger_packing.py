"""Packed columns and bodies: what goes in comes out, and a flipped byte is seen."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkbind.errors import LedgerDamaged
from bulkbind.ledger.codec import (
    check,
    checksum,
    decode_batch,
    decode_record,
    decode_stop,
    encode_batch,
    encode_record,
    encode_stop,
)
from bulkbind.ledger.packing import (
    pack_numbers,
    pack_texts,
    unpack_numbers,
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

hex_ids = st.text(alphabet="0123456789abcdef", min_size=32, max_size=32)
ascending = st.lists(st.integers(0, 2**63), unique=True).map(sorted).map(tuple)


# --- columns --------------------------------------------------------------------------


@given(st.lists(st.text() | hex_ids).map(tuple))
def test_any_texts_come_back(texts):
    assert unpack_texts(pack_texts(texts)) == texts


@given(st.lists(hex_ids, min_size=1).map(tuple))
def test_ids_of_32_digits_take_16_bytes_each(texts):
    packed = pack_texts(texts)

    assert len(packed) == 1 + 16 * len(texts)
    assert unpack_texts(packed) == texts


@pytest.mark.parametrize(
    "texts",
    [
        (),
        ("",),
        ("", ""),
        ("0" * 31, "0" * 33),
        ("0" * 64, ""),
        ("A" * 32,),
        ("é" * 32,),
        ("\u0660" * 32,),
        ("s" * 32,),
    ],
)
def test_texts_that_look_like_ids_come_back_as_they_were(texts):
    assert unpack_texts(pack_texts(texts)) == texts


def test_times_that_are_alike_shrink():
    times = tuple(f"2026-01-02T03:04:05.{number:09}Z" for number in range(500))

    assert len(pack_texts(times)) < 2 * 500


@pytest.mark.parametrize("fraction", ["", ".123", ".123456789"])
def test_times_of_the_same_second_take_no_more_than_5_bytes_each(fraction):
    chance = Random(1)  # noqa: S311 - seeded
    digits = max(0, len(fraction) - 1)
    times = tuple(
        "2026-01-02T03:04:05"
        + (f".{chance.randrange(10**digits):0{digits}}" if digits else "")
        + "Z"
        for _ in range(499)
    )

    packed = pack_texts(times)
    assert unpack_texts(packed) == times
    assert len(packed) <= 5 * len(times)


@given(st.lists(st.from_regex(r"\A[0-9]{3}[:\n][0-9]{2}Z\Z"), min_size=1).map(tuple))
def test_texts_of_one_length_come_back(texts):
    assert unpack_texts(pack_texts(texts)) == texts


@given(ascending)
def test_any_ascending_numbers_come_back(numbers):
    assert unpack_numbers(pack_numbers(numbers)) == numbers


@given(first=st.integers(0, 10**9), count=st.integers(1, 600))
def test_a_run_of_numbers_takes_a_few_bytes_however_long(first, count):
    numbers = tuple(range(first, first + count))
    packed = pack_numbers(numbers)

    assert len(packed) <= 9
    assert unpack_numbers(packed) == numbers


def test_gaps_take_a_byte_each():
    assert len(pack_numbers(range(10**9, 10**9 + 1000, 2))) <= 1 + 5 + 500


# --- bodies ---------------------------------------------------------------------------

texts = st.text(max_size=20)
batches = st.builds(
    Batch,
    id=st.integers(1, 2**40),
    target=st.integers(0, 2**20),
    lane=st.integers(0, 2**10),
    action=st.sampled_from(Action),
    rows=ascending,
    api_ids=st.lists(texts | hex_ids).map(tuple),
)


@given(batches)
def test_any_batch_comes_back(batch):
    body = encode_batch(batch)

    assert (
        decode_batch(batch.id, batch.target, batch.lane, batch.action.value, body)
        == batch
    )


@given(
    kind=st.sampled_from([RecordKind.ANSWER, RecordKind.READING]),
    span=ascending,
    at=st.floats(allow_nan=False),
    scope=st.sampled_from(Scope),
    why=st.sampled_from(Why),
    words=st.tuples(texts, texts, texts, texts, texts),
    receipts=st.lists(
        st.tuples(st.integers(0, 499), texts, texts), unique_by=lambda r: r[0]
    ),
)
def test_any_answer_comes_back(kind, span, at, scope, why, words, receipts):
    code, message, request_id, plugin_name, env_name = words
    columns = tuple(zip(*sorted(receipts), strict=True)) or ((), (), ())
    record = Record(
        batch=3,
        kind=kind,
        invocation=2,
        at=at,
        span=span,
        why=why,
        scope=scope,
        status=len(span),
        code=code,
        message=message,
        request_id=request_id,
        receipts=Receipts(*columns),
        plugin_name=plugin_name,
        env_name=env_name,
    )

    assert decode_record(3, kind.value, encode_record(record)) == record


@given(span=ascending, at=st.floats(allow_nan=False), why=st.sampled_from(Why))
def test_any_intent_comes_back(span, at, why):
    record = Record(
        batch=3, kind=RecordKind.INTENT, invocation=2, at=at, span=span, why=why
    )

    assert decode_record(3, "intent", encode_record(record)) == record


def test_the_intent_of_a_full_batch_is_small():
    record = Record(
        batch=3,
        kind=RecordKind.INTENT,
        invocation=2,
        at=1.7e9,
        span=tuple(range(500)),
    )

    assert len(encode_record(record)) < 40


@given(
    scope=st.sampled_from(Scope),
    cause=st.sampled_from(Cause),
    at=st.floats(allow_nan=False),
    status=st.integers(0, 999),
    words=st.tuples(texts, texts, texts, texts),
)
def test_any_stop_comes_back(scope, cause, at, status, words):
    key, code, message, request_id = words
    stop = Stop(
        scope=scope,
        key=key,
        cause=cause,
        invocation=2,
        at=at,
        status=status,
        code=code,
        message=message,
        request_id=request_id,
    )

    assert decode_stop(scope.value, key, encode_stop(stop)) == stop


# --- checksums ------------------------------------------------------------------------


def test_a_body_that_is_as_written_passes():
    assert check(
        "record", "1/intent", b"abc", checksum("record", "1/intent", b"abc")
    ) == (b"abc")


@given(body=st.binary(min_size=1, max_size=200), data=st.data())
def test_any_flipped_bit_is_seen(body, data):
    crc = checksum("record", 1, body)
    place = data.draw(st.integers(0, len(body) - 1))
    bit = data.draw(st.integers(0, 7))
    damaged = bytearray(body)
    damaged[place] ^= 1 << bit

    with pytest.raises(LedgerDamaged, match="record 1 is not what was written"):
        check("record", 1, bytes(damaged), crc)


def test_a_body_in_the_place_of_another_is_seen():
    crc = checksum("record", "1/intent", b"abc")

    with pytest.raises(LedgerDamaged):
        check("record", "2/intent", b"abc", crc)


def test_a_batch_in_the_place_of_a_record_is_seen():
    crc = checksum("record", 1, b"abc")

    with pytest.raises(LedgerDamaged):
        check("batch", 1, b"abc", crc)


def test_one_who_meets_damage_is_told_what_to_do():
    with pytest.raises(LedgerDamaged, match="start a new run from the manifest"):
        check("batch", 1, b"abc", 0)
