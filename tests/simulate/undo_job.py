"""A seed's job and manifest; and what an undo must find and put back, row by row."""

import csv
from collections import Counter
from pathlib import Path

from bulkbind.manifest import read_pin
from bulkbind.model import Action
from bulkbind.settings import AccountSettings, JobSettings
from bulkbind.state.folders import RunFolder
from tests.simulate.undo_case import UndoCase
from tests.simulate.undo_judge import Phase

COLUMNS = (
    *("account", "project_id", "instance_id", "plugin_id"),
    *("plugin_type", "env_id", "api_id"),
)


def job_settings(case: UndoCase, folder: Path) -> JobSettings:
    """Write a seed's manifest, and return its job."""
    path = folder / "apis.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(COLUMNS)
        lines.writerows([getattr(row, c) for c in COLUMNS] for row in case.rows)
    return JobSettings(
        name="simulated",
        source=path,
        manifest=(path,),
        base=folder,
        action=case.action,
        accounts={
            row.account: AccountSettings(
                name=row.account,
                endpoint="https://gateway.example",
                project_id=row.project_id,
            )
            for row in case.rows
        },
        batch_size=case.case.batch_size,
        on_conflict=case.case.on_conflict,
        rate=(case.case.rate.limit, case.case.rate.window_s),
        concurrency=case.case.concurrency,
        max_attempts=case.case.retry.max_attempts,
        busy_timeout_s=case.case.retry.busy_timeout_s,
        second_look_s=case.second_look_s,
        live=not case.is_blind,
        live_max_age_s=case.live_max_age_s,
        on_replace=case.on_replace,
        rebind=case.rebind,
    )


def images(run: RunFolder, undone: Phase) -> tuple[dict[int, str], dict[int, str]]:
    """Say what a run was to leave, and what was there before, by the undo's rows.

    Raises:
        AssertionError: The undo has other rows than those that the run sent.
    """
    seen = {one.slot: one for one in undone.witness.seen.values()}
    sent = Counter(slot for slot, one in seen.items() if one.sent_at is not None)
    after: dict[int, str] = {}
    before: dict[int, str] = {}
    by_place = {(s.instance_id, s.env_id, s.api_id, s.kind): s for s in seen}
    for number, row in enumerate(read_pin(run.pin)):
        kinds = [
            slot
            for slot in by_place.values()
            if slot[:3] == (row.instance_id, row.env_id, row.api_id)
            and row.plugin_id in {seen[slot].plugin_id, seen[slot].other}
        ]
        assert len(kinds) == 1, f"undo row {number} is about {kinds}"
        one = seen[kinds[0]]
        after[number] = one.plugin_id if one.action is Action.ATTACH else ""
        before[number] = one.other or ""
        sent[kinds[0]] -= 1
    assert not any(sent.values()), f"undo leaves out or repeats {+sent} {-sent}"
    return after, before
