"""What a job is, once it has been read: frozen, with every default and its reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

from bulkbind.model import DEFAULT_ACCOUNT, MAX_API_IDS, Action, Deadline, Window
from bulkbind.plan import OnConflict, OnReplace

#: The endpoint that stands for the built-in sandbox.
SANDBOX = "sandbox"

#: Far below the front gateway's documented 200/s, above the slowest limits met on
#: other services; a limit told by the server wins.
DEFAULT_RATE = (10, 1.0)

#: Requests out at once: more gateways than this take turns.
DEFAULT_CONCURRENCY = 8

#: A full attach answer takes about a second; a minute is a broken connection.
DEFAULT_TIMEOUT_S = 60.0

#: Requests for the same ids before their state is given up as unknown.
DEFAULT_MAX_ATTEMPTS = 5

#: How long a gateway may say that it is busy before its lane is parked.
DEFAULT_BUSY_TIMEOUT_S = 1800.0

#: Before an open breaker's first probe; doubled for each next one.
DEFAULT_PROBE_WAIT_S = 5.0

#: Between two lists that must both miss an API to prove that it is not bound.
DEFAULT_SECOND_LOOK_S = 10.0

#: After this a picture of what is bound is taken again before its rows are sent.
DEFAULT_LIVE_MAX_AGE_S = 900.0

#: Ids in a target's first batches, where a canary is asked for without numbers.
DEFAULT_CANARY = (1, 10)

#: How long ``canary_check`` may take: time for a probe or two to come round.
DEFAULT_CANARY_TIMEOUT_S = 300.0

#: Stands in where the sandbox is asked without a project.
SANDBOX_PROJECT = "0" * 32


Hint = Literal["present", "absent", "lying", "all", "plugin"]


class OnInvalid(StrEnum):
    """What to do with rows that cannot be sent."""

    STOP = "stop"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """One account: endpoint, project, and later where its credential comes from."""

    name: str = DEFAULT_ACCOUNT
    endpoint: str = ""
    """Scheme and host; ``sandbox``; empty: not given."""
    project_id: str = ""
    """Empty: from the manifest."""
    region: str = ""
    """Empty: only the endpoint is known."""
    product: str = "apig"
    """``apig`` or ``roma``."""
    iam_endpoint: str = ""
    """Scheme and host of the identity service; empty: not known."""
    ca_file: Path | None = None
    """Certificates to trust beside the system's."""
    proxy: str = ""
    """URL; empty: none is used, whatever the environment says."""
    credential: str = ""
    """Where its credential comes from: ``env:PREFIX_``, ``profile:SECTION``,
    ``metadata``; empty: looked for, which only the account ``default`` may."""
    credential_command: tuple[str, ...] = ()
    """Prints a credential; run without a shell."""
    rate: tuple[int, float] | None = None
    """A pace of its own; None: the job's."""

    @property
    def host(self) -> str:
        """The endpoint's host and port: what makes a gateway, with its instance."""
        return self.endpoint.partition("://")[2].rstrip("/") or self.endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSettings:
    """What the built-in sandbox makes of the manifest's world."""

    missing: int = 0
    """API ids that do not exist."""
    unpublished: int = 0
    """APIs that are not published where the manifest wants them."""
    latency_s: float = 0.0
    rate: tuple[int, float] = (0, 1.0)
    """Requests and seconds; 0: no limit."""
    errors: float = 0.0
    """Share of attaches answered with a 500 and without effect, 0 to 1."""
    lost: float = 0.0
    """Share of attaches whose answer is cut off after the effect, 0 to 1."""
    faults: str = ""
    """A scenario, or faults with shares, as ``parse_weather`` of the sandbox reads
    them; empty: what the world keeps, which is none unless it was told so."""
    hint: Hint = "present"
    """Whom a refusal names: the first API at fault, nobody, a good API of the
    request, every API at fault, or the plug-in."""
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifySettings:
    """Who is to hear how a run ended. Addresses are secrets: they are only named."""

    on: str = "failure"
    """``always``, ``failure`` or ``change``: when messages and hooks are due."""
    webhook: str = ""
    """``env:NAME``: the variable that holds the URL; empty: none."""
    slack: str = ""
    ping: str = ""
    metrics_textfile: Path | None = None
    hooks: tuple[tuple[str, ...], ...] = ()
    """Programmes with their arguments."""
    hook_timeout_s: float = 60.0
    pass_env: tuple[str, ...] = ()
    """Variables that hooks see beside the harmless ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """Which machines work a job's accounts."""

    scheduler: str = ""
    """``tls://HOST:PORT``, ``tcp://`` on loopback, ``local``; empty: this process."""
    workers: int = 2
    """Processes of ``local``."""
    ca_file: str = ""
    """Of the certificates that scheduler and workers show."""
    cert_file: str = ""
    key_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    """A job: what to read, how to plan it, how to send it, what to write."""

    name: str
    source: Path | None
    """The job file or manifest; None: standard input."""
    manifest: tuple[Path | None, ...]
    """The manifest's files in order; None: standard input."""
    base: Path
    """Folder that relative paths and STATE start from."""
    action: Action = Action.ATTACH
    encoding: str = ""
    note: str = ""
    accounts: Mapping[str, AccountSettings] = field(
        default_factory=lambda: {DEFAULT_ACCOUNT: AccountSettings()}
    )
    defaults: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    only: tuple[tuple[str, frozenset[str]], ...] = ()
    batch_size: int = MAX_API_IDS
    on_invalid: OnInvalid = OnInvalid.STOP
    on_conflict: OnConflict = OnConflict.STOP
    fill_blank: bool = False
    canary: tuple[int, ...] = ()
    """Ids in the first batches of each target; empty: there is no canary."""
    canary_check: tuple[str, ...] = ()
    """Program and arguments that judge a target's canary, run without a shell; empty:
    the rows of the canary themselves."""
    canary_timeout_s: float = DEFAULT_CANARY_TIMEOUT_S
    rate: tuple[int, float] = DEFAULT_RATE
    concurrency: int = DEFAULT_CONCURRENCY
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    timeout_s: float = DEFAULT_TIMEOUT_S
    busy_timeout_s: float = DEFAULT_BUSY_TIMEOUT_S
    probe_wait_s: float = DEFAULT_PROBE_WAIT_S
    second_look_s: float = DEFAULT_SECOND_LOOK_S
    max_failed: tuple[float, bool] | None = None
    """Rows, or a share of them (True), that may be refused; None: all may."""
    deadline: Deadline | None = None
    """When an invocation stops, at the latest; None: when it is done."""
    window: Window | None = None
    """When the job may send; None: at any time."""
    live: bool = True
    """Read what is bound before anything is sent."""
    live_max_age_s: float = DEFAULT_LIVE_MAX_AGE_S
    on_replace: OnReplace = OnReplace.STOP
    max_replace: tuple[float, bool] | None = None
    """Plug-ins, or a share of the bindings (True), that may be displaced."""
    rebind: bool = False
    """Send what is already so, too."""
    verify: bool = False
    """Read back what was done when the run is over."""
    report_dir: Path | None = None
    report_formats: tuple[str, ...] = ("csv", "jsonl")
    notify: NotifySettings = field(default_factory=NotifySettings)
    ledger: str = ""
    """URL of a PostgreSQL database, without a password; empty: a file in STATE."""
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    sandbox: SandboxSettings = field(default_factory=SandboxSettings)
    rehearsal: bool = False
    """The sandbox stands in for another endpoint that the job names."""
