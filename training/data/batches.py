"""Batches for inference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evenhand.typing import Ints

BATCH_ROWS, BATCH_POSITIONS = 64, 4096


def by_length(lengths: Sequence[int] | Ints, rows: int = BATCH_ROWS) -> list[Ints]:
    """Batches of indices, by length; ``rows`` rows each, or more where all rows are short, as in a table."""
    order = np.argsort(np.asarray(lengths), kind="stable")
    rows = max(rows, BATCH_POSITIONS // int(max(lengths, default=1)))
    return [order[start : start + rows] for start in range(0, len(order), rows)]
