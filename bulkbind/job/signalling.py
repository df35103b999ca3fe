"""Tells who is to hear of it how a run ended; what people heard last is in STATE."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from bulkbind.errors import (
    BulkbindError,
    JobBusy,
    OutsideWindow,
    SettingsError,
    exit_code_of,
)
from bulkbind.host import private_folder
from bulkbind.job.errand import Surroundings
from bulkbind.job.reporting import Reported
from bulkbind.notify import Addresses, News, On, Signals, child_environment, is_due
from bulkbind.report.files import write_file
from bulkbind.settings import JobSettings
from bulkbind.settings.addresses import LOOPBACK
from bulkbind.state.folders import RunFolder, StateFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to."""

    reported: Reported | None
    """None: there were no rows, and no run was made."""
    run: RunFolder | None
    abandoned: str = ""
    """Id of an older run that was closed, so that this one could start."""
    nothing_to_do: bool = False
    untold: tuple[str, ...] = ()
    """Who was to hear of it and could not be told, and why."""

    @property
    def has_rows(self) -> bool:
        """False: there were none, or all were so already and only a summary is kept."""
        return self.reported is not None and self.reported.keeps_rows


@dataclass(frozen=True, slots=True)
class _Told:
    """What people know of a job."""

    trouble: str = ""
    last_success: float = 0.0


async def telling(
    settings: JobSettings,
    work: Callable[[], Awaitable[Outcome]],
    *,
    state: StateFolder,
    around: Surroundings,
) -> Outcome:
    """Carry out some work on a job, and tell how it ended.

    That another process holds the job is no news: that one will tell. Neither is a tick
    of the clock outside the job's window; whoever waits for a ping hears that all is well.

    Raises:
        SettingsError: A variable that shall hold an address does not; nothing was done.
    """
    addresses = _addresses(settings, around.environ)
    if not addresses:
        return await work()
    signals = Signals(addresses)
    untold = await signals.start()
    try:
        outcome = await work()
    except JobBusy:
        raise
    except OutsideWindow as error:
        for problem in untold + await signals.idle(str(error)):
            error.add_note(problem)
        raise
    except BulkbindError as error:
        news = _refused(settings, error, at=around.now())
        for problem in untold + await _tell(signals, news, settings, state):
            error.add_note(problem)
        raise
    news = _ended(settings, outcome, at=around.now())
    untold += await _tell(signals, news, settings, state)
    return replace(outcome, untold=tuple(untold))


async def _tell(
    signals: Signals, news: News, settings: JobSettings, state: StateFolder
) -> list[str]:
    path = state.told_path(settings.name)
    told = _read(path)
    due = is_due(On(settings.notify.on), news, told=told.trouble)
    last_success = news.at if news.is_good else told.last_success
    untold = await signals.end(news, is_due=due, last_success=last_success)
    # who could not be told now is told next time, though nothing has changed
    trouble = told.trouble if untold and due else news.trouble
    return untold + _keep(path, _Told(trouble, last_success))


def _addresses(settings: JobSettings, environ: Mapping[str, str]) -> Addresses:
    wish = settings.notify
    problems: list[str] = []
    urls = {
        key: _url(key, named, environ, problems)
        for key, named in (
            ("webhook", wish.webhook),
            ("slack", wish.slack),
            ("ping", wish.ping),
        )
    }
    if problems:
        raise SettingsError(problems)
    return Addresses(
        **urls,
        metrics_textfile=wish.metrics_textfile,
        hooks=wish.hooks,
        hook_environ=child_environment(environ, also=wish.pass_env),
        hook_timeout_s=wish.hook_timeout_s,
    )


def _url(key: str, named: str, environ: Mapping[str, str], problems: list[str]) -> str:
    """Return the URL behind ``env:NAME``; a wrong one is never shown."""
    if not named:
        return ""
    name = named.removeprefix("env:")
    url = environ.get(name, "").strip()
    try:
        parts = urlsplit(url)
        is_safe = parts.scheme == "https" or (
            parts.scheme == "http" and parts.hostname in LOOPBACK
        )
    except ValueError:
        is_safe = False
    if not url:
        problems.append(f"notify.{key}: the variable {name} is not set; set it")
    elif not is_safe or not url.isascii() or not url.isprintable():
        problems.append(
            f"notify.{key}: what {name} holds is no https URL (http is for loopback"
            " only)"
        )
    return url


def _ended(settings: JobSettings, outcome: Outcome, *, at: float) -> News:
    if outcome.reported is None or outcome.run is None:
        return News(job=settings.name, exit_code=0, at=at)
    summary = outcome.reported.summary
    return News(
        job=settings.name,
        exit_code=0 if outcome.nothing_to_do else summary.exit_code,
        at=at,
        run_id=summary.run_id,
        state=summary.state,
        stopped_by=summary.stopped_by,
        rows=summary.rows,
        verdicts=summary.verdicts,
        codes=summary.codes,
        requests=summary.requests.sent,
        seconds_reading=summary.seconds_reading,
        seconds_sending=summary.seconds_sending,
        trouble=summary.trouble,
        folder=str(settings.report_dir or outcome.run.path),
    )


def _refused(settings: JobSettings, error: BulkbindError, *, at: float) -> News:
    """Make news of an error; the same kind of it is the same trouble."""
    return News(
        job=settings.name,
        exit_code=exit_code_of(error),
        at=at,
        error=str(error),
        trouble=type(error).__name__,
    )


def _read(path: Path) -> _Told:
    try:
        document = json.loads(path.read_bytes())
        return _Told(str(document["trouble"]), float(document["last_success"]))
    except (OSError, ValueError, KeyError, TypeError):
        return _Told()


def _keep(path: Path, told: _Told) -> list[str]:
    document = {
        "format_version": "1.0",
        "trouble": told.trouble,
        "last_success": told.last_success,
    }
    try:
        private_folder(path.parent)
        write_file(path, json.dumps(document) + "\n")
    except BulkbindError as error:
        return [f"{path}: what was told is not noted: {error}"]
    return []
