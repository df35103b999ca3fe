"""Bind plug-ins to thousands of APIs on Huawei Cloud API Gateway.

The same job as on the command line, in a few calls::

    import bulkbind

    job = bulkbind.load("jobs/catalogue/job.toml")
    print(bulkbind.plan(job).totals)
    result = bulkbind.run(job)
    for row in bulkbind.rows(result.run):
        print(row.row.api_id, row.shared.verdict)

``run`` and ``resume`` have async twins, ``run_async`` and ``resume_async``. Every
error that is raised on purpose is a ``BulkbindError``. Nothing heavy is imported
before it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bulkbind.errors import BulkbindError as BulkbindError
    from bulkbind.job.library import load as load
    from bulkbind.job.library import plan as plan
    from bulkbind.job.library import resume as resume
    from bulkbind.job.library import resume_async as resume_async
    from bulkbind.job.library import rows as rows
    from bulkbind.job.library import run as run
    from bulkbind.job.library import run_async as run_async
    from bulkbind.job.planning import Plan as Plan
    from bulkbind.job.story import Outcome as Outcome
    from bulkbind.model import Summary as Summary
    from bulkbind.model import Verdict as Verdict
    from bulkbind.report import JudgedRow as JudgedRow
    from bulkbind.settings import JobSettings as JobSettings

_HOMES = {
    "BulkbindError": "bulkbind.errors",
    "JobSettings": "bulkbind.settings",
    "JudgedRow": "bulkbind.report",
    "Outcome": "bulkbind.job.story",
    "Plan": "bulkbind.job.planning",
    "Summary": "bulkbind.model",
    "Verdict": "bulkbind.model",
    "load": "bulkbind.job.library",
    "plan": "bulkbind.job.library",
    "resume": "bulkbind.job.library",
    "resume_async": "bulkbind.job.library",
    "rows": "bulkbind.job.library",
    "run": "bulkbind.job.library",
    "run_async": "bulkbind.job.library",
}

__all__ = [
    "BulkbindError",
    "JobSettings",
    "JudgedRow",
    "Outcome",
    "Plan",
    "Summary",
    "Verdict",
    "load",
    "plan",
    "resume",
    "resume_async",
    "rows",
    "run",
    "run_async",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for."""
    if name not in _HOMES:
        message = f"module 'bulkbind' has no attribute {name!r}"
        raise AttributeError(message)
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
