"""When nothing was sent: whether that is a refusal, and what to do about it."""

import math
from collections import Counter
from contextlib import closing

from bulkbind.errors import EndpointUnreachable, RefusedForSafety
from bulkbind.job.planning import Plan
from bulkbind.ledger import Ledger
from bulkbind.model import OurCode, Summary, Verdict
from bulkbind.plan import OnReplace
from bulkbind.run import ON_REPLACE
from bulkbind.settings import JobSettings
from bulkbind.state.folders import RunFolder
from bulkbind.state.ledgers import read_ledger
from bulkbind.verdict import stand

#: Displaced plug-ins that a message names.
_NAMED = 3


def cap(limit: tuple[float, bool], *, bindings: int) -> int:
    """Return how many plug-ins ``max_replace`` lets a run displace."""
    number, is_share = limit
    return int(number * bindings) if is_share else int(number)


def displaced_so_far(ledger: Ledger) -> int:
    """Count the rows whose last picture shows another plug-in: leave that is used.

    Reads every record; a run that has only begun has used what its plan counted.
    """
    count = 0
    for target in ledger.targets():
        for batch, records in ledger.batches(target.no):
            standing = stand(batch, records)
            others = map(standing.other, standing.pictures)
            count += sum(other not in {"", target.plugin_id} for other in others)
    return count


def refuse_replacements(settings: JobSettings, plan: Plan) -> None:
    """Send nothing if the plan displaces more plug-ins than the job has leave to.

    Raises:
        RefusedForSafety: It does.
    """
    replaced, bindings = plan.totals.replaced, plan.totals.bindings
    if not replaced or settings.on_replace is OnReplace.SKIP:
        return
    most = math.inf
    limit = settings.max_replace
    if settings.on_replace is OnReplace.STOP:
        most = 0
    elif limit is not None:
        most = cap(limit, bindings=bindings)
    if replaced <= most:
        return
    message = (
        f"{replaced:,} of {bindings:,} bindings would displace another plug-in of the"
        f" same type{_displaced(plan)}, and {_allowed(settings, most, bindings)};"
        " nothing was sent. `bulkbind plan --live` lists them. To displace them,"
        f" {_remedy(settings)}, or carry out a saved plan (`plan -o FILE.plan`); to"
        " leave them as they are, run with --on-replace skip"
    )
    raise RefusedForSafety(message)


def _displaced(plan: Plan) -> str:
    """Name the plug-ins that most rows would displace."""
    if plan.found is None:
        return ""
    counts = Counter(one.plugin_id for one in plan.found.replacements)
    named = [
        f"{many:,} x {plan.found.plugins.get(plugin_id) or plugin_id}"
        for plugin_id, many in counts.most_common(_NAMED)
    ]
    if more := len(counts) - len(named):
        named.append(f"{more:,} more")
    return f" ({', '.join(named)})"


def _allowed(settings: JobSettings, most: float, bindings: int) -> str:
    if settings.on_replace is OnReplace.STOP or settings.max_replace is None:
        return "the job allows none"
    number, is_share = settings.max_replace
    if is_share:
        return f"max_replace {100 * number:g} % of {bindings:,} is {most:,}"
    return f"max_replace is {most:,}"


def _remedy(settings: JobSettings) -> str:
    if settings.on_replace is OnReplace.STOP:
        return "run with --on-replace allow (and --max-replace N)"
    return "raise --max-replace"


def refuse_displacing(run: RunFolder, summary: Summary) -> None:
    """Tell "nothing was sent, for safety" from "some was sent, and then it stopped".

    Raises:
        RefusedForSafety: The first.
    """
    if summary.stopped_by == ON_REPLACE and not summary.requests.sent:
        message = (
            f"{_last_stop(run)}, and nothing was sent; plan again, or"
            f" `bulkbind resume {run.handle}` with --set safety.on_replace=allow and"
            " a --set safety.max_replace that leaves room, if there is one"
        )
        raise RefusedForSafety(message)


def _last_stop(run: RunFolder) -> str:
    with closing(read_ledger(run.path)) as ledger:
        return ledger.stops()[-1].message


def refuse_unreachable(run: RunFolder, summary: Summary) -> None:
    """Tell "nothing could be sent at all" from "some was sent".

    Raises:
        EndpointUnreachable: The first.
    """
    unsent = summary.verdicts[Verdict.NOT_SENT]
    if unsent and summary.codes.get(OurCode.NOT_REACHED) == unsent:
        done = sum(
            summary.verdicts[verdict]
            for verdict in (Verdict.BOUND, Verdict.FAILED, Verdict.UNCONFIRMED)
        )
        if not done and not summary.stopped_by:
            message = (
                f"{summary.endpoint} cannot be reached, and nothing was sent; check"
                " endpoint and network, then"
                f" `bulkbind resume {run.handle}`"
            )
            raise EndpointUnreachable(message)
