"""Selectors mean APIs that are published where the row wants them."""

import pytest

from bulkbind.live.names import select_apis
from bulkbind.wire import KnownApi

APIS = {
    api.api_id: api
    for api in (
        KnownApi("a", frozenset({"env"}), "pets", ("blue", "old")),
        KnownApi("b", frozenset({"env", "test"}), "pets", ()),
        KnownApi("c", frozenset({"test"}), "cars", ("blue",)),
        KnownApi("d", frozenset({"env"}), "cars", ("blue",)),
    )
}


@pytest.mark.parametrize(
    ("selector", "meant"),
    [
        ("*", ("a", "b", "d")),
        ("group:pets", ("a", "b")),
        ("group:cars", ("d",)),
        ("tag:blue", ("a", "d")),
        ("tag:old", ("a",)),
    ],
)
def test_a_selector_means_what_is_published_there(selector, meant):
    assert select_apis(selector, APIS, env_id="env") == meant
