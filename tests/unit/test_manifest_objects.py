"""JSON in all its forms."""

import json
from pathlib import Path

import pytest

from bulkbind.errors import ManifestError
from bulkbind.manifest import Manifest, Shape, Source
from bulkbind.manifest.elements import ELEMENT_CAP

TARGET = {"instance_id": "i", "plugin_id": "p", "env_id": "e"}
ROW = TARGET | {"api_id": "a"}


@pytest.fixture
def manifest(tmp_path: Path):
    def build(text: str, **shape) -> Manifest:
        path = tmp_path / "m.txt"
        path.write_text(text, encoding="utf-8", newline="")
        return Manifest([Source("m", path)], shape=Shape(**shape))

    return build


def broken(manifest: Manifest) -> str:
    with pytest.raises(ManifestError) as caught:
        list(manifest.rows())
    return str(caught.value)


def raw(**texts: str) -> str:
    """Return an object whose values are JSON as given."""
    values = {key: json.dumps(value) for key, value in ROW.items()} | texts
    return "{" + ", ".join(f'"{key}": {value}' for key, value in values.items()) + "}"


def test_an_array_of_objects_has_a_row_for_each_with_its_line(manifest):
    text = json.dumps([ROW, ROW | {"api_id": "b", "owner": "anna"}], indent=1)
    m = manifest(text)
    rows = list(m.rows())

    assert [(row.line, row.api_id, row.carried) for row in rows] == [
        (2, "a", ()),
        (8, "b", ("anna",)),
    ]
    assert m.carried == ["owner"]


def test_a_group_has_a_row_for_each_of_its_apis_and_one_line(manifest):
    rows = list(manifest(json.dumps([TARGET | {"api_ids": ["a", "b"]}])).rows())

    assert [(row.line, row.api_id) for row in rows] == [(1, "a"), (1, "b")]


def test_an_array_may_mix_groups_and_single_apis(manifest):
    text = json.dumps([TARGET | {"api_ids": ["a", "b"]}, ROW | {"api_id": "c"}])

    assert [row.api_id for row in manifest(text).rows()] == ["a", "b", "c"]


def test_one_object_may_stand_alone(manifest):
    text = json.dumps(TARGET | {"API IDs": ["a", "b"]}, indent=2)

    assert [row.api_id for row in manifest(text).rows()] == ["a", "b"]


def test_a_mapped_key_may_hold_one_id_or_many(manifest):
    text = json.dumps([TARGET | {"ids": ["a", "b"]}, TARGET | {"ids": "c"}])
    m = manifest(text, columns={"api_id": "ids"})

    assert [row.api_id for row in m.rows()] == ["a", "b", "c"]


def test_jsonl_is_known_by_its_content(manifest):
    text = "\n".join([json.dumps(ROW), "", json.dumps(ROW | {"api_id": "b"})])

    assert [(r.line, r.api_id) for r in manifest(text).rows()] == [(1, "a"), (3, "b")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_whatever_ends_them(manifest, end):
    pretty = json.dumps([ROW, ROW], indent=1).replace("\n", end)
    lines = end.join([json.dumps(ROW), json.dumps(ROW)])

    assert [row.line for row in manifest(pretty).rows()] == [2, 8]
    assert [row.line for row in manifest(lines).rows()] == [1, 2]


def test_a_bad_line_of_jsonl_is_a_faulty_row_that_quotes_it(manifest):
    first, bad, last = manifest(f"{raw()}\n{{oops}}\n{raw()}").rows()

    assert bad.line == 2
    assert bad[2:9] == ("",) * 7
    assert "{oops}" in bad.fault.problem
    assert (first.fault, last.fault) == (None, None)


@pytest.mark.parametrize("text", ["5", '"x"', "null", "true", "[1]"])
def test_an_element_that_is_no_object_is_a_faulty_row(manifest, text):
    bad, good = manifest(f"[{text}, {raw()}]").rows()

    assert "not an object" in bad.fault.problem
    assert good.fault is None


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("12", 'is the number "12", not text'),
        ("1.5e3", 'is the number "1500.0", not text'),
        ("null", "is null, not text"),
        ("true", "is the truth value true, not text"),
        ('["a"]', "is a list, not text"),
        ("{}", "is an object, not text"),
    ],
)
def test_an_id_must_be_text(manifest, value, problem):
    (row,) = manifest(f"[{raw(api_id=value)}]").rows()

    assert row.fault[2:4] == ("api_id", problem)


