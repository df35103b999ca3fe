"""``report.html`` in a browser: what it holds, finds, and lets nobody do."""

import re
from typing import Any

import pytest

from bulkbind.model import FORMULA
from tests.web.conftest import HOSTILE

FAILED = {"failed", "unconfirmed", "not_sent", "invalid"}


def as_csv(row: dict[str, Any]) -> dict[str, str]:
    """Return a row of the page as ``report.csv`` has it."""
    cells = {**row, **row["carried"]}
    del cells["carried"]
    texts = {name: str(cell) for name, cell in cells.items()}
    return {n: f"'{text}" if FORMULA.match(text) else text for n, text in texts.items()}


def failed(rows) -> list[dict[str, str]]:
    return [row for row in rows if row["verdict"] in FAILED]


# --- what it holds --------------------------------------------------------------------


def test_every_row_of_the_report_is_in_the_page_and_equal(page, rows):
    found = [as_csv(row) for row in page.view()]

    assert len(found) == len(rows) == 603
    names = set(found[0]) - {"plugin_name", "env_name"}
    assert {"line", "api_id", "verdict", "error_code", "owner", "tag"} < names
    assert [{n: row[n] for n in names} for row in found] == [
        {n: row[n] for n in names} for row in rows
    ]


def test_a_column_of_many_values_is_left_out_and_that_is_said(page):
    assert "serial" not in page.view()[0]["carried"]
    assert "serial" in page.page.locator(".note").inner_text()


def test_totals_and_charts_are_there(page, rows):
    tiles = page.page.locator(".tile").all_inner_texts()

    assert tiles[0].split() == ["603", "rows"]
    counted = {row["verdict"] for row in rows}
    assert {tile.split("\n")[1].split()[0] for tile in tiles[1:]} == counted
    assert page.page.locator(".chart svg path").count() >= 2
    assert page.page.locator(".lanes tbody tr").count() == 2


def test_the_errors_by_code_have_advice(page):
    table = page.page.locator("section[aria-labelledby=h-codes]").inner_text()

    assert "BULKBIND.DUPLICATE" in table
    assert "nothing to do" in table


# --- finding rows ---------------------------------------------------------------------


@pytest.mark.parametrize("digits", [1, 2, 3, 8, 31, 32])
def test_an_id_is_found_by_its_beginning(page, rows, digits):
    begins = rows[40]["api_id"][:digits]

    page.search(begins.upper())

    found = {int(row["line"]) for row in rows if row["api_id"].startswith(begins)}
    assert set(page.lines()) >= found
    assert all(
        row["api_id"].startswith(begins)
        or any(begins in text.lower() for text in row["carried"].values())
        for row in page.view()
    )


def test_an_id_that_is_none_is_found_by_its_beginning(page):
    page.search("odd-id")

    assert [row["api_id"] for row in page.view()] == ["Odd-Id_1"]


@pytest.mark.parametrize("text", ["team-3", "TWICE", "</script>", "\u4e2d"])
def test_rows_are_found_by_a_carried_value(page, rows, text):
    page.search(text)

    found = [row for row in rows if text.lower() in (row["owner"] + row["tag"]).lower()]
    assert found
    assert len(page.view()) == len(found)
    assert page.count == f"{len(found):,} of 603 rows"


def test_what_is_nowhere_is_not_found(page):
    page.search("nowhere at all")

    assert page.count == "0 of 603 rows"
    assert page.page.locator("#grid tbody tr").count() == 0


@pytest.mark.parametrize("verdict", ["bound", "failed", "duplicate", "invalid"])
def test_a_verdict_is_chosen(page, rows, verdict):
    many = sum(row["verdict"] == verdict for row in rows)

    page.page.select_option("#f-verdict", label=f"{verdict} ({many})")

    assert [row["verdict"] for row in page.view()] == [verdict] * many
    assert many


def test_all_that_failed_are_chosen_at_once(page, rows):
    page.page.select_option("#f-verdict", value="!")

    assert page.lines() == [int(row["line"]) for row in failed(rows)]


def test_code_and_target_are_chosen_together_and_cleared(page, rows):
    gateway = rows[0]["instance_id"]
    page.page.fill("#f-target", gateway)
    page.page.select_option("#f-code", index=1)
    code = page.page.evaluate(
        "() => report.rows.facts.codes[+document.querySelector('#f-code').value]"
    )

    found = [
        int(row["line"])
        for row in rows
        if row["instance_id"] == gateway and row["error_code"] == code
    ]
    assert page.lines() == found
    assert found

    page.page.click("#clear")
    assert len(page.view()) == 603


def test_columns_sort_up_and_down(page, rows):
    def ids():
        return [row["api_id"] for row in page.view()]

    page.page.click("#grid th button:text-is('api_id')")
    up = ids()
    page.page.click("#grid th button:text-is('api_id')")

    odd = [text for text in up if not re.fullmatch("[0-9a-f]{32}", text)]
    assert up == sorted(odd) + sorted(text for text in up if text not in odd)
    assert ids() == up[::-1]
    heads = page.page.locator("#grid th[aria-sort]")
    assert [heads.count(), heads.get_attribute("aria-sort")] == [1, "descending"]


@pytest.mark.parametrize("column", ["target", "verdict", "code", "owner", "attempts"])
def test_a_sorted_column_goes_up_and_equal_rows_stay_in_order(page, column):
    page.page.click(f"#grid th button:text-is('{column}')")

    cells = page.page.evaluate(
        """(name) => { const column = report.columns.find((one) => one.name === name);
        return Array.from(report.view, (row) => [column.text(row), row]); }""",
        column,
    )
    assert cells == sorted(cells)
    assert len({text for text, _ in cells}) > 1


