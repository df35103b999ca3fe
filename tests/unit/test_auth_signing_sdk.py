"""Signatures of any request are those that the vendor's own signer makes."""

import pytest

from tests import signer_figures
from tests.signer_figures import Drawn
from tests.unit.test_auth_signing import BODY, HEADERS

BASE = ("v2", "a" * 32, "apigw", "instances", "b" * 32, "plugins", "c" * 32)
JSON = "application/json"
KEY = "AKEXAMPLE0000000000A", "SKEXAMPLE"
VECTORS = {
    "475cf4295f113e4869f3cee3a601bf887b19f50ecce133e1a62837297c6212d2": Drawn(
        "POST",
        (*BASE, "attach"),
        (),
        {**HEADERS, "Content-Type": JSON, "X-Project-Id": "a" * 32},
        BODY,
        *KEY,
    ),
    "b6856b58f010ad13ae0aac378f1f1b1963802917405f5b1a34563158ba625717": Drawn(
        "GET",
        (*BASE, "attached-apis"),
        (
            ("offset", "0"),
            ("limit", "500"),
            ("env_id", "DEFAULT_ENVIRONMENT_RELEASE_ID"),
            ("api_name", "a b/ü*~"),
        ),
        dict(HEADERS),
        b"",
        *KEY,
    ),
    "e9a61c90d0c5bdcfc2f52877344e9aecb30d153af593422e96d638f79a89127b": Drawn(
        "POST",
        (*BASE, "attach"),
        (),
        {
            **HEADERS,
            "Content-Type": f"{JSON};charset=utf-8",
            "X-Project-Id": "a" * 32,
            "X-Security-Token": "STS-TOKEN",
        },
        BODY,
        *KEY,
    ),
}


@pytest.mark.parametrize("signature", VECTORS, ids=["attach", "list", "temporary"])
def test_the_vectors_of_the_contract_by_all_three(signature):
    drawn = VECTORS[signature]
    header = signer_figures.by_sdk(drawn)

    assert header.endswith(f"Signature={signature}")
    assert signer_figures.by_bulkbind(drawn) == header
    assert signer_figures.is_let_in(drawn, header)


def test_300_random_requests_are_signed_alike_and_let_in():
    counts = signer_figures.count(300, seed=1)

    assert counts["drawn"] == counts["same"] == counts["let in"] == 300


def test_parameters_are_sorted_before_they_are_encoded():
    """``:`` comes after ``0``, but ``%3A`` before it."""
    drawn = Drawn("GET", ("v2",), (("n", ":"), ("n", "0")), dict(HEADERS), b"", *KEY)
    swapped = drawn._replace(query=drawn.query[::-1])

    assert signer_figures.by_bulkbind(drawn) == signer_figures.by_sdk(drawn)
    assert signer_figures.by_bulkbind(drawn) == signer_figures.by_bulkbind(swapped)
