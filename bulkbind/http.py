"""The one HTTP session: no redirects, bounded answers, foreign errors mapped.

Redirects are never followed: aiohttp strips ``Authorization`` when the host changes,
but not ``X-Auth-Token``. Proxies and netrc of the environment are not used. A server
that echoes what proved who asks is not believed to be the last one to read it: the
echo is masked before anybody sees the answer.
"""

import re
import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import aiohttp

from bulkbind.errors import AnswerLost, NotSent, SettingsError

#: Largest answer that is read, in bytes; a full attach answer has about 171 kB.
MAX_ANSWER = 8 * 1024 * 1024

_CHUNK = 256 * 1024

#: Headers whose values are secrets, and what of ``Authorization`` is one.
_SECRET_HEADERS = frozenset({"authorization", "x-auth-token", "x-security-token"})
_SECRET_PART = re.compile(r"(?:Access|Signature)=([^,\s]+)")

#: Shorter values are words, not secrets: masking them would spoil answers.
_SHORTEST_SECRET = 12


#: Errors that say for sure that a request never left.
_NEVER_LEFT = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)


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
        self._timeout = aiohttp.ClientTimeout(
            total=timeout_s, sock_connect=min(timeout_s, 10.0)
        )
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, ssl=trust()),
            timeout=self._timeout,
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

        Raises:
            NotSent: No connection could be made; the request surely never left.
            AnswerLost: It may have left, and no whole answer came.
        """
        if self._session is None:
            message = "the session is not open"
            raise RuntimeError(message)
        masks = tuple(_masks(headers))
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
                content = await _read(response)
                return Answer(
                    response.status,
                    _masked_headers(response, masks),
                    masked(content, masks),
                )
        except _NEVER_LEFT as error:
            raise NotSent(_describe(error, masks)) from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise AnswerLost(_describe(error, masks)) from error


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > MAX_ANSWER:
            response.close()
            message = f"the answer is larger than {MAX_ANSWER:,} bytes"
            raise AnswerLost(message)
    return bytes(body)


def _masks(headers: Mapping[str, str]) -> Iterator[bytes]:
    """Yield the secrets of a request, in every spelling that an echo may have."""
    for name, value in headers.items():
        if name.lower() not in _SECRET_HEADERS:
            continue
        for secret in (value, *_SECRET_PART.findall(value)):
            if len(secret) >= _SHORTEST_SECRET:
                spellings = {secret, secret.replace("/", r"\/"), quote(secret, safe="")}
                yield from (spelling.encode() for spelling in spellings)


def masked(content: bytes, masks: Iterable[bytes]) -> bytes:
    """Return what came from outside without the secrets that were sent there."""
    for mask in masks:
        if mask in content:
            content = content.replace(mask, b"***")
    return content


def _masked_headers(
    response: aiohttp.ClientResponse, masks: Iterable[bytes]
) -> Mapping[str, str]:
    headers = response.headers.copy()
    for name, value in response.headers.items():
        shown = masked(value.encode("utf-8", "surrogateescape"), masks)
        headers[name] = shown.decode("utf-8", "surrogateescape")
    return headers


def _describe(error: BaseException, masks: Iterable[bytes]) -> str:
    """Say what happened in words."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "the connection could not be made in time"
    if isinstance(error, TimeoutError):
        return "no whole answer came in time"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _distrusted(error)
    text = str(error) or type(error).__name__
    return masked(text.encode("utf-8", "backslashreplace"), masks).decode()


def _distrusted(error: aiohttp.ClientConnectorCertificateError) -> str:
    cause = error.certificate_error
    why = getattr(cause, "verify_message", "") or str(cause)
    return (
        f"the certificate of {error.host} is not trusted: {why}; if an authority of"
        " your own signed it, name its certificate as the account's ca_file"
    )
