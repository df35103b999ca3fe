"""One request with its proof; a second one where the first was surely not carried out."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext

from bulkbind.auth.clock import MAX_SKEW_S
from bulkbind.auth.token import Credential, Proof, Sender, Signable
from bulkbind.http import Answer
from bulkbind.retry import refuses_credential
from bulkbind.wire import read_refusal

#: Waits for the second request's turn.
Turn = Callable[[], AbstractAsyncContextManager[None]]

_NOBODY = 401


async def ask(
    credential: Credential,
    http: Sender,
    request: Signable,
    *,
    endpoint: str,
    turn: Turn = nullcontext,
) -> Answer:
    """Send a request; once more if a 401 can be healed.

    It can by a proof that is renewed, and by the gateway's time where this machine's
    was too wrong to sign with. A 401 was surely not carried out.

    Args:
        credential: Proves who asks.
        http: Sends.
        request: What is asked.
        endpoint: Scheme and host.
        turn: Entered before the second request.

    Raises:
        CredentialUnavailable: The proof cannot be had; nothing was carried out.
        NotSent: As ``http`` raises it.
        AnswerLost: As ``http`` raises it.
    """
    proof = await credential.proof(http, project_id=request.project_id)
    skew_s = credential.skew_s
    answer = await _send(proof, http, request, endpoint)
    credential.heard(answer.headers)
    if not _is_refused(answer):
        return answer
    other: Proof | None = proof
    if not (proof.is_dated and abs(credential.skew_s - skew_s) >= MAX_SKEW_S):
        other = await credential.renewed(proof, http, project_id=request.project_id)
    if other is None:
        return answer
    async with turn():
        return await _send(other, http, request, endpoint)


def _is_refused(answer: Answer) -> bool:
    if answer.status != _NOBODY:
        return False
    return refuses_credential(read_refusal(answer.status, answer.headers, answer.body))


async def _send(proof: Proof, http: Sender, request: Signable, endpoint: str) -> Answer:
    headers = {"Content-Type": request.content_type, **proof.headers(request)}
    return await http.send(
        request.method,
        endpoint + request.target,
        headers=headers,
        body=request.body or None,
    )
