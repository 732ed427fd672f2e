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
        cleaned = [
            _as_it_stands(table[name], name in columns.raw_texts) if columns.raw else _clean(table[name])
            for name in columns.features
        ]
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
    if features.raw:
        item |= {of.name: values.get(of.name) for of in features.categorical}
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
        cost = encoder.encode(encoder.examples()[0]).tokens
        return [cast(Encoded, _ImageRow(encoder, path, cost)) for path in items], []
    encoded, bad = [], []
    for index, item in enumerate(track(items, len(items), "encoding rows")):
        try:
            encoded.append(encoder.encode(item))
        except InputError as error:
            bad.append((index, str(error)))
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


def _as_it_stands(column: Any, text: bool) -> list[float | str | None]:  # noqa: ANN401
    """Numbers where every value is one, as pandas has it, else texts; ``None`` where there is no value."""
    gone = [_nothing(value) for value in column]
    kept = [value for none, value in zip(gone, column, strict=True) if not none]
    numbers = None if text else pd.to_numeric(pd.Series(kept, dtype=object), errors="coerce")
    if numbers is None or numbers.isna().any():
        return [None if none else str(value) for none, value in zip(gone, column, strict=True)]
    listed = iter(numbers.astype(float))
    return [None if none else float(next(listed)) for none in gone]


def _nothing(value: Any) -> bool:  # noqa: ANN401
    return value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NA
