"""Sends what is due to everybody who is to hear of it, side by side."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
import msgspec

from bulkbind.errors import NotifyFailed, RemoteError
from bulkbind.http import Http
from bulkbind.notify.hooks import call_hook
from bulkbind.notify.metrics import write_metrics
from bulkbind.notify.news import News, document, facts, slack, text

#: Seconds before each further try.
WAITS_S = (1.0, 4.0)

#: Seconds for one try.
TIMEOUT_S = 10.0

#: A ping's: a try, and the wait before the next. A run is held up by 3 s when it begins
#: and by three tries and two waits, 11.5 s, when it ends.
PING_TIMEOUT_S, PING_WAIT_S = 3.0, 1.5
_OK, _REDIRECT, _TIMED_OUT, _BUSY, _SERVER = 200, 300, 408, 429, 500
_JSON = {"Content-Type": "application/json"}
_TEXT = {"Content-Type": "text/plain; charset=utf-8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Who is to hear of a job's runs. URLs are secrets: they are in no repr."""

    webhook: str = field(default="", repr=False)
    slack: str = field(default="", repr=False)
    ping: str = field(default="", repr=False)
    metrics_textfile: Path | None = None
    hooks: Sequence[Sequence[str]] = ()
    hook_environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    hook_timeout_s: float = 60.0

    def __bool__(self) -> bool:
        urls = self.webhook, self.slack, self.ping
        return any(urls) or bool(self.hooks) or self.metrics_textfile is not None


class Signals:
    """Tells of one run.

    Args:
        addresses: Who is to hear.
        waits_s: Seconds before each further try.
        timeout_s: Seconds for one try.
    """

    def __init__(
        self,
        addresses: Addresses,
        *,
        waits_s: Sequence[float] = WAITS_S,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._to = addresses
        self._waits_s = waits_s
        self._timeout_s = timeout_s

    async def start(self) -> list[str]:
        """Ping that a run begins; one try, since nobody is to wait for it.

        Returns:
            What went wrong, in a sentence each.
        """
        if not self._to.ping:
            return []
        url = f"{self._to.ping.rstrip('/')}/start"
        return await _all([partial(self._ping, url, b"", waits=())])

    async def idle(self, why: str) -> list[str]:
        """Ping that all is well though nothing was to be done now.

        Args:
            why: For the one who looks it up.

        Returns:
            What went wrong, in a sentence each.
        """
        if not self._to.ping:
            return []
        url = f"{self._to.ping.rstrip('/')}/0"
        return await _all([partial(self._ping, url, why.encode())])

    async def end(self, news: News, *, is_due: bool, last_success: float) -> list[str]:
        """Tell everybody how it ended.

        Args:
            news: How it ended.
            is_due: Messages and hooks are due; pings and metrics always are.
            last_success: As in ``write_metrics``.

        Returns:
            What went wrong, in a sentence each; empty: everybody was told.
        """
        acts: list[Callable[[], Awaitable[None]]] = []
        if (path := self._to.metrics_textfile) is not None:
            acts.append(partial(_metrics, path, news, last_success))
        if self._to.ping:
            url = f"{self._to.ping.rstrip('/')}/{news.exit_code}"
            said = text(news).encode()
            acts.append(partial(self._ping, url, said))
        if is_due:
            acts += self._messages(news)
        return await _all(acts)

    def _messages(self, news: News) -> list[Callable[[], Awaitable[None]]]:
        posts = {
            "webhook": (self._to.webhook, document(news)),
            "slack": (self._to.slack, slack(news)),
        }
        acts: list[Callable[[], Awaitable[None]]] = [
            partial(self._post, name, url, msgspec.json.encode(body), _JSON)
            for name, (url, body) in posts.items()
            if url
        ]
        environ = {**self._to.hook_environ, **facts(news)}
        acts += [
            partial(call_hook, argv, environ=environ, timeout_s=self._to.hook_timeout_s)
            for argv in self._to.hooks
        ]
        return acts

    async def _ping(
        self, url: str, body: bytes, *, waits: Sequence[float] | None = None
    ) -> None:
        """Post for a machine, which answers at once or is not there.

        Raises:
            NotifyFailed: It was not taken.
        """
        if waits is None:
            waits = [min(wait_s, PING_WAIT_S) for wait_s in self._waits_s]
        timeout_s = min(self._timeout_s, PING_TIMEOUT_S)
        await self._post("ping", url, body, _TEXT, waits=waits, timeout_s=timeout_s)

    async def _post(
        self,
        name: str,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        waits: Sequence[float] | None = None,
        timeout_s: float | None = None,
    ) -> None:
        """Post until it is taken, or will not be.

        Raises:
            NotifyFailed: It was not taken.
        """
        waits = self._waits_s if waits is None else waits
        timeout_s = self._timeout_s if timeout_s is None else timeout_s
        async with Http(timeout_s=timeout_s, connections=1) as http:
            for wait_s in (*waits, None):
                why, may_go_later = await _try(http, url, body, headers)
                if not why:
                    return
                if wait_s is None or not may_go_later:
                    break
                await anyio.sleep(wait_s)
        message = f"notify.{name}: it was not taken: {why}"
        raise NotifyFailed(message)


async def _metrics(path: Path, news: News, last_success: float) -> None:
    write_metrics(path, news, last_success=last_success)


async def _try(
    http: Http, url: str, body: bytes, headers: Mapping[str, str]
) -> tuple[str, bool]:
    """Post once; return what is wrong (empty: nothing), and if a later try may help."""
    try:
        answer = await http.send(
            "POST", url, headers=headers, body=body, reads_body=False
        )
    except RemoteError as error:
        return str(error).replace(url, "its URL"), True
    status = answer.status
    if _OK <= status < _REDIRECT:
        return "", False
    return f"HTTP {status}", status >= _SERVER or status in {_TIMED_OUT, _BUSY}


async def _all(acts: Sequence[Callable[[], Awaitable[None]]]) -> list[str]:
    """Do all of it side by side; return what went wrong."""
    wrong: list[str] = []

    async def one(act: Callable[[], Awaitable[None]]) -> None:
        try:
            await act()
        except NotifyFailed as error:
            wrong.append(str(error))

    async with anyio.create_task_group() as group:
        for act in acts:
            group.start_soon(one, act)
    return wrong
