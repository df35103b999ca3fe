"""Opens a page in a browser, and sees to it that nothing leaves it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

#: The table is there.
SHOWN = "#explorer:not([hidden])"


@dataclass
class Opened:
    """A page, and what it said and asked for."""

    page: Page
    said: list[str]
    asked: list[str]

    @property
    def count(self) -> str:
        """How many rows it says it shows."""
        return self.page.locator("#count").inner_text()

    def search(self, text: str) -> None:
        """Type into the search."""
        self.page.fill("#search", text)

    def view(self) -> list[dict[str, Any]]:
        """Every row that is found, in the order it is shown in."""
        found: list[dict[str, Any]] = self.page.evaluate(
            "() => Array.from(report.view, (row) => report.rows.row(row))"
        )
        return found

    def lines(self) -> list[int]:
        """The lines of those rows."""
        return [row["line"] for row in self.view()]

    def chosen(self) -> dict[str, str]:
        """What is said of the row that is chosen."""
        names = self.page.locator("#detail dt").all_inner_texts()
        texts = self.page.locator("#detail dd").all_inner_texts()
        return dict(zip(names, texts, strict=True))


@contextmanager
def opened(
    browser: Browser,
    path: Path,
    *,
    at: str = "",
    size: tuple[int, int] = (1280, 900),
    scheme: Any = "light",
    scripts: bool = True,
) -> Iterator[Opened]:
    """Open a file; in the end it must have said and asked for nothing.

    Args:
        browser: Chromium.
        path: The page.
        at: Behind its address, from the hash sign on.
        size: Width and height in pixels.
        scheme: ``light`` or ``dark``.
        scripts: False: they are off.
    """
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,
        java_script_enabled=scripts,
    )
    one = Opened(context.new_page(), [], [])
    one.page.on("console", lambda message: one.said.append(message.text))
    one.page.on("pageerror", lambda error: one.said.append(str(error)))
    one.page.on("request", lambda request: one.asked.append(request.url))
    one.page.goto(path.as_uri() + at)
    if scripts:
        one.page.wait_for_selector(SHOWN)
    yield one
    assert one.said == []
    assert [url.split("#")[0] for url in one.asked] == [path.as_uri()]
    context.close()
