"""A table in memory: cells as text by column, the rows that cannot be read, and what the reading guessed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from evenhand.tables.cells import clean

Values = dict[str, str | None]
"""A row: its cells by column."""
Row = Values | str
"""A row, or the reason why it cannot be read."""


class DataError(ValueError):
    """The table cannot be used; the message says what is wrong, where, and what to do."""


@dataclass(frozen=True)
class Refused:
    """A row that cannot be used."""

    row_number: int
    """Counted from 1, a header and blank lines left out."""
    reason: str


@dataclass(frozen=True)
class Table:
    """What a file holds."""

    name: str
    sha256: str
    """Of the file's content."""
    cells: dict[str, list[str | None]]
    """Per column ``(rows,)`` the texts of its cells, of all rows that can be read."""
    numbers: list[int]
    """``(rows,)`` the number of each row, counted from 1, a header and blank lines left out."""
    refused: list[Refused] = field(default_factory=list)
    folder: Path = Path()
    """Where the file is."""
    unnamed: tuple[str, ...] = ()
    """Columns without a name of their own."""
    untyped: bool = False
    """Whether all cells are text in the file too, so that it has no missing values of its own."""
    split: str | None = None
    """The column with the data set's own splits, if it has any."""
    notes: tuple[str, ...] = ()
    """What the reading guessed, in sentences."""

    def __len__(self) -> int:
        """Rows that can be read."""
        return len(self.numbers)

    @property
    def columns(self) -> list[str]:
        """Names in the file's order."""
        return list(self.cells)

    @property
    def total(self) -> int:
        """All rows, those included that cannot be read."""
        return len(self.numbers) + len(self.refused)

    def rows(self) -> Iterator[tuple[int, Values]]:
        """The number of each row that can be read, and its cells by column."""
        names = self.columns
        for number, *cells in zip(self.numbers, *self.cells.values(), strict=True):
            yield number, dict(zip(names, cells, strict=True))

    @classmethod
    def of_rows(cls, rows: Iterable[tuple[int, Row]], name: str = "rows", sha256: str = "") -> Table:
        """A table of rows with different columns; a cell that a row lacks is missing.

        Args:
            rows: The number of each row, and its cells or why it cannot be read.
            name: What errors call it.
            sha256: Of the content that the rows come from.
        """
        cells: dict[str, list[str | None]] = {}
        once: dict[str, dict[str, str]] = {}
        numbers: list[int] = []
        refused: list[Refused] = []
        for number, row in rows:
            if isinstance(row, str):
                refused.append(Refused(number, row))
                continue
            for column, cell in row.items():
                if column not in cells:
                    cells[column], once[column] = [None] * len(numbers), {}
                # Equal texts of a column share one string: a table of categories takes little memory.
                cells[column].append(None if cell is None else once[column].setdefault(cell, cell))
            numbers.append(number)
            if len(row) < len(cells):
                for column in cells.keys() - row.keys():
                    cells[column].append(None)
        return cls(name, sha256, cells, numbers, refused)


def column_names(header: Sequence[str | None], where: str) -> tuple[list[str], tuple[str, ...]]:
    """The names of a table's columns, clean; those without one are called by their place.

    Args:
        header: As the file has it.
        where: The file, for the error.

    Returns:
        All names, and which of them are places.

    Raises:
        DataError: two columns have the same name.
    """
    names, unnamed, places = [], [], dict[str, int]()
    for place, text in enumerate(header, start=1):
        name = clean(text or "")
        if not name:
            name = f"column {place}"
            unnamed.append(name)
        if name in places:
            raise DataError(
                f"{where}: two columns of the same name, {name!r} (columns {places[name]} and {place}); "
                "rename one or leave it out"
            )
        places[name] = place
        names.append(name)
    return names, tuple(unnamed)


def content_sha256(cells: Mapping[str, list[str | None]]) -> str:
    """SHA-256 over names and cells: the identity of a table that comes from no file."""
    digest = sha256()
    for name, column in cells.items():
        digest.update(f"{name}\0{len(column)}\0".encode())
        for cell in column:
            digest.update(
                b"\1" if cell is None else f"\2{len(cell)}\0{cell}".encode("utf-8", "surrogatepass")
            )
    return digest.hexdigest()
