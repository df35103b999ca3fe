"""The APIG client: one call, one request, one ``Reply``; never an exception.

Retries, pace and order are decided elsewhere.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from bulkbind.auth import Credential
from bulkbind.errors import AnswerLost, NotSent
from bulkbind.http import Answer
from bulkbind.model import Action, OurCode, Reply, Target
from bulkbind.wire import METHODS, plugin_body, plugin_path, read_reply, scrub


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
    """

    def __init__(
        self, http: Sender, *, endpoint: str, project_id: str, credential: Credential
    ) -> None:
        self._http = http
        self._endpoint = endpoint.rstrip("/")
        self._project_id = project_id
        self._credential = credential

    async def apply(
        self, action: Action, target: Target, api_ids: Sequence[str]
    ) -> Reply:
        """Attach or detach 1-500 APIs, once.

        Returns:
            What came back; status 0 when no whole answer did.
        """
        path = plugin_path(target, project_id=self._project_id, action=action)
        headers = {"Content-Type": "application/json", **self._credential.headers()}
        try:
            answer = await self._http.send(
                METHODS[action],
                self._endpoint + path,
                headers=headers,
                body=plugin_body(target.env_id, api_ids),
            )
        except NotSent as error:
            return Reply(0, OurCode.NOT_REACHED, scrub(str(error)), left=False)
        except AnswerLost as error:
            return Reply(0, OurCode.ANSWER_LOST, scrub(str(error)))
        return read_reply(answer.status, answer.headers, answer.body)
