"""Decisions of a Parquet file, a few rows at a time. Only this file needs pyarrow."""

from __future__ import annotations

import asyncio
import importlib.util
import math
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import IO, Any

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


async def chunks(file: IO[bytes], rows: int) -> AsyncIterator[Sequence[tuple[int, Any]]]:
    """Numbered rows, as objects by column.

    Args:
        file: The whole file.
        rows: In one chunk at most.

    Raises:
        InvalidInput: it is no Parquet file, or damaged.
    """
    batches = await asyncio.to_thread(_batches, file, rows)
    number = 1
    while (batch := await asyncio.to_thread(_next, batches)) is not None:
        yield list(enumerate(batch, number))
        number += len(batch)


def _batches(file: IO[bytes], rows: int) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file.seek(0)
    try:
        return pq.ParquetFile(file).iter_batches(batch_size=rows)  # type: ignore[no-any-return]
    except (OSError, ValueError, pa.ArrowException):
        raise InvalidInput("the body is no Parquet file that can be read") from None


def _next(batches: Iterator[Any]) -> list[Any] | None:
    import pyarrow as pa

    try:
        batch = next(batches, None)
    except (OSError, ValueError, pa.ArrowException):
        raise InvalidInput("the Parquet file is damaged") from None
    if batch is None:
        return None
    return [
        {name: value for name, value in row.items() if not _is_missing(value)} for row in batch.to_pylist()
    ]


def _is_missing(value: Any) -> bool:  # noqa: ANN401 - anything that a cell may hold
    """Whether there is no value; pandas writes one as NaN, too."""
    return value is None or (isinstance(value, float) and math.isnan(value))
