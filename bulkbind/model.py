"""The vocabulary: frozen values that every stage speaks in.

A *row* is one API id in one target. A *target* is account, gateway instance,
plug-in and environment. A *batch* is 1-500 ids of one target and one action: one
request. A *lane* is a queue of batches whose requests must not overlap: one gateway
instance. A request has an *outcome*, a row has a *verdict*.

Values have no verbs that do I/O. Times are seconds since the epoch, UTC.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from bulkbind.errors import Fault

#: Most ids one attach or detach may carry. Source: APIG, PluginOperApiInfo.api_ids.
MAX_API_IDS = 500

#: Columns that say what a row asks for, in the order bulkbind writes them.
ID_COLUMNS = (
    "account",
    "project_id",
    "instance_id",
    "plugin_id",
    "plugin_type",
    "env_id",
    "api_id",
)

#: Columns of ``report.csv``, before the carried ones. Fixed: scripts read them.
REPORT_COLUMNS = (
    "file",
    "line",
    "account",
    "project_id",
    "instance_id",
    "plugin_id",
    "plugin_name",
    "env_id",
    "env_name",
    "api_id",
    "verdict",
    "cause",
    "replaced_plugin_id",
    "http_status",
    "error_code",
    "error_msg",
    "advice",
    "plugin_attach_id",
    "attached_time",
    "attempts",
    "request_id",
    "finished_at",
    "verified",
)

#: A CSV cell that a spreadsheet would run as a formula, or that was made safe before.
#: The report puts one more ``'`` in front; the manifest reader takes one away.
FORMULA = re.compile(r"'*[=+\-@\t\r]")

#: The account of a job that names no accounts.
DEFAULT_ACCOUNT = "default"


class Action(StrEnum):
    """What a batch asks the gateway to do."""

    ATTACH = "attach"
    DETACH = "detach"


class Verdict(StrEnum):
    """What became of a row; every row has exactly one."""

    BOUND = "bound"
    UNCHANGED = "unchanged"
    UNBOUND = "unbound"
    KEPT = "kept"
    FAILED = "failed"
    UNCONFIRMED = "unconfirmed"
    NOT_SENT = "not_sent"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    INVALID = "invalid"


class Cause(StrEnum):
    """Who is hit by what went wrong."""

    NONE = ""
    ITEM = "item"
    TARGET = "target"
    GATEWAY = "gateway"
    ACCOUNT = "account"
    OUTAGE = "outage"
    STOP = "stop"


class Scope(StrEnum):
    """How far a refused or lost request reaches, and so what happens next."""

    DONE = "done"
    """Answered as asked: read the receipts."""
    ITEM = "item"
    """One of the ids is at fault: find it."""
    TARGET = "target"
    """The plug-in or the environment is gone: no row of the target can succeed."""
    GATEWAY = "gateway"
    """The instance is gone or locked: its lane is parked."""
    ACCOUNT = "account"
    """The credential is refused: every lane of the account stops."""
    THROTTLE = "throttle"
    """Too fast: the account pauses; not an attempt."""
    BUSY = "busy"
    """Another operation is under way on the gateway: the lane waits; not an attempt."""
    AMBIGUOUS = "ambiguous"
    """Sent, and neither yes nor no came back: send again."""
    TRANSIENT = "transient"
    """Surely not applied, and may go better next time: send again."""


class OurCode(StrEnum):
    """Error codes of our own, which no gateway answers."""

    DUPLICATE = "BULKBIND.DUPLICATE"
    SUPERSEDED = "BULKBIND.SUPERSEDED"
    INVALID = "BULKBIND.INVALID"
    NOT_REACHED = "BULKBIND.NOT_REACHED"
    ANSWER_LOST = "BULKBIND.ANSWER_LOST"
    REPLY_MALFORMED = "BULKBIND.REPLY_MALFORMED"
    NOT_NAMED = "BULKBIND.NOT_NAMED"
    INTERRUPTED = "BULKBIND.INTERRUPTED"
    STOPPED = "BULKBIND.STOPPED"
    BUSY_TOO_LONG = "BULKBIND.BUSY_TOO_LONG"
    OUTAGE = "BULKBIND.OUTAGE"


class Secret:
    """A secret that shows itself to nobody but the one who asks by name."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the secret; the only way to it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._text)


