"""Judged rows and the run's history -> ``report.html``, one file that needs no network.

``packing`` writes rows as compressed columns while they pass by; ``history`` remembers
when requests went out and came back; ``charts`` and ``sections`` draw what needs no
script; ``page`` puts the file together. The rest is ``page.html``, ``page.css``,
``data.js`` (unpacks, searches, sorts) and ``page.js`` (shows).
"""

from bulkbind.report.html.about import About
from bulkbind.report.html.history import History, Watched
from bulkbind.report.html.page import HtmlForm

__all__ = ["About", "History", "HtmlForm", "Watched"]
