"""Credentials: found once, shown to nobody, turned into headers for each request."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from bulkbind.errors import CredentialsMissing
from bulkbind.model import Secret

#: Where a token for the account ``default`` is read from.
TOKEN_VARIABLE = "BULKBIND_TOKEN"  # noqa: S105 - a name


class Signable(NamedTuple):
    """What a signature may cover of a request."""

    method: str
    host: str
    """Host and port, as the ``Host`` header has them."""
    target: str
    """Path and query as they are sent, percent-encoded."""
    project_id: str
    body: bytes = b""
    content_type: str = "application/json"


class Credential(Protocol):
    """Signs requests for one account."""

    @property
    def label(self) -> str:
        """Where the credential came from; never the credential."""
        ...

    def headers(self, request: Signable) -> Mapping[str, str]:
        """Return the headers that prove who asks; their values are secret."""
        ...


class Token:
    """A token of the identity service, sent as ``X-Auth-Token``.

    Source: APIG, Authentication: Token-based.
    """

    def __init__(self, secret: Secret, *, label: str) -> None:
        self._secret = secret
        self.label = label

    def headers(self, request: Signable) -> Mapping[str, str]:  # noqa: ARG002
        """Return the header that carries the token."""
        return {"X-Auth-Token": self._secret.reveal()}

    def __repr__(self) -> str:
        return f"Token({self.label})"


def find_credential(environ: Mapping[str, str], *, account: str) -> Credential:
    """Find the credential of an account.

    Args:
        environ: Environment variables.
        account: The account's name; the environment serves ``default`` only.

    Raises:
        CredentialsMissing: None was found.
    """
    token = environ.get(TOKEN_VARIABLE, "").strip()
    if not token:
        message = (
            f"no credential for account {account!r}: {TOKEN_VARIABLE} is not set;"
            " put a token with project scope there, or try `--endpoint sandbox`"
        )
        raise CredentialsMissing(message)
    if not token.isascii() or not token.isprintable() or " " in token:
        message = (
            f"{TOKEN_VARIABLE} holds characters that no token has; set it again"
            " without quotes, blanks and line ends"
        )
        raise CredentialsMissing(message)
    return Token(Secret(token), label=f"env:{TOKEN_VARIABLE}")
