"""The formats of a report, by name."""

from bulkbind.report.cells import Layout
from bulkbind.report.html import About, HtmlForm
from bulkbind.report.table import CsvForm, FailedForm, Form, JsonlForm

#: File name of each format.
REPORT_NAMES = {
    "csv": "report.csv",
    "jsonl": "report.jsonl",
    "html": "report.html",
    "failed": "failed.csv",
}

_LINES: dict[str, type[CsvForm | JsonlForm | FailedForm]] = {
    "csv": CsvForm,
    "jsonl": JsonlForm,
    "failed": FailedForm,
}


def new_form(name: str, *, layout: Layout, about: About | None = None) -> Form:
    """Return what writes rows in a format; it has to be closed.

    Args:
        name: A key of :data:`REPORT_NAMES`.
        layout: File names, carried columns, advice.
        about: The run as a whole; only ``html`` needs it.

    Raises:
        KeyError: There is no such format.
        ValueError: ``html`` without ``about``.
        OSError: The folder that ``about`` names cannot be written.
    """
    if name != "html":
        return _LINES[name](layout)
    if about is None:
        message = "a page needs to know what it is about"
        raise ValueError(message)
    return HtmlForm(layout, about)
