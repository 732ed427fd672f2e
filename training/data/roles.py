"""What every column of a table is for, what it looks like, and why it is not learnt from.

Where no feature is named, three kinds of columns are left out, because a model that learns from them looks
good in an evaluation and fails afterwards: names of rows, dates and times, and columns that say the label.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from evenhand.training.data.columns import Columns
from evenhand.training.data.kinds import MISSING, ColumnValues, Kind, kind_of, names_rows
from evenhand.training.data.leaks import leaks

FEATURE, DROPPED = "feature", "dropped"
LONGEST_EXAMPLE = 40


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


def roles_of(table: pd.DataFrame, columns: Columns) -> tuple[ColumnRole, ...]:
    """The role of every column of a table, in the table's order.

    Args:
        table: The data; it has all columns that are named.
        columns: Those with a meaning. Without ``features`` a table's features are chosen here.
    """
    outcomes = _outcomes(table, columns) if columns.task == "table" and not columns.features else []
    return tuple(_role_of(_values(table[name], columns), columns, outcomes) for name in table.columns)


def features_of(roles: Sequence[ColumnRole]) -> tuple[str, ...]:
    """Names of the columns that a model of a table learns from."""
    return tuple(role.name for role in roles if FEATURE in role.role.split(", "))


def roles_as_text(roles: Sequence[ColumnRole]) -> str:
    """A table for the screen, one line per column."""
    head = ("column", "role", "kind", "missing", "example", "why it is dropped")
    lines = [
        head,
        *((of.name, of.role, of.kind, f"{100 * of.missing:.1f} %", of.example, of.why) for of in roles),
    ]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _outcomes(table: pd.DataFrame, columns: Columns) -> list[ColumnValues]:
    """What a feature must not say: the label, and the attributes."""
    return [_values(table[name], columns) for name in (columns.label, *columns.attributes)]


def _values(column: pd.Series[str], columns: Columns) -> ColumnValues:
    """A column's values. What is missing depends on its role: "none" may be a label or a group."""
    if column.name in columns.attributes:
        return ColumnValues.of(column, MISSING)
    if column.name in (columns.label, columns.split, columns.text, columns.text_pair):
        return ColumnValues.of(column, {""})
    return ColumnValues.of(column)


def _role_of(values: ColumnValues, columns: Columns, outcomes: Sequence[ColumnValues]) -> ColumnRole:
    kind, meanings = kind_of(values), list(_meanings(values.name, columns))
    why = "" if meanings else _why_dropped(values, kind, columns, outcomes)
    if not meanings:
        meanings = [DROPPED if why else FEATURE]
    return ColumnRole(values.name, ", ".join(meanings), kind, values.missing, _example(values), why)


def _meanings(name: str, columns: Columns) -> Iterator[str]:
    """The roles that the options give a column."""
    if name == columns.label:
        yield "label"
    if name == columns.split:
        yield "split"
    if name in columns.attributes:
        yield "attribute"
    if columns.task == "table":
        if name in columns.features:
            yield FEATURE
    elif name == columns.text:
        yield "image" if columns.task == "image" else "text"
    elif name == columns.text_pair:
        yield "second text"


def _why_dropped(values: ColumnValues, kind: Kind, columns: Columns, outcomes: Sequence[ColumnValues]) -> str:
    """Why a column without a role is not learnt from; empty if it is a feature."""
    if columns.task != "table":
        return f"--task {columns.task} does not read it"
    if columns.features:
        return "not named with --feature"
    if kind == "empty":
        return "it has no value"
    if kind == "date":
        return "a date or time"
    if names_rows(values):
        what = "free text" if kind == "text" else "names rows"
        return f"{what}: {len(values.texts)} values in {values.rows} rows"
    said = [outcome.name for outcome in outcomes if leaks(values, outcome)]
    return f"it determines {said[0]}, or nearly" if said else ""


def _example(values: ColumnValues) -> str:
    """The first value, cut, without characters that break the line or steer the terminal."""
    if values.texts.empty:
        return ""
    plain = "".join(letter if letter.isprintable() else " " for letter in values.texts.iloc[0])
    return plain if len(plain) <= LONGEST_EXAMPLE else plain[: LONGEST_EXAMPLE - 3] + "..."
