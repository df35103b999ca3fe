"""The APIG client: one call, one request, one ``Reply``; never an exception.

Retries, pace and order are decided elsewhere.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace

from bulkbind.auth import Credential, Sender, Signable, ask
from bulkbind.door import Door
from bulkbind.errors import AnswerLost, CredentialUnavailable, NotSent
from bulkbind.http import Answer
from bulkbind.model import Action, OurCode, Reply, Target
from bulkbind.retry import remark_on
from bulkbind.wire import (
    METHODS,
    ListPath,
    Page,
    plugin_body,
    plugin_path,
    read_reply,
    scrub,
)


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
        if isinstance(answer, Reply):
            return answer
        return self._hear(read_reply(answer.status, answer.headers, answer.body))

    async def page(self, wanted: ListPath, offset: int) -> Page:
        """Read the page of a list that begins at an offset."""
        url = wanted.url(offset, project_id=self.project_id, product=self._product)
        answer = await self._send("GET", url)
        if isinstance(answer, Reply):
            return Page(answer)
        page = wanted.read(answer.status, answer.headers, answer.body)
        return replace(page, reply=self._hear(page.reply))

    async def greet(self) -> Answer | Reply:
        """Ask for nothing, without the credential: is anybody there?

        Returns:
            The answer, whatever it says; a ``Reply`` of status 0: there was none.
        """
        try:
            return await self._http.send("GET", f"{self._endpoint}/", headers={})
        except (NotSent, AnswerLost) as error:
            return _lost(error)

    def _hear(self, reply: Reply) -> Reply:
        remark = remark_on(reply, self._credential.skew_s)
        if remark:
            message = scrub(f"{reply.message} ({remark})")
            reply = replace(reply, message=message)
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
        again = self._door.again if self._door is not None else nullcontext
        try:
            return await ask(
                self._credential,
                self._http,
                signable,
                endpoint=self._endpoint,
                turn=again,
            )
        except CredentialUnavailable as error:
            code = error.code or OurCode.NOT_REACHED
            return self._hear(Reply(error.status, code, scrub(str(error)), left=False))
        except (NotSent, AnswerLost) as error:
            return _lost(error)


def _lost(error: NotSent | AnswerLost) -> Reply:
    """Return what stands for an answer that never came."""
    if isinstance(error, NotSent):
        return Reply(0, OurCode.NOT_REACHED, scrub(str(error)), left=False)
    return Reply(0, OurCode.ANSWER_LOST, scrub(str(error)))