# --- rows and targets ----------------------------------------------------------------


class Row(NamedTuple):
    """One API id in one target, where it came from, and what it carries along.

    A row with a fault keeps its own text in every column, and ``fault`` says what
    is wrong; it never becomes a binding.
    """

    file: int
    """Index into the manifest's files, from 0."""
    line: int
    """Physical line where the row starts, from 1; may repeat."""
    account: str
    project_id: str
    instance_id: str
    plugin_id: str
    plugin_type: str
    """Empty: not known."""
    env_id: str
    api_id: str
    carried: tuple[str, ...] = ()
    """Every other column's text, in the manifest's order of columns."""
    fault: Fault | None = None
    """None: sound."""
    wanted: bool = True
    """False: ``--only`` drops it; it may still lose or win a conflict."""

    @property
    def target_key(self) -> tuple[str, str, str, str]:
        """What makes a target: account, instance, plug-in, environment."""
        return self.account, self.instance_id, self.plugin_id, self.env_id


class SourceFile(NamedTuple):
    """One manifest file that was read."""

    name: str
    """As the job names it; ``<stdin>`` for standard input."""
    sha256: str
    """Of the user's bytes, before decompression; 64 hex digits."""
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Target:
    """Account, gateway instance, plug-in and environment: what requests share."""

    no: int
    """From 0, in order of the target's first row."""
    account: str
    project_id: str
    """Empty: the account resolves it when it connects."""
    instance_id: str
    plugin_id: str
    env_id: str
    lane: int
    """Number of the lane, from 0, in order of the lane's first row."""
    plugin_type: str = ""
    """Empty: not known."""


@dataclass(frozen=True, slots=True)
class Lane:
    """Requests that must not overlap: one gateway instance."""

    no: int
    account: str
    """The account whose credential and pace its requests use."""
    gateway: str
    """Endpoint host and instance id, joined by a slash."""


@dataclass(frozen=True, slots=True)
class Batch:
    """1-500 ids of one target and one action: one request."""

    id: int
    """From 1, in plan order; a lane sends in this order."""
    target: int
    """``Target.no``"""
    lane: int
    """``Lane.no``"""
    action: Action
    rows: tuple[int, ...]
    """Row numbers in the run, ascending, one for each id."""
    api_ids: tuple[str, ...]


class Aside(NamedTuple):
    """A row that the plan set aside: it is never sent."""

    row: int
    """Row number in the run, from 0."""
    verdict: Verdict
    """``duplicate``, ``superseded`` or ``invalid``."""
    text: str
    """The line that won, or the fault."""


# --- requests, answers and what the ledger says of them -------------------------------


class Receipt(NamedTuple):
    """What a 201 says of one API."""

    api_id: str
    plugin_attach_id: str
    attached_time: str
    """As the gateway wrote it: UTC with 3-9 digits of fraction."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for one request, if anything did.

    ``status`` 0 means that no whole answer came; ``left`` then says whether the
    request may have reached the gateway.
    """

    status: int
    """HTTP status, or 0: no whole answer."""
    code: str = ""
    """``error_code``, with its prefix; empty when the body had none."""
    message: str = ""
    """``error_msg``, scrubbed and cut; or what happened to the connection."""
    request_id: str = ""
    retry_after: str = ""
    """The header as it came: seconds or an HTTP date."""
    receipts: tuple[Receipt, ...] = ()
    plugin_name: str = ""
    env_name: str = ""
    left: bool = True
    """False: the request surely never left this machine."""


class Receipts(NamedTuple):
    """The receipts of one answer, as columns."""

    positions: tuple[int, ...]
    """Which ids of the batch they name."""
    attach_ids: tuple[str, ...]
    times: tuple[str, ...]


#: An answer that named nobody.
NO_RECEIPTS = Receipts((), (), ())


class RecordKind(StrEnum):
    """What a ledger record says."""

    INTENT = "intent"
    """A request is about to leave; durable before it does."""
    ANSWER = "answer"
    """What came back, and how it was judged; durable before the lane goes on."""


