"""What there is to tell of a run, whether it is to be told, and in which words. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

#: Codes named in a message; the report has them all.
_CODES_SHOWN = 3

FORMAT_VERSION = "1.0"


class On(StrEnum):
    """When messages and hooks are due. Pings and metrics always are."""

    ALWAYS = "always"
    FAILURE = "failure"
    """When the exit code is not 0."""
    CHANGE = "change"
    """When other rows need somebody, or for other causes, than was told last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """How a run, or a try to make one, ended."""

    job: str
    exit_code: int
    at: float
    """Seconds since the epoch."""
    run_id: str = ""
    """Empty: there was no run."""
    state: str = ""
    stopped_by: str = ""
    rows: int = 0
    verdicts: Mapping[str, int] = field(default_factory=dict)
    codes: Mapping[str, int] = field(default_factory=dict)
    """Rows by error code, most first."""
    requests: int = 0
    seconds_reading: float = 0.0
    seconds_sending: float = 0.0
    error: str = ""
    """Why there was no run, or why it broke off."""
    trouble: str = ""
    """Equal for equal troubles; empty: nothing needs anybody."""
    folder: str = ""
    """Where the reports are."""

    @property
    def is_good(self) -> bool:
        """Nothing needs anybody."""
        return self.exit_code == 0


def is_due(on: On, news: News, *, told: str) -> bool:
    """Tell whether people are to hear of it.

    Args:
        on: The job's wish.
        news: How it ended.
        told: ``trouble`` of what they heard last; empty: nothing, or that all was well.
    """
    match on:
        case On.ALWAYS:
            return True
        case On.FAILURE:
            return not news.is_good
        case On.CHANGE:
            return news.trouble != told


def headline(news: News) -> str:
    """Say it in a line of plain text."""
    met = [f"{rows:,} {name}" for name, rows in news.verdicts.items() if rows]
    what = ", ".join(met) or "no rows"
    if news.error:
        what = news.error.splitlines()[0]
    how = "ok" if news.is_good else f"exit {news.exit_code}"
    if news.stopped_by:
        how += f", stopped by {news.stopped_by}"
    return f"bulkbind {news.job}: {what} ({how})"


def text(news: News) -> str:
    """Say it in a few lines of plain text."""
    lines = [headline(news)]
    shown = list(news.codes.items())[:_CODES_SHOWN]
    lines += [f"{rows:,} x {code}" for code, rows in shown]
    if len(news.codes) > len(shown):
        lines.append(f"... and {len(news.codes) - len(shown):,} other codes")
    if news.run_id:
        lines.append(f"run {news.run_id}: {news.folder}")
    return "\n".join(lines)


def document(news: News) -> dict[str, object]:
    """Return what a webhook gets as JSON."""
    return {
        "format_version": FORMAT_VERSION,
        "event": "run_ended",
        "text": text(news),
        "job": news.job,
        "run_id": news.run_id,
        "state": news.state,
        "exit_code": news.exit_code,
        "stopped_by": news.stopped_by,
        "rows": news.rows,
        "verdicts": dict(news.verdicts),
        "codes": dict(news.codes),
        "requests": news.requests,
        "error": news.error,
        "folder": news.folder,
        "at": news.at,
    }


def slack(news: News) -> dict[str, object]:
    """Return what Slack, and what takes its messages, wants.

    Source: Slack, "Formatting text for app surfaces": ``&``, ``<`` and ``>`` are spelt
    out, so that no name can call a channel or hide a link.
    """
    said = text(news)
    for sign, spelt in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        said = said.replace(sign, spelt)
    return {"text": said}


def facts(news: News) -> dict[str, str]:
    """Return what a hook finds in its environment."""
    given = {
        "JOB": news.job,
        "RUN_ID": news.run_id,
        "STATE": news.state,
        "EXIT_CODE": str(news.exit_code),
        "STOPPED_BY": news.stopped_by,
        "ROWS": str(news.rows),
        "REQUESTS": str(news.requests),
        "ERROR": news.error,
        "FOLDER": news.folder,
        "TEXT": text(news),
        **{name.upper(): str(rows) for name, rows in news.verdicts.items()},
    }
    return {f"BULKBIND_EVENT_{name}": told for name, told in given.items()}
