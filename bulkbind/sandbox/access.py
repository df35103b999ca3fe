"""The front gateway's door: who is asking, and may they come in here? Pure.

Source: apig-contract.md 3.2, 4.1, 4.2 and 4.4; FAQ-AUTH.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bulkbind.sandbox import answers, signing
from bulkbind.sandbox.account import AccessKey, Account, Grant, Project
from bulkbind.sandbox.answers import Answer
from bulkbind.sandbox.signing import Claim, Sent

#: Failures in a row that lock a key, and for how long. Source: FAQ-AUTH.
MAX_FAILURES, LOCKED_NS = 5, 300 * 10**9


class Caller(NamedTuple):
    """Somebody who was let in."""

    grants: Sequence[Grant]
    project: Project | None = None
    """That the token is for; None: a key, which is for all, or a token of no scope."""
    has_no_scope: bool = False
    """The token is for no project at all."""


class Issued(NamedTuple):
    """A token that IAM gave out."""

    caller: Caller
    expires_ns: int


class Access:
    """Who may come in.

    Args:
        account: Whose gateways these are.
        tokens: Good for ever, with the account's own rights.
    """

    def __init__(self, account: Account, *, tokens: frozenset[str]) -> None:
        self._account = account
        self._tokens = tokens
        self._issued: dict[str, Issued] = {}
        self._failures: dict[str, int] = {}
        self._locked_until: dict[str, int] = {}

    def remember(self, token: str, issued: Issued) -> None:
        """Let a token in from now on."""
        self._issued[token] = issued

    def admit(
        self, token: str, sent: Sent, path: Mapping[str, str], *, now_ns: int
    ) -> Caller | Answer:
        """Let a call of a gateway in, or refuse it.

        Args:
            token: ``X-Auth-Token``; empty: it had none.
            sent: The request.
            path: ``project_id`` and ``product`` of its route.
            now_ns: Nanoseconds since the epoch.
        """
        caller = self.identify(token, sent, now_ns=now_ns)
        if not isinstance(caller, Answer):
            caller = self._keep_out(caller, project_id=path["project_id"]) or caller
        if isinstance(caller, Answer):
            return answers.spoken_by(caller, product=path["product"])
        return caller

    def identify(self, token: str, sent: Sent, *, now_ns: int) -> Caller | Answer:
        """Find out who is asking, or refuse.

        Args:
            token: ``X-Auth-Token``; empty: it had none.
            sent: The request.
            now_ns: Nanoseconds since the epoch.
        """
        if token:
            return self._by_token(token, now_ns=now_ns)
        authorization = sent.headers.get("authorization", "")
        if not authorization:
            return answers.NO_TOKEN
        return self._by_signature(authorization, sent, now_ns=now_ns)

    def _keep_out(self, caller: Caller, *, project_id: str) -> Answer | None:
        """Refuse who is in the wrong region or project; None: they are right here."""
        if caller.has_no_scope:
            return answers.NO_PROJECT
        account, own = self._account, caller.project
        if own is not None and not account.is_here(own.region):
            return answers.UPDATE_TOKEN
        if own is not None and own.project_id != project_id:
            return answers.PROJECT_UNAVAILABLE
        meant = account.project(project_id=project_id)
        if meant is None or not account.is_here(meant.region):
            return answers.PROJECT_UNAVAILABLE
        return None

    def _by_token(self, token: str, *, now_ns: int) -> Caller | Answer:
        if token in self._tokens:
            return Caller(self._account.grants)
        issued = self._issued.get(token)
        if issued is None:
            return answers.WRONG_TOKEN
        if now_ns >= issued.expires_ns:
            return answers.UPDATE_TOKEN
        return issued.caller

    def _by_signature(
        self, authorization: str, sent: Sent, *, now_ns: int
    ) -> Caller | Answer:
        claim = signing.read_claim(authorization)
        if claim is None:
            return answers.NO_SIGNATURE
        key = self._account.key(claim.access)
        if key is None:
            return answers.unknown_key(claim.access)
        if now_ns < self._locked_until.get(key.access, 0):
            return answers.KEY_LOCKED
        return self._check(key, claim, sent, now_ns=now_ns) or Caller(key.grants)

    def _check(
        self, key: AccessKey, claim: Claim, sent: Sent, *, now_ns: int
    ) -> Answer | None:
        """Say what is wrong with a signature; None: nothing."""
        date = sent.headers.get("x-sdk-date", "")
        at = signing.read_date(date)
        if at is None or abs(at - now_ns / 1e9) > signing.MAX_SKEW_S:
            return answers.skewed(date, here=signing.write_date(now_ns))
        if not signing.is_signed(sent, claim, secret=key.secret):
            self._count_failure(key.access, now_ns=now_ns)
            canonical = signing.canonical_request(sent, claim.names)
            return answers.wrong_signature(canonical)
        self._failures.pop(key.access, None)
        is_over = key.expires_ns and now_ns >= key.expires_ns
        came = sent.headers.get("x-security-token", "")
        if is_over or came != key.security_token:
            return answers.WRONG_SECURITY_TOKEN
        return None

    def _count_failure(self, access: str, *, now_ns: int) -> None:
        failures = self._failures.get(access, 0) + 1
        self._failures[access] = failures % MAX_FAILURES
        if failures == MAX_FAILURES:
            self._locked_until[access] = now_ns + LOCKED_NS
