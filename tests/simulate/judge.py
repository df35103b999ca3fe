"""What must hold when a life is over, and when the sky is clear at last."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from bulkbind.job.reporting import LedgerSource
from bulkbind.ledger import SqliteLedger
from bulkbind.model import Cause, OurCode, Row, Verdict
from bulkbind.report import JudgedRow, judged_rows
from bulkbind.sandbox import MemoryWorld
from bulkbind.sandbox.lag import WHOLE
from bulkbind.sandbox.world import ApiChoice
from tests.simulate.case import Case
from tests.simulate.witness import Known, Witness

Slot = tuple[str, str, str]
"""Gateway, environment, API."""

ASIDE = frozenset({Verdict.DUPLICATE, Verdict.SUPERSEDED, Verdict.INVALID})

#: The codes that a bad row ends with: the gateway's, or ours by reading its list.
MISSING = frozenset({"APIG.3002", OurCode.API_UNKNOWN.value})
UNPUBLISHED = frozenset({"APIG.3707", OurCode.API_UNPUBLISHED.value})
NO_PLUGIN = "APIG.3068"
NO_GATEWAY = "APIG.3030"


class Truth:
    """What the world says, asked past everything that lags, lies or fails."""

    def __init__(self, world: MemoryWorld) -> None:
        self._world = world
        self._held: set[tuple[str, str, str, str]] = set()

    def look(self) -> None:
        """Take down what is bound now."""
        world = self._world
        self._held = {
            (instance.instance_id, bound.env.env_id, bound.api.api_id, plugin.plugin_id)
            for instance in world.instances()
            for plugin in world.plugins(instance)
            for bound in world.attached_apis(
                plugin, choice=ApiChoice(), window=WHOLE
            ).items
        }

    def holds(self, row: Row) -> bool:
        """Tell whether the world has what a row asks for."""
        key = (row.instance_id, row.env_id, row.api_id, row.plugin_id)
        return key in self._held

    def wrong_with(self, row: Row) -> set[str]:
        """Say why a row can never be bound; empty: it can."""
        world = self._world
        instance = world.find_instance(row.instance_id)
        if instance is None:
            return {NO_GATEWAY}
        found = set()
        if world.find_plugin(instance, plugin_id=row.plugin_id) is None:
            found.add(NO_PLUGIN)
        api = world.find_api(instance, api_id=row.api_id)
        if api is None:
            found |= MISSING
        elif row.env_id not in {env.env_id for env in api.envs}:
            found |= UNPUBLISHED
        return found


class Judge:
    """Compares report, ledger, witness and world.

    Args:
        case: The seed's.
        path: Of the ledger.
        witness: Saw everything that became durable.
        truth: The world.
    """

    def __init__(
        self, case: Case, *, path: Path, witness: Witness, truth: Truth
    ) -> None:
        self._case = case
        self._path = path
        self._witness = witness
        self._truth = truth
        self._known: dict[int, tuple[Known, int]] = {
            row: (known, position)
            for known in witness.known.values()
            for position, row in enumerate(known.batch.rows)
        }
        self.report: list[JudgedRow] = []

    def look(self, *, invocation: int, ended: str) -> Counter[str]:
        """Judge what a life left behind; return its verdicts."""
        self._truth.look()
        ledger = SqliteLedger.read(self._path)
        try:
            self.report = list(
                judged_rows(
                    self._case.rows,
                    source=LedgerSource(ledger, invocation),
                    expected_rows=len(self._case.rows),
                )
            )
            counts = Counter(str(judged.shared.verdict) for judged in self.report)
            self._add_up(ledger, counts)
        finally:
            ledger.close()
        for number, judged in enumerate(self.report):
            for wrong in self._wrongs(number, judged, ended):
                self._witness.wrong(f"line {judged.row.line}: {wrong}; {_say(judged)}")
        return counts

    def _add_up(self, ledger: SqliteLedger, counts: Counter[str]) -> None:
        tally = ledger.tally()
        sent = sum(ledger.requests_by_reason().values())
        figures = {
            "rows": (sum(counts.values()), len(self._case.rows)),
            "requests": (sent, self._witness.intents),
            "bound": (sum(t.bound for t in tally), counts["bound"]),
            "lanes' rows": (sum(t.rows for t in tally), len(self._known)),
        }
        aside = sum(counts[verdict] for verdict in ASIDE)
        figures["set aside"] = (sum(ledger.aside_counts().values()), aside)
        for name, (found, wanted) in figures.items():
            if found != wanted:
                self._witness.wrong(f"{name}: {found}, but {wanted}")

    # --- one row ---------------------------------------------------------------------

    def _wrongs(self, number: int, judged: JudgedRow, ended: str) -> Iterator[str]:
        verdict = judged.shared.verdict
        if number not in self._known:
            if verdict not in ASIDE:
                yield "in no batch, and not set aside"
            return
        known, position = self._known[number]
        if judged.attempts != known.attempts[position]:
            yield f"sent {known.attempts[position]} times"
        if (verdict is Verdict.BOUND) != (position in known.bound):
            yield f"durably known: bound={position in known.bound}"
        yield from self._untrue(judged, known, position, ended)

    def _untrue(
        self, judged: JudgedRow, known: Known, position: int, ended: str
    ) -> Iterator[str]:
        """Say what is wrong with a verdict, by what it claims."""
        verdict = judged.shared.verdict
        if verdict is Verdict.FAILED:
            yield from self._failed(judged, known, position)
        elif position in known.failed:
            yield f"durably refused: {known.failed[position].code}"
        if verdict is Verdict.BOUND and not self._truth.holds(judged.row):
            yield "the world does not hold it"
        if verdict is Verdict.NOT_SENT:
            yield from self._not_sent(judged, ended)
        is_unsure = position in known.unsure
        if is_unsure != (verdict is Verdict.UNCONFIRMED):
            yield f"sent, and neither yes nor no: {is_unsure}"

    def _not_sent(self, judged: JudgedRow, ended: str) -> Iterator[str]:
        shared = judged.shared
        if not shared.error_code or shared.cause is Cause.NONE:
            yield "no reason"
        if ended == "itself" and shared.cause is Cause.STOP:
            yield "not sent, though nothing stopped the run"

    def _failed(self, judged: JudgedRow, known: Known, position: int) -> Iterator[str]:
        shared, wrong = judged.shared, self._truth.wrong_with(judged.row)
        is_targets = shared.cause is Cause.TARGET
        if is_targets != (shared.error_code == NO_PLUGIN):
            yield "the wrong one is blamed"
        if not is_targets and position not in known.failed:
            yield "nothing durable refuses it"
        if self.is_given_up(judged):
            if self._truth.holds(judged.row):
                yield "the world holds it"
        elif shared.error_code not in wrong:
            yield f"its faults are {sorted(wrong)}"

    def is_given_up(self, judged: JudgedRow) -> bool:
        """Tell whether a row failed by an answer of a server that was unwell."""
        shared = judged.shared
        return shared.verdict is Verdict.FAILED and shared.http_status >= 500

    # --- the clear sky ---------------------------------------------------------------

    def conclude(self) -> None:
        """See that everything good is bound, and everything bad refused."""
        for number, judged in enumerate(self.report):
            wanted = self._wanted(judged.row)
            shared = judged.shared
            found = {(str(shared.verdict), code) for code in ("", shared.error_code)}
            if number in self._known and not found & wanted:
                self._witness.wrong(
                    f"line {judged.row.line}: wanted {sorted(wanted)}; {_say(judged)}"
                )

    def _wanted(self, row: Row) -> set[tuple[str, str]]:
        """Return verdicts and codes; an empty code stands for any."""
        wrong = self._truth.wrong_with(row)
        if not wrong:
            return {("bound", "")}
        # what was sent and lost before its target was known to be gone stays unknown
        unknown = {("unconfirmed", "")} if wrong & {NO_GATEWAY, NO_PLUGIN} else set()
        verdict = "not_sent" if NO_GATEWAY in wrong else "failed"
        return unknown | {(verdict, code) for code in wrong}

    def given_up(self) -> int:
        """Count the rows that only ``resume --failed`` sends again."""
        return sum(1 for judged in self.report if self.is_given_up(judged))


def lasting(report: Iterable[JudgedRow]) -> list[tuple[object, ...]]:
    """Return what of a report does not depend on kills.

    But for one thing: where a target or a gateway is gone, what a kill left unanswered
    stays unknown.
    """
    return [
        (
            judged.row.line,
            judged.shared.verdict,
            judged.shared.cause,
            judged.shared.error_code,
            judged.shared.http_status,
        )
        for judged in report
    ]


def _say(judged: JudgedRow) -> str:
    row, shared = judged.row, judged.shared
    return (
        f"{row.api_id[:8]} on {row.instance_id[:8]}: {shared.verdict} {shared.cause}"
        f" {shared.http_status} {shared.error_code} {shared.error_msg[:60]!r}"
        f" attempts={judged.attempts}"
    )
