"""Cells of a table to the items that an encoder takes: texts, pairs, image files, objects of features."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from evenhand.console import track
from evenhand.models.bundle.inputs import Encoded, Encoder, InputError
from evenhand.models.bundle.row_items import NO_IMAGE, image_path
from evenhand.tables.table import Table
from evenhand.training.data.columns import Columns
from evenhand.training.data.features import FeatureColumn, feature_items
from evenhand.typing import Array

NO_TEXT, NO_PAIR = "no text", "no text, or no second text"


def items_of(
    table: Table, columns: Columns, features: Mapping[str, FeatureColumn]
) -> tuple[list[Any], list[str]]:
    """One item per row, and why it cannot be used; empty if it can.

    Args:
        table: The data.
        columns: Which of its columns hold the texts or the files.
        features: Of a table, those to learn from.
    """
    if columns.task == "table":
        return feature_items(features, len(table))
    texts = _texts(table, columns.text)
    if columns.task == "pair":
        pairs = list(zip(texts, _texts(table, str(columns.text_pair)), strict=True))
        reasons = ["" if first and second else NO_PAIR for first, second in pairs]
        return [{"text": first, "text_pair": second} for first, second in pairs], reasons
    if columns.task == "image":
        folder = Path(columns.images) if columns.images else table.folder
        paths = [None if text is None else image_path(folder, text) for text in texts]
        return list(paths), ["" if path else NO_IMAGE for path in paths]
    return list(texts), ["" if text else NO_TEXT for text in texts]


def item_columns(columns: Columns) -> list[str]:
    """Columns that an item is made of."""
    if columns.task == "table":
        return list(columns.features)
    return [columns.text, *([columns.text_pair] if columns.text_pair else [])]


def encode_all(encoder: Encoder, items: list[Any]) -> tuple[list[Encoded], list[tuple[int, str]]]:
    """Encode rows; images are read only when their arrays are used, because memory may not hold them all.

    Returns:
        The encoded rows, and position and reason of those that cannot be read.
    """
    if items and isinstance(items[0], Path):
        return _encode_images(encoder, items)
    encoded, bad = [], []
    for index, item in enumerate(track(items, len(items), "encoding rows")):
        try:
            encoded.append(encoder.encode(item))
        except InputError as error:
            bad.append((index, str(error)))
    return encoded, bad


def _encode_images(encoder: Encoder, paths: list[Path]) -> tuple[list[Encoded], list[tuple[int, str]]]:
    """Read every file once, so that a broken one is named now and not in the middle of learning."""
    cost = encoder.encode(encoder.examples()[0]).tokens
    encoded, bad = [], []
    for index, path in enumerate(track(paths, len(paths), "reading images")):
        try:
            encoder.encode(path.read_bytes())
            encoded.append(cast(Encoded, _ImageRow(encoder, path, cost)))
        except (InputError, OSError) as error:
            bad.append((index, f"{path.name}: {error}"))
    return encoded, bad


class _ImageRow:
    """An encoded image that is read from its file whenever its arrays are used."""

    truncated = False

    def __init__(self, encoder: Encoder, path: Path, tokens: int) -> None:
        self._encoder, self._path, self.tokens = encoder, path, tokens

    @property
    def arrays(self) -> dict[str, Array]:
        """The pixels."""
        return self._encoder.encode(self._path.read_bytes()).arrays


def _texts(table: Table, name: str) -> list[str | None]:
    """``(rows,)`` the texts of a column as they are, ``None`` where there are no words."""
    return [cell if cell and cell.strip() else None for cell in table.cells[name]]
