"""``bulkbind completion``: what makes a shell complete commands, runs and values."""

import click

from bulkbind.cli.completing import SHELLS
from bulkbind.cli.saying import say


@click.command("completion", epilog="Exit codes: 0 printed; 2 no such shell.")
@click.argument("shell", type=click.Choice(tuple(SHELLS)))
def command(*, shell: str) -> int:
    """Print the lines that make SHELL complete bulkbind: commands, runs, values.

    In ~/.bashrc `eval "$(bulkbind completion bash)"`; in ~/.zshrc, after compinit,
    `eval "$(bulkbind completion zsh)"`; in ~/.config/fish/config.fish `bulkbind
    completion fish | source`.
    """
    from bulkbind.cli.main import bulkbind

    say(SHELLS[shell](bulkbind, {}, "bulkbind", "_BULKBIND_COMPLETE").source())
    return 0
