"""The only place where text goes to a terminal or a pipe."""

import io
import sys
from typing import TYPE_CHECKING, BinaryIO

import click

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def say(text: str, *, err: bool = False) -> None:
    """Write lines to standard output, or standard error.

    Nobody's text, file name or cell can move a cursor, colour a screen, turn letters
    around or hide: what a terminal obeys is written as JSON writes it.
    """
    from bulkbind.wire import visible

    click.echo(visible(text), err=err)


def streamed() -> BinaryIO:
    """Return what a file's bytes are written to when they go to standard output.

    A pipe or a file gets them as they are; a terminal shows them as ``say`` does.
    """
    output = sys.stdout.buffer
    return _Shown(output) if sys.stdout.isatty() else output


class _Shown(io.BytesIO):
    """Takes whole characters of UTF-8 and shows them on a terminal.

    Args:
        terminal: Standard output.
    """

    def __init__(self, terminal: BinaryIO) -> None:
        super().__init__()
        self._terminal = terminal

    def write(self, data: "ReadableBuffer", /) -> int:
        """Show it; a line that ends in CR LF ends a line."""
        from bulkbind.wire import visible

        text = bytes(data).decode("utf-8", "backslashreplace")
        self._terminal.write(visible(text.replace("\r\n", "\n")).encode())
        return len(bytes(data))

    def flush(self) -> None:
        """Hand on what is written."""
        self._terminal.flush()
