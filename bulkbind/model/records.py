"""Requests, answers, and what the ledger says of them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from bulkbind.model.words import Cause, Scope, Verdict


class Named(NamedTuple):
    """The APIs that a 201 names, in its order, as columns: cheaper than 500 values."""

    api_ids: tuple[str, ...]
    attach_ids: tuple[str, ...]
    times: tuple[str, ...]
    """As the gateway wrote them: UTC with 3-9 digits of fraction."""


#: What an answer without receipts names.
NOBODY = Named((), (), ())


class Refusal(NamedTuple):
    """What an answer that is otherwise good says of one API that failed."""

    api_id: str
    code: str
    """Empty: none was given."""
    message: str


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
    named: Named = NOBODY
    refusals: tuple[Refusal, ...] = ()
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
    READING = "reading"
    """What a list of the gateway says of ids: receipts for those that are as wanted,
    or, with another scope than ``done``, the end of every id of the span."""
    PICTURE = "picture"
    """Which plug-in held each id's slot before anything was sent: the pre-image."""
    CHECK = "check"
    """Which plug-in holds each id's slot now: a verification, after the fact; without
    ``others``: it could not be read, and what an earlier one saw is out of date."""


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
    others: tuple[str, ...] = ()
    """The plug-in seen in the slot of each position of the span, empty: none; only of
    pictures, checks and readings of scope ``kept``."""


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
