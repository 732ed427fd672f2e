"""A table to rows: items, labels, groups and splits. Errors name what is missing."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from sklearn.model_selection import train_test_split

from evenhand.models.bundle.manifest import MAX_ATTRIBUTES, MAX_GROUPS, Name, Value
from evenhand.training.data.columns import Columns
from evenhand.training.data.items import item_columns, items_of
from evenhand.training.data.kinds import MISSING
from evenhand.training.data.roles import ColumnRole, features_of, roles_of
from evenhand.typing import Bools, Ints

SPLITS = ("train", "val", "test")
HELD, TUNE = "held", "tune"
"""Training rows that the base does not learn from: the correction learns on one, is tuned on the other."""
LEARNT = ("train", HELD, TUNE)
"""All rows that a method without a frozen base may learn from."""
FEW_LABELS = 20
"""So many labels are listed in an error."""
FEW_SPLITS = 10
"""Up to so many values of a split column are named where they are none of the splits."""
UNKNOWN = -1


class DataError(ValueError):
    """The table cannot be used; the message says what is wrong, where, and what to do."""


def refuse_existing(out: Path) -> None:
    """Refuse to overwrite a path.

    Raises:
        DataError: ``out`` exists.
    """
    if out.exists():
        raise DataError(f"{out} exists; remove it or choose another --out")


def draft_of(out: Path) -> Path:
    """A new empty folder beside ``out``, to be renamed to ``out`` when it is complete."""
    draft = out.with_name(f".{out.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    return draft


@dataclass(frozen=True)
class Schema:
    """What the values of a table mean."""

    labels: tuple[str, ...]
    favourable: tuple[str, ...]
    groups: dict[str, tuple[str, ...]]
    """Groups of each evaluated attribute, the reference first."""
    gates: dict[str, tuple[str, ...]] | None = None
    """Groups of the attributes with a detector and an adapter; ``None`` if all evaluated ones have both."""
    columns: tuple[ColumnRole, ...] = ()
    """What each column of the table is for; empty where no table was read for learning."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """Evaluated attributes, in order."""
        return tuple(self.groups)

    @property
    def gated(self) -> dict[str, tuple[str, ...]]:
        """Attributes with a detector and an adapter, in the order of every attribute axis."""
        return self.groups if self.gates is None else self.gates


@dataclass(frozen=True)
class Rows:
    """A data set in memory."""

    items: list[Any]
    """What the kind's encoder takes: a text, two texts, the path of an image, named features."""
    labels: Ints
    """``(rows,)`` index into ``Schema.labels``."""
    groups: dict[str, Ints]
    """Per attribute ``(rows,)``: 0 is the reference, -1 is unknown."""
    split: NDArray[np.str_]
    """``(rows,)`` of :data:`SPLITS`."""
    row: Ints
    """``(rows,)`` position in the source file, counted from 0."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Rows of the source file that are not among these: how many, by reason."""

    def __len__(self) -> int:
        return len(self.items)

    def all(self) -> Ints:
        """Indices of all rows."""
        return np.arange(len(self))

    def of(self, *splits: str) -> Ints:
        """Indices of one split, or of several."""
        return np.flatnonzero(np.isin(self.split, splits))


def from_table(table: pd.DataFrame, columns: Columns, seed: int) -> tuple[Rows, Schema]:
    """Turn a table into rows; rows without input, label or split are left out and counted.

    Raises:
        DataError: a column is missing, no favourable label is named, no row is left, a group or label is
            missing, or a name does not fit a manifest.
    """
    _check_columns(table, columns)
    table = table.reset_index(drop=True)
    split = _split(table, columns, seed)
    roles = roles_of(table, columns)
    items, readable = items_of(table, _with_features(columns, roles))
    left_out = _left_out(table, columns, split, readable)
    usable = left_out == ""
    if not usable.any():
        raise DataError(f"no row has an input, a label and a split of {', '.join(SPLITS)}")
    kept, split = table[usable], split[usable]
    labels = tuple(sorted(kept[columns.label].astype(str).unique()))
    groups = _groups(kept, columns)
    schema = Schema(labels, _favourable(labels, columns), groups, columns=roles)
    _check_names(schema)
    codes = {label: index for index, label in enumerate(labels)}
    places = np.flatnonzero(usable.to_numpy())
    reasons = left_out[~usable].value_counts()
    rows = Rows(
        items=[items[place] for place in places],
        labels=np.array([codes[str(label)] for label in kept[columns.label]], dtype=np.int64),
        groups={name: _indices(kept[name], groups[name]) for name in columns.attributes},
        split=split.to_numpy(dtype=str),
        row=places,
        left_out={str(reason): int(count) for reason, count in reasons.items()},
    )
    _check(rows, schema)
    return rows, schema


