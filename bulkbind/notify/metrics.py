"""Metrics of a job's last run, as a file for the node exporter's textfile collector."""

from pathlib import Path

from bulkbind.errors import NotifyFailed
from bulkbind.notify.news import News


def write_metrics(path: Path, news: News, *, last_success: float) -> None:
    """Write the file, whole or not at all.

    Args:
        path: Ends in ``.prom``; one file for each job.
        news: How the run ended.
        last_success: When a run last ended with exit code 0, seconds since the epoch;
            0: never.

    Raises:
        NotifyFailed: It cannot be written.
    """
    from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

    registry = CollectorRegistry()

    def gauge(name: str, words: str, *labels: str) -> Gauge:
        return Gauge(f"bulkbind_{name}", words, ("job", *labels), registry=registry)

    rows = gauge("last_run_rows", "Rows of the last run by verdict", "verdict")
    for verdict, count in news.verdicts.items():
        rows.labels(news.job, verdict).set(count)
    codes = gauge("last_run_error_rows", "Rows of the last run by error code", "code")
    for code, count in news.codes.items():
        codes.labels(news.job, code).set(count)
    seconds = gauge("last_run_seconds", "What the last run took", "phase")
    seconds.labels(news.job, "reading").set(news.seconds_reading)
    seconds.labels(news.job, "sending").set(news.seconds_sending)
    for name, words, value in (
        ("last_run_requests", "Requests of the last run", news.requests),
        ("last_run_exit_code", "Exit code of the last run", news.exit_code),
        ("last_run_timestamp_seconds", "When the last run ended", news.at),
        ("last_success_timestamp_seconds", "When a run last exited 0", last_success),
    ):
        gauge(name, words).labels(news.job).set(value)
    try:
        write_to_textfile(str(path), registry)
    except OSError as error:
        message = (
            f"notify.metrics_textfile: {path} cannot be written"
            f" ({error.strerror or error}); see to the folder"
        )
        raise NotifyFailed(message) from error
