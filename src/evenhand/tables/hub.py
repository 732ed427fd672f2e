"""Data sets of the Hugging Face hub: label names, rows without a label, and their own splits are kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evenhand.tables.arrow import arrow_cells, arrow_names
from evenhand.tables.table import DataError, Table, content_sha256

SPLIT = "split"


def read_hub(name: str) -> Table:
    """All splits of a data set, one after another; no code of the data set's repository is run.

    The names of several splits become the column ``split``, unless there is one. Labels of the type
    ``ClassLabel`` become their names, and a missing one (-1) is missing.

    Args:
        name: A hub name, with ``:<configuration>`` if it has several, or a folder.

    Raises:
        DataError: it cannot be read.
    """
    parts = _parts(name)
    blocks = [(str(split), *_block(part, name)) for split, part in parts.items()]
    columns = list(dict.fromkeys(column for _, cells, _ in blocks for column in cells))
    own = len(blocks) > 1 and SPLIT not in columns
    cells: dict[str, list[str | None]] = {column: [] for column in (*columns, *([SPLIT] if own else []))}
    for split, of_part, rows in blocks:
        for column in columns:
            cells[column] += of_part.get(column, [None] * rows)
        if own:
            cells[SPLIT] += [split] * rows
    total = sum(rows for _, _, rows in blocks)
    if not total:
        raise DataError(f"data set {name!r} has no row")
    return Table(name, content_sha256(cells), cells, list(range(1, total + 1)), split=SPLIT if own else None)


def _parts(name: str) -> Mapping[str, Any]:
    """The data set's parts by split."""
    import datasets

    try:
        if Path(name).exists():
            parts = datasets.load_from_disk(name)
        else:
            place, _, configuration = name.partition(":")
            # Which data set is the user's choice; its hash is in the bundle.
            parts = datasets.load_dataset(place, configuration or None)  # nosec B615
    except Exception as error:  # the library passes on the errors of all its back ends
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"data set {name!r} cannot be read ({reason}); check its name and the network"
        ) from error
    return {"train": parts} if isinstance(parts, datasets.Dataset) else dict(parts)


def _block(part: Any, name: str) -> tuple[dict[str, list[str | None]], int]:  # noqa: ANN401
    """The cells of one split by column, and its rows."""
    import datasets

    data = part.with_format("arrow")[:]
    names, _ = arrow_names(data.schema, f"data set {name!r}")
    cells = arrow_cells(data, names)
    for column, feature in part.features.items():
        if isinstance(feature, datasets.ClassLabel) and column in cells:
            by_code = {str(code): label for code, label in enumerate(feature.names)}
            cells[column] = [None if cell is None else by_code.get(cell) for cell in cells[column]]
    return cells, len(data)
