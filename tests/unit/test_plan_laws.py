"""Laws of every plan, against a reading of the rules that is slow and plain."""

from collections import Counter
from itertools import pairwise
from math import prod
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bulkbind.errors import Fault, PlanConflict
from bulkbind.model import Row, Verdict
from bulkbind.plan import OnConflict
from tests.unit.test_plan_build import Planned, planned

TYPES = {"p1": "cors", "p2": "cors", "p3": "cors", "p4": "rate_limit", "p5": ""}
APIS = ["a", "b", "c", "0123456789abcdef" * 2]
BAD = Fault("apis.csv", 1, "api_id", "is no id", "correct it")


#: What a row is made of; one number picks from each, so that drawing is quick.
PLUGINS = list(TYPES)
CHOICES = (PLUGINS, APIS, ["x", "y"], ["g1", "g2"], ["e1", "e2"])
FAULTS = [None] * 9 + [BAD]
WANTED = [True] * 4 + [False]
TYPED = [True, False]
_ALL = (*CHOICES, TYPED, WANTED, FAULTS)
_MANY = prod(len(each) for each in _ALL)


def made_row(line: int, number: int) -> Row:
    picked: list[Any] = []
    for each in _ALL:
        number, place = divmod(number, len(each))
        picked.append(each[place])
    plugin, api, account, gateway, env, typed, wanted, fault = picked
    return Row(
        file=0,
        line=line,
        account=account,
        project_id="",
        instance_id=gateway,
        plugin_id=plugin,
        plugin_type=TYPES[plugin] if typed else "",
        env_id=env,
        api_id=api,
        wanted=wanted,
        fault=fault,
    )


def manifests():
    """Draw rows that collide a lot: few APIs, plug-ins, gateways and accounts."""
    numbers = st.lists(st.integers(0, _MANY - 1), max_size=40)
    return numbers.map(
        lambda drawn: [made_row(line, number) for line, number in enumerate(drawn, 2)]
    )


policies = st.sampled_from([OnConflict.FIRST, OnConflict.LAST])
sizes = st.integers(1, 7)


def binding(row: Row) -> tuple[str, str, str, str]:
    return row.instance_id, row.env_id, row.api_id, row.plugin_id


def read_plainly(
    rows: list[Row], policy: OnConflict
) -> list[tuple[Row, Verdict | None]]:
    """Say of every wanted row whether it is set aside, by comparing it with all."""
    sound = [row for row in rows if row.fault is None]
    types = {
        (row.instance_id, row.plugin_id): row.plugin_type
        for row in sound
        if row.plugin_type
    }

    def kind(row: Row) -> str:
        return types.get((row.instance_id, row.plugin_id), "")

    def loses(row: Row) -> bool:
        slot = (row.instance_id, row.env_id, row.api_id, kind(row))
        claims = [r for r in sound if (*binding(r)[:3], kind(r)) == slot]
        winner = claims[0 if policy is OnConflict.FIRST else -1]
        return bool(kind(row)) and winner.plugin_id != row.plugin_id

    told: list[tuple[Row, Verdict | None]] = []
    seen = set()
    for row in rows:
        if not row.wanted:
            continue
        if row.fault is not None:
            told.append((row, Verdict.INVALID))
        elif loses(row):
            told.append((row, Verdict.SUPERSEDED))
        else:
            told.append((row, Verdict.DUPLICATE if binding(row) in seen else None))
            seen.add(binding(row))
    return told


def told(plan: Planned, rows: list[Row]) -> list[tuple[Row, Verdict | None]]:
    asides = {aside.row: aside.verdict for aside in plan.draft.asides}
    wanted = [row for row in rows if row.wanted]
    return [(row, asides.get(number)) for number, row in enumerate(wanted)]


@given(rows=manifests(), policy=policies, size=sizes)
def test_every_row_is_set_aside_exactly_when_the_plain_reading_says_so(
    rows, policy, size
):
    plan = planned(*rows, on_conflict=policy, batch_size=size)

    assert told(plan, rows) == read_plainly(rows, policy)


