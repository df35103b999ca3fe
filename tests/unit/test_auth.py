"""Credentials: found or missed with advice, shown to nobody."""

import pytest

from bulkbind.auth import Signable, Token, find_credential
from bulkbind.errors import CredentialsMissing
from bulkbind.model import Secret

REQUEST = Signable("GET", "apig.x.com", "/v2/pro", "pro")


def test_a_token_is_found_in_the_environment():
    found = find_credential({"BULKBIND_TOKEN": "MIIabc"}, account="default")

    assert found.headers(REQUEST) == {"X-Auth-Token": "MIIabc"}


def test_a_credential_says_where_it_came_from():
    found = find_credential({"BULKBIND_TOKEN": "MIIabc"}, account="default")

    assert found.label == "env:BULKBIND_TOKEN"


def test_blanks_around_a_token_are_dropped():
    found = find_credential({"BULKBIND_TOKEN": " MIIabc\n"}, account="default")

    assert found.headers(REQUEST) == {"X-Auth-Token": "MIIabc"}


@pytest.mark.parametrize(
    "environ", [{}, {"BULKBIND_TOKEN": ""}, {"BULKBIND_TOKEN": " "}]
)
def test_a_missing_token_names_the_account_and_the_variable(environ):
    with pytest.raises(
        CredentialsMissing, match=r"'payments'.*BULKBIND_TOKEN.*--endpoint sandbox"
    ):
        find_credential(environ, account="payments")


@pytest.mark.parametrize("token", ["a b", "a\nX-Evil: 1", "a\r\nb", "tökèn", "a\x00b"])
def test_a_token_that_could_forge_a_header_is_refused_without_being_shown(token):
    with pytest.raises(
        CredentialsMissing, match="characters that no token has"
    ) as refused:
        find_credential({"BULKBIND_TOKEN": token}, account="default")

    assert token not in str(refused.value)


@pytest.mark.parametrize("show", [repr, str, "{}".format])
def test_a_credential_never_shows_its_secret(show):
    token = Token(Secret("hunter2"), label="env:X")

    assert show(token) == "Token(env:X)"
