"""Columns: which are ours, which are carried, and what is said of missing ones."""

from pathlib import Path

import pytest

from bulkbind.errors import ManifestError
from bulkbind.manifest import Manifest, Shape, Source
from bulkbind.manifest.header import MOST_CARRIED
from bulkbind.model import NAMED

HEADER = "instance_id,plugin_id,env_id,api_id"


@pytest.fixture
def manifest(tmp_path: Path):
    def build(*texts: str, **shape) -> Manifest:
        sources = []
        for number, text in enumerate(texts):
            path = tmp_path / f"{number}.csv"
            path.write_text(text, encoding="utf-8")
            sources.append(Source(path.name, path))
        return Manifest(sources, shape=Shape(**shape))

    return build


def broken(manifest: Manifest) -> str:
    with pytest.raises(ManifestError) as caught:
        list(manifest.rows())
    return str(caught.value)


@pytest.mark.parametrize(
    "header",
    [
        "Instance ID,PLUGIN-ID,envId,api_id",
        " instance_id ,plugin id,Env_Id,\ufeffApiID",
        "\ufeffinstance_id,plugin_id,env_id,api_id",
    ],
)
def test_case_blanks_dashes_and_underscores_do_not_matter(manifest, header):
    (row,) = manifest(f"{header}\ni,p,e,a\n").rows()

    assert row[4:9] == ("i", "p", "", "e", "a")


def test_an_absent_column_takes_its_default(manifest):
    defaults = {"env_id": "e", "instance_id": "i", "account": "pay"}
    (row,) = manifest(
        "api_id,plugin_id\na,p\n", defaults=defaults, accounts={"pay": "P"}
    ).rows()

    assert row[2:9] == ("pay", "P", "i", "p", "", "e", "a")


def test_a_default_does_not_touch_a_column_that_is_there(manifest):
    (row,) = manifest(f"{HEADER}\ni,p,e,a\n", defaults={"env_id": "x"}).rows()

    assert row.env_id == "e"


def test_an_empty_cell_is_a_fault_although_there_is_a_default(manifest):
    (row,) = manifest(f"{HEADER}\ni,p,,a\n", defaults={"env_id": "x"}).rows()

    assert row.fault.column == "env_id"


def test_an_empty_cell_takes_the_default_when_that_is_allowed(manifest):
    (row,) = manifest(
        f"{HEADER},account\ni,p, ,a,\n", defaults={"env_id": "x"}, fill_blank=True
    ).rows()

    assert (row.account, row.env_id, row.fault) == ("default", "x", None)


def test_a_mapped_column_is_found_by_its_exact_name_first(manifest):
    (row,) = manifest(
        "instance_id,plugin_id,STAGE,stage,api_id\ni,p,e,f,a\n",
        columns={"env_id": "stage"},
    ).rows()

    assert (row.env_id, row.carried) == ("f", ("e",))


def test_a_mapped_column_is_found_tolerantly_then(manifest):
    (row,) = manifest(
        "instance_id,plugin_id,My-Stage,api_id\ni,p,e,a\n",
        columns={"env_id": "my stage"},
    ).rows()

    assert row.env_id == "e"


def test_what_is_mapped_wins_over_a_column_of_our_own_name(manifest):
    m = manifest(f"{HEADER},gw\ndb,p,e,a,i\n", columns={"instance_id": "gw"})
    (row,) = m.rows()

    assert (row.instance_id, row.carried) == ("i", ())
    assert '"instance_id"' in m.warnings[0]


def test_a_mapped_column_that_is_not_there_is_told_with_the_nearest(manifest):
    text = broken(manifest(f"{HEADER},stages\n", columns={"env_id": "stage"}))

    assert 'env_id = "stage", and there is no such column' in text
    assert 'did you mean "stages"' in text


def test_two_columns_of_one_meaning_are_refused(manifest):
    assert 'the columns "api_id" and "API ID" both mean api_id' in broken(
        manifest(f"{HEADER},API ID\n")
    )


