"""bulkbind's signatures beside the vendor's own signer: how many of N requests agree.

``python -m tests.signer_figures`` draws 10,000 requests and prints the figure; 1: one
differs. What is drawn is what may come: any text in paths and parameters, repeated and
empty ones too, bodies of any bytes, with and without a security token.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote

import hypothesis
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer
from hypothesis import strategies as st

from bulkbind.auth.signing import authorization, sdk_date
from bulkbind.sandbox.signing import Sent, is_signed, read_claim


class Drawn(NamedTuple):
    """A request before it is written."""

    method: str
    path: tuple[str, ...]
    """Segments, not encoded."""
    query: tuple[tuple[str, str], ...]
    """Parameters, not encoded."""
    headers: dict[str, str]
    body: bytes
    access: str
    secret: str

    @property
    def encoded_path(self) -> str:
        """What is sent, as the vendor's client encodes it."""
        return "/" + "/".join(quote(part, safe="") for part in self.path)

    @property
    def target(self) -> str:
        """What is sent, in the order of the drawing."""
        pairs = [
            f"{quote(one, safe='')}={quote(at, safe='')}" for one, at in self.query
        ]
        return f"{self.encoded_path}?{'&'.join(pairs)}" if pairs else self.encoded_path


_ODD = st.sampled_from(
    [
        "",
        "a b",
        "%",
        "%41",
        "+",
        "a+b",
        "~*-._",
        ":",
        "0",
        "ü",
        "接口",
        "😀",
        "&=;",
        "/",
    ]
)
_TEXT = st.one_of(_ODD, st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
_ASCII = st.characters(min_codepoint=33, max_codepoint=126)
_WORD = st.text(_ASCII, min_size=1, max_size=20)
_KEY = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=20)
_SEGMENT = st.one_of(
    st.sampled_from(["v2", "plugins", "attach", "a~b", "", "x y"]), _TEXT
)
_HEADERS = st.fixed_dictionaries(
    {
        "Host": st.sampled_from(["apig.cn-north-4.myhuaweicloud.com", "127.0.0.1:80"]),
        "X-Sdk-Date": st.integers(0, 4_102_444_799).map(sdk_date),
    },
    optional={
        "Content-Type": st.sampled_from(
            ["application/json", "application/json;charset=utf-8"]
        ),
        "X-Project-Id": _WORD,
        "X-Security-Token": _WORD,
    },
)

REQUESTS = st.builds(
    Drawn,
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    path=st.lists(_SEGMENT, min_size=1, max_size=8).map(tuple),
    query=st.lists(st.tuples(_TEXT, _TEXT), max_size=6).map(tuple),
    headers=_HEADERS,
    body=st.binary(max_size=200),
    access=_KEY,
    secret=_WORD,
)


def by_bulkbind(drawn: Drawn) -> str:
    """Return the ``Authorization`` header that bulkbind writes."""
    return authorization(
        method=drawn.method,
        target=drawn.target,
        headers=drawn.headers,
        body=drawn.body,
        key=drawn.access,
        secret=drawn.secret,
    )


def by_sdk(drawn: Drawn) -> str:
    """Return the ``Authorization`` header that the vendor's signer writes."""
    request = SdkRequest(
        method=drawn.method,
        schema="https",
        host=drawn.headers["Host"],
        resource_path=drawn.encoded_path,
        query_params=list(drawn.query),
        header_params=dict(drawn.headers),
        body=drawn.body,
    )
    signed = Signer(BasicCredentials(drawn.access, drawn.secret)).sign(request)
    return str(signed.header_params["Authorization"])


def is_let_in(drawn: Drawn, header: str) -> bool:
    """Say whether the sandbox finds a signature right."""
    headers = {name.lower(): value for name, value in drawn.headers.items()}
    sent = Sent(drawn.method, drawn.target, headers, drawn.body)
    claim = read_claim(header)
    return claim is not None and is_signed(sent, claim, secret=drawn.secret)


def count(examples: int, *, seed: int) -> Counter[str]:
    """Draw requests and count them: ``drawn``, ``same`` and ``let in``."""
    counts: Counter[str] = Counter()

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(REQUESTS)
    def compare(drawn: Drawn) -> None:
        ours, theirs = by_bulkbind(drawn), by_sdk(drawn)
        counts["drawn"] += 1
        counts["same"] += ours == theirs
        counts["let in"] += is_let_in(drawn, theirs)

    compare()
    return counts


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figure; 1: a request is signed otherwise, or not let in."""
    parser = argparse.ArgumentParser(prog="python -m tests.signer_figures")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args(arguments)
    began = time.monotonic()
    counts = count(wanted.requests, seed=wanted.seed)
    sys.stdout.write(
        f"{counts['same']:,} of {counts['drawn']:,} requests are signed as the vendor's"
        f" signer does; the sandbox lets {counts['let in']:,} in;"
        f" {time.monotonic() - began:.0f} s\n"
    )
    return 0 if {counts["same"], counts["let in"]} == {counts["drawn"]} else 1


if __name__ == "__main__":
    sys.exit(main())