def test_null_is_as_good_as_blank_where_blank_is_allowed(manifest):
    text = f"[{raw(plugin_type='null', project_id='null', env_id='null')}]"
    (row,) = manifest(text, fill_blank=True, defaults={"env_id": "x"}).rows()

    assert (row.env_id, row.plugin_type, row.fault) == ("x", "", None)


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ('"x y"', "x y"),
        ("null", ""),
        ("1.5", "1.5"),
        ("true", "true"),
        ('{"k": ["ü", null]}', '{"k":["ü",null]}'),
        ('"\'=1"', "'=1"),
    ],
)
def test_what_is_carried_is_text(manifest, value, cell):
    (row,) = manifest(f"[{raw(note=value)}]").rows()

    assert (row.carried, row.fault) == ((cell,), None)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("NaN", "NaN is no JSON value"),
        ("-Infinity", "-Infinity is no JSON value"),
        ("9" * 5000, "a number has 5000 digits"),
        ("1e999", 'the number "1e999" is too large'),
        ('{"k": 1, "k": 2}', 'the key "k" is there more than once'),
        ('"\\u0000"', "a value holds a NUL or half a surrogate pair"),
        ('"\\ud800"', "a value holds a NUL or half a surrogate pair"),
        ('{"\\udfff": 1}', "a value holds a NUL or half a surrogate pair"),
    ],
)
def test_what_json_must_not_say_is_a_fault_and_reading_goes_on(
    manifest, value, problem
):
    bad, good = manifest(f"[{raw(note=value)}, {raw()}]").rows()

    assert bad.fault.problem == problem
    assert good.fault is None
    for cell in bad.carried:
        cell.encode()


def test_two_keys_of_one_meaning_are_a_fault(manifest):
    bad, _ = manifest(f"[{raw(API_ID='1')}, {raw()}]").rows()

    assert "both mean api_id" in bad.fault.problem


def test_missing_keys_are_a_fault_of_the_row_alone(manifest):
    bad, good = manifest(f'[{{"api_id": "a", "env": "e"}}, {raw()}]').rows()

    assert bad.fault.problem == (
        'is missing; plugin_id: is missing; env_id: is missing; for env_id, did you mean "env"?'
    )
    assert good.fault is None


@pytest.mark.parametrize("members", ["[]", '"a"', "null"])
def test_a_group_must_list_its_apis(manifest, members):
    text = json.dumps(TARGET)[:-1] + f', "api_ids": {members}}}'
    (row,) = manifest(text).rows()

    assert row.fault.problem.startswith("api_ids is")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[{}", "m:1: the file ends inside the array begun in line 1"),
        ('[\n{"a":\n 1', "m:3: the file ends inside the value begun in line 2"),
        ('[\n{"a":\n "x', "m:3: the file ends inside the value begun in line 2"),
        ("[\n{},\n", "m:3: the file ends inside the array begun in line 1"),
        ("[{}\n{}]", "m:2: a comma or ] is expected"),
        ('[{},\n{"a" 1}, {}, {}, {}, {}, {}, {}]', "m:2: it is not JSON"),
        ("[{}]\nmore than twelve characters", "m:2: it is not JSON"),
    ],
)
def test_broken_json_names_its_line(manifest, text, fault):
    assert broken(manifest(text)).startswith(fault)


def test_deep_json_is_refused(manifest):
    assert "nested too deeply" in broken(manifest("[" * 200_000))


def test_deep_json_in_a_line_is_a_fault_of_that_line(manifest):
    bad, good = manifest(
        "{}".replace("{}", '{"a":' * 99_999 + "}") + f"\n{raw()}"
    ).rows()

    assert "nested too deeply" in bad.fault.problem
    assert good.fault is None


def test_an_element_without_end_is_refused(manifest):
    text = broken(manifest('[{"a": "' + "x" * (ELEMENT_CAP + 2**20)))

    assert "an element is longer than 64 MiB" in text


def test_keys_may_differ_in_every_object(manifest):
    text = json.dumps([ROW | {f"k{number}": "x"} for number in range(300)])
    m = manifest(text)
    rows = list(m.rows())

    assert m.carried == [f"k{number}" for number in range(300)]
    assert [len(row.carried) for row in rows] == list(range(1, 301))


def test_a_filter_may_name_a_key_that_comes_late(manifest):
    text = json.dumps([ROW, ROW | {"owner": "anna"}, ROW | {"owner": "bo"}])
    m = manifest(text, only=[("Owner", frozenset({"bo"}))])

    assert [row.wanted for row in m.rows()] == [False, False, True]


def test_a_line_that_goes_on_after_its_object_is_a_faulty_row(manifest):
    bad, _ = manifest(f"{raw()} {{}}\n{raw()}").rows()

    assert "more follows at character" in bad.fault.problem


def test_an_empty_array_has_no_rows(manifest):
    assert list(manifest("[]").rows()) == []


def test_keys_of_the_report_are_not_carried_and_told_once(manifest):
    m = manifest(f"[{raw(verdict='1')}, {raw(verdict='2', line='3')}]")

    assert [row.carried for row in m.rows()] == [(), ()]
    assert len(m.warnings) == 1