class Why(StrEnum):
    """Why a request is sent."""

    FIRST = "first"
    RETRY = "retry"
    ISOLATION = "isolation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line of a batch's history. Nothing in the ledger is ever rewritten."""

    batch: int
    kind: RecordKind
    invocation: int
    """Which start of ``run`` or ``resume`` wrote it, from 1."""
    at: float
    span: tuple[int, ...]
    """Positions in the batch that the request carries, ascending."""
    why: Why = Why.FIRST
    scope: Scope = Scope.AMBIGUOUS
    """How the answer was judged; of no meaning in an intent."""
    status: int = 0
    code: str = ""
    message: str = ""
    request_id: str = ""
    receipts: Receipts = NO_RECEIPTS
    plugin_name: str = ""
    env_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Why rows that have no answer of their own have none.

    A target's stop fails its rows; any other leaves them ``not_sent``, and counts
    only until the next invocation.
    """

    scope: Scope
    """``target``, ``gateway`` (a lane), ``account``; ``done`` stands for the run."""
    key: str
    """The target's or lane's number, the account's name, or empty for the run."""
    cause: Cause
    invocation: int
    at: float
    status: int = 0
    code: str = ""
    message: str = ""
    request_id: str = ""


class RowVerdict(NamedTuple):
    """What became of one row, and how that is known."""

    verdict: Verdict
    cause: Cause = Cause.NONE
    replaced_plugin_id: str = ""
    """Empty: looked, nothing there. ``unknown``: did not look."""
    http_status: int = 0
    error_code: str = ""
    error_msg: str = ""
    plugin_attach_id: str = ""
    attached_time: str = ""
    attempts: int = 0
    """Requests that carried the row."""
    request_id: str = ""
    finished_at: float = 0.0
    """0: never."""
    plugin_name: str = ""
    env_name: str = ""


class Invocation(NamedTuple):
    """One start of ``run`` or ``resume`` on a run."""

    no: int
    """From 1."""
    command: str
    """``run`` or ``resume``."""
    operator: str
    """user@host"""
    pid: int
    started_at: float
    ended_at: float | None
    """None: still at work, or killed."""
    state: "RunState"
    stopped_by: str
    """Empty: nothing stopped it."""


class LaneTally(NamedTuple):
    """How far a lane is. Counts are of rows unless they say otherwise."""

    lane: int
    batches: int
    settled_batches: int
    rows: int
    bound: int
    failed: int


# --- plans and runs ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTotals:
    """What a plan amounts to. Every count is of rows unless it says otherwise."""

    rows: int = 0
    bindings: int = 0
    """Distinct bindings to send: rows less those set aside."""
    duplicates: int = 0
    superseded: int = 0
    invalid: int = 0
    untyped: int = 0
    """Bindings whose plug-in type is not known: conflicts cannot be seen."""
    odd_ids: int = 0
    """Ids that are not 32 hexadecimal digits: allowed, and worth a look."""
    targets: int = 0
    gateways: int = 0
    accounts: int = 0
    requests: int = 0


class RunState(StrEnum):
    """Where a run stands."""

    PLANNED = "planned"
    RUNNING = "running"
    """Being worked on, or killed while it was."""
    STOPPED = "stopped"
    """Resumable."""
    FINISHED = "finished"
    ABANDONED = "abandoned"
    """Closed by a later run of the same job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """How many requests a run has sent, over all its invocations."""

    sent: int = 0
    isolation: int = 0
    """Of these: sent to find the bad ids of a refused batch."""
    retries: int = 0
    """Of these: sent again after a failure or a lost answer."""
    reads: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A run in a page: what ``summary.json`` holds."""

    format_version: str
    run_id: str
    job: str
    state: RunState
    exit_code: int
    action: Action
    rows: int
    verdicts: Mapping[str, int]
    """Every verdict, also those with 0 rows."""
    codes: Mapping[str, int]
    """Rows by ``error_code``, those that have one."""
    requests: Requests
    seconds_reading: float
    seconds_sending: float
    rate_reached: float
    """Requests per second while sending."""
    manifest_sha256: str
    plan_digest: str
    note: str
    operator: str
    """user@host"""
    tool_version: str
    credential: str
    """Where the credential came from; never the credential."""
    stopped_by: str
    """Empty when the run finished."""
    started_at: str
    finished_at: str
    endpoint: str = ""
    warnings: Sequence[str] = field(default_factory=tuple)
