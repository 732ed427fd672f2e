"""Read a table row by row. A row that cannot be read is listed with the reason; the others are still used."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pandas as pd

from evenhand.training.data.dataset import DataError

Values = dict[str, str | None]


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
    folder: Path
    sha256: str
    columns: list[str]
    rows: list[tuple[int, Values]]
    """Row number and values by column."""
    refused: list[Refused]


def read_table(path: Path) -> Table:
    """Read a CSV, JSONL or Parquet file.

    Raises:
        DataError: the file is missing, of another kind, or holds no rows.
    """
    readers = {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}
    if path.suffix not in readers:
        raise DataError(f"{path}: expected a file ending in {', '.join(readers)}")
    try:
        content = path.read_bytes()
        lines = list(readers[path.suffix](content))
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: not readable ({str(error).splitlines()[0]})") from error
    rows = [(number, values) for number, values in enumerate(lines, start=1) if isinstance(values, dict)]
    refused = [
        Refused(number, reason) for number, reason in enumerate(lines, start=1) if isinstance(reason, str)
    ]
    if not rows:
        raise DataError(f"{path}: no readable row among {len(lines)}")
    columns = list(dict.fromkeys(column for _, values in rows for column in values))
    return Table(path.name, path.parent, sha256(content).hexdigest(), columns, rows, refused)


def _text(content: bytes) -> str:
    """Decode UTF-8; invalid bytes become lone surrogates, so that only the row that holds them is refused."""
    return content.decode("utf-8-sig", errors="surrogateescape")


def _csv(content: bytes) -> Iterator[Values | str]:
    lines = csv.reader(io.StringIO(_text(content), newline=""))
    header = next(lines, [])
    if len(set(header)) < len(header):
        raise ValueError("two columns of the same name")
    while True:
        try:
            cells = next(lines)
        except StopIteration:
            return
        except csv.Error:
            yield "not readable as CSV"
            continue
        if cells and len(cells) != len(header):
            yield f"{len(cells)} cells where the header has {len(header)}"
        elif cells:
            yield dict(zip(header, cells, strict=True))


def _jsonl(content: bytes) -> Iterator[Values | str]:
    # Not splitlines: a line separator (U+2028) may stand inside a JSON string.
    for line in _text(content).split("\n"):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            yield "not readable as JSON"
            continue
        if isinstance(values, dict):
            yield {name: None if value is None else str(value) for name, value in values.items()}
        else:
            yield "not a JSON object"


def _parquet(content: bytes) -> Iterator[Values | str]:
    table = pd.read_parquet(io.BytesIO(content))
    names = [str(name) for name in table.columns]
    for values in table.itertuples(index=False, name=None):
        missing = [value is None or (pd.api.types.is_scalar(value) and pd.isna(value)) for value in values]
        yield {
            name: None if gone else str(value)
            for name, value, gone in zip(names, values, missing, strict=True)
        }
