"""Rows -> targets, lanes, batches, what is set aside, and the digest."""

from dataclasses import dataclass

import pytest

from bulkbind.errors import Fault, PlanConflict
from bulkbind.model import Action, Aside, Batch, Block, Row, Verdict
from bulkbind.plan import Draft, OnConflict, Planner, PlanSettings, draw
from bulkbind.plan.conflicts import MAX_FAULTS
from bulkbind.plan.spill import BOUND

HEX = "0123456789abcdef" * 2


@dataclass
class Planned:
    draft: Draft
    batches: list[Batch]

    @property
    def sent(self) -> list[tuple[str, str]]:
        """Plug-in and API of everything that is sent, in order."""
        return [
            (self.draft.targets[batch.target].plugin_id, api_id)
            for batch in self.batches
            for api_id in batch.api_ids
        ]

    @property
    def asides(self) -> dict[int, tuple[Verdict, str]]:
        return {aside.row: (aside.verdict, aside.text) for aside in self.draft.asides}


def row(
    line: int,
    plugin: str = "p",
    api: str = "a",
    kind: str = "",
    *,
    gw: str = "gw",
    env: str = "env",
    account: str = "default",
    **more,
) -> Row:
    return Row(
        file=more.pop("file", 0),
        line=line,
        account=account,
        project_id=more.pop("project", ""),
        instance_id=gw,
        plugin_id=plugin,
        plugin_type=kind,
        env_id=env,
        api_id=api,
        **more,
    )


class Pinned(list[Row]):
    """A pinned copy in memory."""

    def write(self, row: Row) -> None:
        self.append(row)

    def write_block(self, block: Block) -> None:
        self.extend(block.rows())


def planner(bound: int = BOUND, **settings) -> Planner:
    return Planner(
        PlanSettings(**settings),
        gateway_of=lambda account, instance: f"host/{instance}",
        file_name=["apis.csv", "more.csv"].__getitem__,
        bound=bound,
    )


def planned(*rows: Row, bound: int = BOUND, **settings) -> Planned:
    made = planner(bound, **settings)
    draw(made, rows, pin=Pinned())
    batches = list(made.batches())
    return Planned(made.draft, batches)


def fault(line: int = 2) -> Fault:
    return Fault("apis.csv", line, "api_id", "'x y' is no id", "correct it")


# --- batches --------------------------------------------------------------------------


def test_no_rows_make_no_plan():
    plan = planned()

    assert plan.batches == []
    assert plan.draft.totals.rows == 0


@pytest.mark.parametrize(
    ("rows", "sizes"), [(1, [1]), (500, [500]), (501, [500, 1]), (1001, [500, 500, 1])]
)
def test_501_ids_need_two_requests(rows, sizes):
    plan = planned(*(row(line, api=f"a{line}") for line in range(2, 2 + rows)))

    assert [len(batch.api_ids) for batch in plan.batches] == sizes
    assert plan.draft.totals.requests == len(sizes)


@pytest.mark.parametrize(
    ("rows", "sizes"),
    [
        (1, [1]),
        (2, [1, 1]),
        (11, [1, 10]),
        (12, [1, 10, 1]),
        (511, [1, 10, 500]),
        (1012, [1, 10, 500, 500, 1]),
    ],
)
def test_a_canary_makes_the_first_batches_of_each_target_small(rows, sizes):
    lines = range(2, 2 + rows)
    plan = planned(
        *(row(line, api=f"a{line}", gw=gw) for line in lines for gw in ("g", "h")),
        canary=(1, 10),
    )

    for target in (0, 1):
        made = [batch for batch in plan.batches if batch.target == target]
        assert [len(batch.api_ids) for batch in made] == sizes
        assert [api for b in made for api in b.api_ids] == [f"a{n}" for n in lines]
    assert plan.draft.totals.requests == 2 * len(sizes)


def test_a_canary_is_never_more_than_a_batch():
    lines = range(2, 10)
    plan = planned(
        *(row(line, api=f"a{line}") for line in lines), batch_size=3, canary=(1, 10)
    )

    assert [len(batch.api_ids) for batch in plan.batches] == [1, 3, 3, 1]


def test_a_batch_has_its_rows_beside_its_ids():
    plan = planned(row(2, api="x"), row(3, "other", "y"), row(4, api="z"))

    assert plan.batches[0] == Batch(
        id=1, target=0, lane=0, action=Action.ATTACH, rows=(0, 2), api_ids=("x", "z")
    )