def _check_columns(table: pd.DataFrame, columns: Columns) -> None:
    """Refuse columns that are missing or of two meanings, and labels of which none is called favourable."""
    names = (*item_columns(columns), columns.label, *columns.attributes, columns.split)
    absent = [name for name in names if name is not None and name not in table.columns]
    if absent:
        raise DataError(
            f"the table has no column {', '.join(absent)}; it has {', '.join(map(str, table.columns))}"
        )
    for name in columns.features:
        if name in (columns.label, columns.split):
            raise DataError(f"--feature {name}: it is the label or the split, and cannot be learnt from")
        if columns.features.count(name) > 1:
            raise DataError(f"--feature {name}: name it once")
    if columns.label in columns.attributes:
        raise DataError(f"--attribute {columns.label}: it is the label, and cannot be an attribute too")
    if not columns.favourable:
        labels = sorted(table[columns.label].dropna().astype(str).unique())
        few = ", ".join([label for label in labels if label][:FEW_LABELS])
        raise DataError(
            f"which label is good for the person? column {columns.label} holds {few}"
            f"{', ...' if len(labels) > FEW_LABELS else ''}\nname it with --favourable <label>"
        )


def _with_features(columns: Columns, roles: tuple[ColumnRole, ...]) -> Columns:
    """The columns, with the features that a table is learnt from."""
    if columns.task != "table":
        return columns
    features = features_of(roles)
    if not features:
        why = "; ".join(f"{role.name}: {role.why}" for role in roles if role.why)
        raise DataError(f"no column is left to learn from ({why})\nname those to learn from with --feature")
    return replace(columns, features=features)


def _left_out(
    table: pd.DataFrame, columns: Columns, split: pd.Series[str], readable: Bools
) -> pd.Series[str]:
    """Per row why it cannot be used; an empty string if it can."""
    reasons = pd.Series("", index=table.index, dtype=object)
    what = {"pair": "no text, or no second text", "image": "no such image file"}.get(columns.task, "no text")
    reasons[~readable] = what
    strange = ~split.isin(SPLITS)
    names = split[strange].str.slice(0, 40)
    few = names.nunique() <= FEW_SPLITS
    reasons[strange] = f"{columns.split} is " + names if few else f"{columns.split} is no split"
    reasons[~_labelled(table[columns.label])] = "no label"
    return reasons


def hold_out(rows: Rows, share: float, seed: int) -> Rows:
    """Hold out a share of the training rows from the base.

    The correction needs the base's errors on new rows, which differ from those on rows that it has fitted.

    Args:
        rows: The data.
        share: Share of the training rows, drawn with the same share of every label.
        seed: Decides which.

    Returns:
        The same rows with other splits: of the rows held out, three quarters are ``held`` (the correction
        learns on them) and one quarter is ``tune`` (settings are ranked on them).

    Raises:
        DataError: so few rows cannot be shared out with every label on both sides.
    """
    if share == 0.0:
        return rows
    train = rows.of("train")
    try:
        _, out = train_test_split(train, test_size=share, random_state=seed, stratify=rows.labels[train])
        _, tune = train_test_split(out, test_size=0.25, random_state=seed, stratify=rows.labels[out])
    except ValueError as error:
        raise DataError(
            f"--hold-out {share:g} of {len(train)} training rows leaves too few of every label ({error}); "
            "choose another share, or give more rows"
        ) from error
    split = rows.split.copy()
    split[out], split[tune] = HELD, TUNE
    return replace(rows, split=split)


