"""Read a table: CSV, TSV, JSON, JSON lines and Parquet files, and data sets of the Hugging Face hub.

A row that cannot be read is listed with the reason; the others are still used. The same table gives the same
cells in every format.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from hashlib import file_digest
from itertools import islice
from pathlib import Path

from evenhand.tables.arrow import arrow_cells, arrow_names, open_parquet, rows_of_parquet
from evenhand.tables.delimited import DelimitedRows
from evenhand.tables.json_rows import json_lines, json_list
from evenhand.tables.table import DataError, Row, Table

HUB = "hub:"
DELIMITERS = {".csv": ",", ".tsv": "\t"}
PARQUET = ".parquet"
FORMATS = (*DELIMITERS, ".json", ".jsonl", ".ndjson", PARQUET)
FIRST_ROWS = 1000
SURROGATE = re.compile("[\ud800-\udfff]")
NOT_UTF8 = "not UTF-8"


def read_table(source: str | Path) -> Table:
    """Read a table into memory.

    Args:
        source: A file, or ``hub:<name>`` or ``hub:<name>:<configuration>``, where the name is the hub's or
            that of a folder written by ``datasets``.

    Raises:
        DataError: it is missing, of another kind, or holds no rows.
    """
    if str(source).startswith(HUB):
        from evenhand.tables.hub import read_hub

        return read_hub(str(source).removeprefix(HUB))
    path = Path(source)
    _check_format(path)
    try:
        with path.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
        table = _from_parquet(path) if path.suffix.lower() == PARQUET else _from_text(path)
    except OSError as error:
        raise DataError(f"{path}: not readable ({error.strerror or error})") from error
    _check_rows(table, path)
    return replace(table, name=path.name, sha256=digest, folder=path.parent)


def scan(path: Path, columns: Collection[str] | None = None, start: int = 0) -> Iterator[tuple[int, Row]]:
    """The rows of a file one after another, each with its number; memory does not grow with the file.

    Only a ``.json`` file is read as a whole.

    Args:
        path: The file.
        columns: Those that are needed; others of a Parquet file are not read. All if not given.
        start: How many rows to leave out.

    Raises:
        DataError: the file is missing, of another kind, or its header cannot be used.
    """
    _check_format(path)
    try:
        if path.suffix.lower() == PARQUET:
            rows = rows_of_parquet(path, columns, start)
        else:
            rows = islice(_rows(path), start, None)
        yield from enumerate(map(_valid, rows), start=start + 1)
    except OSError as error:
        raise DataError(f"{path}: not readable ({error.strerror or error})") from error


def header(path: Path) -> list[str]:
    """The names of a file's columns; of a file without a header those of its first :data:`FIRST_ROWS` rows.

    Raises:
        DataError: as :func:`scan` does.
    """
    _check_format(path)
    try:
        if path.suffix.lower() == PARQUET:
            names, _ = arrow_names(open_parquet(path).schema_arrow, path.name)
            return [name for name in names if name is not None]
        if path.suffix.lower() in DELIMITERS:
            with path.open("rb") as file:
                return DelimitedRows(file, DELIMITERS[path.suffix.lower()], path.name).columns
    except OSError as error:
        raise DataError(f"{path}: not readable ({error.strerror or error})") from error
    rows = (row for _, row in islice(scan(path), FIRST_ROWS) if not isinstance(row, str))
    return list(dict.fromkeys(name for row in rows for name in row))


def _check_format(path: Path) -> None:
    if path.suffix.lower() not in FORMATS:
        raise DataError(
            f"{path}: expected a file ending in {', '.join(FORMATS)}, or {HUB}<name of a data set>"
        )


def _rows(path: Path) -> Iterator[Row]:
    suffix = path.suffix.lower()
    if suffix == PARQUET:
        yield from rows_of_parquet(path)
        return
    with path.open("rb") as file:
        if suffix in DELIMITERS:
            yield from DelimitedRows(file, DELIMITERS[suffix], path.name)
        elif suffix == ".json":
            yield from json_list(file, path.name)
        else:
            yield from json_lines(file)


def _from_text(path: Path) -> Table:
    """A file that is read row by row."""
    if path.suffix.lower() not in DELIMITERS:
        return Table.of_rows(enumerate(map(_valid, _rows(path)), start=1))
    with path.open("rb") as file:
        rows = DelimitedRows(file, DELIMITERS[path.suffix.lower()], path.name)
        table = Table.of_rows(enumerate(map(_valid, rows), start=1))
        return replace(table, unnamed=rows.unnamed, untyped=True)


def _from_parquet(path: Path) -> Table:
    file = open_parquet(path)
    names, unnamed = arrow_names(file.schema_arrow, path.name)
    cells = arrow_cells(file.read(), names)
    rows = len(next(iter(cells.values()), []))
    return Table(path.name, "", cells, list(range(1, rows + 1)), unnamed=unnamed)


def _valid(row: Row) -> Row:
    """The row, or that bytes of it are not UTF-8."""
    if isinstance(row, str):
        return row
    for cell in row.values():
        if cell is not None and not cell.isascii() and SURROGATE.search(cell):
            return NOT_UTF8
    return row


def _check_rows(table: Table, path: Path) -> None:
    if len(table):
        return
    reasons = Counter(row.reason for row in table.refused).most_common(1)
    why = (
        f": {reasons[0][0]} (row {table.refused[0].row_number} and {reasons[0][1] - 1} more)"
        if reasons
        else ""
    )
    raise DataError(f"{path}: no readable row among {table.total}{why}")
