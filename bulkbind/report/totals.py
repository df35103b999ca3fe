"""How many rows have which verdict, and why."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from bulkbind.model import Verdict
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


class Tally:
    """Counts judged rows as they pass by."""

    def __init__(self, advise: Callable[[str], str]) -> None:
        self._advise = advise
        self._rows: Counter[tuple[Verdict, str, int]] = Counter()
        self._messages: dict[tuple[Verdict, str, int], str] = {}

    def count(self, shares: Iterable[Shared]) -> None:
        """Count some rows by what they share."""
        for shared, many in Counter(shares).items():
            reason = shared.verdict, shared.error_code, shared.http_status
            self._messages.setdefault(reason, shared.error_msg)
            self._rows[reason] += many

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
        )

    def _reasons(self) -> dict[Reason, int]:
        found = [
            (Reason(*reason), rows)
            for reason, rows in self._rows.items()
            if reason[0] not in _AS_ASKED
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
