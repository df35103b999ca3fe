"""``bulkbind schema``: the JSON Schema of a file or an answer."""

import json

import click

from bulkbind.cli.saying import say
from bulkbind.cli.schemas import DRAFT, SCHEMAS


@click.command("schema")
@click.argument("name", type=click.Choice(tuple(SCHEMAS)), metavar="NAME")
def command(*, name: str) -> int:
    """Print the JSON Schema (draft 2020-12) of NAME.

    job: a job file, read as TOML. plan: what `plan --json` prints. summary: summary.json
    and what `run --json` prints. events: one line of events.jsonl. status: what
    `status --json` prints. schedule: what `schedule --json` prints. diff: what `runs
    diff --json` prints. archive: archive.json in the file of `runs archive`. webhook:
    what the webhook of [notify] gets.
    """
    schema = {"$schema": DRAFT, **SCHEMAS[name](), "title": f"bulkbind {name}"}
    say(json.dumps(schema, indent=2, ensure_ascii=False))
    return 0
