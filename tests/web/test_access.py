"""``report.html`` for everybody: axe-core, small screens, pictures to look at."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.web.conftest import WIDTHS

SCHEMES = ["light", "dark"]


@pytest.fixture(params=[(w, s) for w in WIDTHS for s in SCHEMES], ids="-".join)
def look(request, open_page):
    """The page in one of its looks, with a row chosen."""
    width, scheme = request.param
    one = open_page(size=WIDTHS[width], scheme=scheme)
    one.page.click("#grid tbody tr:nth-child(2)")
    folder = request.config.getoption("--screenshots")
    if folder:
        Path(folder).mkdir(exist_ok=True)
        one.page.screenshot(path=f"{folder}/{width}-{scheme}.png", full_page=True)
    return one


def test_axe_finds_nothing(look):
    for summary in look.page.locator("summary").all():
        if not summary.evaluate("(one) => one.parentElement.open"):
            summary.click()

    found = Axe().run(look.page)

    assert found.violations_count == 0, found.generate_report()


def test_nothing_is_wider_than_the_screen(look):
    inner, outer = look.page.evaluate(
        "() => [document.documentElement.scrollWidth, window.innerWidth]"
    )

    assert inner <= outer


def test_ten_million_rows_fit_into_a_tile(look):
    inner, outer = look.page.evaluate("""() => {
      const tile = document.querySelector(".tile");
      tile.querySelector("b").textContent = "10,000,000";
      return [tile.scrollWidth, tile.clientWidth];
    }""")

    assert inner <= outer


def test_axe_finds_nothing_without_rows_found(open_page):
    one = open_page()
    one.search("nowhere at all")

    assert Axe().run(one.page).violations_count == 0
