"""A credential that is fetched, and fetched again before it expires. In memory only."""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

import anyio

from bulkbind.auth.clock import ServerClock
from bulkbind.auth.token import Proof, Sender
from bulkbind.errors import CredentialUnavailable

#: Seconds after a fetch in which no other one is tried while there is still a proof.
_PAUSE_S = 60.0

#: Seconds after a renewal in which a second refusal is believed.
_BELIEVED_S = 600.0


class Fetched(NamedTuple):
    """A proof as it was fetched."""

    proof: Proof
    expires_at: float
    """Seconds since the epoch, by the clock of who gave it."""


#: Fetches a proof that is good for a project; raises ``CredentialUnavailable``.
Fetch = Callable[[Sender, str], Awaitable[Fetched]]


class Renewing:
    """Fetches a proof when one is needed, once for everybody who waits for it.

    Args:
        fetch: Fetches a proof.
        label: Where the proofs come from.
        identity: Names who fetches, and does not show it.
        clock: The time by which proofs expire.
        early_s: Seconds before its end in which a proof is replaced.
        held: The proof that is there already; None: none is.
        project_id: The project that came with it; empty: none did.
    """

    def __init__(
        self,
        fetch: Fetch,
        *,
        label: str,
        identity: str,
        clock: ServerClock,
        early_s: float,
        held: Fetched | None = None,
        project_id: str = "",
    ) -> None:
        self._fetch = fetch
        self.label = label
        self.identity = identity
        self._clock = clock
        self._early_s = early_s
        self._lock = anyio.Lock()
        self._held = held
        self._refusal: CredentialUnavailable | None = None
        self._is_dead = False  # the proof that is held was refused for good
        self.project_id = project_id
        self._asked_at = float("-inf")
        self._renewed_at = float("-inf")

    @property
    def skew_s(self) -> float:
        """How far the gateway's clock is ahead, in seconds, where that matters."""
        return self._clock.skew_s if self._signs() else 0.0

    async def proof(self, http: Sender, *, project_id: str) -> Proof:
        """Return a proof that is still valid.

        Raises:
            CredentialUnavailable: None can be fetched.
        """
        if (held := self._lasting()) is not None:
            return held
        async with self._lock:
            if (held := self._lasting()) is not None:
                return held
            return await self._refresh(http, project_id)

    async def renewed(
        self, refused: Proof, http: Sender, *, project_id: str
    ) -> Proof | None:
        """Return another proof than the one refused; None: that was refused, too.

        Raises:
            CredentialUnavailable: None can be fetched.
        """
        async with self._lock:
            if self._held is not None and self._held.proof is not refused:
                return None if self._is_dead else self._held.proof
            if self._is_within(_BELIEVED_S, since=self._renewed_at):
                self._is_dead = True
                return None
            self._held = None
            found = await self._refresh(http, project_id)
            self._renewed_at = self._clock.own()
            self._is_dead = found.identity == refused.identity
            return None if self._is_dead else found

    def heard(self, headers: Mapping[str, str]) -> None:
        """Learn the gateway's time from an answer, where it is signed with."""
        if self._signs():
            self._clock.hear(headers)

    def _signs(self) -> bool:
        return self._held is not None and self._held.proof.is_dated

    def _is_within(self, seconds: float, *, since: float) -> bool:
        """Tell whether a moment is that near; by a clock that nobody corrects."""
        return 0.0 <= self._clock.own() - since < seconds

    def _lasting(self) -> Proof | None:
        """Return the proof that is held, if it need not be replaced now."""
        if self._held is None:
            return None
        left = self._held.expires_at - self._clock()
        was_just_asked = self._is_within(_PAUSE_S, since=self._asked_at)
        is_lasting = left > self._early_s or (was_just_asked and left > 0)
        return self._held.proof if is_lasting else None

    async def _refresh(self, http: Sender, project_id: str) -> Proof:
        """Fetch; a proof that still holds serves while nobody answers.

        A refusal is for good: who waits behind it must not ask again, five wrong
        passwords lock a user.
        """
        if self._refusal is not None:
            raise self._refusal
        self._asked_at = self._clock.own()
        try:
            self._held = await self._fetch(http, project_id)
            self._is_dead = False
        except CredentialUnavailable as error:
            if error.status:
                self._refusal = error
            old = self._lasting()
            if old is None or error.status:
                self._held = None
                raise
            return old
        return self._held.proof

    def __repr__(self) -> str:
        return f"Renewing({self.label})"
