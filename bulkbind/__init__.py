"""Bind plug-ins to thousands of APIs on Huawei Cloud API Gateway.

The same job as on the command line, in a few calls::

    import bulkbind

    job = bulkbind.load_job("jobs/catalogue/job.toml")
    print(bulkbind.plan_job(job).totals)
    result = bulkbind.run_job(job)
    for row in bulkbind.report_rows(result.run):
        print(row.row.api_id, row.shared.verdict)

``run_job`` and ``resume_run`` have async twins with ``_async`` behind the name. Every
error that is raised on purpose is a ``BulkbindError``. Nothing heavy is imported
before it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bulkbind.errors import BulkbindError as BulkbindError
    from bulkbind.job.library import load_job as load_job
    from bulkbind.job.library import plan_job as plan_job
    from bulkbind.job.library import report_rows as report_rows
    from bulkbind.job.library import resume_run as resume_run
    from bulkbind.job.library import resume_run_async as resume_run_async
    from bulkbind.job.library import run_job as run_job
    from bulkbind.job.library import run_job_async as run_job_async
    from bulkbind.job.planning import Plan as Plan
    from bulkbind.job.signalling import Outcome as Outcome
    from bulkbind.model import Summary as Summary
    from bulkbind.model import Verdict as Verdict
    from bulkbind.report import JudgedRow as JudgedRow
    from bulkbind.settings import JobSettings as JobSettings

_HOMES = {
    "BulkbindError": "bulkbind.errors",
    "JobSettings": "bulkbind.settings",
    "JudgedRow": "bulkbind.report",
    "Outcome": "bulkbind.job.signalling",
    "Plan": "bulkbind.job.planning",
    "Summary": "bulkbind.model",
    "Verdict": "bulkbind.model",
    "load_job": "bulkbind.job.library",
    "plan_job": "bulkbind.job.library",
    "resume_run": "bulkbind.job.library",
    "resume_run_async": "bulkbind.job.library",
    "report_rows": "bulkbind.job.library",
    "run_job": "bulkbind.job.library",
    "run_job_async": "bulkbind.job.library",
}

__all__ = [
    "BulkbindError",
    "JobSettings",
    "JudgedRow",
    "Outcome",
    "Plan",
    "Summary",
    "Verdict",
    "load_job",
    "plan_job",
    "report_rows",
    "resume_run",
    "resume_run_async",
    "run_job",
    "run_job_async",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for."""
    if name == "__version__":
        from importlib.metadata import version

        return version("bulkbind")
    if name not in _HOMES:
        message = f"module 'bulkbind' has no attribute {name!r}"
        raise AttributeError(message)
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
