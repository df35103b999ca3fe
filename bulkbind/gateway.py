"""The APIG client: one call, one request, one ``Reply``; never an exception.

Retries, pace and order are decided elsewhere.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from bulkbind.auth import Credential, Signable
from bulkbind.door import Door
from bulkbind.errors import AnswerLost, NotSent
from bulkbind.http import Answer
from bulkbind.model import Action, OurCode, Reply, Target
from bulkbind.wire import (
    METHODS,
    ListPath,
    Page,
    plugin_body,
    plugin_path,
    read_reply,
    scrub,
)


class Sender(Protocol):
    """What this client needs of ``http``."""

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


class Gateway:
    """The gateways of one account.

    Args:
        http: Sends requests.
        endpoint: Scheme and host, without a path.
        project_id: The account's project.
        credential: Proves who asks.
        door: Hears of refusals; None: nobody does.
        product: ``apig`` or ``roma``, whose paths differ.
    """

    def __init__(
        self,
        http: Sender,
        *,
        endpoint: str,
        project_id: str,
        credential: Credential,
        door: Door | None = None,
        product: str = "apig",
    ) -> None:
        self._http = http
        self._endpoint = endpoint.rstrip("/")
        self._host = self._endpoint.partition("://")[2]
        self.project_id = project_id
        self._credential = credential
        self._door = door
        self._product = product

    async def apply(
        self, action: Action, target: Target, api_ids: Sequence[str]
    ) -> Reply:
        """Attach or detach 1-500 APIs, once.

        Returns:
            What came back; status 0 when no whole answer did.
        """
        path = plugin_path(
            target, project_id=self.project_id, action=action, product=self._product
        )
        body = plugin_body(target.env_id, api_ids)
        answer = await self._send(METHODS[action], path, body=body)
        if not isinstance(answer, Reply):
            answer = read_reply(answer.status, answer.headers, answer.body)
        return self._hear(answer)

    async def page(self, wanted: ListPath, offset: int) -> Page:
        """Read the page of a list that begins at an offset."""
        url = wanted.url(offset, project_id=self.project_id, product=self._product)
        answer = await self._send("GET", url)
        if isinstance(answer, Reply):
            return Page(answer)
        page = wanted.read(answer.status, answer.headers, answer.body)
        self._hear(page.reply)
        return page

    def _hear(self, reply: Reply) -> Reply:
        if self._door is not None:
            self._door.answered(reply)
        return reply

    async def _send(
        self, method: str, path: str, *, body: bytes | None = None
    ) -> Answer | Reply:
        """Send one request; a reply says why it was not sent, or not answered."""
        if self._door is not None and self._door.refusal is not None:
            return self._door.refusal
        signable = Signable(method, self._host, path, self.project_id, body=body or b"")
        headers = {
            "Content-Type": signable.content_type,
            **self._credential.headers(signable),
        }
        try:
            return await self._http.send(
                method, self._endpoint + path, headers=headers, body=body
            )
        except NotSent as error:
            return Reply(0, OurCode.NOT_REACHED, scrub(str(error)), left=False)
        except AnswerLost as error:
            return Reply(0, OurCode.ANSWER_LOST, scrub(str(error)))