# --- one row --------------------------------------------------------------------------


def test_an_address_leads_to_a_row(open_page, rows):
    one = open_page(at=f"#row={rows[300]['line']}")

    assert one.chosen()["api_id"] == rows[300]["api_id"]
    marked = one.page.locator("#grid tr[aria-selected=true]")
    assert marked.count() == 1
    assert rows[300]["api_id"] in marked.inner_text()


def test_an_address_leads_to_an_api(open_page, rows):
    one = open_page(at=f"#api={rows[7]['api_id']}")

    assert one.chosen()["line"] == rows[7]["line"]
    assert one.count == "1 of 603 rows"


def test_an_address_of_no_row_says_so(open_page):
    one = open_page(at="#row=99999")

    assert one.page.locator("#told").inner_text() == "there is no such row"


def test_the_keyboard_goes_through_all_rows(page, rows):
    page.page.focus("#grid")
    for key in ("End", "ArrowUp", "ArrowUp", "PageUp", "ArrowDown"):
        page.page.keyboard.press(key)

    shown = page.page.evaluate("() => report.shown")
    place = len(rows) - 1 - 2 - shown + 1
    assert page.chosen()["line"] == rows[place]["line"]
    active = page.page.get_attribute("#grid", "aria-activedescendant")
    row = page.page.locator(f"#grid tr#{active}")
    assert row.get_attribute("aria-rowindex") == str(place + 2)
    assert row.is_visible()


def test_scrolling_reaches_the_last_row(page, rows):
    page.page.evaluate(
        "() => { const one = document.querySelector('#scroller'); one.scrollTop = 1e9; }"
    )

    page.page.locator(f"#grid tr[aria-rowindex='{len(rows) + 1}']").wait_for()
    assert page.page.locator("#grid tbody tr").count() < 40


def test_ids_are_copied(page, rows):
    page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.page.select_option("#f-verdict", value="!")
    page.page.click("#copy-ids")
    page.page.locator("#told:not(:empty)").wait_for()

    copied = page.page.evaluate("() => navigator.clipboard.readText()")
    assert copied.splitlines() == [row["api_id"] for row in failed(rows)]


@pytest.mark.parametrize("place", [3, 601, 602])
def test_a_link_to_a_row_is_copied_and_leads_there(page, open_page, rows, place):
    page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.page.evaluate("(place) => report.reveal(place)", place)
    page.page.click("#copy-link")
    page.page.locator("#told:not(:empty)").wait_for()

    link = page.page.evaluate("() => navigator.clipboard.readText()")
    chosen = open_page(at="#" + link.split("#")[1]).chosen()
    for name in ("line", "verdict", "owner"):
        assert chosen[name] == rows[place][name]


# --- what nobody may do ---------------------------------------------------------------


def test_hostile_text_stays_text(page):
    for text in HOSTILE:
        if text:
            page.search(text.split("\n")[0])
            page.page.click("#grid tbody tr:first-child")
            assert page.view()[0]["carried"]["tag"] == text

    page.page.locator("#failed > summary").click()
    assert page.page.evaluate("() => window.hacked") is None
    assert page.page.locator("img, iframe, object, embed, link, svg a").count() == 0
    kinds = page.page.locator("script").evaluate_all(
        "(all) => all.map((one) => one.type)"
    )
    assert set(kinds) == {"", "application/octet-stream"}
    assert kinds.count("") == 1


def test_what_turns_text_is_shown_by_its_number(page):
    page.search("gnp.exe")

    cell = page.page.locator("#grid tbody tr:first-child td").last
    assert "\\u202egnp.exe\\u2066" in page.page.locator("#grid tbody").inner_text()
    assert "\u202e" not in cell.inner_text()


def test_the_page_may_reach_nothing(page):
    policy = page.page.locator("meta[http-equiv=Content-Security-Policy]")

    assert policy.get_attribute("content").startswith(
        "default-src 'none'; script-src 'sha256-"
    )


# --- without scripts, on paper --------------------------------------------------------


def test_without_scripts_totals_charts_and_failed_rows_show(open_page, rows):
    one = open_page(scripts=False).page

    assert one.locator(".tile").first.inner_text().split() == ["603", "rows"]
    assert one.locator(".chart svg").first.is_visible()
    lines = one.locator("#failed tbody tr td:first-child").all_inner_texts()
    assert lines == [row["line"] for row in failed(rows)]
    assert one.locator("#failed tbody tr").first.is_visible()
    assert one.locator("noscript").inner_text()
    assert not one.locator("#explorer").is_visible()


def test_on_paper_all_rows_found_are_there(page, rows):
    page.page.select_option("#f-verdict", value="!")
    page.page.emulate_media(media="print")
    page.page.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")

    assert page.page.locator("#grid tbody tr").count() == len(failed(rows))
    assert not page.page.locator("#filters").is_visible()
    assert page.page.locator("#copy-ids").is_hidden()


def test_on_paper_the_table_is_no_wider_than_the_paper(open_page):
    one = open_page(size=(1030, 700)).page
    one.emulate_media(media="print")
    one.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")

    assert one.evaluate("() => document.documentElement.scrollWidth") <= 1030


def test_a_column_that_says_nothing_is_left_out(page):
    heads = page.page.locator("#grid th").all_inner_texts()

    assert "replaced" not in heads
    assert {"line", "code", "owner"} <= {*heads}
