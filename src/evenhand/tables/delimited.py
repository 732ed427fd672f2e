"""CSV and TSV (RFC 4180) to rows. A quote that is not closed costs its own line and no other."""

from __future__ import annotations

import codecs
import csv
import io
from collections import deque
from collections.abc import Iterator
from typing import IO

from evenhand.tables.table import DataError, Row, column_names

LONGEST_CHARACTERS = 2**20
"""A cell that is longer is read as a quote that is not closed."""
SHOWN = 3
"""So many lines of another width than the header's are named where all of them are."""
OTHER_SIGNS = {";": "semicolons", "\t": "tabs"}
BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def text_stream(file: IO[bytes], newline: str) -> io.TextIOWrapper:
    """Decode UTF-8, or UTF-16 with a mark at its start.

    Bytes that are not UTF-8 become lone surrogates, so that only the row that holds them is refused.
    """
    start = file.read(4)
    file.seek(0)
    encoding = next((name for mark, name in BOMS if start.startswith(mark)), "utf-8")
    errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
    return io.TextIOWrapper(file, encoding=encoding, errors=errors, newline=newline)


class DelimitedRows:
    """The rows of a file with a header.

    Args:
        file: Its content.
        delimiter: What stands between cells.
        name: What errors call it.

    Raises:
        DataError: it has no header, or one that cannot be used.
    """

    def __init__(self, file: IO[bytes], delimiter: str, name: str) -> None:
        self._lines = _Lines(text_stream(file, newline=""))
        self._delimiter = delimiter
        header = self._record()
        while header == []:
            header = self._record()
        if header is None or isinstance(header, str):
            raise DataError(f"{name}: {header or 'no header'}; its first line must name the columns")
        _check_sign(header, delimiter, name)
        self.columns, self.unnamed = column_names(header, name)

    def __iter__(self) -> Iterator[Row]:
        """Each row, or why it cannot be read; blank lines are left out."""
        width = len(self.columns)
        while (cells := self._record()) is not None:
            if isinstance(cells, str):
                yield cells
            elif len(cells) == width:
                yield {name: cell or None for name, cell in zip(self.columns, cells, strict=True)}
            elif cells:
                yield f"{len(cells)} cells where the header has {width}"

    def _record(self) -> list[str] | str | None:
        """The cells of the next record, or why it cannot be read; ``None`` at the end."""
        self._lines.begin()
        try:
            cells = next(csv.reader(self._lines, delimiter=self._delimiter, strict=True), None)
        except csv.Error:
            self._lines.back()
            return "a quote that is not closed, or that text follows"
        if cells is not None and self._swallows_rows(len(cells)):
            self._lines.back()
            return "a quote that is not closed: each line that it would take in is a row itself"
        return cells

    def _swallows_rows(self, width: int) -> bool:
        """Whether a record of several lines is rather a stray quote that is closed by a later one.

        Then every one of its lines, read without quotes, has as many cells as the record. Three lines are
        asked for: two lines of a text may have so many delimiters by chance.
        """
        lines = self._lines.taken
        return (
            width > 1 and len(lines) > 2 and all(line.count(self._delimiter) == width - 1 for line in lines)
        )


class _Lines:
    """Lines that can be given back: those of the record that is being read are kept."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        csv.field_size_limit(LONGEST_CHARACTERS)
        self._stream = stream
        self._ahead: deque[str] = deque()
        self.taken: list[str] = []
        self._characters = 0

    def begin(self) -> None:
        """A new record starts here."""
        self.taken, self._characters = [], 0

    def back(self) -> None:
        """Give back all lines of this record but the first."""
        self._ahead.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self._characters > LONGEST_CHARACTERS:
            raise StopIteration
        line = self._ahead.popleft() if self._ahead else next(self._stream)
        self.taken.append(line)
        self._characters += len(line)
        return line


def _check_sign(header: list[str], delimiter: str, name: str) -> None:
    """Refuse a file whose cells are set apart by another sign than its name says."""
    if len(header) > 1:
        return
    for sign, words in OTHER_SIGNS.items():
        if sign != delimiter and sign in header[0]:
            raise DataError(
                f"{name}: its header has {words} and no {'comma' if delimiter == ',' else 'tab'}; "
                + ("call it .tsv" if sign == "\t" else "write it with commas, and numbers with a point")
            )
