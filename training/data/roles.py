"""What every column of a table is for, what it looks like, and why it is not learnt from.

Where no feature is named, three kinds of columns are left out, because a model that learns from them looks
good in an evaluation and fails afterwards: names of rows, dates and times, and columns that say the label.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from evenhand.tables.cells import GONE_GROUP, GONE_LABEL, GROUP_WORD
from evenhand.tables.column import Column
from evenhand.tables.ranges import ranges_of
from evenhand.tables.table import DataError, Table
from evenhand.training.data.columns import Columns
from evenhand.training.data.features import FeatureColumn, feature_column, raw_column
from evenhand.training.data.kinds import Kind, kind_of, names_rows
from evenhand.training.data.leaks import leaks
from evenhand.training.data.splits import says_splits

FEATURE, DROPPED = "feature", "dropped"
LONGEST_EXAMPLE = 40
FEW_MARKS = 4
"""So many words that were read as missing are named."""


@dataclass(frozen=True)
class ColumnRole:
    """One column of the data."""

    name: str
    role: str
    """``label``, ``attribute``, ``split``, ``text``, ``second text``, ``image``, ``feature`` or ``dropped``;
    of two roles both, with a comma."""
    kind: Kind
    missing: float
    """Share of rows without a value."""
    example: str
    """A value, cut to :data:`LONGEST_EXAMPLE` characters. It is for the screen only: no bundle holds it."""
    why: str = ""
    """Why it is dropped; empty for other roles."""
    note: str = ""
    """What was guessed in reading it: words that mean missing, spellings that are one value, codes."""
    words: tuple[str, ...] = ()
    """Words among the numbers of a feature that are read as missing."""


@dataclass(frozen=True)
class DescribedTable:
    """Every column of a table with its role, and those that are learnt from as they are learnt from."""

    roles: tuple[ColumnRole, ...]
    features: dict[str, FeatureColumn] = field(default_factory=dict)


def describe(table: Table, columns: Columns) -> DescribedTable:
    """The role of every column of a table, in the table's order.

    Args:
        table: The data; it has all columns that are named.
        columns: Those with a meaning. Without ``features`` a table's features are chosen here.

    Raises:
        DataError: a column cannot be a feature that is named as one, or a feature's numbers have mistakes.
    """
    by_choice = columns.task == "table" and not columns.features
    outcomes = [_column(table, name, columns) for name in _outcomes(columns)] if by_choice else []
    roles: list[ColumnRole] = []
    features: dict[str, FeatureColumn] = {}
    for name in table.columns:
        role, feature = _described(table, name, columns, outcomes)
        roles.append(role)
        if feature is not None:
            features[name] = feature
    return DescribedTable(tuple(roles), features)


def roles_as_text(roles: Sequence[ColumnRole]) -> str:
    """A table for the screen, one line per column."""
    head = ("column", "role", "kind", "missing", "example", "why it is dropped, or what was guessed")
    lines = [
        head,
        *(
            (
                *(of.name, of.role, of.kind, f"{100 * of.missing:.1f} %", of.example),
                "; ".join(filter(None, (of.why, of.note))),
            )
            for of in roles
        ),
    ]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def group_column(table: Table, name: str, columns: Columns) -> Column:
    """The groups of an attribute; a reference that is named is a group, whatever it is called."""
    reference = columns.references.get(name)
    cells = table.cells[name]
    if name in columns.ranges:
        ranges = ranges_of(columns.ranges[name])
        return Column.of(name, [ranges.group(cell) for cell in cells], GONE_GROUP, words=True)
    return Column.of(name, cells, GONE_GROUP, values=() if reference is None else (reference,))


def label_column(table: Table, name: str) -> Column:
    """The labels, or the values of a column that says the split."""
    return Column.of(name, table.cells[name], GONE_LABEL)


def _outcomes(columns: Columns) -> list[str]:
    """What a feature must not say: the label, and the attributes."""
    return [columns.label, *columns.attributes]


def _column(table: Table, name: str, columns: Columns) -> Column:
    """A column's values. What is missing depends on its role: "none" may be a label or a group."""
    if name in columns.attributes:
        return group_column(table, name, columns)
    if name in (columns.label, columns.split):
        return label_column(table, name)
    if columns.task != "table" and name in (columns.text, columns.text_pair):
        return Column.of(name, table.cells[name], {""}, words=True)
    return Column.of(name, table.cells[name])