@given(rows=manifests(), policy=policies, size=sizes)
def test_every_distinct_binding_is_sent_exactly_once(rows, policy, size):
    plan = planned(*rows, on_conflict=policy, batch_size=size)
    sent = Counter(
        (target.instance_id, target.env_id, api_id, target.plugin_id)
        for batch in plan.batches
        for api_id in batch.api_ids
        for target in [plan.draft.targets[batch.target]]
    )

    assert set(sent.values()) <= {1}
    assert set(sent) == {
        binding(row) for row, verdict in read_plainly(rows, policy) if verdict is None
    }


@given(rows=manifests(), policy=policies, size=sizes)
def test_no_two_plugins_of_one_type_are_sent_to_one_api(rows, policy, size):
    plan = planned(*rows, on_conflict=policy, batch_size=size)
    slots = Counter(
        (target.instance_id, target.env_id, api_id, target.plugin_type)
        for batch in plan.batches
        for api_id in batch.api_ids
        for target in [plan.draft.targets[batch.target]]
        if target.plugin_type
    )

    assert set(slots.values()) <= {1}


@given(rows=manifests(), policy=policies, size=sizes)
def test_every_row_is_in_one_batch_or_set_aside_once(rows, policy, size):
    plan = planned(*rows, on_conflict=policy, batch_size=size)
    numbers = [number for batch in plan.batches for number in batch.rows]
    numbers += [aside.row for aside in plan.draft.asides]

    assert sorted(numbers) == list(range(sum(row.wanted for row in rows)))


@given(rows=manifests(), policy=policies, size=sizes)
def test_batches_hold_one_target_from_one_id_to_the_batch_size_rows_ascending(
    rows, policy, size
):
    plan = planned(*rows, on_conflict=policy, batch_size=size)
    wanted = [row for row in rows if row.wanted]
    last: dict[int, int] = {}
    for batch in plan.batches:
        target = plan.draft.targets[batch.target]
        assert 1 <= len(batch.api_ids) == len(batch.rows) <= size
        assert all(before < after for before, after in pairwise(batch.rows))
        assert last.get(batch.target, -1) < batch.rows[0]
        last[batch.target] = batch.rows[-1]
        assert batch.lane == target.lane
        assert [wanted[number].api_id for number in batch.rows] == list(batch.api_ids)
        assert {wanted[number].target_key for number in batch.rows} == {
            (target.account, target.instance_id, target.plugin_id, target.env_id)
        }


@given(rows=manifests(), policy=policies, size=sizes)
def test_requests_are_as_few_as_the_contract_allows(rows, policy, size):
    plan = planned(*rows, on_conflict=policy, batch_size=size)
    per_target = Counter(batch.target for batch in plan.batches)
    ids = Counter[int]()
    for batch in plan.batches:
        ids[batch.target] += len(batch.api_ids)

    assert per_target == {no: -(-count // size) for no, count in ids.items()}
    assert plan.draft.totals.requests == len(plan.batches)


@given(rows=manifests(), policy=policies)
def test_rows_are_bindings_and_what_is_set_aside(rows, policy):
    totals = planned(*rows, on_conflict=policy).draft.totals

    assert totals.rows == sum(row.wanted for row in rows)
    assert totals.rows == (
        totals.bindings + totals.duplicates + totals.superseded + totals.invalid
    )


@settings(deadline=None)
@given(rows=manifests(), policy=policies, size=sizes, bound=st.integers(0, 400))
def test_spilling_to_disk_changes_nothing(rows, policy, size, bound):
    how = {"on_conflict": policy, "batch_size": size}

    assert planned(*rows, bound=bound, **how) == planned(*rows, **how)


@given(rows=manifests(), data=st.data())
def test_a_repeat_appended_never_changes_the_digest(rows, data):
    plan = planned(*rows, on_conflict=OnConflict.FIRST)
    sent = [row for row, verdict in told(plan, rows) if verdict is None]
    if not sent:
        return
    repeat = data.draw(st.sampled_from(sent))._replace(line=999)
    longer = planned(*rows, repeat, on_conflict=OnConflict.FIRST)

    assert longer.draft.digest == plan.draft.digest


@given(rows=manifests())
def test_a_plan_stops_exactly_when_a_wanted_row_loses_its_slot(rows):
    lost = [
        row.line
        for row, verdict in read_plainly(rows, OnConflict.FIRST)
        if verdict is Verdict.SUPERSEDED
    ]
    try:
        planned(*rows)
    except PlanConflict as conflict:
        found = [fault.line for fault in conflict.faults]
    else:
        found = []

    assert found == lost
