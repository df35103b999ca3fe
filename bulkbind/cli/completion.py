"""``bulkbind completion``: what makes a shell complete commands, runs and values."""

import click

from bulkbind.cli.completing import install
from bulkbind.cli.saying import say

_SHELLS = ("bash", "zsh", "fish")


@click.command("completion", epilog="Exit codes: 0 printed; 2 no such shell.")
@click.argument("shell", type=click.Choice(_SHELLS))
def command(*, shell: str) -> int:
    """Print the lines that make SHELL complete bulkbind: commands, runs, values.

    In ~/.bashrc `eval "$(bulkbind completion bash)"`; in ~/.zshrc, after compinit,
    `eval "$(bulkbind completion zsh)"`; in ~/.config/fish/config.fish `bulkbind
    completion fish | source`.
    """
    from click.shell_completion import get_completion_class

    from bulkbind.cli.main import bulkbind

    install()
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - the choice is of those that click has
    say(kind(bulkbind, {}, "bulkbind", "_BULKBIND_COMPLETE").source())
    return 0
