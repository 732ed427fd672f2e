"""Columns of a table to the items that an encoder takes: texts, pairs, image files, objects of features."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from evenhand.console import track
from evenhand.models.bundle.encoders.table import TableFeatures, present
from evenhand.models.bundle.inputs import Encoded, Encoder, InputError
from evenhand.training.data.columns import Columns
from evenhand.typing import Array, Bools


def items_of(table: pd.DataFrame, columns: Columns) -> tuple[list[Any], Bools]:
    """One item per row, and whether it can be used; of a table the named features."""
    if columns.task == "table":
        cleaned = [_clean(table[name]) for name in columns.features]
        items = [dict(zip(columns.features, row, strict=True)) for row in zip(*cleaned, strict=True)]
        return items, np.ones(len(table), bool)
    texts = _texts(table[columns.text])
    usable = np.array([text is not None for text in texts])
    if columns.task == "pair":
        others = _texts(table[columns.text_pair])
        usable &= np.array([text is not None for text in others])
        return [{"text": a, "text_pair": b} for a, b in zip(texts, others, strict=True)], usable
    if columns.task == "image":
        folder = Path(columns.images or ".")
        paths = [folder / (text or "") for text in texts]
        return list(paths), usable & np.array([path.is_file() for path in paths])
    return list(texts), usable


def item_columns(columns: Columns) -> list[str]:
    """Columns that an item is made of."""
    if columns.task == "table":
        return list(columns.features)
    return [columns.text, *([columns.text_pair] if columns.text_pair else [])]


def feature_item(values: Mapping[str, str | None], features: TableFeatures) -> dict[str, float | str | None]:
    """One row of strings to an object of named features; columns that are no features are left out.

    Raises:
        InputError: a number is expected and something else stands there.
    """
    item: dict[str, float | str | None] = {name: present(values.get(name)) for name in features.names}
    for column in features.numeric:
        value = item[column.name]
        try:
            item[column.name] = None if value is None else float(value)
        except ValueError:
            raise InputError(f"feature {column.name!r} is not a number") from None
    return item


def image_bytes(folder: Path, name: str) -> bytes:
    """An image file's content.

    Raises:
        InputError: there is no such file in the folder.
    """
    place = (folder / name).resolve()
    if not place.is_relative_to(folder.resolve()) or not place.is_file():
        raise InputError("no such image file in the folder")
    return place.read_bytes()


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


def _texts(column: Any) -> list[str | None]:  # noqa: ANN401 - pandas' Series of anything
    return [str(value) if not _nothing(value) and str(value).strip() else None for value in column]


def _clean(column: Any) -> list[float | str | None]:  # noqa: ANN401
    """Numbers where every value is one, else strings; ``None`` where there is no value."""
    gone = [_nothing(value) or present(str(value)) is None for value in column]
    numbers = pd.to_numeric(
        pd.Series([None if none else value for none, value in zip(gone, column, strict=True)]),
        errors="coerce",
    )
    numeric = bool((numbers.notna() | np.array(gone)).all()) and not all(gone)
    if numeric:
        return [None if none else float(value) for none, value in zip(gone, numbers, strict=True)]
    return [None if none else str(value).strip() for none, value in zip(gone, column, strict=True)]


def _nothing(value: Any) -> bool:  # noqa: ANN401
    return value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NA