def test_batches_are_numbered_from_one():
    plan = planned(
        *(row(line, api=f"a{line}", env=f"e{line % 3}") for line in range(2, 14)),
        batch_size=2,
    )

    assert [batch.id for batch in plan.batches] == [1, 2, 3, 4, 5, 6]


def test_the_action_reaches_every_batch():
    plan = planned(row(2), action=Action.DETACH)

    assert plan.batches[0].action is Action.DETACH


def test_targets_and_lanes_keep_the_order_of_their_first_rows():
    plan = planned(
        row(2, "p1", gw="g1"),
        row(3, "p2", gw="g2"),
        row(4, "p3", gw="g1"),
        row(5, "p1", gw="g2"),
    )

    assert [(t.no, t.plugin_id, t.instance_id, t.lane) for t in plan.draft.targets] == [
        (0, "p1", "g1", 0),
        (1, "p2", "g2", 1),
        (2, "p3", "g1", 0),
        (3, "p1", "g2", 1),
    ]
    assert [lane.gateway for lane in plan.draft.lanes] == ["host/g1", "host/g2"]


def test_one_gateway_under_two_accounts_has_a_lane_for_each_and_counts_once():
    plan = planned(row(2, account="a"), row(3, "q", account="b"))

    assert [(lane.account, lane.gateway) for lane in plan.draft.lanes] == [
        ("a", "host/gw"),
        ("b", "host/gw"),
    ]
    assert [target.lane for target in plan.draft.targets] == [0, 1]
    assert (plan.draft.totals.accounts, plan.draft.totals.gateways) == (2, 1)


def test_one_binding_under_two_accounts_is_sent_once():
    plan = planned(row(2, account="a"), row(3, account="b"))

    assert plan.sent == [("p", "a")]
    assert plan.asides == {1: (Verdict.DUPLICATE, "the same binding as apis.csv:2")}


def test_two_plugins_of_a_type_collide_across_accounts():
    plan = planned(
        row(2, "p", kind="cors", account="a"),
        row(3, "q", kind="cors", account="b"),
        on_conflict=OnConflict.FIRST,
    )

    assert plan.sent == [("p", "a")]


def test_a_judge_says_which_bindings_are_sent():
    made = planner()
    draw(made, [row(2, api="x"), row(3, api="y")], pin=Pinned())
    batches = [
        batch
        for group in made.groups()
        for target, claims in group
        for _, batch in made.cut(target, {"send": claims.take([1])})
    ]

    assert [batch.api_ids for batch in batches] == [("y",)]


def test_only_wanted_rows_are_pinned():
    pinned = Pinned()
    rows = [row(2), row(3, api="b", wanted=False), row(4, api="c")]
    draw(planner(), rows, pin=pinned)

    assert pinned == [rows[0], rows[2]]


def test_the_planner_counts_wanted_rows_as_they_come():
    made = planner()
    draw(made, [row(2), row(3, wanted=False), row(4)], pin=Pinned())

    assert made.rows == 2


# --- what is set aside ----------------------------------------------------------------


def test_a_repeat_is_set_aside_naming_the_first_line():
    plan = planned(row(2), row(3), row(9, file=1))

    assert plan.asides == {
        1: (Verdict.DUPLICATE, "the same binding as apis.csv:2"),
        2: (Verdict.DUPLICATE, "the same binding as apis.csv:2"),
    }


def test_a_line_in_another_file_is_named_with_its_file():
    plan = planned(row(7, file=1), row(2, file=0))

    assert plan.asides[1] == (Verdict.DUPLICATE, "the same binding as more.csv:7")


def test_a_row_with_a_fault_is_invalid_and_says_why():
    plan = planned(row(2), row(3, api="x y", fault=fault(3)))

    assert plan.asides == {
        1: (Verdict.INVALID, "api_id: 'x y' is no id; correct it"),
    }
    assert plan.draft.faults == [fault(3)]
    assert plan.sent == [("p", "a")]


def test_a_fault_of_no_column_names_none():
    bad = Fault("apis.csv", 3, "", "3 cells, not 7", "add the missing ones")
    plan = planned(row(3, fault=bad))

    assert plan.asides[0] == (Verdict.INVALID, "3 cells, not 7; add the missing ones")


def test_a_row_that_is_not_wanted_may_be_faulty():
    plan = planned(row(2), row(3, fault=fault(3), wanted=False))

    assert plan.draft.totals.invalid == 0
    assert plan.draft.faults == []


