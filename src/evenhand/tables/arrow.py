"""Parquet files and Arrow tables to texts by column."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Literal

from evenhand.tables.cells import text_of
from evenhand.tables.table import DataError, Row, column_names

INDEX = "__index_level_"
"""pandas stores an index without a name in a column that is called so."""
PlainType = Literal["int64", "double", "bool"]
BATCH_ROWS = 4096
"""Rows of a batch, where a file is read one batch after another."""


def open_parquet(path: Path) -> Any:  # noqa: ANN401 - pyarrow has no types
    """A Parquet file.

    Raises:
        DataError: pyarrow is not installed, or the file is none.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise DataError(
            f"{path}: Parquet needs the package pyarrow: pip install pyarrow, or give a .csv file"
        ) from error
    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: not readable ({reason})") from error


def rows_of_parquet(path: Path, columns: Collection[str] | None = None, start: int = 0) -> Iterator[Row]:
    """Each row; a batch of them is in memory at a time.

    Args:
        path: The file.
        columns: Those to read; all if not given.
        start: How many rows to leave out; whole row groups among them are not read.
    """
    file = open_parquet(path)
    names, _ = arrow_names(file.schema_arrow, path.name)
    chosen = [place for place, name in enumerate(names) if columns is None or name in columns]
    groups, skip = _from_row(file.metadata, start)
    if not groups:
        return
    stored = [file.schema_arrow.names[place] for place in chosen]
    for batch in file.iter_batches(batch_size=BATCH_ROWS, row_groups=groups, columns=stored):
        left_out = min(skip, batch.num_rows)
        skip -= left_out
        # pyarrow also gives columns whose names go on with a point and more.
        cells = arrow_cells(batch.select(stored).slice(left_out), [names[place] for place in chosen])
        for number in range(batch.num_rows - left_out):
            yield {name: texts[number] for name, texts in cells.items()}


def plain_types(path: Path) -> dict[str, PlainType]:
    """The type of each column of a Parquet file that is one of plain numbers or truth values."""
    from pyarrow import types

    schema = open_parquet(path).schema_arrow
    names, _ = arrow_names(schema, path.name)
    plain: dict[str, PlainType] = {}
    for name, kind in zip(names, schema.types, strict=True):
        if name is not None and types.is_integer(kind) and not types.is_uint64(kind):
            plain[name] = "int64"
        elif name is not None and types.is_floating(kind):
            plain[name] = "double"
        elif name is not None and types.is_boolean(kind):
            plain[name] = "bool"
    return plain


def _from_row(metadata: Any, start: int) -> tuple[list[int], int]:  # noqa: ANN401
    """The row groups from a row on, and how many rows of the first one come before it."""
    first, skip = 0, start
    while first < metadata.num_row_groups and skip >= metadata.row_group(first).num_rows:
        skip -= metadata.row_group(first).num_rows
        first += 1
    return list(range(first, metadata.num_row_groups)), skip


def arrow_names(schema: Any, where: str) -> tuple[list[str | None], tuple[str, ...]]:  # noqa: ANN401
    """The name of each column, ``None`` for pandas' own row numbers; and which have no name of their own.

    Raises:
        DataError: two columns have the same name.
    """
    kept = [None if name.startswith(INDEX) else name for name in schema.names]
    names, unnamed = column_names([name for name in kept if name is not None], where)
    of_kept = iter(names)
    return [None if name is None else next(of_kept) for name in kept], unnamed


def arrow_cells(data: Any, names: list[str | None]) -> dict[str, list[str | None]]:  # noqa: ANN401
    """The texts of an Arrow table or batch by column; bytes that are no text are missing.

    Args:
        data: The table.
        names: Of its columns; those that are ``None`` are left out.
    """
    return {name: _texts(data.column(place)) for place, name in enumerate(names) if name is not None}


def _texts(column: Any) -> list[str | None]:  # noqa: ANN401
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if types.is_float16(kind) or types.is_float32(kind):
        # Python's float would show the digits that 64 bits have more.
        return [text_of(value) for value in _numpy(column)]
    values = _in_microseconds(column).to_pylist()
    if types.is_nested(kind):
        return [text_of(value) for value in values]
    once: dict[Any, str | None] = {}
    for value in values:
        if value not in once:
            once[value] = _of_bytes(value) if isinstance(value, bytes) else text_of(value)
    return [once[value] for value in values]


def _in_microseconds(column: Any) -> Any:  # noqa: ANN401
    """Python's moments and times have no nanoseconds."""
    import pyarrow as pa
    from pyarrow import types

    kind = column.type
    if types.is_timestamp(kind) and kind.unit == "ns":
        return column.cast(pa.timestamp("us", kind.tz), safe=False)
    if types.is_duration(kind) and kind.unit == "ns":
        return column.cast(pa.duration("us"), safe=False)
    return column.cast(pa.time64("us"), safe=False) if types.is_time64(kind) else column


def _numpy(column: Any) -> Any:  # noqa: ANN401
    """The values of a column, in one piece or in several."""
    return column.to_numpy() if hasattr(column, "chunks") else column.to_numpy(zero_copy_only=False)


def _of_bytes(value: bytes) -> str | None:
    """Text that was written without saying so."""
    try:
        return value.decode() or None
    except UnicodeDecodeError:
        return None