def _split(table: pd.DataFrame, columns: Columns, seed: int) -> pd.Series[str]:
    """The split column, or a 70/15/15 split of the rows with a label that keeps the labels' shares."""
    if columns.split:
        return table[columns.split].astype(str)
    labels = table[columns.label].astype(str).to_numpy()
    indices = np.flatnonzero(_labelled(table[columns.label]).to_numpy())
    try:
        train, rest = train_test_split(indices, test_size=0.3, random_state=seed, stratify=labels[indices])
        val, _ = train_test_split(rest, test_size=0.5, random_state=seed, stratify=labels[rest])
    except ValueError as error:
        raise DataError(
            f"cannot split {len(indices)} rows by label ({error}); give --split a column"
        ) from error
    split = np.full(len(table), "test", dtype=object)
    split[train], split[val] = "train", "val"
    return pd.Series(split, index=table.index)


def _labelled(labels: pd.Series[str]) -> pd.Series[bool]:
    """Per row whether it has a label."""
    return labels.notna() & (labels.astype(str) != "")


def _favourable(labels: tuple[str, ...], columns: Columns) -> tuple[str, ...]:
    chosen = columns.favourable
    strange = [label for label in chosen if label not in labels]
    if strange or len(chosen) >= len(labels):
        raise DataError(f"favourable labels {list(chosen)} must be some, not all, of {list(labels)}")
    return chosen


def _groups(table: pd.DataFrame, columns: Columns) -> dict[str, tuple[str, ...]]:
    """Groups by frequency, the reference first."""
    groups: dict[str, tuple[str, ...]] = {}
    for name in columns.attributes:
        values = table[name].astype(str)
        counts = values[~_is_missing(table[name])].value_counts()
        names = [str(value) for value in counts.index]
        reference = columns.references.get(name, names[0] if names else "")
        if len(names) < 2 or reference not in names:
            raise DataError(
                f"attribute {name!r} needs two groups and its reference among them; found {names}"
            )
        groups[name] = (reference, *(value for value in names if value != reference))
    return groups


def _is_missing(values: pd.Series[str]) -> pd.Series[bool]:
    return values.isna() | values.astype(str).str.strip().str.lower().isin(MISSING)


def _indices(values: pd.Series[str], groups: tuple[str, ...]) -> Ints:
    codes: Mapping[str, int] = {group: index for index, group in enumerate(groups)}
    missing = _is_missing(values).to_numpy()
    indices = [UNKNOWN if gone else codes[str(value)] for value, gone in zip(values, missing, strict=True)]
    return np.array(indices, dtype=np.int64)


def _check_names(schema: Schema) -> None:
    """Refuse names that the manifest would not accept, before any work."""
    if len(schema.groups) > MAX_ATTRIBUTES:
        raise DataError(f"{len(schema.groups)} attributes; a bundle holds {MAX_ATTRIBUTES}: give fewer")
    for name, groups in schema.groups.items():
        if len(groups) > MAX_GROUPS:
            raise DataError(
                f"attribute {name!r} has {len(groups)} groups, more than {MAX_GROUPS}: join the rare ones"
            )
    for kind, names in (
        (Name, schema.groups),
        (Value, [*schema.labels, *(group for groups in schema.groups.values() for group in groups)]),
    ):
        for name in names:
            try:
                TypeAdapter(kind).validate_python(name)
            except ValidationError:
                raise DataError(
                    f"{name!r} cannot be a name in a bundle: up to 64 printable characters"
                ) from None


def _check(rows: Rows, schema: Schema) -> None:
    if len(schema.labels) < 2:
        raise DataError(f"a classifier needs two labels; the table has {list(schema.labels)}")
    for split in SPLITS:
        present = len(set(rows.labels[rows.of(split)]))
        if present < len(schema.labels):
            left_out = "; ".join(f"{n} rows left out: {why}" for why, n in rows.left_out.items())
            raise DataError(
                f"split {split!r} has {len(rows.of(split))} rows with {present} of the labels"
                + (f" ({left_out})" if left_out else "")
            )