def test_only_the_first_faults_keep_their_text_and_all_are_counted(monkeypatch):
    monkeypatch.setattr("bulkbind.plan.build.MAX_FAULTS", 3)
    plan = planned(*(row(line, fault=fault(line)) for line in range(2, 12)))

    assert MAX_FAULTS == 10_000
    assert [f.line for f in plan.draft.faults] == [2, 3, 4]
    assert plan.draft.fault_count == plan.draft.totals.invalid == 10


# --- types ----------------------------------------------------------------------------


def test_a_plugin_with_two_types_is_a_fault_that_names_the_other_line():
    plan = planned(row(2, kind="cors"), row(3, api="b", kind="jwt_auth"))

    assert plan.draft.faults == [
        Fault(
            "apis.csv",
            3,
            "plugin_type",
            "'jwt_auth', but apis.csv:2 says 'cors' of the same plug-in",
            "give a plug-in one type",
        )
    ]
    assert plan.draft.totals.invalid == 1


def test_the_same_plugin_id_on_another_gateway_may_have_another_type():
    plan = planned(row(2, kind="cors"), row(3, kind="jwt_auth", gw="other"))

    assert plan.draft.totals.invalid == 0


def test_a_type_given_on_any_line_counts_for_all_lines_of_the_plugin():
    plan = planned(
        row(2, "p"),
        row(3, "q", kind="cors"),
        row(4, "p", api="b", kind="cors"),
        on_conflict=OnConflict.FIRST,
    )

    assert plan.sent == [("p", "a"), ("p", "b")]
    assert plan.draft.totals.superseded == 1
    assert plan.draft.totals.untyped == 0


def test_a_type_on_a_faulty_line_counts_for_nobody():
    plan = planned(
        row(2, "p", kind="cors"), row(3, "q"), row(4, "q", kind="cors", fault=fault(4))
    )

    assert plan.sent == [("p", "a"), ("q", "a")]
    assert plan.draft.totals.untyped == 1


def test_bindings_of_unknown_type_are_counted():
    plan = planned(row(2, "p"), row(3, "q", kind="cors"), row(4, "p", api="b"))

    assert plan.draft.totals.untyped == 2


def test_a_target_knows_its_type():
    plan = planned(row(2), row(3, api="b", kind="cors"))

    assert plan.draft.targets[0].plugin_type == "cors"


# --- conflicts ------------------------------------------------------------------------

RIVALS = (row(2, "p", kind="cors"), row(3, "q", kind="cors"), row(4, "p", kind="cors"))


def test_a_conflict_stops_the_plan_naming_both_lines_and_plugins():
    with pytest.raises(PlanConflict) as conflict:
        planned(*RIVALS)

    assert conflict.value.total == 1
    assert str(conflict.value) == (
        "apis.csv:3: plugin_id: API a gets plug-in q, but apis.csv:2 gives it p, also"
        " of type cors: the second would replace the first; keep one of the two lines,"
        ' or set on_conflict = "first" or "last"'
    )


def test_all_conflicts_are_reported_together_in_manifest_order():
    rows = [
        row(line, plugin, api, "cors", env=env)
        for line, (env, api, plugin) in enumerate(
            ((e, a, p) for p in "pq" for e in ("e1", "e2") for a in "xyz"), start=2
        )
    ]
    with pytest.raises(PlanConflict) as conflict:
        planned(*rows)

    assert [fault.line for fault in conflict.value.faults] == list(range(8, 14))


def test_the_first_line_wins_and_every_line_of_the_loser_is_superseded():
    plan = planned(*RIVALS, row(5, "q", kind="cors"), on_conflict=OnConflict.FIRST)

    assert plan.sent == [("p", "a")]
    assert plan.asides == {
        1: (Verdict.SUPERSEDED, "loses the slot to apis.csv:2"),
        2: (Verdict.DUPLICATE, "the same binding as apis.csv:2"),
        3: (Verdict.SUPERSEDED, "loses the slot to apis.csv:2"),
    }


def test_the_last_line_wins_and_every_line_of_the_loser_is_superseded():
    plan = planned(*RIVALS, row(5, "q", kind="cors"), on_conflict=OnConflict.LAST)

    assert plan.sent == [("q", "a")]
    assert plan.asides == {
        0: (Verdict.SUPERSEDED, "loses the slot to apis.csv:5"),
        2: (Verdict.SUPERSEDED, "loses the slot to apis.csv:5"),
        3: (Verdict.DUPLICATE, "the same binding as apis.csv:3"),
    }


def test_other_environments_are_other_slots():
    plan = planned(
        row(2, "p", kind="cors", env="e1"), row(3, "q", kind="cors", env="e2")
    )

    assert len(plan.sent) == 2


