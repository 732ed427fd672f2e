"""Which columns of a file are read for what; a file that lacks one is refused before any row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evenhand.models.bundle.encoders.table import TableEncoder
from evenhand.models.bundle.inputs import Encoder
from evenhand.models.bundle.manifest import Manifest
from evenhand.models.bundle.row_items import RowInputs
from evenhand.tables.cells import clean
from evenhand.tables.table import DataError

SHOWN = 40
"""Columns that a message names at most."""


@dataclass(frozen=True)
class ColumnOptions:
    """What a user says about the columns; whatever is not said comes from the bundle."""

    text: str | None = None
    text_pair: str | None = None
    images: Path | None = None
    """Folder of the image files; by default the file's own."""
    id: str | None = None
    """The column with the rows' own ids."""
    keep: tuple[str, ...] = ()
    """Columns to copy; ``old=new`` under another name."""
    attributes: tuple[str, ...] = ()
    """Columns with declared groups; ``attribute=column`` where they are not called alike."""
    absent: tuple[str, ...] = ()
    """Features that the file may lack."""


@dataclass(frozen=True)
class RowColumns:
    """The columns of one file."""

    inputs: RowInputs
    features: tuple[str, ...]
    """Columns that an item is made of."""
    id: str | None
    keep: Mapping[str, str]
    """Columns to copy, by their new names."""
    attributes: Mapping[str, str]
    """Columns of declared groups, by attribute."""
    unread: tuple[str, ...] = field(default=(), compare=False)
    """Columns of the file that nobody reads."""

    @property
    def read(self) -> frozenset[str]:
        """All that are read."""
        own = (self.id,) if self.id else ()
        return frozenset([*self.features, *own, *self.keep.values(), *self.attributes.values()])


def row_columns(
    source: Path, header: Sequence[str], options: ColumnOptions, manifest: Manifest, encoder: Encoder
) -> RowColumns:
    """What each column is for.

    Raises:
        DataError: columns are missing, all of them in one message; or an attribute is none of the model's.
    """
    saved = manifest.provenance.settings.get("columns", {})
    text = clean(options.text or saved.get("text") or "text")
    pair = clean(options.text_pair or saved.get("text_pair") or "text_pair")
    features = _features(encoder, manifest.task, text, pair)
    inputs = RowInputs(manifest.task, text, pair, options.images or source.parent)
    columns = RowColumns(
        inputs,
        features,
        clean(options.id) if options.id else None,
        _renamed(options.keep, header),
        _attributes(options.attributes, header, manifest),
    )
    _check(source, header, columns, options)
    unread = tuple(name for name in header if name not in columns.read)
    return RowColumns(inputs, features, columns.id, columns.keep, columns.attributes, unread)


def _features(encoder: Encoder, task: str, text: str, pair: str) -> tuple[str, ...]:
    if isinstance(encoder, TableEncoder):
        return tuple(map(clean, encoder.features.names))
    return (text, pair) if task == "pair" else (text,)


def _renamed(keep: Sequence[str], header: Sequence[str]) -> dict[str, str]:
    """Columns by their new names; a name of the file's own may hold a sign of equality."""
    columns: dict[str, str] = {}
    for option in keep:
        column, sign, new = (clean(option), "", "") if clean(option) in header else option.partition("=")
        name = clean(new if sign else column)
        if not name or name in columns:
            raise DataError(f"--keep {option}: two columns of the output would be called {name!r}")
        columns[name] = clean(column)
    return columns


def _attributes(named: Sequence[str], header: Sequence[str], manifest: Manifest) -> dict[str, str]:
    columns = {}
    for option in named:
        attribute, sign, column = option.partition("=")
        if attribute not in manifest.attribute_names:
            raise DataError(
                f"--attribute {option}: name one of {manifest.name}'s attributes, "
                f"{', '.join(manifest.attribute_names)}, or <attribute>=<column>"
            )
        columns[attribute] = clean(column if sign else attribute)
    return columns


def _check(source: Path, header: Sequence[str], columns: RowColumns, options: ColumnOptions) -> None:
    """Refuse a file that lacks columns."""
    absent = set(map(clean, options.absent))
    missing = [name for name in columns.features if name not in header and name not in absent]
    unknown = [("--id", columns.id), *(("--keep", name) for name in columns.keep.values())]
    unknown += [("--attribute", name) for name in columns.attributes.values()]
    wrong = [f"no column {name!r} for {option}" for option, name in unknown if name and name not in header]
    wrong += [
        f"--absent {name} is no feature of the model"
        for name in sorted(absent)
        if name not in columns.features or columns.inputs.task != "table"
    ]
    if missing:
        wrong.insert(0, f"no column {_listed(missing)}, which the model reads")
    if wrong:
        ways = {
            "table": "; name features that it lacks on purpose with --absent",
            "pair": "; name the columns with --text and --text-pair",
        }
        way = ways.get(columns.inputs.task, "; name the column with --text") if missing else ""
        raise DataError(f"{source}: {'; '.join(wrong)}\nit has {_listed(header) or 'no columns'}{way}")


def _listed(names: Sequence[str]) -> str:
    more = f", ... ({len(names)} in all)" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
