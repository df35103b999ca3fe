"""``bulkbind completion``: what makes a shell complete commands, runs and values."""

import click

from bulkbind.cli.completing import install
from bulkbind.cli.saying import say

_SHELLS = ("bash", "zsh", "fish")


@click.command("completion", epilog="Exit codes: 0 printed; 2 no such shell.")
@click.argument("shell", type=click.Choice(_SHELLS))
def command(*, shell: str) -> int:
    r"""Print the lines that make SHELL complete bulkbind: commands, runs, values.

    \b
    bash:  eval "$(bulkbind completion bash)"   # in ~/.bashrc
    zsh:   eval "$(bulkbind completion zsh)"    # in ~/.zshrc, after compinit
    fish:  bulkbind completion fish | source    # in ~/.config/fish/config.fish
    """
    from click.shell_completion import get_completion_class

    from bulkbind.cli.main import bulkbind

    install()
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - the choice is of those that click has
    say(kind(bulkbind, {}, "bulkbind", "_BULKBIND_COMPLETE").source())
    return 0
