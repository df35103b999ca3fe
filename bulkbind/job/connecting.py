"""Accounts -> credentials, gateways and paces; or the sandbox in their place."""

import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    closing,
)
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import anyio

from bulkbind.auth import Credential, Finder, Iam, Token
from bulkbind.door import Door
from bulkbind.errors import SettingsError
from bulkbind.gateway import Gateway
from bulkbind.host import HostFolder, default_host_folder
from bulkbind.http import AccountHttp, Http, trust
from bulkbind.manifest import read_pin
from bulkbind.model import Aside, Row, Secret, Verdict
from bulkbind.pace import Pace, Rate
from bulkbind.settings import (
    SANDBOX,
    SANDBOX_PROJECT,
    AccountSettings,
    JobSettings,
    SandboxSettings,
)
from bulkbind.state.folders import StateFolder

if TYPE_CHECKING:
    from bulkbind.sandbox import SandboxOptions

#: Slots say how many requests are out, and can be changed meanwhile; this is no limit.
MOST_CONNECTIONS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """What the engine sends with, by account."""

    attachers: Mapping[str, Gateway]
    turns: Mapping[str, Door]
    paces: Mapping[str, Pace]
    """How fast each account's turns come."""
    counted: Mapping[str, str] = field(default_factory=dict)
    """What the gateway counts requests by: where the account is, and its project."""
    label: str
    """Where the credentials came from."""
    host: HostFolder
    scope: str
    """Put before a gateway's name where two may share one: sandboxes."""

    def lock(self, gateway: str) -> AbstractAsyncContextManager[None]:
        """Keep other processes of this host off a gateway."""
        return self.host.gateway(f"{self.scope}{gateway}", pause=anyio.sleep)


def find_credentials(
    settings: JobSettings, environ: Mapping[str, str]
) -> dict[str, Credential | None]:
    """Find every account's credential before anything is done; None: the sandbox.

    Raises:
        CredentialsMissing: An account has none.
        SettingsError: An account has no endpoint, or a ``ca_file`` that is none; or
            the sandbox is asked for faults that it does not know.
    """
    finder = credential_finder(environ)
    found: dict[str, Credential | None] = {}
    for name, account in settings.accounts.items():
        if not account.endpoint:
            problem = (
                f"account {name!r}: no endpoint; give it in [account] or with"
                " --endpoint (`--endpoint sandbox` to try without a gateway)"
            )
            raise SettingsError([problem])
        if account.endpoint == SANDBOX:
            sandbox_options(settings.sandbox, token="")
        elif account.ca_file is not None:
            trust(account.ca_file)
        found[name] = (
            None
            if account.endpoint == SANDBOX
            else finder.find(
                name,
                source=account.credential,
                command=account.credential_command,
                iam=Iam(account.iam_endpoint, account.region),
            )
        )
    return found


def credential_finder(environ: Mapping[str, str]) -> Finder:
    """Return what looks for credentials in an environment, and below its home."""
    return Finder(environ=environ, home=home_of(environ), now=time.time)


def home_of(environ: Mapping[str, str]) -> Path:
    """Return the home folder that an environment names; else this user's."""
    return Path(environ["HOME"]) if environ.get("HOME") else Path.home()


@asynccontextmanager
async def connect(
    settings: JobSettings,
    *,
    credentials: Mapping[str, Credential | None],
    state: StateFolder,
    projects: Mapping[str, str],
    rows: Callable[[], Iterator[Row]],
    environ: Mapping[str, str],
) -> AsyncIterator[Connections]:
    """Open what the engine sends with; start the sandbox where it is asked for.

    Args:
        settings: The job.
        credentials: As ``find_credentials`` returned them.
        state: Where the sandbox keeps its world.
        projects: The project of each account, as far as the manifest says it.
        rows: Yields the bindings that the sandbox's world must have a place for.
        environ: Environment variables; BULKBIND_HOST_DIR names the host folder.
    """
    host = HostFolder(default_host_folder(dict(environ), home=Path.home()))
    async with AsyncExitStack() as stack:
        sandbox = None
        if any(credential is None for credential in credentials.values()):
            sandbox = await stack.enter_async_context(
                _sandbox(settings, state=state, rows=rows)
            )
        http = await stack.enter_async_context(
            Http(timeout_s=settings.timeout_s, connections=MOST_CONNECTIONS)
        )
        means = _Means(http, host, sandbox, stack, state)
        ways = {
            name: _way(
                account,
                credentials[name],
                means,
                rate=account.rate or settings.rate,
                project_id=account.project_id or projects.get(name, ""),
            )
            for name, account in settings.accounts.items()
        }
        yield Connections(
            attachers={name: way.gateway for name, way in ways.items()},
            turns={name: way.door for name, way in ways.items()},
            paces={name: way.pace for name, way in ways.items()},
            counted={name: way.counted for name, way in ways.items()},
            label=", ".join(
                sorted({c.label if c else SANDBOX for c in credentials.values()})
            ),
            host=host,
            scope=f"{state.path}:" if sandbox else "",
        )


