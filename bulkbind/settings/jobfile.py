"""The job file's shape: every key, its type, its bounds. Reports all faults at once."""

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from bulkbind.errors import SettingsError
from bulkbind.model import ID_COLUMNS, MAX_API_IDS, Deadline, Window, parse_window
from bulkbind.settings.addresses import LOOPBACK, check_scheduler
from bulkbind.settings.tool import installed_version
from bulkbind.settings.units import (
    parse_canary,
    parse_deadline,
    parse_duration,
    parse_rate,
    parse_share,
)
from bulkbind.settings.values import (
    DEFAULT_BUSY_TIMEOUT_S,
    DEFAULT_CANARY,
    DEFAULT_CANARY_TIMEOUT_S,
    DEFAULT_CONCURRENCY,
    DEFAULT_LIVE_MAX_AGE_S,
    DEFAULT_MAX_ATTEMPTS,
    DEFAULT_PROBE_WAIT_S,
    DEFAULT_RATE,
    DEFAULT_SECOND_LOOK_S,
    DEFAULT_TIMEOUT_S,
    SANDBOX,
    Hint,
)

#: Keys that people put secrets into; what they hold is never shown as it is.
_SECRETIVE = {
    *("endpoint", "proxy", "credential", "credential_command"),
    *("webhook", "slack", "ping", "ledger"),
}

#: Every character that a scheme, a host and a port are written with.
_URL_TEXT = re.compile(r"[A-Za-z0-9.:/_\[\]-]+")


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        message = "a number is wanted, not true or false"
        raise ValueError(message)  # noqa: TRY004 - pydantic collects ValueErrors
    return value


def _text_of(parse: Callable[[str], Any]) -> Callable[[object], object]:
    def read(value: object) -> object:
        return parse(str(value)) if not isinstance(value, tuple) else value

    return read


def _timed_of(parse: Callable[[str], Any]) -> Callable[[object], object]:
    def read(value: object) -> object:
        is_read = value is None or isinstance(value, Deadline | Window)
        return value if is_read else parse(str(value))

    return read


