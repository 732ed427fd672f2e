"""Cells of a table to the items that an encoder takes: texts, pairs, image files, objects of features."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from evenhand.console import track
from evenhand.models.bundle.encoders.table import Numeric, TableFeatures, present, raw_number
from evenhand.models.bundle.inputs import Encoded, Encoder, InputError
from evenhand.tables.cells import clean, number_of
from evenhand.tables.table import Table, Values
from evenhand.training.data.columns import Columns
from evenhand.training.data.features import FeatureColumn, feature_items
from evenhand.typing import Array

NO_TEXT, NO_PAIR, NO_IMAGE = "no text", "no text, or no second text", "no such image file in the folder"


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


def feature_item(values: Values, features: TableFeatures) -> dict[str, float | str | None]:
    """One row of texts to an object of named features; columns that are no features are left out.

    Raises:
        InputError: a number is expected and something else stands there.
    """
    item: dict[str, float | str | None] = {name: present(values.get(clean(name))) for name in features.names}
    if features.raw:
        item |= {of.name: values.get(clean(of.name)) for of in features.categorical}
    for column in features.numeric:
        item[column.name] = _number(column, item[column.name], features.raw)
    return item


def _number(column: Numeric, value: float | str | None, raw: bool) -> float | None:
    if not isinstance(value, str):
        return value
    number = raw_number(value) if raw else number_of(value)
    if number is None and value not in column.words:
        raise InputError(f"feature {column.name!r} is not a number")
    return number


def image_path(folder: Path, name: str) -> Path | None:
    """Where an image file is; ``None`` if there is no such file in the folder.

    A name that leads out of the folder is none; a link in the folder is its owner's and is followed.
    """
    path = folder / name.strip()
    inside = Path(os.path.abspath(path)).is_relative_to(os.path.abspath(folder))
    return path if inside and path.is_file() else None


def image_bytes(folder: Path, name: str) -> bytes:
    """An image file's content.

    Raises:
        InputError: there is no such file in the folder.
    """
    path = image_path(folder, name)
    if path is None:
        raise InputError(NO_IMAGE)
    return path.read_bytes()


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
