"""The manifest: every file of a job, read once, row by row."""

from collections.abc import Iterator, Sequence

from bulkbind.errors import Fault, ManifestError
from bulkbind.manifest.blocks import BlockMaker, Plain
from bulkbind.manifest.check import Checker, faults_of
from bulkbind.manifest.elements import Document, lines_of_json
from bulkbind.manifest.faults import listed
from bulkbind.manifest.header import Carried, layout_of, plain
from bulkbind.manifest.kind import Kind, recognised
from bulkbind.manifest.objects import ObjectReader
from bulkbind.manifest.parquet import MAGIC, texts_of_parquet
from bulkbind.manifest.rows import Record, RowMaker, filter_of, unguarded
from bulkbind.manifest.shape import Shape, Source
from bulkbind.manifest.source import CHUNK, Tap, opened
from bulkbind.manifest.table import Table, table_of
from bulkbind.manifest.text import Lines, flat, texts_of, with_lf
from bulkbind.model import ID_COLUMNS, STAND_INS, Block, Row, SourceFile

#: Names of what a row's ids are of: the report has them of the gateway itself.
_REPORTED = frozenset(map(plain, ("plugin_name", "env_name")))

#: Characters of a table that are taken together: some 4,000 rows.
PIECE = 512 * 1024


class Manifest:
    """Reads the files of a manifest, in order.

    Args:
        sources: Files, or standard input.
        shape: How to read them.
        chunk_size: Bytes asked for in one read.
        piece_size: Characters of a table that are taken together, at least.

    Attributes:
        files: What was read; complete when ``rows`` is exhausted.
        carried: Names of the carried columns, in the order they turn up; grows
            while reading. A row's ``carried`` may be shorter.
        has_names: Whether names or selectors have turned up in it.
        warnings: Sentences for the user; complete when ``rows`` is exhausted.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        shape: Shape,
        chunk_size: int = CHUNK,
        piece_size: int = PIECE,
    ) -> None:
        self._sources = tuple(sources)
        self._shape = shape
        self._chunk_size = chunk_size
        self._piece_size = piece_size
        self.has_names = False
        self.files: list[SourceFile] = []
        self.carried: list[str] = []
        self.warnings: list[str] = []

    def rows(self) -> Iterator[Row]:
        """Yield every row, faulty ones with their fault; to be called once.

        Raises:
            ManifestError: As ``read``.
        """
        for item in self.read():
            if isinstance(item, Block):
                yield from item.rows()
            else:
                yield item

    def read(self) -> Iterator[Row | Block]:
        """Yield every row, sound ones in blocks where they can be; to be called once.

        Raises:
            ManifestError: A file cannot be read, or not to its end; its rows so
                far were yielded and are not to be trusted.
        """
        if faults := faults_of(self._shape):
            raise ManifestError(faults)
        columns = Carried(self.carried)
        checker = Checker(self._shape)
        wanted = filter_of(self._shape, columns)
        for number, source in enumerate(self._sources):
            maker = RowMaker(number, name=source.name, checker=checker, wanted=wanted)
            with opened(source, chunk_size=self._chunk_size) as tap:
                yield from self._read(tap, source, maker, columns)
                tap.drain()
            self.files.append(SourceFile(source.name, tap.sha256, tap.size))
        self._refuse_unseen_filters(columns)

    def _read(
        self, tap: Tap, source: Source, maker: RowMaker, columns: Carried
    ) -> Iterator[Row | Block]:
        name = source.name
        if tap.begins_with(MAGIC):
            texts = texts_of_parquet(source.path, name=name)
            yield from self._read_table(texts, name, maker, columns, has_lines=False)
            return
        texts = texts_of(tap, name=name, encoding=self._shape.encoding)
        kind, texts = recognised(texts)
        if kind is Kind.TABLE:
            yield from self._read_table(texts, name, maker, columns)
            return
        if kind is Kind.LINES:
            elements = lines_of_json(flat(Lines(texts, name=name).pieces()))
        else:
            elements = Document(with_lf(texts), name=name).elements()
        reader = ObjectReader(maker, shape=self._shape, carried=columns)
        for row in reader.rows(elements):
            self.has_names = self.has_names or reader.has_names
            yield row
        self._warn_left_out(name, tuple(reader.left_out))

    def _read_table(
        self,
        texts: Iterator[str],
        name: str,
        maker: RowMaker,
        columns: Carried,
        *,
        has_lines: bool = True,
    ) -> Iterator[Row | Block]:
        lines = Lines(texts, name=name, size=self._piece_size)
        table = table_of(
            lines.pieces(),
            name=name,
            count_known=self._count_known,
            counts_records=not has_lines,
        )
        header = unguarded(table.header)
        layout = layout_of(header, shape=self._shape, carried=columns)
        if layout.problems:
            raise ManifestError(
                [Fault(name, table.line, *problem) for problem in layout.problems]
            )
        self._warn_left_out(name, layout.left_out)
        self.has_names = self.has_names or bool(layout.named)
        if not BlockMaker.can(layout, maker):
            yield from maker.rows(table.records, layout=layout, lines=lines)
            return
        blocks = BlockMaker(maker, layout, table.delimiter)
        has_more = True
        while has_more:
            if table.feed.is_plain:
                line = table.feed.count + 1
                yield from blocks.rows(Plain(line, table.feed.plain()))
                continue
            has_more = False
            for row in maker.rows(_odd_records(table), layout=layout, lines=lines):
                has_more = True
                yield row

    def _count_known(self, header: list[str]) -> int:
        ours = (*ID_COLUMNS, *STAND_INS, *self._shape.columns.values())
        known = set(map(plain, ours))
        return sum(plain(name) in known for name in header)

    def _refuse_unseen_filters(self, columns: Carried) -> None:
        ours = set(map(plain, (*ID_COLUMNS, *STAND_INS)))
        for column, _ in self._shape.only:
            if plain(column) in ours or columns.find(column) is not None:
                continue
            there = listed((*ID_COLUMNS, *self.carried))
            problem = f"no file has such a column; there are {there}"
            raise ManifestError([Fault("--only", 0, column, problem, "correct --only")])

    def _warn_left_out(self, name: str, left_out: Sequence[str]) -> None:
        columns = [column for column in left_out if plain(column) not in _REPORTED]
        if columns:
            self.warnings.append(
                f"{name}: not carried into the report, which has columns of these"
                f" names or no name for them: {listed(columns)}"
            )


def _odd_records(table: Table) -> Iterator[Record]:
    """Yield records up to where the next lines need no csv module."""
    for record in table.records:
        yield record
        if table.feed.is_plain:
            return
