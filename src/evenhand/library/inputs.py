"""What a person hands over in memory: frames, arrays and lists, as the cells of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from evenhand.tables.cells import clean, text_of
from evenhand.tables.frame import frame_table, series_cells

Cells = dict[str, list[str | None]]
SENSITIVE = "sensitive_feature"
"""What a sensitive feature without a name is called, as in Fairlearn."""


@dataclass(frozen=True)
class Features:
    """The columns of ``X``."""

    names: tuple[str, ...]
    """As they are written; those of an array are ``x0``, ``x1``, ... as in scikit-learn."""
    cells: Cells
    """By clean name the texts of ``(rows,)`` cells."""
    texts: tuple[str, ...] = ()
    """Names of the columns that hold texts."""
    types: Mapping[str, Any] = field(default_factory=dict)
    """Types of categorical columns of a pandas frame."""


def is_frame(data: Any) -> bool:  # noqa: ANN401 - anything
    """Whether it is a frame of pandas or polars, or an Arrow table."""
    arrow = hasattr(data, "schema") and hasattr(data, "column_names")
    return arrow or (hasattr(data, "columns") and (hasattr(data, "iloc") or hasattr(data, "to_arrow")))


def features_of(data: Any) -> Features:  # noqa: ANN401 - a frame or an array
    """The columns of a frame, or of an array ``(rows, features)``.

    Raises:
        DataError: two columns have the same name.
    """
    if isinstance(data, pd.DataFrame):
        names = tuple(str(name) for name in data.columns)
        columns = [data.iloc[:, place] for place in range(len(names))]
        types = {
            name: of.dtype
            for name, of in zip(names, columns, strict=True)
            if isinstance(of.dtype, pd.CategoricalDtype)
        }
        texts = tuple(name for name, of in zip(names, columns, strict=True) if _has_texts(of))
        return Features(names, frame_table(data, "X").cells, texts, types)
    if is_frame(data):
        table = data.to_arrow() if hasattr(data, "to_arrow") else data
        texts = tuple(of.name for of in table.schema if "string" in str(of.type))
        return Features(tuple(table.schema.names), frame_table(data, "X").cells, texts)
    array = np.asarray(data)
    names = tuple(f"x{place}" for place in range(array.shape[1]))
    by_name = dict(zip(names, array.T, strict=True))
    texts = tuple(name for name, of in by_name.items() if _has_text_values(of.dtype, of))
    cells = {name: [text_of(value) for value in of] for name, of in by_name.items()}
    return Features(names, cells, texts)


def _has_texts(column: pd.Series[Any]) -> bool:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return _has_text_values(column.dtype.categories.dtype, column.dtype.categories)
    return _has_text_values(column.dtype, column)


def _has_text_values(kind: Any, values: Any) -> bool:  # noqa: ANN401 - of numpy or pandas
    if kind == np.dtype(object):
        return any(isinstance(value, str) for value in values)
    return isinstance(kind, pd.StringDtype) or getattr(kind, "kind", "") in ("U", "S")


def groups_of(sensitive_features: Any, rows: int) -> Cells:  # noqa: ANN401 - see the docstring
    """Sensitive features by name: of a frame, a mapping of columns, a series, or an array of 1 or 2 axes.

    Args:
        sensitive_features: One value per row and attribute; what is missing is an unknown group.
        rows: Of ``X``.

    Raises:
        ValueError: it has another number of rows.
    """
    if is_frame(sensitive_features):
        cells: Cells = frame_table(sensitive_features, "sensitive_features").cells
    elif isinstance(sensitive_features, Mapping):
        cells = {clean(str(name)): _texts(column) for name, column in sensitive_features.items()}
    elif getattr(sensitive_features, "name", None):
        cells = {clean(str(sensitive_features.name)): _texts(sensitive_features)}
    else:
        array = np.asarray(sensitive_features, dtype=object)
        if array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1):
            cells = {SENSITIVE: _texts(array.reshape(-1))}
        else:
            cells = {f"{SENSITIVE}_{place}": _texts(column) for place, column in enumerate(array.T)}
    for name, column in cells.items():
        if len(column) != rows:
            raise ValueError(f"sensitive_features: {name} has {len(column)} values, and X has {rows} rows")
    if not cells:
        raise ValueError("sensitive_features has no column; give one, or leave it out")
    return cells


def _texts(values: Any) -> list[str | None]:  # noqa: ANN401 - a series, an array or a list
    if isinstance(values, pd.Series):
        return series_cells(values)
    listed: Sequence[Any] = values.to_list() if hasattr(values, "to_list") else list(values)
    return [text_of(value) for value in listed]


def items_of(cells: Cells) -> list[dict[str, str | None]]:
    """``(rows,)`` objects of named features, as a client would send them."""
    return [dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)]