@dataclass(frozen=True, slots=True)
class _Running:
    url: str
    credential: Token


@asynccontextmanager
async def _sandbox(
    settings: JobSettings, *, state: StateFolder, rows: Callable[[], Iterator[Row]]
) -> AsyncIterator[_Running]:
    """Start the sandbox on this state's world, with a token of its own."""
    from bulkbind.sandbox import Sandbox, fill

    wanted = settings.sandbox
    token = secrets.token_urlsafe(24)
    options = sandbox_options(wanted, token=token)
    async with Sandbox(state.sandbox_world, options=options) as sandbox:
        fill(
            sandbox.world,
            rows(),
            missing=wanted.missing,
            unpublished=wanted.unpublished,
            seed=wanted.seed,
        )
        yield _Running(sandbox.url, Token(Secret(token), label=SANDBOX))


def sandbox_options(wanted: SandboxSettings, *, token: str) -> "SandboxOptions":
    """Say to the sandbox what the settings want of it.

    Raises:
        SettingsError: Its faults are none that it knows, or too many.
    """
    try:
        options = _sandbox_options(wanted, token=token)
        options.whole_weather()
    except ValueError as error:
        raise SettingsError([f"sandbox.faults: {error}"]) from error
    return options


def _sandbox_options(wanted: SandboxSettings, *, token: str) -> "SandboxOptions":
    from bulkbind.sandbox import Rules, SandboxOptions, parse_weather

    return SandboxOptions(
        latency_s=wanted.latency_s,
        rate=wanted.rate if wanted.rate[0] else None,
        error_before=wanted.errors,
        lost_after=wanted.lost,
        weather=parse_weather(wanted.faults) if wanted.faults else None,
        rules=Rules(hint=wanted.hint),
        seed=wanted.seed,
        token=token,
    )


def sound_rows(pin: Path, asides: Iterable[Aside]) -> Iterator[Row]:
    """Read the rows of a pinned manifest that are not invalid."""
    invalid = {a.row for a in asides if a.verdict is Verdict.INVALID}
    rows = enumerate(read_pin(pin))
    return (row for number, row in rows if number not in invalid)


class _Means(NamedTuple):
    """What every account's way is made of."""

    http: Http
    host: HostFolder
    sandbox: _Running | None
    stack: AsyncExitStack
    state: StateFolder


class _Way(NamedTuple):
    """How an account's requests leave."""

    gateway: Gateway
    door: Door
    pace: Pace
    counted: str


def _way(
    account: AccountSettings,
    credential: Credential | None,
    means: _Means,
    *,
    rate: tuple[int, float],
    project_id: str,
) -> _Way:
    """Return an account's gateways and its way to them.

    One ring per endpoint and project, shared with this host's other processes.
    """
    if credential is None and means.sandbox is not None:
        endpoint, credential = means.sandbox.url, means.sandbox.credential
        where, project_id = str(means.state.path), project_id or SANDBOX_PROJECT
    else:
        endpoint, where = account.endpoint, account.host
    assert credential is not None  # noqa: S101 - one of the two is there
    project_id = project_id or credential.project_id
    ring = means.host.ring(f"{where}/{project_id}")
    means.stack.enter_context(closing(ring))
    pace = Pace(Rate(*rate), log=ring, clock=time.monotonic)
    door = Door(f"{where}/{project_id}/{credential.identity}", means.host, pace)
    gateway = Gateway(
        AccountHttp(means.http, ca_file=account.ca_file, proxy=account.proxy),
        endpoint=endpoint,
        project_id=project_id,
        credential=credential,
        door=door,
        product=account.product,
    )
    return _Way(gateway, door, pace, f"{where}/{project_id}")
