"""Where tables come from: CSV, JSONL and Parquet files, and data sets of the Hugging Face hub."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pandas as pd

from evenhand.models.bundle.encoders.table import EMPTY_CELLS
from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import DataError, Rows, Schema, from_table

HUB = "hub:"
FORMATS = (".csv", ".jsonl", ".parquet")
HUB_SPLITS = {"train": "train", "validation": "val", "val": "val", "dev": "val", "test": "test"}


def read(source: str, columns: Columns, seed: int) -> tuple[Rows, Schema, str]:
    """Read a table from a file or the hub; see :func:`read_table`.

    Returns:
        The rows, their schema, and the SHA-256 of the data.

    Raises:
        DataError: a column is missing, or what it holds cannot be learnt from.
    """
    table, digest = read_table(source)
    if columns.raw and source.endswith(".csv"):
        # A text file has no missing values of its own: a model of the user's saw what pandas makes of it.
        features = [name for name in columns.features if name in table.columns]
        table[features] = table[features].where(~table[features].isin(EMPTY_CELLS), None)
    rows, schema = from_table(table, columns, seed)
    return rows, schema, digest


def read_table(source: str) -> tuple[pd.DataFrame, str]:
    """Read a table.

    Args:
        source: A file, or ``hub:<name>`` or ``hub:<name>:<configuration>``, where the name is the hub's or
            that of a folder written by ``datasets``. Its splits become the column ``split`` unless it has
            one.

    Returns:
        The table, and a SHA-256 of its content.

    Raises:
        DataError: the source is missing or cannot be read.
    """
    if source.startswith(HUB):
        table = _from_hub(source.removeprefix(HUB))
        return table, sha256(table.to_json(orient="records").encode()).hexdigest()
    path = Path(source)
    try:
        return _from_file(path), sha256(path.read_bytes()).hexdigest()
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable ({error})") from error


def _from_file(path: Path) -> pd.DataFrame:
    if path.suffix == ".jsonl":
        return pd.read_json(path, lines=True, dtype=False, convert_dates=False)
    if path.suffix == ".csv":
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    raise DataError(f"{path}: expected a file ending in {', '.join(FORMATS)}, or {HUB}<name of a data set>")


def _from_hub(name: str) -> pd.DataFrame:
    """All splits of a data set, one after another; no code of the data set's repository is run."""
    import datasets

    try:
        if Path(name).exists():
            parts = datasets.load_from_disk(name)
        else:
            place, _, configuration = name.partition(":")
            # Which data set is the user's choice; its hash is in the bundle.
            parts = datasets.load_dataset(place, configuration or None)  # nosec B615
    except Exception as error:  # the library passes on the errors of all its back ends
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"data set {name!r} cannot be read ({reason}); check its name and the network"
        ) from error
    if isinstance(parts, datasets.Dataset):
        parts = datasets.DatasetDict({"train": parts})
    tables = []
    for split, part in parts.items():
        table = part.to_pandas()
        if "split" not in table.columns and len(parts) > 1:
            table["split"] = HUB_SPLITS.get(str(split), str(split))
        tables.append(table)
    joined: pd.DataFrame = pd.concat(tables, ignore_index=True)
    return joined
