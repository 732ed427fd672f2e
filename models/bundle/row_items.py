"""Rows of a table to the items that a bundle's encoder takes, in training and serving. No torch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evenhand.models.bundle.encoders.table import Numeric, TableEncoder, TableFeatures, present, raw_number
from evenhand.models.bundle.inputs import Encoder, InputError
from evenhand.tables.cells import clean, number_of
from evenhand.tables.table import Values

NO_IMAGE = "no such image file in the folder"


@dataclass(frozen=True)
class RowInputs:
    """The columns of a table that hold what an item is made of; a model of tables has its own."""

    task: str
    """``text``, ``pair``, ``image`` or ``table``."""
    text: str | None = None
    """For images the column with the file's name."""
    text_pair: str | None = None
    images: Path = Path()
    """Folder of the image files."""


def row_item(values: Values, inputs: RowInputs, encoder: Encoder) -> Any:  # noqa: ANN401 - as encoders take
    """The item of a row for the encoder.

    Raises:
        InputError: a part is missing, or a value cannot be read; the message never repeats the row.
    """
    if isinstance(encoder, TableEncoder):
        return feature_item(values, encoder.features)
    first = values.get(inputs.text or "")
    second = values.get(inputs.text_pair or "")
    if first is None or (inputs.task == "pair" and second is None):
        raise InputError(f"no {inputs.task}")
    if inputs.task == "pair":
        return {"text": first, "text_pair": second}
    return image_bytes(inputs.images, first) if inputs.task == "image" else first


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
        InputError: there is no such file in the folder, or it cannot be read.
    """
    try:
        path = image_path(folder, name)
        if path is None:
            raise InputError(NO_IMAGE)
        return path.read_bytes()
    except (OSError, ValueError):  # a name that no file can have, a file that may not be read
        raise InputError(NO_IMAGE) from None
