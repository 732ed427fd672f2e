"""A table to rows: items, labels, groups and splits. Errors name what is missing."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from sklearn.model_selection import train_test_split

from evenhand.models.bundle.manifest import MAX_ATTRIBUTES, MAX_GROUPS, Name, Value
from evenhand.tables.cells import Vocabulary, clean
from evenhand.tables.column import Column
from evenhand.tables.ranges import suggested
from evenhand.tables.read import read_table
from evenhand.tables.table import DataError as DataError
from evenhand.tables.table import Table
from evenhand.training.data.columns import Columns
from evenhand.training.data.items import item_columns, items_of
from evenhand.training.data.roles import ColumnRole, describe, group_column, label_column
from evenhand.training.data.splits import SPLITS, split_of
from evenhand.typing import Ints

HELD, TUNE = "held", "tune"
"""Training rows that the base does not learn from: the correction learns on one, is tuned on the other."""
LEARNT = ("train", HELD, TUNE)
"""All rows that a method without a frozen base may learn from."""
FEW_LABELS = 20
"""So many labels are listed in an error."""
MOST_CLASSES = 100
"""A label that is a number and has more values is a quantity."""
UNKNOWN = -1


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
    notes: tuple[str, ...] = ()
    """What was guessed about the table as a whole, in sentences."""

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
    first_left_out: dict[str, int] = field(default_factory=dict)
    """The number of the first such row by reason, counted from 1, a header and blank lines left out."""

    def __len__(self) -> int:
        return len(self.items)

    def all(self) -> Ints:
        """Indices of all rows."""
        return np.arange(len(self))

    def of(self, *splits: str) -> Ints:
        """Indices of one split, or of several."""
        return np.flatnonzero(np.isin(self.split, splits))


def read(source: str, columns: Columns, seed: int) -> tuple[Rows, Schema, str]:
    """Read a table from a file or the hub; see :func:`evenhand.tables.read.read_table`.

    Returns:
        The rows, their schema, and the SHA-256 of the data.

    Raises:
        DataError: a column is missing, or what it holds cannot be learnt from.
    """
    table = read_table(source)
    rows, schema = from_table(table, columns, seed)
    return rows, schema, table.sha256


def from_table(data: Any, columns: Columns, seed: int) -> tuple[Rows, Schema]:  # noqa: ANN401
    """Turn a table into rows; rows without input, label or split are left out and counted.

    Args:
        data: A table, or a frame of pandas or polars.
        columns: Which of its columns mean what.
        seed: Decides the split where no column says it.

    Raises:
        DataError: a column is missing, no favourable label is named, no row is left, a group or label is
            missing, or a name does not fit a manifest.
    """
    table = _as_table(data)
    columns = _named(columns, table)
    _check_columns(table, columns)
    label = label_column(table, columns.label)
    _refuse_number(label)
    split = split_of(table, columns, label, seed)
    described = describe(table, columns)
    if columns.task == "table" and not described.features:
        why = "; ".join(f"{role.name}: {role.why}" for role in described.roles if role.why)
        raise DataError(f"no column is left to learn from ({why})\nname those to learn from with --feature")
    items, unusable = items_of(table, columns, described.features)
    reasons = [
        "no label" if code < 0 else out or why
        for code, out, why in zip(label.codes, split.left_out, unusable, strict=True)
    ]
    usable = np.flatnonzero([not reason for reason in reasons])
    left_out = _left_out(table, reasons)
    if not len(usable):
        raise DataError(
            f"no row has an input, a label and a split of {', '.join(SPLITS)} ({_in_words(left_out)})"
        )
    labels = tuple(sorted({label.values[code] for code in label.codes[usable]}))
    groups = {
        name: _groups(_group_column(table, name, columns), usable, columns) for name in columns.attributes
    }
    schema = Schema(
        labels=labels,
        favourable=_favourable(labels, columns),
        groups={name: names for name, (names, _) in groups.items()},
        columns=described.roles,
    )
    _check_names(schema)
    code_of = {text: code for code, text in enumerate(labels)}
    rows = Rows(
        items=[items[place] for place in usable],
        labels=np.array([code_of[label.values[code]] for code in label.codes[usable]], dtype=np.int64),
        groups={name: codes for name, (_, codes) in groups.items()},
        split=split.names[usable].astype(str),
        row=np.array(table.numbers, dtype=np.int64)[usable] - 1,
        left_out={reason: len(numbers) for reason, numbers in left_out.items()},
        first_left_out={reason: min(numbers) for reason, numbers in left_out.items()},
    )
    _check(rows, schema)
    return rows, replace(schema, notes=(*table.notes, *split.notes))


def _group_column(table: Table, name: str, columns: Columns) -> Column:
    """The groups of an attribute; a number with more values than a bundle has groups needs ranges.

    Raises:
        DataError: it has none.
    """
    column = group_column(table, name, columns)
    if column.numeric and name not in columns.ranges and len(column.values) > MAX_GROUPS:
        numbers = np.sort(column.numbers[column.codes[column.codes >= 0]])
        example = suggested(numbers.tolist())
        raise DataError(
            f"attribute {name!r} is a number with {len(column.values)} values ({numbers[0]:g} to "
            f"{numbers[-1]:g}), which are no groups\nsay which ranges are, such as --ranges {name}={example}"
        )
    return column


def _refuse_number(label: Column) -> None:
    """Refuse a label that is a quantity or a rank."""
    values = len(label.values)
    fractions = label.numeric and bool((np.trunc(label.numbers) != label.numbers).any())
    if label.numeric and (values > MOST_CLASSES or (fractions and values > FEW_LABELS)):
        raise DataError(
            f"the label {label.name!r} is a number with {values} values, and Evenhand corrects classifiers: "
            "no regression and no ranking\nmake classes of it, such as whether it is above a limit"
        )


def _left_out(table: Table, reasons: Sequence[str]) -> dict[str, list[int]]:
    """The numbers of the rows that cannot be used, by reason."""
    left_out: dict[str, list[int]] = {}
    for number, reason in zip(table.numbers, reasons, strict=True):
        if reason:
            left_out.setdefault(reason, []).append(number)
    for row in table.refused:
        left_out.setdefault(row.reason, []).append(row.row_number)
    return left_out


def _in_words(left_out: Mapping[str, Sequence[int]]) -> str:
    return "; ".join(f"{len(numbers)} rows left out: {reason}" for reason, numbers in left_out.items())


def _as_table(data: Any) -> Table:  # noqa: ANN401 - a table or a frame
    if isinstance(data, Table):
        return data
    from evenhand.tables.frame import frame_table

    return frame_table(data)


def _named(columns: Columns, table: Table) -> Columns:
    """The columns by the names that the table has for them: letters may be composed or not."""

    def name_of(name: str) -> str:
        return clean(name) if clean(name) in table.cells else name

    return replace(
        columns,
        text=name_of(columns.text),
        label=name_of(columns.label),
        attributes=tuple(map(name_of, columns.attributes)),
        split=table.split if columns.split is None else name_of(columns.split),
        text_pair=None if columns.text_pair is None else name_of(columns.text_pair),
        features=tuple(map(name_of, columns.features)),
        categories=tuple(map(name_of, columns.categories)),
        references={name_of(name): group for name, group in columns.references.items()},
        ranges={name_of(name): ranges for name, ranges in columns.ranges.items()},
        other_labels=tuple(map(name_of, columns.other_labels)),
    )


def _check_columns(table: Table, columns: Columns) -> None:
    """Refuse columns that are missing or of two meanings, and labels of which none is called favourable."""
    names = (
        *item_columns(columns),
        *columns.categories,
        columns.label,
        *columns.attributes,
        columns.split,
    )
    absent = [name for name in names if name is not None and name not in table.cells]
    if absent:
        raise DataError(f"the table has no column {', '.join(absent)}; it has {', '.join(table.columns)}")
    for option, named in (("feature", columns.features), ("category", columns.categories)):
        for name in named:
            if name in (columns.label, columns.split):
                raise DataError(f"--{option} {name}: it is the label or the split, and cannot be learnt from")
            if named.count(name) > 1:
                raise DataError(f"--{option} {name}: name it once")
    if columns.label in columns.attributes:
        raise DataError(f"--attribute {columns.label}: it is the label, and cannot be an attribute too")
    if not columns.favourable:
        labels = sorted(label_column(table, columns.label).values)
        few = ", ".join(labels[:FEW_LABELS])
        raise DataError(
            f"which label is good for the person? column {columns.label} holds {few}"
            f"{', ...' if len(labels) > FEW_LABELS else ''}\nname it with --favourable <label>"
        )


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


def _favourable(labels: tuple[str, ...], columns: Columns) -> tuple[str, ...]:
    vocabulary = Vocabulary(labels)
    chosen = tuple(dict.fromkeys(vocabulary.match(label) or label for label in columns.favourable))
    strange = [label for label in chosen if label not in labels]
    if strange or len(chosen) >= len(labels):
        raise DataError(f"favourable labels {list(chosen)} must be some, not all, of {list(labels)}")
    return chosen


def _groups(column: Column, usable: Ints, columns: Columns) -> tuple[tuple[str, ...], Ints]:
    """Groups by frequency, the reference first, and the group of each usable row."""
    codes = column.codes[usable]
    counts = np.bincount(codes[codes >= 0], minlength=len(column.values))
    names = [column.values[code] for code in np.argsort(-counts, kind="stable") if counts[code]]
    named = columns.references.get(column.name)
    reference = (names[0] if names else "") if named is None else Vocabulary(names).match(named)
    if len(names) < 2:
        raise DataError(
            f"attribute {column.name!r} needs two groups, and the usable rows have {names}; "
            "leave it out, or give rows of another group"
        )
    if reference is None:
        raise DataError(
            f"attribute {column.name!r} has no group {named!r}; name one of {names} with --reference"
        )
    groups = (reference, *(value for value in names if value != reference))
    place = {group: index for index, group in enumerate(groups)}
    of_code = np.array([place.get(value, UNKNOWN) for value in column.values] + [UNKNOWN], dtype=np.int64)
    return groups, of_code[codes]


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