def test_all_missing_columns_are_told_at_once_with_what_to_do(manifest):
    text = broken(manifest("instance_id,plugin,api\ni,p,a\n"))

    assert text.startswith("0.csv:1: plugin_id: the columns plugin_id, env_id, api_id")
    assert 'there are "instance_id", "plugin", "api"' in text
    assert 'for plugin_id, did you mean "plugin"?' in text
    assert "[columns]" in text
    assert "[defaults]" in text
    assert "--default plugin_id=" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("instance_name", "instance_id"),
        ("Plugin Name", "plugin_id"),
        ("env_name", "env_id"),
        ("apis", "api_id"),
    ],
)
def test_a_name_may_stand_in_for_an_id(manifest, name, column):
    m = manifest(HEADER.replace(column, name) + "\n*,*,*,*\n".replace("*", "x"))
    if name == "apis":
        m = manifest(HEADER.replace(column, name) + "\nx,x,x,group:pets\n")
    (row,) = m.rows()

    assert m.has_names
    assert row.fault is None
    assert row.is_named
    assert getattr(row, column).startswith(NAMED)


def test_an_id_has_precedence_over_a_name_beside_it(manifest):
    m = manifest(f"{HEADER},plugin_name\ni,p,e,a,cors\n")
    (row,) = m.rows()

    assert not m.has_names
    assert row.plugin_id == "p"


@pytest.mark.parametrize("text", ["", "everything", "group:", "tag: "])
def test_a_selector_that_selects_nothing_is_a_fault(manifest, text):
    m = manifest(HEADER.replace("api_id", "apis") + f"\ni,p,e,{text}\n")
    (row,) = m.rows()

    assert row.fault is not None
    assert row.fault.column == "api_id"


def test_a_file_that_begins_with_a_row_is_asked_for_its_header(manifest):
    assert "is the header line missing?" in broken(manifest(f"{'0f' * 16},p,e,a\n"))


def test_report_columns_are_not_carried_and_one_warning_names_them(manifest):
    m = manifest(f"{HEADER},verdict,owner,http_status,apis,\ni,p,e,a,v,o,2,*,\n")
    (row,) = m.rows()

    assert (m.carried, row.carried) == (["owner"], ("o",))
    (warning,) = m.warnings
    assert '"verdict", "http_status", "apis", "column 9 without a name"' in warning


def test_carried_columns_of_one_name_are_told_apart(manifest):
    m = manifest(f"{HEADER},tag,tag,tag\ni,p,e,a,x,y,z\n")
    (row,) = m.rows()

    assert (m.carried, row.carried) == (["tag", "tag_2", "tag_3"], ("x", "y", "z"))


def test_carried_columns_of_many_files_are_put_side_by_side(manifest):
    m = manifest(f"{HEADER},a,b\ni,p,e,x,1,2\n", f"c,b,{HEADER}\n3,4,i,p,e,y\n")
    first, second = m.rows()

    assert m.carried == ["a", "b", "c"]
    assert (first.file, first.carried) == (0, ("1", "2"))
    assert (second.file, second.carried) == (1, ("", "4", "3"))
    assert [file.name for file in m.files] == ["0.csv", "1.csv"]


def test_too_many_columns_are_refused(manifest):
    names = ",".join(f"c{number}" for number in range(MOST_CARRIED + 1))

    assert "more than 1,024 columns" in broken(manifest(f"{HEADER},{names}\n"))


def test_a_filter_marks_the_rows_that_pass_all_of_it(manifest):
    only = [("Owner", frozenset({"anna", "bo"})), ("env_id", frozenset({"e"}))]
    m = manifest(
        f"{HEADER},owner\ni,p,e,a,anna\ni,p,e,b,cy\ni,p,f,c,bo\ni,p,e,d,bo\n", only=only
    )

    assert [row.api_id for row in m.rows() if row.wanted] == ["a", "d"]


def test_a_filter_never_drops_a_row_whose_cells_may_have_moved(manifest):
    (row,) = manifest(f"{HEADER}\ni,p,f\n", only=[("env_id", {"e"})]).rows()

    assert row.wanted


def test_a_filter_on_a_column_that_no_file_has_is_refused(manifest):
    text = broken(manifest(f"{HEADER},owner\n", only=[("own", frozenset({"x"}))]))

    assert text.startswith("--only: own: no file has such a column")


def test_the_users_own_mapping_and_defaults_are_checked_before_any_file(manifest):
    text = broken(
        manifest("", columns={"gateway": "g"}, defaults={"env_id": "a b", "zone": "z"})
    )

    assert [line.split(":")[:2] for line in text.splitlines()] == [
        ["[columns]", " gateway"],
        ["[defaults]", " zone"],
        ["[defaults]", " env_id"],
    ]
