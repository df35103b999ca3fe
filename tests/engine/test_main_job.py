"""The main job: a manifest becomes bindings and a report, in as few requests."""

from collections import Counter
from random import Random

import anyio

from bulkbind.sandbox import Clock
from tests.factories import (
    RELEASE,
    attaches_by_gateway,
    binding,
    fewest_requests,
    is_in_manifest_order,
    latest,
    read_csv,
    report_of,
    runs_of_equal,
    started,
    write_manifest,
)

ROWS = 12_345
TYPES = ("cors", "rate_limit", "http_log", "jwt_auth")
ENVS = (RELEASE, "staging")


def many(*, seed):
    """Make rows over 3 gateways x 4 plug-ins x 2 environments, well shuffled."""
    random = Random(seed)  # noqa: S311 - seeded
    places = [
        (gateway, plugin, env)
        for gateway in range(3)
        for plugin in TYPES
        for env in ENVS
    ]
    weights = [1 + place for place in range(len(places))]
    chosen = random.choices(places, weights, k=ROWS)
    counts: Counter[object] = Counter()
    rows = []
    for place in chosen:
        gateway, plugin, env = place
        rows.append(binding(counts[place], gateway=gateway, plugin=plugin, env=env))
        counts[place] += 1
    random.shuffle(rows)
    return rows


class Traffic:
    """A clock that counts the changes that are out at once, over all gateways."""

    def __init__(self):
        self.out = self.most = 0
        self.clock = Clock(sleep=self.sleep)

    async def sleep(self, seconds):
        self.out += 1
        self.most = max(self.most, self.out)
        await anyio.sleep(0.01)
        self.out -= 1


def test_the_main_job_on_twelve_thousand_rows(bulkbind, folder, state, serve, remote):
    rows = many(seed=1)
    manifest = write_manifest(folder / "apis.csv", rows)
    traffic = Traffic()

    with serve(rows, clock=traffic.clock) as served:
        said = bulkbind("run", manifest, *remote(served), "--json")
        journal, counters = served.journal, served.sandbox.counters
        bound = served.bound

    assert said.code == 0, said.err
    assert said.json["verdicts"]["bound"] == ROWS
    # as few requests as there can be, and every id in one of them
    assert len(journal) == counters.attaches == fewest_requests(rows)
    assert said.json["requests"]["sent"] == len(journal)
    assert counters.ids_posted == ROWS
    assert all(len(entry.ids) <= 500 for entry in journal)
    assert {entry.status for entry in journal} == {201}
    # one at a time on each gateway, and gateways side by side
    assert counters.overlaps == 0
    assert counters.max_parallel_per_gateway == 1
    assert traffic.most >= 2
    assert len(attaches_by_gateway(journal)) == 3
    # the report: manifest order, every row once, and the world agrees
    report = report_of(state)
    assert [row["api_id"] for row in report] == [row.api_id for row in rows]
    assert [int(row["line"]) for row in report] == list(range(2, ROWS + 2))
    assert {row["verdict"] for row in report} == {"bound"}
    assert bound == {row.bound for row in rows}


def test_each_target_takes_its_rows_in_manifest_order(bulkbind, folder, serve, remote):
    rows = many(seed=2)[:3000]
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows) as served:
        said = bulkbind("run", manifest, *remote(served))
        journal = served.journal

    assert said.code == 0
    sent: dict[object, list[str]] = {}
    for entry in journal:
        place = entry.path["instance_id"], entry.path["plugin_id"], entry.env_id
        sent.setdefault(place, []).extend(entry.ids)
    wanted: dict[object, list[str]] = {}
    for row in rows:
        wanted.setdefault(row.target, []).append(row.api_id)
    assert sent == wanted