def _described(
    table: Table, name: str, columns: Columns, outcomes: Sequence[Column]
) -> tuple[ColumnRole, FeatureColumn | None]:
    """The role of one column, and what it is as a feature, if it is one."""
    column, meanings = _column(table, name, columns), list(_meanings(name, columns))
    kind = kind_of(column)
    why = "" if meanings else _why_dropped(table, column, kind, columns)
    feature = None
    if not why and (FEATURE in meanings or not meanings):
        feature = _feature(table, column, kind, columns)
        if not meanings:
            why = _says(feature.column, outcomes)
            meanings = [DROPPED if why else FEATURE]
        column, kind = (feature.column, kind_of(feature.column)) if meanings == [FEATURE] else (column, kind)
    meanings = meanings or [DROPPED]
    notes = [_note(column, meanings), feature.note if feature and not why else ""]
    if name in columns.ranges:
        notes.append(_ranges_in_words(table, column, columns))
    role = ColumnRole(
        name=name,
        role=", ".join(meanings),
        kind=kind,
        missing=column.missing,
        example=_example(column),
        why=why,
        note="; ".join(filter(None, notes)),
        words=feature.words if feature and not why else (),
    )
    return role, None if why else feature


def _meanings(name: str, columns: Columns) -> Iterator[str]:
    """The roles that the options give a column."""
    if name == columns.label:
        yield "label"
    if name == columns.split:
        yield "split"
    if name in columns.attributes:
        yield "attribute"
    if columns.task == "table":
        if name in columns.features or name in columns.categories:
            yield FEATURE
    elif name == columns.text:
        yield "image" if columns.task == "image" else "text"
    elif name == columns.text_pair:
        yield "second text"


def _why_dropped(table: Table, column: Column, kind: Kind, columns: Columns) -> str:
    """Why a column without a role is not learnt from, whatever its values say; empty if it may be."""
    if not (columns.split or table.split) and says_splits(column):
        return "it seems to say train, val and test: use it with --split, or learn from it with --feature"
    if columns.task != "table":
        return f"--task {columns.task} does not read it"
    if columns.features:
        return "not named with --feature"
    if column.name in columns.other_labels:
        return "the label of another bundle"
    if column.name in table.unnamed:
        return "the header has no name for it"
    if kind == "empty":
        return "it has no value"
    if kind == "date":
        return "a date or time"
    if names_rows(column):
        what = "free text" if kind == "text" else "names rows"
        return f"{what}: {len(column.values)} values in {column.rows} rows"
    return ""


def _feature(table: Table, column: Column, kind: Kind, columns: Columns) -> FeatureColumn:
    """A column as a feature; dates are none, unless they are named as categories."""
    if columns.raw:
        return raw_column(table, column.name, text=column.name in columns.raw_texts)
    categories = column.name in columns.categories
    if kind == "date" and not categories:
        raise DataError(
            f"--feature {column.name}: it holds dates or times, and a model reads numbers and categories\n"
            f"make a number of it, such as days, or take each value by itself with --category {column.name}"
        )
    return feature_column(table, column.name, categories=categories)


def _ranges_in_words(table: Table, column: Column, columns: Columns) -> str:
    """The ranges of an attribute, and how many values are in none."""
    numbers = Column.of(column.name, table.cells[column.name], GONE_GROUP)
    outside = numbers.rows - column.rows
    said = f"ranges {', '.join(columns.ranges[column.name])}"
    return f"{said}; {outside} values are in none of them: unknown" if outside else said


def _says(column: Column, outcomes: Sequence[Column]) -> str:
    """That a column says the label or an attribute; empty if it does not."""
    said = [outcome.name for outcome in outcomes if leaks(column, outcome)]
    return f"it determines {said[0]}, or nearly" if said else ""


def _note(column: Column, meanings: Sequence[str]) -> str:
    """What was guessed about a column; bundles hold it, so no text that a model reads is repeated."""
    notes = []
    if column.marks:
        listed = sorted(column.marks.items(), key=lambda mark: -mark[1])
        few = ", ".join(f"{word!r} ({rows} rows)" for word, rows in listed[:FEW_MARKS])
        more = f" and {len(listed) - FEW_MARKS} more" if len(listed) > FEW_MARKS else ""
        notes.append(f"read as missing: {few}{more}")
    values = {"label", "attribute", "split"} & {*meanings} or (FEATURE in meanings and column.type == "text")
    if column.alike and values:
        few = ", ".join(repr(value) for value in column.alike[:FEW_MARKS])
        notes.append(f"several spellings are one value: {few}")
    if "attribute" in meanings or "label" in meanings:
        notes += _doubtful(column)
    return "; ".join(notes)


def _doubtful(column: Column) -> list[str]:
    """Groups and labels that may be none, or that may be one."""
    notes = [f"{GROUP_WORD!r} is a value"] if GROUP_WORD in column.values else []
    folded: dict[str, list[str]] = {}
    for value in column.values:
        folded.setdefault(value.casefold(), []).append(value)
    return [
        *notes,
        *(
            f"{' and '.join(map(repr, same))} are different values"
            for same in folded.values()
            if len(same) > 1
        ),
    ]


def _example(column: Column) -> str:
    """The first value, cut, without characters that break the line or steer the terminal."""
    if not column.values:
        return ""
    plain = "".join(letter if letter.isprintable() else " " for letter in column.values[0])
    return plain if len(plain) <= LONGEST_EXAMPLE else plain[: LONGEST_EXAMPLE - 3] + "..."
