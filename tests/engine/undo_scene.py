"""What the tests of ``undo`` make happen to a run and its gateways."""

import math
import sqlite3
from contextlib import closing
from dataclasses import replace
from functools import partial

import anyio

from bulkbind.job.errand import Surroundings
from bulkbind.job.undoing import UndoOptions, undo_run
from bulkbind.ledger import SqliteLedger
from bulkbind.ledger.codec import checksum, encode_record
from bulkbind.model import RecordKind
from bulkbind.sandbox import Outage, SandboxOptions, Weather, Where
from bulkbind.state.folders import StateFolder
from tests.factories import hex_id, runs_in


def rival(row, name="old"):
    """Another plug-in of the same type, for the same slot."""
    return row._replace(plugin_id=hex_id("plugin", row.instance_id, name))


def refusing(kind, instance_id):
    """Return a sandbox on which one gateway is away, or locked."""
    outage = Outage(kind, 0, math.inf, Where(instance_id=instance_id))
    return SandboxOptions(weather=Weather(outages=(outage,)))


def forget_picture(run, api_id):
    """Leave one row of a run without a pre-image, as if nobody had looked."""
    path = run / "ledger.db"
    with closing(SqliteLedger.read(path)) as ledger:
        batches = [found for t in ledger.targets() for found in ledger.batches(t.no)]
    batch, records = next(found for found in batches if api_id in found[0].api_ids)
    place = batch.api_ids.index(api_id)
    with closing(sqlite3.connect(path)) as db:
        for picture in (one for one in records if one.kind is RecordKind.PICTURE):
            seen = [
                pair
                for pair in zip(picture.span, picture.others, strict=True)
                if pair[0] != place
            ]
            span, others = zip(*seen, strict=True)
            body = encode_record(replace(picture, span=span, others=others))
            crc = checksum("record", f"{batch.id}/{picture.kind}/{picture.why}", body)
            db.execute(
                "UPDATE record SET body = ?, crc = ? WHERE batch = ? AND kind = ?",
                (body, crc, batch.id, picture.kind),
            )
        db.commit()


def undo_meddled_with(state, run, meddle):
    """Undo a run, and do something when the plan is made; return the plan."""
    folder = StateFolder(state)
    undone = anyio.run(
        partial(
            undo_run,
            folder.find(run),
            state=folder,
            around=Surroundings(),
            change=lambda settings: settings,
            options=UndoOptions(tell=meddle),
        )
    )
    return undone.plan


def left_nothing(state, runs):
    """Tell whether an undo made no run, and put no job on hold."""
    return runs_in(state) == runs and not (state / "holds").exists()