def test_a_row_that_is_not_wanted_may_win_and_never_appears():
    plan = planned(
        row(2, "p", kind="cors", wanted=False),
        row(3, "q", kind="cors"),
        row(4, "q", "b", kind="cors"),
        on_conflict=OnConflict.FIRST,
    )

    assert plan.sent == [("q", "b")]
    assert plan.asides == {0: (Verdict.SUPERSEDED, "loses the slot to apis.csv:2")}
    assert [target.plugin_id for target in plan.draft.targets] == ["q"]


def test_a_row_that_is_not_wanted_may_lose_and_stops_nothing():
    plan = planned(row(2, "p", kind="cors"), row(3, "q", kind="cors", wanted=False))

    assert plan.sent == [("p", "a")]
    assert plan.draft.asides == []


def test_a_row_that_is_not_wanted_never_makes_a_wanted_one_a_repeat():
    plan = planned(row(2, wanted=False), row(3))

    assert plan.sent == [("p", "a")]
    assert plan.draft.asides == []


# --- totals ---------------------------------------------------------------------------


def test_odd_ids_are_counted():
    odd = [HEX[:-1], HEX + "0", HEX.upper(), "5b729aa252764739b3s237ef0d66dc63"]
    rows = [row(line, api=api) for line, api in enumerate([HEX, *odd], start=2)]
    plan = planned(*rows, row(9, api="not-wanted", wanted=False))

    assert plan.draft.totals.odd_ids == len(odd)


def test_totals_say_what_the_plan_amounts_to():
    plan = planned(
        row(2, "p", kind="cors"),
        row(3, "p", kind="cors"),
        row(4, "q", kind="cors"),
        row(5, api="x y", fault=fault(5)),
        row(6, "p", gw="other"),
        on_conflict=OnConflict.FIRST,
    )
    totals = plan.draft.totals

    assert (totals.rows, totals.bindings, totals.requests) == (5, 2, 2)
    assert (totals.duplicates, totals.superseded, totals.invalid) == (1, 1, 1)
    assert (totals.gateways, totals.accounts, totals.untyped) == (2, 1, 1)


# --- the digest -----------------------------------------------------------------------

BASE = (row(2, "p", "x"), row(3, "p", "y"), row(4, "q", "x", env="e2"))


def digest(*rows: Row, **settings) -> str:
    return planned(*rows, **settings).draft.digest


def test_a_digest_names_its_version():
    assert digest(*BASE).startswith("v1:")
    assert len(digest(*BASE)) == 3 + 32


def test_the_digest_of_a_plan_never_changes_between_releases():
    assert digest(*BASE) == "v1:d4c6ce7e779ebd65f186c64be9bbd2be"


def test_the_same_rows_have_the_same_digest():
    assert digest(*BASE) == digest(*BASE)


@pytest.mark.parametrize(
    "appended",
    [
        row(9, "p", "x"),
        row(9, "p", "x", account="other"),
        row(9, "p", "x", wanted=False),
        row(9, "z", "z", wanted=False),
        row(9, "p", "x y", fault=fault(9)),
    ],
    ids=["repeat", "repeat by account", "repeat not wanted", "not wanted", "invalid"],
)
def test_what_sends_nothing_more_does_not_change_the_digest(appended):
    assert digest(*BASE, appended) == digest(*BASE)


def test_line_numbers_and_projects_do_not_change_the_digest():
    moved = [each._replace(line=each.line + 70, project_id="pro") for each in BASE]

    assert digest(*moved) == digest(*BASE)


@pytest.mark.parametrize(
    "changed",
    [
        {"api_id": "w"},
        {"plugin_id": "w"},
        {"env_id": "w"},
        {"instance_id": "w"},
        {"account": "w"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_another_id_makes_another_digest(changed):
    assert digest(BASE[0]._replace(**changed), *BASE[1:]) != digest(*BASE)


@pytest.mark.parametrize(
    "settings",
    [
        {"action": Action.DETACH},
        {"batch_size": 499},
        {"on_conflict": OnConflict.FIRST},
        {"fingerprint": "columns"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_another_setting_makes_another_digest(settings):
    assert digest(*BASE, **settings) != digest(*BASE)


def test_one_binding_more_makes_another_digest():
    assert digest(*BASE, row(5, "p", "z")) != digest(*BASE)


def test_asides_are_values_of_the_model():
    plan = planned(row(2), row(3))

    assert plan.draft.asides == [
        Aside(1, Verdict.DUPLICATE, "the same binding as apis.csv:2")
    ]
