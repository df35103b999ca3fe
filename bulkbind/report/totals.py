"""How many rows have which verdict, and why."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from bulkbind.model import Cause, Verdict
from bulkbind.report.block import Block
from bulkbind.report.judged import Shared


class Reason(NamedTuple):
    """Why rows have a verdict that needs explaining."""

    verdict: Verdict
    error_code: str
    """Empty when the answer had none."""
    http_status: int
    """0: no whole answer."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What a report adds up to."""

    rows: int
    verdicts: Mapping[str, int]
    """Rows by verdict: all verdicts, in their order, also those with 0 rows."""
    codes: Mapping[str, int]
    """Rows by ``error_code``, those that have one, most rows first."""
    advice: Mapping[str, str]
    """What to do, by ``error_code``; codes without advice are left out."""
    reasons: Mapping[Reason, int]
    """Rows by reason, the worst verdict and most rows first; rows that went as asked
    have none."""
    messages: Mapping[Reason, str]
    """The first ``error_msg`` met for a reason."""
    trouble: str = ""
    """32 hex digits, equal for two runs in which the same rows need somebody for the
    same causes; empty: no row does."""


class Tally:
    """Counts judged rows as they pass by."""

    def __init__(self, advise: Callable[[str], str]) -> None:
        self._advise = advise
        self._kinds: dict[str, Reason] = {}
        self._needy: set[str] = set()
        self._rows: Counter[Reason] = Counter()
        self._messages: dict[Reason, str] = {}
        self._trouble = 0
        """A sum, so that the order of the rows is none of its business."""

    def count(self, block: Block) -> None:
        """Count some rows by what they share."""
        kinds = [shared.kind for shared in block.shares]
        met = Counter(kinds)
        for kind, many in met.items():
            if kind not in self._kinds:
                self._meet(block.shares[kinds.index(kind)])
            self._rows[self._kinds[kind]] += many
        if not self._needy.isdisjoint(met):
            self._trouble += sum(
                _number(_key(shared), api_id)
                for shared, api_id in zip(
                    block.shares, block.api_ids.texts, strict=True
                )
                if shared.kind in self._needy
            )

    def _meet(self, shared: Shared) -> None:
        """Take in the first row of a kind."""
        reason = Reason(shared.verdict, shared.error_code, shared.http_status)
        self._kinds[shared.kind] = reason
        self._messages.setdefault(reason, shared.error_msg)
        if _needs_somebody(shared):
            self._needy.add(shared.kind)

    def totals(self) -> Totals:
        """Return what was counted until now."""
        verdicts = {verdict.value: 0 for verdict in Verdict}
        codes: Counter[str] = Counter()
        for (verdict, code, _), rows in self._rows.items():
            verdicts[verdict.value] += rows
            if code:
                codes[code] += rows
        ordered = dict(sorted(codes.items(), key=lambda item: (-item[1], item[0])))
        advice = {code: self._advise(code) for code in ordered}
        reasons = self._reasons()
        return Totals(
            rows=self._rows.total(),
            verdicts=verdicts,
            codes=ordered,
            advice={code: text for code, text in advice.items() if text},
            reasons=reasons,
            messages={reason: self._messages[reason] for reason in reasons},
            trouble=f"{self._trouble % 2**128:032x}" if self._trouble else "",
        )

    def _reasons(self) -> dict[Reason, int]:
        found = [
            (reason, rows)
            for reason, rows in self._rows.items()
            if reason.verdict not in _AS_ASKED
        ]
        return dict(sorted(found, key=_worst_first))


#: What needs a person comes first.
_SEVERITY = (
    Verdict.FAILED,
    Verdict.UNCONFIRMED,
    Verdict.NOT_SENT,
    Verdict.KEPT,
    Verdict.INVALID,
    Verdict.SUPERSEDED,
    Verdict.DUPLICATE,
)


def _worst_first(item: tuple[Reason, int]) -> tuple[int, int, Reason]:
    reason, rows = item
    return _SEVERITY.index(reason.verdict), -rows, reason


_AS_ASKED = frozenset({Verdict.BOUND, Verdict.UNCHANGED, Verdict.UNBOUND})


def _needs_somebody(shared: Shared) -> bool:
    """Tell whether rows like these wait for a person; a run that stopped goes on."""
    return shared.verdict in _NEEDY or (
        shared.verdict is Verdict.NOT_SENT and shared.cause is not Cause.STOP
    )


def _key(shared: Shared) -> bytes:
    """Name what is the same each time these rows fail."""
    return "\0".join(
        (
            *(shared.account, shared.instance_id, shared.plugin_id, shared.env_id),
            *(shared.verdict.value, shared.error_code),
        )
    ).encode("utf-8", "surrogatepass")


def _number(key: bytes, api_id: str) -> int:
    data = key + b"\0" + api_id.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=16).digest(), "big")


_NEEDY = frozenset({Verdict.FAILED, Verdict.UNCONFIRMED, Verdict.KEPT, Verdict.INVALID})
