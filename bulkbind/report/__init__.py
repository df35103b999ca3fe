"""The ledger's verdicts -> the files and words a user reads.

``judged_rows`` gives every row of the pinned manifest its verdict and proves that
the report adds up; ``write_reports`` and ``write_summary`` fill the run's folder;
``export`` writes one format of a finished run elsewhere; ``describe`` says it in a
terminal.
"""

from bulkbind.report.block import Block
from bulkbind.report.cells import Layout
from bulkbind.report.export import Exported, Wish, export
from bulkbind.report.html import About, History, Watched
from bulkbind.report.judged import JudgedRow, Source
from bulkbind.report.merge import judged_rows
from bulkbind.report.ordering import judged_blocks
from bulkbind.report.outline import describe
from bulkbind.report.totals import Totals
from bulkbind.report.write import Written, write_reports, write_summary

__all__ = [
    "About",
    "Block",
    "Exported",
    "History",
    "JudgedRow",
    "Layout",
    "Source",
    "Totals",
    "Watched",
    "Wish",
    "Written",
    "describe",
    "export",
    "judged_blocks",
    "judged_rows",
    "write_reports",
    "write_summary",
]
