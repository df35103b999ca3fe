"""The only place where text goes to a terminal or a pipe."""

import click


def say(text: str, *, err: bool = False) -> None:
    """Write lines to standard output, or standard error.

    Nobody's text, file name or cell can move a cursor, colour a screen, turn letters
    around or hide: what a terminal obeys is written as JSON writes it.
    """
    from bulkbind.wire import visible

    click.echo(visible(text), err=err)