def _joined(value: object) -> object:
    """Take a list of texts as the one text it would be with commas."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return value


def _canary(value: object) -> tuple[int, ...]:
    """Read the sizes of a canary, whether as a list, a text or a flag."""
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value)) if value else "false"
    return parse_canary(str(value), default=DEFAULT_CANARY, most=MAX_API_IDS)


def _check_endpoint(value: str) -> str:
    if value in {"", SANDBOX}:
        return value
    try:
        parts = urlsplit(value)
        sound = bool(parts.hostname) and parts.port != 0
    except ValueError:  # no port, no address
        sound = False
    if not sound or _beyond_host(value, parts):
        message = f'{_shown(value)}: write "https://HOST" and nothing after it'
        raise ValueError(message)
    secure = parts.scheme == "https"
    if not secure and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        message = (
            f"{_shown(value)}: only https is spoken, and http to this machine itself"
        )
        raise ValueError(message)
    return value.rstrip("/")


def _shown(url: str) -> str:
    """Quote a URL without the user and password that somebody put in it."""
    scheme, mark, rest = url.rpartition("://")
    before, at, host = rest.rpartition("@")
    return repr(f"{scheme}{mark}***@{host}" if at and before else url)


def _check_iam(value: str) -> str:
    return "" if value == SANDBOX else _check_endpoint(value)


def _check_proxy(value: str) -> str:
    if not value:
        return value
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in value:
        message = f'{_shown(value)}: write "http://HOST:PORT", without a password'
        raise ValueError(message)
    return value


def _check_credential(value: str) -> str:
    if value and not re.fullmatch(
        r"env:[A-Z][A-Z0-9_]*_|profile:[\w.-]+|metadata", value
    ):
        message = (
            'write "env:PREFIX_" for PREFIX_TOKEN or PREFIX_AK and'
            ' PREFIX_SK, "profile:SECTION", or "metadata" for the keys of this instance;'
            " a secret itself never stands here"
        )
        raise ValueError(message)
    return value


def _check_requires(value: str) -> str:
    """Hold ``>=X.Y`` against the version that is installed."""
    match = re.fullmatch(r"\s*>=\s*(\d+(?:\.\d+)*)\s*", value)
    if value and not match:
        message = f'{value!r}: write ">=1.0"'
        raise ValueError(message)
    if match and _numbers(match[1]) > _numbers(installed_version()):
        message = (
            f"the job wants bulkbind {value}, and this is {installed_version()};"
            " install a newer one"
        )
        raise ValueError(message)
    return value


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _beyond_host(value: str, parts: SplitResult) -> bool:
    """Tell whether a URL says more than scheme, host and port."""
    more = parts.path.strip("/") or parts.query or parts.fragment
    return bool(more) or "@" in parts.netloc or not _URL_TEXT.fullmatch(value)


def _check_columns(value: dict[str, str]) -> dict[str, str]:
    unknown = sorted(set(value) - set(ID_COLUMNS))
    if unknown:
        names = ", ".join(unknown)
        message = f"unknown column {names}; ours are {', '.join(ID_COLUMNS)}"
        raise ValueError(message)
    return value


def _check_address(value: str) -> str:
    """Take the name of a variable only: who has such a URL can speak in its name."""
    if value and not re.fullmatch(r"env:[A-Za-z_][A-Za-z0-9_]*", value):
        message = (
            'must be "env:NAME": the URL is a secret; put it into the environment'
            " variable NAME"
        )
        raise ValueError(message)
    return value


def _check_ledger(value: str) -> str:
    from bulkbind.ledger.address import check_address

    return check_address(value)


Count = Annotated[int, BeforeValidator(_no_bool)]
Share = Annotated[float, BeforeValidator(_no_bool), Field(ge=0, le=1)]
Duration = Annotated[float, BeforeValidator(_text_of(parse_duration))]
RateValue = Annotated[tuple[int, float], BeforeValidator(_text_of(parse_rate))]
Canary = Annotated[tuple[int, ...], BeforeValidator(_canary)]
Columns = Annotated[dict[str, str], AfterValidator(_check_columns)]
Identifier = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{0,64}$")]
Address = Annotated[str, AfterValidator(_check_address)]
AccountName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Format = Literal["csv", "jsonl", "html"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Account(_Section):
    """``[account]`` is the account ``default``, ``[accounts.NAME]`` are others."""

    endpoint: Annotated[str, AfterValidator(_check_endpoint)] = ""
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]{0,64}$")] = ""
    project_id: Identifier = ""
    product: Literal["apig", "roma"] = "apig"
    iam_endpoint: Annotated[str, AfterValidator(_check_iam)] = ""
    ca_file: str = ""
    proxy: Annotated[str, AfterValidator(_check_proxy)] = ""
    credential: Annotated[str, AfterValidator(_check_credential)] = ""
    credential_command: list[str] = []
    rate: RateValue | None = None


class PlanSection(_Section):
    """``[plan]``: what shapes the batches."""

    batch_size: Annotated[Count, Field(ge=1, le=MAX_API_IDS)] = MAX_API_IDS
    on_invalid: Literal["stop", "skip"] = "stop"
    on_conflict: Literal["stop", "first", "last"] = "stop"
    fill_blank: bool = False
    canary: Canary = ()
    canary_check: list[str] = []
    canary_timeout: Annotated[Duration, Field(gt=0, le=86_400)] = (
        DEFAULT_CANARY_TIMEOUT_S
    )


class PaceSection(_Section):
    """``[pace]``: how fast to send."""

    rate: RateValue = DEFAULT_RATE
    concurrency: Annotated[Count, Field(ge=1, le=10_000)] = DEFAULT_CONCURRENCY


class RetrySection(_Section):
    """``[retry]``: how often and how long to try."""

    max_attempts: Annotated[Count, Field(ge=1, le=100)] = DEFAULT_MAX_ATTEMPTS
    timeout: Annotated[Duration, Field(gt=0, le=3600)] = DEFAULT_TIMEOUT_S
    busy_timeout: Annotated[Duration, Field(ge=0, le=86_400)] = DEFAULT_BUSY_TIMEOUT_S
    probe_wait: Annotated[Duration, Field(ge=0, le=3600)] = DEFAULT_PROBE_WAIT_S
    second_look: Annotated[Duration, Field(ge=0, le=3600)] = DEFAULT_SECOND_LOOK_S


class StopSection(_Section):
    """``[stop]``: what stops a run."""

    max_failed: Annotated[
        tuple[float, bool] | None, BeforeValidator(_text_of(parse_share))
    ] = None
    deadline: Annotated[Deadline | None, BeforeValidator(_timed_of(parse_deadline))] = (
        None
    )
    window: Annotated[Window | None, BeforeValidator(_timed_of(parse_window))] = None


class SafetySection(_Section):
    """``[safety]``: what may be displaced, and what is read to know it."""

    live: bool = True
    live_max_age: Annotated[Duration, Field(ge=0, le=86_400)] = DEFAULT_LIVE_MAX_AGE_S
    on_replace: Literal["stop", "skip", "allow"] = "stop"
    max_replace: Annotated[
        tuple[float, bool] | None, BeforeValidator(_text_of(parse_share))
    ] = None
    rebind: bool = False
    verify: bool = False


class ReportSection(_Section):
    """``[report]``: what to write where."""

    dir: str = ""
    formats: Annotated[list[Format], Field(min_length=1)] = ["csv", "jsonl"]


class NotifySection(_Section):
    """``[notify]``: who is to hear how a run ended."""

    on: Literal["always", "failure", "change"] = "failure"
    webhook: Address = ""
    slack: Address = ""
    ping: Address = ""
    metrics_textfile: Annotated[str, Field(pattern=r"^(.*\.prom)?$")] = ""
    hooks: list[Annotated[list[str], Field(min_length=1)]] = []
    hook_timeout: Annotated[Duration, Field(gt=0, le=3600)] = 60.0
    pass_env: list[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]] = []


class ClusterSection(_Section):
    """``[cluster]``: what several machines share."""

    ledger: Annotated[str, AfterValidator(_check_ledger)] = ""
    scheduler: Annotated[str, AfterValidator(check_scheduler)] = ""
    workers: Annotated[Count, Field(ge=1, le=64)] = 2
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


class SandboxSection(_Section):
    """``[sandbox]``: the world of a rehearsal."""

    missing: Annotated[Count, Field(ge=0)] = 0
    unpublished: Annotated[Count, Field(ge=0)] = 0
    latency: Annotated[Duration, Field(ge=0, le=60)] = 0.0
    rate: RateValue = (0, 1.0)
    errors: Share = 0.0
    lost: Share = 0.0
    faults: Annotated[str, BeforeValidator(_joined)] = ""
    hint: Hint = "present"
    seed: Count = 0


class JobFile(_Section):
    """A job file."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] | None = (
        None
    )
    manifest: str | list[str] | None = None
    requires: Annotated[str, AfterValidator(_check_requires)] = ""
    note: str = ""
    action: Literal["bind", "unbind"] = "bind"
    encoding: str = ""
    account: Account = Account()
    accounts: dict[AccountName, Account] = {}
    defaults: Columns = {}
    columns: Columns = {}
    plan: PlanSection = PlanSection()
    pace: PaceSection = PaceSection()
    retry: RetrySection = RetrySection()
    stop: StopSection = StopSection()
    safety: SafetySection = SafetySection()
    report: ReportSection = ReportSection()
    notify: NotifySection = NotifySection()
    cluster: ClusterSection = ClusterSection()
    sandbox: SandboxSection = SandboxSection()


