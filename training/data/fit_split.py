"""The split of a fit by the numbers of the table's rows: written with the bundle, and found again."""

from __future__ import annotations

import csv
import io

import numpy as np

from evenhand.models.bundle.bundle import SPLIT, Bundle
from evenhand.tables.table import Table
from evenhand.training.data.dataset import LEARNT, DataError, Rows

LEFT_OUT = "left out"


def split_file(rows: Rows) -> bytes:
    """``row,split`` for every row of the table, counted from 0; nothing of what is in it."""
    splits = np.full(len(rows) + sum(rows.left_out.values()), LEFT_OUT, dtype=object)
    splits[rows.row] = rows.split
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "split"])
    writer.writerows(enumerate(splits))
    return text.getvalue().encode()


def splits_of_fit(bundle: Bundle, table: Table) -> dict[int, str]:
    """The split of each row of the table that the bundle was fitted on, by its number counted from 1.

    The rows that the base, the detectors and the correction learn from are all called ``train`` here.

    Raises:
        DataError: the table is another one, or the bundle does not know its split.
    """
    if not bundle.split:
        raise DataError(
            f"{bundle.path} has no {SPLIT}: an earlier version fitted it; name a split column with --split"
        )
    if table.sha256 != bundle.manifest.provenance.data_sha256:
        raise DataError(
            f"{table.name} is not the table that {bundle.path.name} was fitted on (their SHA-256 differ), so "
            "which of its rows the fit saw is not known\n"
            "leave out --split if it saw none of them, or name a split column with --split"
        )
    lines = csv.DictReader(io.StringIO(bundle.split.decode()))
    splits = {int(line["row"]) + 1: line["split"] for line in lines}
    if len(splits) != table.total:
        raise DataError(
            f"{table.name}: the fit read {len(splits)} rows, and {table.total} are read here; name a split "
            "column with --split"
        )
    return {row: "train" if split in LEARNT else split for row, split in splits.items()}
