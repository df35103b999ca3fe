"""The one HTTP session: no redirects, bounded answers, foreign errors mapped.

Redirects are never followed: aiohttp strips ``Authorization`` when the host changes,
but not ``X-Auth-Token``. Proxies and netrc of the environment are not used.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp

from bulkbind.errors import AnswerLost, NotSent

#: Largest answer that is read, in bytes; a full attach answer has about 171 kB.
MAX_ANSWER = 8 * 1024 * 1024

_CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


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
            connector=aiohttp.TCPConnector(
                limit=self._connections, ssl=ssl.create_default_context()
            ),
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
    ) -> Answer:
        """Send one request and read its whole answer.

        Raises:
            NotSent: No connection could be made; the request surely never left.
            AnswerLost: It may have left, and no whole answer came.
        """
        if self._session is None:
            message = "the session is not open"
            raise RuntimeError(message)
        try:
            async with self._session.request(
                method, url, headers=headers, data=body, allow_redirects=False
            ) as response:
                return Answer(response.status, response.headers, await _read(response))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotSent(_describe(error)) from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise NotSent(_describe(error)) from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise AnswerLost(_describe(error)) from error


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > MAX_ANSWER:
            response.close()
            message = f"the answer is larger than {MAX_ANSWER:,} bytes"
            raise AnswerLost(message)
    return bytes(body)


def _describe(error: BaseException) -> str:
    """Say what happened in words; aiohttp's texts hold no headers."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "the connection could not be made in time"
    if isinstance(error, TimeoutError):
        return "no whole answer came in time"
    return str(error) or type(error).__name__