def test_a_lane_takes_its_targets_in_the_order_the_manifest_names_them(
    bulkbind, folder, serve, remote
):
    rows = [binding(no, plugin=plugin) for plugin in TYPES for no in range(3)]
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows) as served:
        bulkbind("run", manifest, *remote(served))
        journal = served.journal

    sent = [entry.path["plugin_id"] for entry in journal]
    assert sent == runs_of_equal(row.plugin_id for row in rows)


def test_repeats_are_sent_once_and_stay_in_the_report(
    bulkbind, folder, state, serve, remote
):
    rows = [binding(0), binding(1), binding(0), binding(0)]
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows) as served:
        said = bulkbind("run", manifest, *remote(served))
        journal = served.journal

    assert said.code == 0
    assert [entry.ids for entry in journal] == [(rows[0].api_id, rows[1].api_id)]
    report = report_of(state)
    verdicts = [row["verdict"] for row in report]
    assert verdicts == ["bound", "bound", "duplicate", "duplicate"]
    assert all("2" in row["error_msg"] for row in report[2:])


def test_bound_rows_bear_the_receipt(bulkbind, folder, state, serve, remote):
    rows = [binding(no) for no in range(3)]
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows) as served:
        bulkbind("run", manifest, *remote(served))

    report = report_of(state)
    assert len({row["plugin_attach_id"] for row in report}) == 3
    for row in report:
        assert len(row["plugin_attach_id"]) == 32
        assert row["attached_time"].endswith("Z")
        assert row["http_status"] == "201"
        assert row["attempts"] == "1"
        assert row["request_id"]
        assert row["replaced_plugin_id"] == "unknown"  # nobody looked
        assert row["owner"].startswith("team-")


def test_an_earlier_binding_of_the_same_type_is_replaced(
    bulkbind, folder, serve, remote
):
    first = [binding(0)]
    second = [binding(0)._replace(plugin_id="f" * 32)]

    with serve([*first, *second]) as served:
        bulkbind("run", write_manifest(folder / "a.csv", first), *remote(served))
        said = bulkbind(
            "run", write_manifest(folder / "b.csv", second), *remote(served)
        )
        bound = served.bound

    assert said.code == 0
    assert "replaced" in said.err
    assert bound == {second[0].bound}


def test_several_files_are_one_manifest(bulkbind, folder, state, serve, remote):
    rows = [binding(no) for no in range(10)]
    write_manifest(folder / "part-1.csv", rows[:5])
    write_manifest(folder / "part-2.csv", rows[5:])
    job = folder / "job.toml"
    job.write_text('name = "parts"\nmanifest = "part-*.csv"\n')

    with serve(rows) as served:
        said = bulkbind("run", job, *remote(served))
        journal = served.journal

    assert said.code == 0
    assert len(journal) == 1
    report = report_of(state)
    assert [row["file"] for row in report] == ["part-1.csv"] * 5 + ["part-2.csv"] * 5
    assert is_in_manifest_order(report[:5])


def test_a_manifest_on_standard_input_is_read_once(folder, serve, remote):
    rows = [binding(no) for no in range(10)]
    text = write_manifest(folder / "apis.csv", rows).read_bytes()

    with (
        serve(rows) as served,
        started("run", "-", *remote(served), folder=folder, stdin=text) as process,
    ):
        said = process.wait()
        bound = served.bound

    assert said.code == 0, said.err
    assert bound == {row.bound for row in rows}
    report = read_csv(latest(folder / ".bulkbind") / "report.csv")
    assert {row["file"] for row in report} == {"<stdin>"}


def test_a_rate_is_kept_from_the_first_second(bulkbind, folder, serve, remote):
    rows = [binding(no) for no in range(24)]
    manifest = write_manifest(folder / "apis.csv", rows)

    with serve(rows) as served:
        said = bulkbind(
            "run", manifest, *remote(served, rate="10/s"), "--set", "plan.batch_size=1"
        )
        times = [entry.at for entry in served.journal]

    assert said.code == 0
    assert len(times) == 24
    assert all(
        later - one >= 0.9 for one, later in zip(times, times[10:], strict=False)
    )
