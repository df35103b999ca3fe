"""Masks: whatever the spelling, and nothing but secrets."""

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkbind.wire import Masks

TOKEN = "MIISkAYJ/KoZIhvc+NAQcCoIISgTCC/En0CAQExDTALBglg+hkgBZQMEAgEwXYZ=="  # noqa: S105 - nobody's
ACCESS = "HPUAABCDEFGHIJKLMNOP"
SIGNATURE = "9f" * 32
SIGNED = f"SDK-HMAC-SHA256 Access={ACCESS}, SignedHeaders=host, Signature={SIGNATURE}"
MASKS = Masks(
    {
        "X-Auth-Token": TOKEN,
        "Authorization": SIGNED,
        "X-Project-Id": "0123456789abcdef",
        "Content-Type": "application/json",
    }
)

SPELLINGS = {
    "as it is": str,
    "slashes escaped": lambda s: s.replace("/", r"\/"),
    "slashes escaped twice": lambda s: s.replace("/", r"\\/"),
    "all escaped": lambda s: "".join(f"\\u{ord(c):04x}" for c in s),
    "signs escaped, in capitals": lambda s: s.replace("+", r"\u002B"),
    "percent": lambda s: quote(s, safe=""),
    "percent, small": lambda s: s.replace("/", "%2f").replace("+", "%2b"),
    "cut off": lambda s: s[:-8],
    "in JSON": lambda s: json.dumps(json.dumps({"a": s})),
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("secret", [TOKEN, SIGNATURE])
def test_an_echo_is_masked_in_every_spelling(secret, spell):
    masks = Masks({"X-Auth-Token": secret, "X-Security-Token": secret})

    cleaned = masks.clean(f'{{"m": "see {spell(secret)} there"}}'.encode())

    assert secret[:12].encode() not in cleaned
    assert spell(secret)[-12:].encode() not in cleaned
    assert cleaned.startswith(b'{"m": "see ')
    assert cleaned.endswith(b' there"}')


def test_parts_of_an_authorization_are_secrets_each():
    text = f"key {ACCESS} signed {SIGNATURE} of the project 0123456789abcdef"

    assert (
        MASKS.clean_text(text) == "key *** signed *** of the project 0123456789abcdef"
    )


@given(st.binary() | st.text().map(str.encode))
def test_what_holds_no_secret_stays_as_it_is(content):
    assert MASKS.clean(content) == content


def test_an_ordinary_answer_is_not_even_copied():
    body = json.dumps({"attached_plugins": [{"api_id": "ab" * 16}] * 500}).encode()

    assert MASKS.clean(body) is body


@given(st.recursive(st.text() | st.integers(), lambda s: st.dictionaries(st.text(), s)))
def test_an_answer_means_what_it_meant(document):
    body = json.dumps(document).encode()

    assert json.loads(MASKS.clean(body)) == document


@given(st.text())
def test_escapes_that_are_written_plainly_mean_the_same(text):
    inside = "".join(f"\\u{ord(c):04x}" for c in text if ord(c) < 0x10000)
    body = f'"{inside}\\\\u0041\\n"'.encode("utf-8", "surrogatepass")

    assert json.loads(MASKS.clean(body)) == json.loads(body)


@pytest.mark.parametrize("value", ["", "short", "token"])
def test_a_word_is_no_secret(value):
    assert Masks({"X-Auth-Token": value}).clean(b"a short token") == b"a short token"


def test_names_of_headers_may_be_written_in_any_case():
    assert Masks({"x-auth-token": TOKEN}).clean_text(TOKEN) == "***"


def test_bytes_that_are_no_text_come_through():
    assert MASKS.clean_text("\udcff\udc80") == "\udcff\udc80"
