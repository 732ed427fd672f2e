"""The user's own features of decisions, from a table: more that rows can be sliced by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evenhand.reports.period.slices import Feature
from evenhand.reports.period.source import ReportError

ID = "id"
MAX_COLUMNS = 40
MAX_VALUES = 12
"""Rarer values are taken together."""
INTERVALS = 5
"""Numbers are cut into so many intervals of about equally many rows."""
MISSING, OTHER = "missing", "other"


@dataclass(frozen=True)
class UserFeatures:
    """A table, by decision."""

    rows: pd.Index
    """Decision ids."""
    columns: Sequence[Feature]

    def of(self, decisions: Sequence[str]) -> tuple[list[Feature], int]:
        """The features of some decisions, and how many of these are in the table.

        Raises:
            ReportError: none is.
        """
        places = self.rows.get_indexer(pd.Index(decisions))
        if decisions and not (places >= 0).any():
            raise ReportError(
                "no id in --features is of a decision in this period; they are the ids of the replies"
            )
        features = []
        for column in self.columns:
            values = [*column.values, MISSING]
            codes = np.where(places >= 0, column.codes[places], len(column.values)).astype(np.int16)
            features.append(Feature(column.name, values, codes))
        return features, int((places >= 0).sum())


def read(path: Path) -> UserFeatures:
    """Read a CSV or Parquet file with a column ``id``.

    Raises:
        ReportError: it cannot be used.
    """
    readers = {".csv": lambda: pd.read_csv(path, dtype={ID: str}), ".parquet": lambda: pd.read_parquet(path)}
    if path.suffix not in readers:
        raise ReportError(f"{path}: expected a file ending in {', '.join(readers)}")
    try:
        table = readers[path.suffix]()
    except ImportError as error:
        raise ReportError(
            f"{path}: Parquet needs the package pyarrow; install it, or give a .csv file"
        ) from error
    except (OSError, ValueError) as error:
        raise ReportError(f"{path}: not readable ({str(error).splitlines()[0]})") from error
    if ID not in table.columns:
        raise ReportError(f"{path}: no column {ID!r} with the decisions' ids")
    if table[ID].duplicated().any():
        raise ReportError(f"{path}: column {ID!r} names a decision more than once")
    names = [str(name) for name in table.columns if name != ID]
    if not 0 < len(names) <= MAX_COLUMNS:
        raise ReportError(f"{path}: {len(names)} columns besides {ID!r}; give 1 to {MAX_COLUMNS}")
    ids = pd.Index(table[ID].astype(str))
    return UserFeatures(ids, [_feature(name, table[name]) for name in names])


def _feature(name: str, column: pd.Series) -> Feature:
    if pd.api.types.is_numeric_dtype(column) and column.nunique() > MAX_VALUES:
        cut = pd.qcut(column, INTERVALS, duplicates="drop")
        values = [f"{interval.left:.4g} to {interval.right:.4g}" for interval in cut.cat.categories]
        return _with_missing(name, values, cut.cat.codes.to_numpy())
    text = column.where(column.isna(), column.astype(str))
    common = list(text.value_counts().index[:MAX_VALUES])
    listed = text.where(text.isin(common) | text.isna(), OTHER)
    values = [*common, OTHER] if (listed == OTHER).any() and OTHER not in common else common
    return _with_missing(name, values, pd.Categorical(listed, categories=values).codes)


def _with_missing(name: str, values: Sequence[str], codes: NDArray[Any]) -> Feature:
    missing = [MISSING] if (codes < 0).any() else []
    return Feature(name, [*values, *missing], np.where(codes < 0, len(values), codes).astype(np.int16))
