"""The sandbox as a programme of its own, in a world made from a manifest."""

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import anyio

from bulkbind.errors import SettingsError
from bulkbind.host import private_folder
from bulkbind.job.connecting import sandbox_options
from bulkbind.job.walking import manifest_of
from bulkbind.model import Row
from bulkbind.sandbox import Account, Sandbox, fill, parse_account
from bulkbind.settings import JobSettings, SandboxSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxWish:
    """What a sandbox should be."""

    world: Path
    port: int
    """0: any free one."""
    job: JobSettings | None
    """Everything its manifest names exists; None: the world stays as it is."""
    settings: SandboxSettings
    account: Path | None = None
    """TOML: who is let in, and what they may do; None: everybody, everything."""


async def serve(
    wish: SandboxWish, *, ready: Callable[[str], None], warn: Callable[[str], None]
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        wish: What it should be.
        ready: Called with the URL once it listens and the world is made.
        warn: Called with what of the manifest is not in the world.

    Raises:
        ManifestError: The manifest cannot be read.
        SettingsError: The account's file cannot be used.
        StateError: The world's file cannot be used, or the port is taken.
    """
    options = sandbox_options(wish.settings, token="sandbox")  # noqa: S106
    if wish.account is not None:
        options = replace(options, account=_read_account(wish.account))
    private_folder(wish.world.parent)
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with Sandbox(wish.world, options=options, port=wish.port) as sandbox:
            if wish.job is not None:
                rows = _SoundRows(wish.job)
                fill(
                    sandbox.world,
                    rows,
                    missing=wish.settings.missing,
                    unpublished=wish.settings.unpublished,
                    seed=wish.settings.seed,
                )
                if rows.unsound:
                    warn(
                        f"of the manifest, {rows.unsound:,} rows cannot be sent as they"
                        " stand, and what they name does not exist here; the first:"
                        f" {rows.first}"
                    )
            ready(sandbox.url)
            async for _ in signals:
                return


class _SoundRows:
    """The rows of a manifest without a fault; counts the others."""

    def __init__(self, job: JobSettings) -> None:
        self.unsound = 0
        self.first = ""
        """What is wrong with the first of them."""
        self._job = job

    def __iter__(self) -> Iterator[Row]:
        for row in manifest_of(self._job).rows():
            if row.fault is None:
                yield row
                continue
            self.unsound += 1
            self.first = self.first or str(row.fault)


def _read_account(path: Path) -> Account:
    try:
        return parse_account(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"{path}: {error.strerror}; name a TOML file that can be read"
        raise SettingsError([message]) from error
    except ValueError as error:
        message = f"{path}: {error}; `bulkbind sandbox --help` shows what may be in it"
        raise SettingsError([message]) from error
