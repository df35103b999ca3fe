"""``report.html``: put together when the last row has passed by."""

import json
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from importlib.resources import files
from itertools import islice
from string import Template

from bulkbind.model import Verdict
from bulkbind.report.block import Block
from bulkbind.report.cells import Layout
from bulkbind.report.html import sections
from bulkbind.report.html.about import About
from bulkbind.report.html.packing import Packer, packed
from bulkbind.report.html.times import Finished
from bulkbind.report.html.words import shown
from bulkbind.report.table import FAILED_VERDICTS
from bulkbind.report.totals import Totals

#: Where the packs stand in ``page.html``.
_PACKS = "<!--packs-->"

_FAILED_COLUMNS = (
    *("line", "api_id", "verdict", "code", "message"),
    *("instance_id", "plugin_id", "env_id"),
)


class HtmlForm:
    """``report.html``: takes rows in, and is written at their end.

    Args:
        layout: File names, carried columns, advice.
        about: The run as a whole.
    """

    header = ""

    def __init__(self, layout: Layout, about: About) -> None:
        self._layout = layout
        self._about = about
        self._packer = Packer(about.folder, carried=len(layout.carried))
        self._finished = Finished()
        self._failed: list[list[str]] = []

    def lines(self, block: Block) -> str:
        """Take some rows in; nothing can be written yet."""
        self._packer.add(block)
        self._finished.count(block.shares)
        room = sections.FAILED_SHOWN - len(self._failed)
        if room:
            self._failed += islice(_failed(block), room)
        return ""

    def end(self, totals: Totals) -> Iterator[str]:
        """Yield the page, in pieces."""
        packs = self._packer.packs()
        rows = list(islice(packs, 1))  # writes what was held: then the texts are known
        head, _, foot = self._filled(totals).partition(_PACKS)
        yield head
        yield from sections.data("facts", [self._facts()])
        yield from sections.data("rows", rows)
        yield from sections.data("rows", packs)
        for number, place in enumerate(self._packer.carried):
            yield from sections.data(f"carried-{number}", self._packer.column(place))
        yield foot

    def close(self) -> None:
        """Give what was held on disk back."""
        self._packer.close()

    def _filled(self, totals: Totals) -> str:
        style, script = _read("page.css"), _read("data.js") + _read("page.js")
        failed = sum(totals.verdicts[verdict] for verdict in FAILED_VERDICTS)
        return Template(_read("page.html")).substitute(
            title=shown(self._about.title),
            style=style,
            style_hash=_hash(style),
            script=script,
            script_hash=_hash(script),
            facts=sections.facts(self._about),
            tiles=sections.tiles(totals),
            reasons=sections.reasons(totals),
            times=sections.times(self._about, self._finished),
            timeline=sections.timeline(self._about),
            failed=sections.failed_rows(_FAILED_COLUMNS, self._failed, all_=failed),
            hidden=self._hidden(),
        )

    def _hidden(self) -> str:
        """Say which carried columns the table leaves out."""
        names = [
            name
            for place, name in enumerate(self._layout.carried)
            if place not in self._packer.carried
        ]
        if not names:
            return ""
        return shown(
            f"Not here, having more than 256 values: {', '.join(names)};"
            " report.csv has them."
        )

    def _facts(self) -> str:
        """Return the texts that numbers in the rows stand for, as a pack."""
        packer = self._packer
        codes = list(packer.codes)
        facts = {
            "rows": packer.rows,
            "files": list(self._layout.files),
            "verdicts": [verdict.value for verdict in Verdict],
            "codes": codes,
            "advice": {code: self._layout.advise(code) for code in codes if code},
            "replaced": list(packer.replaced),
            "targets": [
                [*key, *names]
                for key, names in zip(packer.targets, packer.targets.names, strict=True)
            ],
            "carried": [
                {"name": self._layout.carried[place], "values": list(values)}
                for place, values in packer.carried.items()
            ],
        }
        return packed(json.dumps(facts, separators=(",", ":")).encode("ascii"))


def _failed(block: Block) -> Iterator[list[str]]:
    """Yield the failed ones among some rows."""
    for at, shared in enumerate(block.shares):
        if shared.verdict in FAILED_VERDICTS:
            yield [
                str(block.pinned.lines[at]),
                block.api_ids.texts[at],
                shared.verdict.value,
                shared.error_code,
                shared.error_msg,
                shared.instance_id,
                shared.plugin_id,
                shared.env_id,
            ]


def _read(name: str) -> str:
    return files("bulkbind.report.html").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return the name by which a browser knows what it may run."""
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode("ascii")
