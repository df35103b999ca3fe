"""What is counted by time: requests, rows, and what each lane did."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bulkbind.model import Verdict
from bulkbind.report.html.axis import Axis
from bulkbind.report.html.charts import Chart
from bulkbind.report.html.history import History, Outcome
from bulkbind.report.html.words import number
from bulkbind.report.judged import Shared


class Finished:
    """Rows by verdict and by the moment that settled them."""

    def __init__(self) -> None:
        self._rows: Counter[tuple[float, Verdict]] = Counter()

    def count(self, shares: Iterable[Shared]) -> None:
        """Count some rows by what they share; those never settled have no time."""
        for shared, many in Counter(shares).items():
            if shared.finished_at:
                self._rows[shared.finished_at, shared.verdict] += many

    def chart(self, axis: Axis) -> Chart:
        """Return rows by verdict over time."""
        series = {verdict.value: [0.0] * axis.parts for verdict in Verdict}
        for (at, verdict), many in self._rows.items():
            series[verdict.value][axis.part(at)] += many
        return Chart("Rows settled, by verdict", axis, series)


def rates(history: History, axis: Axis, *, ceiling_per_s: float) -> Chart:
    """Return requests a second, by what they came to, against what is allowed."""
    series = {outcome.words: [0.0] * axis.parts for outcome in Outcome}
    for sent in history:
        series[sent.outcome.words][axis.part(sent.left)] += 1 / axis.step_s
    return Chart(
        "Requests a second",
        axis,
        series,
        limit=ceiling_per_s,
        limit_name=f"ceiling, {number(ceiling_per_s)}/s" if ceiling_per_s else "",
    )


@dataclass(slots=True)
class LaneTimes:
    """What a lane did."""

    requests: Counter[Outcome] = field(default_factory=Counter)
    parts: Mapping[Outcome, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Parts of the axis in which such a request was under way."""


def lanes(history: History, axis: Axis) -> dict[int, LaneTimes]:
    """Return what each lane did, by its number."""
    found: dict[int, LaneTimes] = defaultdict(LaneTimes)
    for sent in history:
        lane = found[sent.lane]
        lane.requests[sent.outcome] += 1
        under_way = range(axis.part(sent.left), axis.part(sent.answered) + 1)
        lane.parts[sent.outcome].update(under_way)
    return found
