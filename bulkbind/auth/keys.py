"""Access keys: a permanent or a temporary pair that signs every request."""

import hashlib
from collections.abc import Mapping
from typing import Self

from bulkbind.auth.clock import ServerClock
from bulkbind.auth.signing import authorization, sdk_date
from bulkbind.auth.token import Proof, Sender, Signable
from bulkbind.model import Secret


class Key:
    """An access key, as AK and SK, with a security token when it is temporary.

    Source: API signing guide; the headers that the vendor's SDK sends.

    Args:
        access: The key's id.
        secret: The key's secret.
        security_token: Empty: the key is permanent.
        label: Where it came from.
        clock: The gateway's.
        project_id: The project that came with it; empty: none did.
    """

    is_dated = True

    def __init__(
        self,
        access: str,
        secret: Secret,
        *,
        security_token: Secret,
        label: str,
        clock: ServerClock,
        project_id: str = "",
    ) -> None:
        self._access = access
        self._secret = secret
        self._security_token = security_token
        self._clock = clock
        self.label = label
        text = f"{access}/{secret.reveal()}/{security_token.reveal()}"
        self.identity = hashlib.sha256(text.encode()).hexdigest()
        self.project_id = project_id

    @property
    def skew_s(self) -> float:
        """How far the gateway's clock is ahead, in seconds."""
        return self._clock.skew_s

    def headers(self, request: Signable) -> Mapping[str, str]:
        """Return the headers that sign a request."""
        made = {"X-Sdk-Date": sdk_date(self._clock())}
        if request.project_id:
            made["X-Project-Id"] = request.project_id
        if self._security_token:
            made["X-Security-Token"] = self._security_token.reveal()
        signed = {"Host": request.host, "Content-Type": request.content_type, **made}
        made["Authorization"] = authorization(
            method=request.method,
            target=request.target,
            headers=signed,
            body=request.body,
            key=self._access,
            secret=self._secret.reveal(),
        )
        return made

    async def proof(self, http: Sender, *, project_id: str) -> Self:
        """Return itself."""
        del http, project_id
        return self

    async def renewed(self, refused: Proof, http: Sender, *, project_id: str) -> None:
        """Return nothing: whoever gave the key must give another."""

    def heard(self, headers: Mapping[str, str]) -> None:
        """Learn the gateway's time from an answer."""
        self._clock.hear(headers)

    def __repr__(self) -> str:
        return f"Key({self.label})"
