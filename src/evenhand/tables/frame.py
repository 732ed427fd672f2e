"""Data frames in memory as tables: the same cells as a file of the frame would give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evenhand.tables.arrow import arrow_cells, arrow_names
from evenhand.tables.cells import text_of
from evenhand.tables.table import Table, column_names


def frame_table(frame: Any, name: str = "the table") -> Table:  # noqa: ANN401 - pandas, polars or Arrow
    """A frame of pandas, of polars, or an Arrow table. Its index is not read.

    Raises:
        DataError: two columns have the same name.
    """
    if isinstance(frame, pd.DataFrame):
        names, unnamed = column_names([str(column) for column in frame.columns], name)
        cells = {column: series_cells(frame.iloc[:, place]) for place, column in enumerate(names)}
    else:
        data = frame.to_arrow() if hasattr(frame, "to_arrow") else frame
        kept, unnamed = arrow_names(data.schema, name)
        cells = arrow_cells(data, kept)
    return Table(name, "", cells, list(range(1, len(frame) + 1)), unnamed=unnamed)


def series_cells(series: pd.Series[Any]) -> list[str | None]:
    """The texts of a column, ``None`` where there is no value."""
    gone = series.isna().to_numpy()
    values = series.to_numpy() if series.dtype == np.float32 else series.astype(object).to_numpy()
    return [None if none else text_of(value) for none, value in zip(gone, values, strict=True)]
