"""Ids, accounts, projects: what is a fault, and in which words."""

from pathlib import Path

import pytest

from bulkbind.manifest import Manifest, Shape, Source

COLUMNS = ("account", "project_id", "instance_id", "plugin_id", "plugin_type", "env_id")
SOUND = dict(zip(COLUMNS, ("default", "", "i", "p", "cors", "e"), strict=True))


@pytest.fixture
def rows(tmp_path: Path):
    def read(*changes: dict[str, str], **shape):
        lines = [",".join([*COLUMNS, "api_id"])]
        for change in changes:
            row = SOUND | {"api_id": "a"} | change
            lines.append(",".join(row.values()))
        path = tmp_path / "m.csv"
        path.write_text("\n".join(lines), encoding="utf-8")
        return list(Manifest([Source("m.csv", path)], shape=Shape(**shape)).rows())

    return read


@pytest.mark.parametrize("text", ["a", "A-z_9", "0" * 64, "s" * 31])
def test_an_id_may_be_this(rows, text):
    (row,) = rows({"api_id": text})

    assert (row.api_id, row.fault) == (text, None)


@pytest.mark.parametrize("column", ["instance_id", "plugin_id", "env_id", "api_id"])
def test_blanks_around_an_id_are_taken_off(rows, column):
    (row,) = rows({column: " \u00a0x "})

    assert (getattr(row, column), row.fault) == ("x", None)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("a/b", """"a/b" holds '/'"""),
        ("a?b", """"a?b" holds '?'"""),
        ("a#b", """"a#b" holds '#'"""),
        ("%2f", """"%2f" holds '%'"""),
        ("../x", """"../x" holds '.'"""),
        ("a b", '"a b" holds a blank'),
        ("a\u2003b", '"a\\u2003b" holds a blank (U+2003)'),
        ("\u0430bc", '"\u0430bc" holds "\u0430" (U+0430)'),
        ("a\u202eb", '"a\\u202eb" holds "\\u202e" (U+202E)'),
        ("\u0661", '"\u0661" holds "\u0661" (U+0661)'),
        ("1.2E+31", '"1.2E+31" is an id that a spreadsheet turned into a number'),
        ("x" * 65, f'"{"x" * 65}" has 65 characters'),
        ("x" * 99, f'"{"x" * 80}…" has 99 characters'),
    ],
)
def test_an_id_must_not_be_this(rows, text, problem):
    (row,) = rows({"api_id": text})

    assert row.fault[:4] == ("m.csv", 2, "api_id", problem)
    assert row.api_id == text


def test_a_number_with_a_decimal_comma_is_recognised_too(rows):
    (row,) = rows({"api_id": '"1,23E+31"'})

    assert "a spreadsheet turned into a number" in row.fault.problem


def test_every_problem_of_a_row_is_told(rows):
    (row,) = rows({"env_id": "e/1", "plugin_id": "", "plugin_type": "CORS"})

    assert row.fault.column == "plugin_id"
    assert row.fault.problem == (
        'is empty; plugin_type: "CORS" is not a plug-in type;'
        """ env_id: "e/1" holds '/'"""
    )


def test_a_faulty_row_keeps_its_own_text(rows):
    (row,) = rows({"instance_id": " i ", "api_id": "a/b "})

    assert (row.instance_id, row.api_id) == (" i ", "a/b ")


def test_a_fault_does_not_stop_the_reading(rows):
    faults = [row.fault for row in rows({"api_id": ""}, {}, {"env_id": ""}, {})]

    assert [fault is None for fault in faults] == [False, True, False, True]


def test_a_plugin_type_may_be_blank(rows):
    (row,) = rows({"plugin_type": " "})

    assert (row.plugin_type, row.fault) == ("", None)


def test_an_unknown_account_is_told_with_the_known_ones(rows):
    (row,) = rows({"account": "pay"}, accounts={"default": "", "payments": ""})

    assert row.fault.column == "account"
    assert 'known are "default", "payments"' in row.fault.problem


def test_a_row_without_project_has_its_accounts(rows):
    (row,) = rows({}, accounts={"default": "P"})

    assert row.project_id == "P"


def test_a_project_that_is_not_its_accounts_is_a_fault(rows):
    (row,) = rows({"project_id": "Q"}, accounts={"default": "P"})

    assert row.fault[2:4] == (
        "project_id",
        '"Q", but the job gives account default "P"',
    )


def test_the_first_rows_project_stands_for_an_account_without_one(rows):
    before, first, after, other = rows({}, {"project_id": "P"}, {}, {"project_id": "Q"})

    assert (before.project_id, first.project_id, after.project_id) == ("", "P", "P")
    assert other.fault.problem == '"Q", but m.csv:3 gave account default "P"'


def test_a_faulty_row_sets_no_project(rows):
    _, row = rows({"project_id": "P", "api_id": ""}, {"project_id": "Q"})

    assert (row.project_id, row.fault) == ("Q", None)


def test_each_account_has_its_own_project(rows):
    first, second = rows(
        {"project_id": "P"},
        {"account": "b", "project_id": "Q"},
        accounts={"default": "", "b": ""},
    )

    assert (first.fault, second.fault) == (None, None)
