"""``bulkbind init``: a job file and a manifest to start from."""

from pathlib import Path

import click

from bulkbind.cli.saying import say
from bulkbind.errors import SettingsError

JOB = """\
name = "{name}"
manifest = "apis.csv"              # a list or a glob is fine, too

[account]
endpoint = "sandbox"               # later: "https://apig.cn-north-4.myhuaweicloud.com"
# project_id = "..."               # 32 hex digits; the sandbox needs none

# [defaults]                       # columns that the manifest lacks
# env_id = "DEFAULT_ENVIRONMENT_RELEASE_ID"

# [columns]                        # ours = "the manifest's name"
# api_id = "API ID"

[pace]
rate = "10/s"                      # "60/min" is fine, too
concurrency = 8                    # requests out at once

[safety]
on_replace = "stop"                # where another plug-in is bound: stop, skip or allow
# max_replace = "5%"               # displace no more than this
"""

MANIFEST = """\
instance_id,plugin_id,plugin_type,env_id,api_id,owner
{gateway},{plugin},cors,DEFAULT_ENVIRONMENT_RELEASE_ID,{first},team-one
{gateway},{plugin},cors,DEFAULT_ENVIRONMENT_RELEASE_ID,{second},team-two
"""


@click.command("init")
@click.argument(
    "folder", type=click.Path(path_type=Path, file_okay=False), default=Path()
)
def command(*, folder: Path) -> int:
    """Write job.toml and apis.csv into FOLDER (here, if none is named)."""
    files = {
        folder / "job.toml": JOB.format(name=_job_name(folder)),
        folder / "apis.csv": MANIFEST.format(
            gateway="a" * 32, plugin="b" * 32, first="1" * 32, second="2" * 32
        ),
    }
    there = [str(path) for path in files if path.exists()]
    if there:
        problem = f"{', '.join(there)}: there already; nothing was written"
        raise SettingsError([problem])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        problem = f"{folder}: cannot be written ({error.strerror}); choose another"
        raise SettingsError([problem]) from error
    job = folder / "job.toml"
    say(f"wrote {job} and {folder / 'apis.csv'}; next: `bulkbind plan {job} --live`")
    return 0


def _job_name(folder: Path) -> str:
    name = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "-"
        for letter in folder.resolve().name
    ).lstrip("._-")
    return name[:64] or "job"
