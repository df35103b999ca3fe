"""Programmes that are started when a run ends: no shell, no credentials of ours."""

import subprocess
from collections.abc import Iterable, Mapping, Sequence

import anyio

from bulkbind.errors import NotifyFailed

#: Variables that every programme may need and that hold no secret.
_HARMLESS = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM"),
    *("TMPDIR", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME"),
)


def child_environment(
    environ: Mapping[str, str], *, also: Iterable[str] = ()
) -> dict[str, str]:
    """Return what a programme of the user's may see of our environment.

    Args:
        environ: Ours, with whatever credentials are in it.
        also: Names of variables that the job passes on beside the harmless ones.
    """
    wanted = {*_HARMLESS, *also}
    return {
        name: value
        for name, value in environ.items()
        if name in wanted or name.startswith("LC_")
    }


async def call_hook(
    argv: Sequence[str], *, environ: Mapping[str, str], timeout_s: float
) -> None:
    """Start a programme and wait for its end; its output goes nowhere.

    Args:
        argv: Programme and arguments.
        environ: All that it sees.
        timeout_s: Seconds after which it is killed.

    Raises:
        NotifyFailed: It could not be started, took too long, or exited with another
            code than 0.
    """
    name = argv[0]
    try:
        with anyio.fail_after(timeout_s):
            done = await anyio.run_process(
                list(argv),
                env=environ,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
    except TimeoutError as error:
        message = f"notify.hooks: {name} was not done after {timeout_s:g} s"
        raise NotifyFailed(message) from error
    except OSError as error:
        message = f"notify.hooks: {name} cannot be started ({error.strerror or error})"
        raise NotifyFailed(message) from error
    if done.returncode:
        message = f"notify.hooks: {name} exited with {done.returncode}"
        raise NotifyFailed(message)