def sections() -> Mapping[str, tuple[str, ...]]:
    """Return the keys of every section; those of no section under an empty name."""
    keys: dict[str, tuple[str, ...]] = {"": ()}
    for name, field in JobFile.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            keys[name] = tuple(kind.model_fields)
        else:
            keys[""] += (name,)
    return keys


def check_job(raw: Mapping[str, Any], *, where: str) -> JobFile:
    """Check a whole job.

    Args:
        raw: The job file's content with every overlay laid over it.
        where: The job file's name, for messages.

    Raises:
        SettingsError: Every fault found, with path and what is allowed.
    """
    try:
        return JobFile.model_validate(raw)
    except ValidationError as error:
        problems = [_describe(fault, where) for fault in error.errors()]
        raise SettingsError(problems) from None


def _describe(fault: Mapping[str, Any], where: str) -> str:
    path = [str(part) for part in fault["loc"]]
    name = ".".join(path)
    if fault["type"] == "extra_forbidden":
        return f"{where}: {name}: unknown key; {_suggest(path)}"
    message = str(fault["msg"]).removeprefix("Value error, ")
    hidden = isinstance(fault["input"], dict) or _SECRETIVE & set(path)
    given = "" if hidden else f" (given: {fault['input']!r})"
    return f"{where}: {name}: {message}{given}"


def _suggest(path: list[str]) -> str:
    keys = sections()
    known = keys.get(path[0], ()) if len(path) > 1 else (*keys[""], *list(keys)[1:])
    near = get_close_matches(path[-1], known, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known here: {', '.join(known)}"
