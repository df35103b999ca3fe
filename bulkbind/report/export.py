"""One format of a finished run, for somebody: chosen rows, one file or many."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from bulkbind.errors import SettingsError, StateError
from bulkbind.report.block import Block, blocks
from bulkbind.report.cells import Layout
from bulkbind.report.choose import Only, cell_reader, chosen
from bulkbind.report.files import drafts, encoded, publish, unwritable, write_all
from bulkbind.report.forms import new_form
from bulkbind.report.html import About
from bulkbind.report.judged import JudgedRow
from bulkbind.report.split import Split
from bulkbind.report.table import Form
from bulkbind.report.totals import Tally

#: What Excel needs at a file's start to read it as UTF-8.
_BYTE_ORDER_MARK = "\ufeff"

#: Formats that somebody may ask for.
_FORMATS = ("csv", "jsonl", "html")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants of a run's report."""

    format: str = "csv"
    """``csv``, ``jsonl`` or ``html``"""
    only: Only = ()
    """Empty: every row."""
    split_by: str = ""
    """A column, for one file per value; empty: all in one."""
    excel: bool = False
    """CSV that Excel opens as UTF-8 on a double click."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export came to."""

    rows: int
    files: tuple[Path, ...]
    """Empty when it went to a stream."""


def export(
    judged: Iterable[Block],
    *,
    layout: Layout,
    wish: Wish,
    out: Path | BinaryIO,
    about: About | None = None,
) -> Exported:
    """Write the rows that are wanted.

    Args:
        judged: All rows of the run; they are read to the end, so that the report is
            proved to add up whatever was chosen.
        layout: File names, carried columns, advice.
        wish: Which rows, and how.
        out: A file; the folder for the files of a split; or a binary stream, which
            has got its text before the rows are proved.
        about: The run as a whole; ``html`` needs it.

    Raises:
        SettingsError: The wish cannot be met; nothing was written.
        ReportWrong: The rows do not add up; no file was written.
        StateError: The files cannot be written.
    """
    _check(wish)
    some = _wanted(judged, layout=layout, wish=wish)
    with closing(_new_form(wish, layout, about)) as form:
        header = (_BYTE_ORDER_MARK if wish.excel else "") + form.header
        if wish.split_by:
            return _export_split(
                some, layout=layout, wish=wish, form=form, header=header, out=out
            )
        parts = _parts(some, form=form, layout=layout)
        if not isinstance(out, Path):
            return _export_stream(parts, header=header, out=out)
        with drafts([out]) as opened:
            opened[0].add(header)
            count = 0
            for size, text in parts:
                opened[0].add(text)
                count += size
            publish(opened)
        return Exported(count, (out,))


def _check(wish: Wish) -> None:
    if wish.format not in _FORMATS:
        problem = f"--format: {wish.format!r} is none of {', '.join(_FORMATS)}"
        raise SettingsError([problem])
    if wish.excel and wish.format != "csv":
        raise SettingsError(["--excel: only with --format csv"])
    if wish.split_by and wish.format == "html":
        raise SettingsError(["--split-by: not with --format html; choose with --only"])


def _new_form(wish: Wish, layout: Layout, about: About | None) -> Form:
    try:
        return new_form(wish.format, layout=layout, about=about)
    except OSError as failure:
        folder = about.folder if about else Path()
        raise StateError(unwritable([folder / "report"], failure)) from failure


def _parts(
    some: Iterable[Block], *, form: Form, layout: Layout
) -> Iterator[tuple[int, str]]:
    """Yield text, and how many rows came with it."""
    tally = Tally(layout.advise)
    for block in some:
        tally.count(block)
        yield len(block), form.lines(block)
    for text in form.end(tally.totals()):
        yield 0, text


def _wanted(judged: Iterable[Block], *, layout: Layout, wish: Wish) -> Iterable[Block]:
    if not wish.only:
        judged = iter(judged)
        return chain(list(islice(judged, 1)), judged)  # told before a stream begins
    rows = (row for block in judged for row in block.rows)
    some = _proved_to_match(chosen(rows, only=wish.only, layout=layout), wish=wish)
    return blocks(some, carried=len(layout.carried))


def _proved_to_match(rows: Iterator[JudgedRow], *, wish: Wish) -> Iterable[JudgedRow]:
    """Look for the first row before anything is written."""
    first = next(rows, None)
    if first is not None:
        return chain([first], rows)
    asked = " ".join(f"{name}={','.join(values)}" for name, values in wish.only)
    raise SettingsError([f"--only {asked}: no row of the run matches"])


def _export_stream(
    parts: Iterable[tuple[int, str]], *, header: str, out: BinaryIO
) -> Exported:
    write_all(out, encoded(header))
    count = 0
    for size, text in parts:
        write_all(out, encoded(text))
        count += size
    out.flush()
    return Exported(count, ())


def _export_split(
    judged: Iterable[Block],
    *,
    layout: Layout,
    wish: Wish,
    form: Form,
    header: str,
    out: Path | BinaryIO,
) -> Exported:
    read = cell_reader(wish.split_by, layout=layout, option="--split-by")
    if not isinstance(out, Path):
        raise SettingsError(["--split-by: needs a folder; say which with -o"])
    count = 0
    with Split(out, header=header, suffix=wish.format) as split:
        for block in judged:
            count += len(block)
            by_value: dict[str, list[JudgedRow]] = {}
            for row in block.rows:
                by_value.setdefault(read(row), []).append(row)
            for value, some in by_value.items():
                part = Block.of(some, carried=len(layout.carried))
                split.add(value, form.lines(part))
        return Exported(count, split.publish())
