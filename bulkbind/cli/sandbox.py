"""``bulkbind sandbox``: a local gateway for any client."""

from functools import partial
from pathlib import Path

import click

from bulkbind.cli import options
from bulkbind.cli.saying import say
from bulkbind.job.looping import run_async
from bulkbind.job.rehearsing import SandboxWish, serve
from bulkbind.settings import Hint, SandboxSettings, parse_duration, parse_rate


@click.command("sandbox")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0: any.")
@click.option(
    "--world",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The world's file; else sandbox.db in STATE.",
)
@click.option(
    "--manifest",
    "source",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A manifest or job file: what its sound rows name exists.",
)
@click.option("--missing", type=click.IntRange(0), default=0, help="APIs left out.")
@click.option("--unpublished", type=click.IntRange(0), default=0, help="Not published.")
@click.option("--latency", default="0", help="Before each answer, such as 0.2s.")
@click.option("--rate", default="unlimited", help="Refuse what is faster: 20/s.")
@click.option("--errors", type=click.FloatRange(0, 1), default=0.0, help="500s: share.")
@click.option("--lost", type=click.FloatRange(0, 1), default=0.0, help="Lost answers.")
@click.option(
    "--faults",
    default="",
    help="storm, flaky, lossy, throttled, lagging, or such as"
    ' "lost_after=0.1, http_502=0.05"; a wrong name lists all.',
)
@click.option(
    "--hint",
    type=click.Choice(["present", "absent", "lying", "all", "plugin"]),
    default="present",
    help="Whom a refusal names.",
)
@click.option("--seed", type=int, default=0, help="Which APIs and requests are hit.")
@click.option(
    "--account",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A TOML file: keys, users, projects, rights, tags.",
)
@options.state_dir
def command(
    *,
    port: int,
    world: Path | None,
    source: Path | None,
    latency: str,
    rate: str,
    state_dir: Path | None,
    missing: int,
    unpublished: int,
    errors: float,
    lost: float,
    faults: str,
    hint: Hint,
    seed: int,
    account: Path | None,
) -> int:
    """Serve a gateway on 127.0.0.1 until it is interrupted.

    It accepts the token `sandbox`, and the key pair `sandbox`, `sandbox`. What clients
    bind stays in the world's file; /openapi.json describes what they can call.

    What to put into the file of --account, all of it optional:

    \b
    region = "cn-north-4"
    token_life_s = 86400
    grants = [{ actions = ["apig:*:get"], tags = { team = "a" } }]  # of `sandbox`
    [[projects]]
    id = "..."
    name = "cn-north-4"
    [[keys]]            # and security_token, expires, grants
    ak = "..."
    sk = "..."
    [[users]]           # and domain, grants
    name = "..."
    password = "..."
    [tags.INSTANCE_ID]
    team = "a"
    """  # noqa: D301 - click reads the backspace
    try:
        settings = SandboxSettings(
            missing=missing,
            unpublished=unpublished,
            latency_s=parse_duration(latency),
            rate=parse_rate(rate),
            errors=errors,
            lost=lost,
            faults=faults,
            hint=hint,
            seed=seed,
        )
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    given = options.gather(source, state_dir=state_dir)
    wish = SandboxWish(
        world=world or given.state.sandbox_world,
        port=port,
        job=given.load() if source is not None else None,
        settings=settings,
        account=account,
    )
    run_async(partial(serve, wish, ready=_say_ready, warn=_warn))
    return 0


def _warn(text: str) -> None:
    say(f"warning: {text}", err=True)


def _say_ready(url: str) -> None:
    say(f"sandbox listening on {url}")
