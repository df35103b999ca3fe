"""Credentials: found once, shown to nobody, turned into headers for each request."""

import hashlib
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from bulkbind.errors import CredentialsMissing
from bulkbind.model import Secret


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

    @property
    def identity(self) -> str:
        """Names the credential, and does not show it."""
        ...

    @property
    def project_id(self) -> str:
        """The project that came with it; empty: none did."""
        ...

    def headers(self, request: Signable) -> Mapping[str, str]:
        """Return the headers that prove who asks; their values are secret."""
        ...


class Token:
    """A token of the identity service, sent as ``X-Auth-Token``.

    Source: APIG, Authentication: Token-based.
    """

    def __init__(self, secret: Secret, *, label: str, project_id: str = "") -> None:
        self._secret = secret
        self.label = label
        self.identity = hashlib.sha256(secret.reveal().encode()).hexdigest()
        self.project_id = project_id

    def headers(self, request: Signable) -> Mapping[str, str]:  # noqa: ARG002
        """Return the header that carries the token."""
        return {"X-Auth-Token": self._secret.reveal()}

    def __repr__(self) -> str:
        return f"Token({self.label})"


def check_text(text: str, *, label: str) -> None:
    """Refuse a credential that no header can carry.

    Raises:
        CredentialsMissing: It has blanks, line ends or other such characters.
    """
    if not text.isascii() or not text.isprintable() or " " in text:
        message = (
            f"{label} holds characters that no credential has; set it again without"
            " quotes, blanks and line ends"
        )
        raise CredentialsMissing(message)
