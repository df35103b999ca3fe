"""What a run was to leave behind, and what was there before, row by row."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from bulkbind.errors import InputError
from bulkbind.job.reporting import judge_run, layout_of
from bulkbind.ledger import Ledger
from bulkbind.model import Action, Target, Verdict
from bulkbind.report import JudgedRow, Layout
from bulkbind.report.choose import Only, cell_reader
from bulkbind.report.merge import in_row_order
from bulkbind.state.folders import RunFacts
from bulkbind.verdict import UNKNOWN_REPLACED, stand


class Restore(NamedTuple):
    """What putting a row back takes."""

    action: Action
    plugin_id: str
    """The plug-in that the request names."""
    after: str
    """What the run was to leave in the slot: a plug-in, or nothing."""
    is_known: bool = True
    """False: nobody looked what was there before."""


def restore(action: Action, plugin_id: str, before: str) -> Restore:
    """Say what puts a row back that a request carried.

    Args:
        action: What the request asked for.
        plugin_id: The plug-in that it named.
        before: What was in the slot before it: a plug-in, nothing, or not known.
    """
    after = plugin_id if action is Action.ATTACH else ""
    if before == UNKNOWN_REPLACED:
        return Restore(Action.DETACH, plugin_id, after, is_known=False)
    if before:
        return Restore(Action.ATTACH, before, after)
    return Restore(Action.DETACH, plugin_id, after)


class Sent(NamedTuple):
    """A row that a request of the run carried."""

    judged: JudgedRow
    restore: Restore


#: Verdicts of rows that are in no batch.
SET_ASIDE = frozenset({Verdict.DUPLICATE, Verdict.SUPERSEDED, Verdict.INVALID})

#: A row's number, and what puts it back; None: no request carried it.
_Image = tuple[int, Restore | None]


def sent_rows(facts: RunFacts, ledger: Ledger, *, only: Only) -> Iterator[Sent]:
    """Yield the chosen rows that a request carried, in manifest order.

    Args:
        facts: The run.
        ledger: Its ledger.
        only: Report or carried columns and their values; empty: every row.

    Raises:
        InputError: No row has such values.
        LedgerDamaged: The ledger is not whole.
        SettingsError: There is no such column.
    """
    is_chosen = _chooser(only, layout_of(facts))
    images = {
        (target.account, target.instance_id, target.plugin_id, target.env_id): (
            in_row_order(_images(target, ledger))
        )
        for target in ledger.targets()
    }
    number_of_chosen = 0
    for judged in judge_run(facts, ledger):
        image = None
        if judged.shared.verdict not in SET_ASIDE:
            _, image = next(images[judged.row.target_key])
        if is_chosen(judged):
            number_of_chosen += 1
            if image is not None:
                yield Sent(judged, image)
    if only and not number_of_chosen:
        filters = " ".join(f"--only {column}={','.join(v)}" for column, v in only)
        message = f"{filters} matches no row; see to the column and its values"
        raise InputError(message)


def _images(target: Target, ledger: Ledger) -> Iterator[Iterator[_Image]]:
    for batch, records in ledger.batches(target.no):
        standing = stand(batch, records)
        yield iter(
            [
                (
                    row,
                    restore(batch.action, target.plugin_id, standing.other(position))
                    if standing.attempts[position]
                    else None,
                )
                for position, row in enumerate(batch.rows)
            ]
        )


def _chooser(only: Only, layout: Layout) -> Callable[[JudgedRow], bool]:
    wanted = [
        (cell_reader(column, layout=layout, option="--only"), frozenset(values))
        for column, values in only
    ]
    return lambda judged: all(read(judged) in values for read, values in wanted)
