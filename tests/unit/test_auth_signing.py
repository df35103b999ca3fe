"""Signatures are those of the vendor's SDK: the three vectors of the contract."""

import pytest

from bulkbind.auth.signing import authorization, sdk_date

BASE = f"/v2/{'a' * 32}/apigw/instances/{'b' * 32}/plugins/{'c' * 32}"
BODY = (
    '{"env_id":"DEFAULT_ENVIRONMENT_RELEASE_ID","api_ids":["' + "e" * 32 + '"]}'
).encode()
LIST = (
    f"{BASE}/attached-apis?api_name=a%20b%2F%C3%BC%2A~"
    "&env_id=DEFAULT_ENVIRONMENT_RELEASE_ID&limit=500&offset=0"
)
HEADERS = {
    "Host": "apig.cn-north-4.myhuaweicloud.com",
    "X-Sdk-Date": "20260102T030405Z",
}


@pytest.mark.parametrize(
    ("method", "target", "headers", "body", "signed", "signature"),
    [
        (
            "POST",
            f"{BASE}/attach",
            {"Content-Type": "application/json", "X-Project-Id": "a" * 32},
            BODY,
            "content-type;host;x-project-id;x-sdk-date",
            "475cf4295f113e4869f3cee3a601bf887b19f50ecce133e1a62837297c6212d2",
        ),
        (
            "GET",
            LIST,
            {},
            b"",
            "host;x-sdk-date",
            "b6856b58f010ad13ae0aac378f1f1b1963802917405f5b1a34563158ba625717",
        ),
        (
            "POST",
            f"{BASE}/attach",
            {
                "Content-Type": "application/json;charset=utf-8",
                "X-Project-Id": "a" * 32,
                "X-Security-Token": "STS-TOKEN",
            },
            BODY,
            "content-type;host;x-project-id;x-sdk-date;x-security-token",
            "e9a61c90d0c5bdcfc2f52877344e9aecb30d153af593422e96d638f79a89127b",
        ),
    ],
)
def test_the_vectors_of_the_contract(method, target, headers, body, signed, signature):
    made = authorization(
        method=method,
        target=target,
        headers={**HEADERS, **headers},
        body=body,
        key="AKEXAMPLE0000000000A",
        secret="SKEXAMPLE",  # noqa: S106 - the vector's
    )

    assert made == (
        f"SDK-HMAC-SHA256 Access=AKEXAMPLE0000000000A, SignedHeaders={signed},"
        f" Signature={signature}"
    )


def test_times_are_written_in_utc():
    assert sdk_date(1767323045) == "20260102T030405Z"
