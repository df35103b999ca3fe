"""The vocabulary: secrets stay secret, targets have one key."""

import pytest

from bulkbind.errors import (
    Fault,
    JobBusy,
    ManifestError,
    PlanConflict,
    RunInterrupted,
    SettingsError,
)
from bulkbind.model import FORMULA, REPORT_COLUMNS, Row, Secret


def fault(line: int) -> Fault:
    return Fault("apis.csv", line, "api_id", "'x y' is no id", "correct it")


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r}".format])
def test_a_secret_shows_itself_to_nobody(show):
    assert show(Secret("hunter2")) == "Secret(***)"


def test_a_secret_is_told_to_one_who_asks_by_name():
    assert Secret("hunter2").reveal() == "hunter2"


def test_an_empty_secret_is_false():
    assert not Secret("")
    assert Secret("x")


def test_a_secret_takes_no_attributes():
    with pytest.raises(AttributeError):
        Secret("x").shown = "x"  # type: ignore[attr-defined]


def test_rows_of_one_target_have_one_key():
    row = Row(0, 2, "acc", "pro", "gw", "plug", "cors", "env", "api")

    assert row.target_key == ("acc", "gw", "plug", "env")


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+1",
        "-1",
        "@x",
        "\tx",
        "\rx",
        "\nx",
        "\uff1d1",
        "\uff201",
        "'=1",
        "''-1",
    ],
)
def test_a_cell_that_a_spreadsheet_would_run_is_seen(cell):
    assert FORMULA.match(cell)


@pytest.mark.parametrize("cell", ["", "a=1", "'", "'a", "1-1", " =1"])
def test_a_harmless_cell_is_not(cell):
    assert not FORMULA.match(cell)


def test_report_columns_are_told_apart():
    assert len(set(REPORT_COLUMNS)) == len(REPORT_COLUMNS) == 23


# --- errors build their own text ------------------------------------------------------


def test_a_fault_names_file_line_and_column_and_says_what_to_do():
    assert str(fault(7)) == "apis.csv:7: api_id: 'x y' is no id; correct it"


def test_a_fault_of_no_line_and_column_names_the_file():
    assert str(Fault("apis.csv", 0, "", "is empty", "fill it")) == (
        "apis.csv: is empty; fill it"
    )


def test_a_manifest_error_lists_every_fault():
    assert str(ManifestError([fault(2), fault(3)])).count("\n") == 1


def test_a_manifest_error_counts_what_it_does_not_list():
    error = ManifestError([fault(line) for line in range(60)], total=1_234)

    assert "... and 1,184 more" in str(error)
    assert len(error.faults) == 60


def test_a_conflict_counts_what_it_does_not_list():
    error = PlanConflict([fault(line) for line in range(60)], total=1_234)

    assert "... and 1,184 more" in str(error)
    assert error.total == 1_234


def test_a_conflict_lists_all_of_few():
    assert str(PlanConflict([fault(2)], total=1)) == str(fault(2))


def test_settings_errors_stand_one_to_a_line():
    error = SettingsError(["a: wrong", "b: wrong"])

    assert str(error) == "a: wrong\nb: wrong"
    assert error.problems == ("a: wrong", "b: wrong")


def test_a_busy_job_says_who_is_at_it():
    assert str(JobBusy("cors", "pid 7")).startswith("cors is being worked on by pid 7;")


def test_an_interrupted_run_says_how_to_go_on():
    error = RunInterrupted("R1", SettingsError(["the disk is full"]))

    assert str(error).startswith("the disk is full\n")
    assert "`bulkbind resume R1`" in str(error)
