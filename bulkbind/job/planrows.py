"""A drawn plan, row by row, as ``plan --format jsonl`` prints it."""

from collections.abc import Iterator
from contextlib import closing

from bulkbind.model import Action, Batch, Record, Target
from bulkbind.plan import Judged
from bulkbind.state.folders import RunFolder
from bulkbind.state.ledgers import read_ledger
from bulkbind.verdict import UNKNOWN_REPLACED, Standing, stand


def planned_rows(run: RunFolder) -> Iterator[dict[str, object]]:
    """Yield what each row comes to, target by target, then the rows set aside."""
    with closing(read_ledger(run.path)) as ledger:
        for target in ledger.targets():
            for batch, records in ledger.batches(target.no):
                yield from _batch(target, batch, records)
        for aside in ledger.asides():
            yield {"row": aside.row, "judged": aside.verdict, "text": aside.text}


def _batch(
    target: Target, batch: Batch, records: list[Record]
) -> Iterator[dict[str, object]]:
    standing = stand(batch, records)
    for position, row in enumerate(batch.rows):
        judged, other, code = _judged(standing, position, batch.action)
        yield {
            "row": row,
            "account": target.account,
            "instance_id": target.instance_id,
            "plugin_id": target.plugin_id,
            "env_id": target.env_id,
            "api_id": batch.api_ids[position],
            "judged": judged,
            "replaces": other,
            "error_code": code,
        }


def _judged(
    standing: Standing, position: int, action: Action
) -> tuple[Judged, str, str]:
    """Say what a row of a plan that was not sent comes to: judged, other, code."""
    if position in standing.bound:
        return Judged.UNCHANGED, "", ""
    if position in standing.failed:
        return Judged.IMPOSSIBLE, "", standing.failed[position].code
    if position in standing.kept:
        record, place = standing.kept[position]
        return Judged.REPLACE, record.others[place], record.code
    other = standing.other(position)
    if other == UNKNOWN_REPLACED:
        return Judged.UNKNOWN, "", ""
    if action is Action.DETACH:
        return Judged.UNBIND, "", ""
    return (Judged.REPLACE, other, "") if other else (Judged.BIND, "", "")
