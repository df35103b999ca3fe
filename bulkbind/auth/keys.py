"""Access keys: a permanent or a temporary pair that signs every request."""

import hashlib
from collections.abc import Callable, Mapping

from bulkbind.auth.signing import authorization, sdk_date
from bulkbind.auth.token import Signable
from bulkbind.model import Secret


class Key:
    """An access key, as AK and SK, with a security token when it is temporary.

    Source: API signing guide; the headers that the vendor's SDK sends.

    Args:
        access: The key's id.
        secret: The key's secret.
        security_token: Empty: the key is permanent.
        label: Where it came from.
        now: Seconds since the epoch, as the gateway's clock has them.
        project_id: The project that came with it; empty: none did.
    """

    def __init__(
        self,
        access: str,
        secret: Secret,
        *,
        security_token: Secret,
        label: str,
        now: Callable[[], float],
        project_id: str = "",
    ) -> None:
        self._access = access
        self._secret = secret
        self._security_token = security_token
        self._now = now
        self.label = label
        text = f"{access}/{secret.reveal()}/{security_token.reveal()}"
        self.identity = hashlib.sha256(text.encode()).hexdigest()
        self.project_id = project_id

    def headers(self, request: Signable) -> Mapping[str, str]:
        """Return the headers that sign a request."""
        made = {"X-Sdk-Date": sdk_date(self._now()), "X-Project-Id": request.project_id}
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

    def __repr__(self) -> str:
        return f"Key({self.label})"
