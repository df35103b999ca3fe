"""Parquet: written out as a table, so that one reader takes both. The extra `parquet`.

A row's line is its number, with the names of the columns as line 1.
"""

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from bulkbind.manifest.faults import Unreadable, quoted, refusal
from bulkbind.model import FORMULA

#: First bytes of a file.
MAGIC = b"PAR1"

#: A cell of which the reader takes the first ``'`` for the guard of a formula.
_GUARDED = re.compile(rf"\A('{FORMULA.pattern})")

#: Rows written out at once.
_BATCH = 16_384

_PIPED = (
    "it is Parquet, which has to be read from its end",
    "save it as a file and name that",
)
_NO_PYARROW = (
    "it is Parquet, and pyarrow is not installed",
    "pip install 'bulkbind[parquet]', or export it as CSV",
)


def texts_of_parquet(path: Path | None, *, name: str) -> Iterator[str]:
    """Yield a Parquet file as the text of a table, in pieces.

    Args:
        path: The file; None: it comes from standard input.
        name: The file, as faults show it.

    Raises:
        ManifestError: It cannot be read, or not as a table.
    """
    try:
        yield from _texts(path)
    except Unreadable as broken:
        raise refusal(
            name, line=0, problem=broken.problem, remedy=broken.remedy
        ) from broken


def _texts(path: Path | None) -> Iterator[str]:
    if path is None:
        raise Unreadable(*_PIPED)
    try:
        import pyarrow as pa
        from pyarrow import csv, parquet
    except ImportError as error:
        raise Unreadable(*_NO_PYARROW) from error
    try:
        with parquet.ParquetFile(path) as file:
            _refuse_nested(file.schema_arrow)
            has_header = True
            for batch in file.iter_batches(batch_size=_BATCH):
                yield _written(batch, has_header=has_header, pa=pa, csv=csv)
                has_header = False
            if has_header:
                names = map(_guarded, file.schema_arrow.names)
                yield ",".join(map(_cell, names)) + "\n"
    except (pa.ArrowException, OSError) as error:
        problem = f"its Parquet cannot be read ({str(error).splitlines()[0]})"
        raise Unreadable(problem, "copy it again, or export it as CSV") from error


def _refuse_nested(schema: Any) -> None:  # noqa: ANN401 - pyarrow has no types
    for column in schema:
        if column.type.num_fields or str(column.type).startswith(
            ("binary", "large_bin")
        ):
            problem = f"its column {quoted(column.name)} holds {column.type}, not text"
            raise Unreadable(problem, "leave it out, or export it as text")


def _written(batch: Any, *, has_header: bool, pa: Any, csv: Any) -> str:  # noqa: ANN401
    texts = [column.cast(pa.string()) for column in batch.columns]
    names = list(map(_guarded, batch.schema.names))
    sink = BytesIO()
    csv.write_csv(
        pa.record_batch(list(map(_all_guarded, texts)), names=names),
        sink,
        csv.WriteOptions(include_header=has_header, quoting_style="needed"),
    )
    try:
        return sink.getvalue().decode()
    except UnicodeDecodeError as error:
        column = quoted(_not_utf8(batch.schema.names, texts))
        problem = f"its column {column} holds text that is not UTF-8"
        raise Unreadable(problem, "export it again, as UTF-8") from error


def _not_utf8(names: list[str], columns: list[Any]) -> str:
    """Return the first column with a text that cannot be decoded."""
    for name, column in zip(names, columns, strict=True):
        try:
            column.to_pylist()
        except UnicodeDecodeError:
            return name
    return ""


def _all_guarded(column: Any) -> Any:  # noqa: ANN401
    """Return a column of texts of which the reader gives back each as it was."""
    from pyarrow import compute

    # RE2 writes a character's number in another way
    pattern = re.sub(r"\\u(....)", r"\\x{\1}", _GUARDED.pattern)
    return compute.replace_substring_regex(column, pattern=pattern, replacement=r"'\1")


def _guarded(name: str) -> str:
    return f"'{name}" if _GUARDED.match(name) else name


def _cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
