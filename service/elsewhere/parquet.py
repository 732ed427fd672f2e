"""Decisions of a Parquet file, a few rows at a time. Only this file needs pyarrow."""

from __future__ import annotations

import asyncio
import importlib.util
import math
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from evenhand.service.elsewhere.fields import Column, Fields, gather
from evenhand.service.elsewhere.rows import FIELDS, NESTED, Faulty
from evenhand.service.errors import InvalidInput, NotInstalled


def require() -> None:
    """Check that Parquet can be read.

    Raises:
        NotInstalled: pyarrow is missing.
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise NotInstalled(
            "Parquet needs the package pyarrow, which is not installed here; install evenhand[parquet], or "
            "send JSON lines as application/x-ndjson"
        )


@dataclass(frozen=True, slots=True)
class TableChunk:
    """Some rows of a file."""

    places: Sequence[int]
    """Number of each one's row, from 1."""
    batch: Any
    """A record batch of pyarrow."""

    def read(self) -> tuple[Fields, list[Faulty]]:
        """The rows by field, and those that are none."""
        columns: dict[str, Column] = {}
        nested: dict[str, dict[str, Column]] = {}
        for name, column in zip(self.batch.schema.names, self.batch.columns, strict=True):
            field, dot, part = name.partition(".")
            if field not in FIELDS or (dot and field not in NESTED) or field in columns or name in nested:
                return self._read_rows()  # which says what is wrong with which of them
            if dot:
                nested.setdefault(field, {})[part] = _values(column)
            elif field in ("groups", "scores") and _is_struct(column):
                nested[field] = {
                    column.type.field(place).name: _values(of) for place, of in enumerate(column.flatten())
                }
            else:
                columns[field] = _values(column)
        return Fields(self.places, columns, nested), []

    def _read_rows(self) -> tuple[Fields, list[Faulty]]:
        rows = [
            {name: value for name, value in row.items() if not _is_missing(value)}
            for row in self.batch.to_pylist()
        ]
        return gather(self.places, rows)


async def chunks(file: IO[bytes], rows: int) -> AsyncIterator[TableChunk]:
    """Numbered rows.

    Args:
        file: The whole file.
        rows: In one chunk at most.

    Raises:
        InvalidInput: it is no Parquet file, or damaged.
    """
    batches = await asyncio.to_thread(_batches, file, rows)
    number = 1
    while (batch := await asyncio.to_thread(_next, batches)) is not None:
        yield TableChunk(range(number, number + batch.num_rows), batch)
        number += batch.num_rows


def _batches(file: IO[bytes], rows: int) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file.seek(0)
    try:
        return pq.ParquetFile(file).iter_batches(batch_size=rows)  # type: ignore[no-any-return]
    except (OSError, ValueError, pa.ArrowException):
        raise InvalidInput("the body is no Parquet file that can be read") from None


def _next(batches: Iterator[Any]) -> Any:  # noqa: ANN401 - a record batch, or None at the end
    import pyarrow as pa

    try:
        return next((batch for batch in batches if batch.num_rows), None)
    except (OSError, ValueError, pa.ArrowException):
        raise InvalidInput("the Parquet file is damaged") from None


def _is_struct(column: Any) -> bool:  # noqa: ANN401 - an array of pyarrow
    import pyarrow as pa

    return pa.types.is_struct(column.type)  # type: ignore[no-any-return]


def _values(column: Any) -> Column:  # noqa: ANN401 - an array of pyarrow
    """The values of a column; pandas writes a missing one as NaN, too."""
    import pyarrow as pa

    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = column.dictionary_encode()
    if pa.types.is_dictionary(column.type):
        words = [*column.dictionary.to_pylist(), None]  # -1 is the last one
        return [words[place] for place in column.indices.fill_null(-1).to_pylist()]
    values: Column = column.to_pylist()
    if pa.types.is_floating(column.type):
        return [None if _is_missing(value) else value for value in values]
    return values


def _is_missing(value: Any) -> bool:  # noqa: ANN401 - anything that a cell may hold
    """Whether there is no value; pandas writes one as NaN, too."""
    return value is None or (isinstance(value, float) and math.isnan(value))
