"""Credentials: found once, shown to nobody, turned into headers for each request."""

import hashlib
from collections.abc import Mapping
from typing import NamedTuple, Protocol, Self

from bulkbind.errors import CredentialsMissing
from bulkbind.http import Answer
from bulkbind.model import Secret


class Sender(Protocol):
    """What is needed of ``http``."""

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> Answer:
        """Send one request; raise ``NotSent`` or ``AnswerLost``."""
        ...


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


class Proof(Protocol):
    """Proves who asks, for as long as it is valid."""

    @property
    def identity(self) -> str:
        """Names it, and does not show it."""
        ...

    @property
    def is_dated(self) -> bool:
        """True: it signs with the time, and is refused where that is wrong."""
        ...

    def headers(self, request: Signable) -> Mapping[str, str]:
        """Return the headers that prove who asks; their values are secret."""
        ...


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

    @property
    def skew_s(self) -> float:
        """How far the other side's clock is ahead, in seconds; 0: not known."""
        ...

    async def proof(self, http: Sender, *, project_id: str) -> Proof:
        """Return what signs now.

        Args:
            http: Fetches it, where it must be fetched.
            project_id: What it must be good for; empty: the region's project.

        Raises:
            CredentialUnavailable: It cannot be had.
        """
        ...

    async def renewed(
        self, refused: Proof, http: Sender, *, project_id: str
    ) -> Proof | None:
        """Return another proof in place of one that was refused; None: there is none.

        Raises:
            CredentialUnavailable: It cannot be had.
        """
        ...

    def heard(self, headers: Mapping[str, str]) -> None:
        """Learn the other side's time from an answer's headers."""
        ...


class Token:
    """A token of the identity service, sent as ``X-Auth-Token``.

    Source: APIG, Authentication: Token-based.
    """

    skew_s = 0.0
    is_dated = False

    def __init__(self, secret: Secret, *, label: str, project_id: str = "") -> None:
        self._secret = secret
        self.label = label
        self.identity = hashlib.sha256(secret.reveal().encode()).hexdigest()
        self.project_id = project_id

    def headers(self, request: Signable) -> Mapping[str, str]:  # noqa: ARG002
        """Return the header that carries the token."""
        return {"X-Auth-Token": self._secret.reveal()}

    async def proof(self, http: Sender, *, project_id: str) -> Self:
        """Return itself."""
        del http, project_id
        return self

    async def renewed(self, refused: Proof, http: Sender, *, project_id: str) -> None:
        """Return nothing: whoever gave the token must give another."""

    def heard(self, headers: Mapping[str, str]) -> None:
        """Ignore the time: nothing is signed."""

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
