"""Constants and enums: one word for one thing."""

import re
from enum import StrEnum

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

#: Columns of names and selectors, and the id column that each stands in for.
STAND_INS = {
    "instance_name": "instance_id",
    "plugin_name": "plugin_id",
    "env_name": "env_id",
    "apis": "api_id",
}

#: Before the text of an id that is a name or a selector, until it is resolved.
NAMED = "\x01"

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
#: Full-width signs count: spreadsheets for Chinese and Japanese take them as the others.
FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")

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
    CANARY = "canary"
    """Of a stop only: the target waits for its canary, and nothing more is sent."""
    KEPT = "kept"
    """Another plug-in holds the slot, and this run may not displace it."""


class OurCode(StrEnum):
    """Error codes of our own, which no gateway answers."""

    DUPLICATE = "BULKBIND.DUPLICATE"
    SUPERSEDED = "BULKBIND.SUPERSEDED"
    INVALID = "BULKBIND.INVALID"
    NOT_REACHED = "BULKBIND.NOT_REACHED"
    ANSWER_LOST = "BULKBIND.ANSWER_LOST"
    REPLY_MALFORMED = "BULKBIND.REPLY_MALFORMED"
    NOT_NAMED = "BULKBIND.NOT_NAMED"
    NOT_READ_BACK = "BULKBIND.NOT_READ_BACK"
    API_UNKNOWN = "BULKBIND.API_UNKNOWN"
    API_UNPUBLISHED = "BULKBIND.API_UNPUBLISHED"
    INTERRUPTED = "BULKBIND.INTERRUPTED"
    STOPPED = "BULKBIND.STOPPED"
    BUSY_TOO_LONG = "BULKBIND.BUSY_TOO_LONG"
    OUTAGE = "BULKBIND.OUTAGE"
    PLUGIN_UNKNOWN = "BULKBIND.PLUGIN_UNKNOWN"
    ENV_UNKNOWN = "BULKBIND.ENV_UNKNOWN"
    NOT_READ = "BULKBIND.NOT_READ"
    OTHER_BOUND = "BULKBIND.OTHER_BOUND"
    CHANGED_SINCE = "BULKBIND.CHANGED_SINCE"
    NO_PRE_IMAGE = "BULKBIND.NO_PRE_IMAGE"
    SIGN_IN_REFUSED = "BULKBIND.SIGN_IN_REFUSED"
    PROJECT_UNKNOWN = "BULKBIND.PROJECT_UNKNOWN"
    CANARY_REFUSED = "BULKBIND.CANARY_REFUSED"
    NO_INSTANCE_KEY = "BULKBIND.NO_INSTANCE_KEY"


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
