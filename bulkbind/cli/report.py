"""``bulkbind report``: show what became of every row, or write it elsewhere."""

from pathlib import Path

import click

from bulkbind.cli import completing, options
from bulkbind.cli.finding import find_run
from bulkbind.cli.saying import say, streamed
from bulkbind.cli.words import count, headline, little_lines
from bulkbind.errors import SettingsError
from bulkbind.job.keeping import refuse_little
from bulkbind.job.reporting import export_run, write_run_reports
from bulkbind.report import Wish, describe
from bulkbind.state.folders import Kept


@click.command("report")
@options.run_name
@click.option("--format", "form", type=click.Choice(["csv", "jsonl", "html"]))
@click.option(
    "--only",
    multiple=True,
    metavar="COLUMN=V1[,V2]",
    shell_complete=completing.only,
    help="Chosen rows.",
)
@click.option(
    "--split-by",
    metavar="COLUMN",
    default="",
    shell_complete=completing.columns,
    help="One file per value.",
)
@click.option("--excel", is_flag=True, help="CSV that Excel reads as UTF-8.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File or folder.")
@options.state_dir
@options.quiet
def command(
    *,
    run_name: str,
    form: str | None,
    only: tuple[str, ...],
    split_by: str,
    excel: bool,
    output: Path | None,
    state_dir: Path | None,
    quiet: bool,
) -> int:
    """Show what became of the rows of RUN; the newest one if none is named.

    With a format or a file: write chosen rows there, to standard output without -o.
    html is one page that needs no network: totals, charts, and every row to search.
    A split needs -o, the folder for its files.
    """
    run = find_run(run_name, state_dir)
    facts = run.facts()
    if form is None and output is None and not (only or split_by or excel):
        if facts.kept is not Kept.WHOLE:
            say("\n".join(little_lines(facts)))
            return 0
        reported = write_run_reports(run)
        say(headline(run.facts()))
        files = reported.files if run.archive is None else ()
        say(describe(reported.totals, files=files))
        return 0
    refuse_little(run)
    if split_by and output is None:
        raise SettingsError(["--split-by writes many files: name their folder with -o"])
    wish = Wish(
        format=form or _by_name(output),
        only=[(column, sorted(v)) for column, v in options.only_pairs(only)],
        split_by=split_by,
        excel=excel,
    )
    exported = export_run(run, wish=wish, out=output or streamed())
    if not quiet and output is not None:
        written = count(len(exported.files), "file")
        say(f"{count(exported.rows, 'row')} in {written}", err=True)
    return 0


def _by_name(output: Path | None) -> str:
    ending = output.suffix.removeprefix(".") if output is not None else ""
    return ending if ending in {"jsonl", "html"} else "csv"
