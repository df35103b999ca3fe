"""The one HTTP session: no redirects, bounded answers, foreign errors mapped.

Redirects are never followed: aiohttp strips ``Authorization`` when the host changes,
but not ``X-Auth-Token``. Proxies and netrc of the environment are not used. A server
that echoes what proved who asks is not believed to be the last one to read it: the
echo is masked before anybody sees the answer. aiohttp is imported where it is used:
most commands never send anything.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bulkbind.errors import AnswerLost, NotSent, SettingsError
from bulkbind.wire import Masks

if TYPE_CHECKING:
    import aiohttp

#: Largest answer that is read, in bytes; a full attach answer has about 171 kB.
MAX_ANSWER = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def trust(ca_file: Path | None = None) -> ssl.SSLContext:
    """Return what certificates are checked with: always, host name included.

    Not ``ssl.create_default_context``: it obeys SSLKEYLOGFILE of the environment, and
    whoever reads that file reads every token that was sent.

    Args:
        ca_file: Authorities to trust beside the system's, as PEM; None: no others.

    Raises:
        SettingsError: The file cannot be read, or holds no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_default_certs()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:  # SSLError is one, too
            why = "no certificate in PEM is in it"
            if not isinstance(error, ssl.SSLError):
                why = f"it cannot be read: {error.strerror}"
            problem = f"ca_file {ca_file}: {why}; name your authority's PEM file"
            raise SettingsError([problem]) from error
    return context


class Http:
    """Sends requests and returns whole answers. Use as an async context manager.

    Args:
        timeout_s: For one request, connecting and reading included.
        connections: Connections kept open at most.
    """

    def __init__(self, *, timeout_s: float, connections: int) -> None:
        self._timeout_s = timeout_s
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        import aiohttp

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, ssl=trust()),
            timeout=aiohttp.ClientTimeout(
                total=self._timeout_s, sock_connect=min(self._timeout_s, 10.0)
            ),
            trust_env=False,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        )
        # Else a PUT or GET whose connection is lost is sent a second time, at once,
        # past pace and ledger. No public way to say so; aiohttp's own test client
        # does the same.
        self._session._retry_connection = False  # noqa: SLF001
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str = "",
        reads_body: bool = True,
    ) -> Answer:
        """Send one request and read its whole answer.

        Args:
            method: HTTP method.
            url: Where to, with its path as it is to be sent.
            headers: Those whose values are secrets are masked in the answer.
            body: None: none.
            ssl_context: What the server's certificate is checked with; None: the
                system's authorities.
            proxy: Makes the connection, for https only: it sees no request. Empty:
                none does.
            reads_body: False: the status is enough; the body is left unread, however
                long it is, and ``Answer.body`` is empty.

        Raises:
            NotSent: No connection could be made; the request surely never left.
            AnswerLost: It may have left, and no whole answer came.
        """
        import aiohttp

        if self._session is None:
            message = "the session is not open"
            raise RuntimeError(message)
        masks = Masks(headers)
        try:
            async with self._session.request(
                method,
                url,
                headers=headers,
                data=body,
                allow_redirects=False,
                ssl=ssl_context or True,
                proxy=proxy if proxy and url.startswith("https:") else None,
            ) as response:
                content = await _read(response) if reads_body else b""
                return Answer(
                    response.status,
                    _clean_headers(response, masks),
                    masks.clean(content),
                )
        except _never_left() as error:
            raise NotSent(_describe(error, masks)) from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise AnswerLost(_describe(error, masks)) from error


def _never_left() -> tuple[type[Exception], ...]:
    """Return the errors that say for sure that a request never left."""
    import aiohttp

    return (
        aiohttp.ClientConnectorError,
        aiohttp.ClientHttpProxyError,
        aiohttp.ConnectionTimeoutError,
        aiohttp.InvalidURL,
        aiohttp.NonHttpUrlClientError,
    )


async def _read(response: "aiohttp.ClientResponse") -> bytes:
    chunks, size = [], 0
    while chunk := await response.content.readany():
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_ANSWER:
            response.close()
            message = f"the answer is larger than {MAX_ANSWER:,} bytes"
            raise AnswerLost(message)
    return b"".join(chunks)


class AccountHttp:
    """The session as one account uses it: its own authorities, its own proxy.

    Args:
        http: Open.
        ca_file: Authorities to trust beside the system's, as PEM; None: no others.
        proxy: URL of the proxy for https; empty: none.

    Raises:
        SettingsError: The file cannot be read, or holds no certificate.
    """

    def __init__(self, http: Http, *, ca_file: Path | None, proxy: str) -> None:
        self._http = http
        self._ssl_context = trust(ca_file) if ca_file is not None else None
        self._proxy = proxy

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> Answer:
        """Send one request; as ``Http.send``, with the same exceptions."""
        return await self._http.send(
            method,
            url,
            headers=headers,
            body=body,
            ssl_context=self._ssl_context,
            proxy=self._proxy,
        )


def _clean_headers(
    response: "aiohttp.ClientResponse", masks: Masks
) -> Mapping[str, str]:
    if masks.are_absent(response.headers.values()):
        return response.headers
    headers = response.headers.copy()
    for name, value in response.headers.items():
        if (shown := masks.clean_text(value)) != value:
            headers[name] = shown
    return headers


def _describe(error: BaseException, masks: Masks) -> str:
    """Say what happened in words."""
    import aiohttp

    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "the connection could not be made in time"
    if isinstance(error, TimeoutError):
        return "no whole answer came in time"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _distrusted(error)
    text = str(error) or type(error).__name__
    if isinstance(error, aiohttp.ClientConnectorError):
        why = error.strerror or str(error.os_error) or type(error.os_error).__name__
        text = f"no connection to {error.host}:{error.port}: {why}"
    return masks.clean_text(text)


def _distrusted(error: "aiohttp.ClientConnectorCertificateError") -> str:
    cause = error.certificate_error
    why = getattr(cause, "verify_message", "") or str(cause)
    return (
        f"the certificate of {error.host} is not trusted: {why}; if an authority of"
        " your own signed it, name its certificate as the account's ca_file"
    )
