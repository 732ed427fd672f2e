"""Select the rows of a table that a bundle can be evaluated on, and say why the others cannot be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from evenhand.models.bundle.bundle import Bundle
from evenhand.models.bundle.encoders.choose import make_encoder
from evenhand.models.bundle.encoders.table import TableEncoder
from evenhand.models.bundle.inputs import Encoded, Encoder, InputError
from evenhand.models.bundle.manifest import Manifest
from evenhand.models.bundle.row_items import RowInputs, row_item
from evenhand.tables.cells import GONE_GROUP, GONE_LABEL, Vocabulary, clean, is_gone
from evenhand.tables.column import Column
from evenhand.tables.ranges import ranges_of
from evenhand.tables.table import Refused, Table, Values
from evenhand.training.data.attributes import with_intersections
from evenhand.training.data.dataset import UNKNOWN, DataError, Rows, Schema
from evenhand.training.data.fit_split import splits_of_fit
from evenhand.training.data.splits import SPLITS, split_name

MOST_GROUPS = 64
"""An attribute with more values is refused: it is probably a name or a number, not a group."""
TEST = "test"


@dataclass(frozen=True)
class RowSelection:
    """Columns and splits that a user names; whatever is not set comes from the bundle."""

    text: str | None = None
    """For images the column with the file's name."""
    text_pair: str | None = None
    images: Path | None = None
    """Folder of the image files; by default the table's folder."""
    label: str | None = None
    attributes: tuple[str, ...] = ()
    split: str | None = None
    """A column that says the split; or ``train``, ``val`` or ``test``: rows that the fit itself put there."""
    only: tuple[str, ...] = ()
    """Values of the split column to select; by default ``test``, where there is a split column."""
    fit_splits: Mapping[int, str] | None = None
    """The fit's split of each row by its number, where ``split`` named one; then ``split`` is ``None``."""
    references: dict[str, str] = field(default_factory=dict)
    favourable: tuple[str, ...] = ()
    intersections: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class SelectedRows:
    """Rows that the bundle can answer and whose label is one of the bundle's."""

    rows: Rows
    schema: Schema
    encoded: list[Encoded]
    refused: list[Refused]
    left_out: dict[str, int]
    """Number of rows in each split that was not selected."""
    selection: RowSelection
    """With the bundle's own settings where the user gave none."""
    absent: tuple[str, ...]
    """Attributes of the bundle that the table has no column for."""
    new_groups: dict[str, tuple[str, ...]]
    """Groups in the table that the bundle was not fitted on, by attribute."""


@dataclass(frozen=True)
class _KeptRow:
    """A row that the bundle can answer."""

    number: int
    values: Values
    label: str
    encoded: Encoded


def select_rows(table: Table, bundle: Bundle, selection: RowSelection) -> SelectedRows:
    """Select the rows of a table that a bundle can be evaluated on, and encode them.

    Raises:
        DataError: a column or a group is missing, or no row is left.
    """
    selection, absent = _settled(table, bundle, selection)
    chosen, left_out = of_split(table, selection)
    kept, refused = [], list(table.refused)
    encoder = make_encoder(bundle.preprocess, bundle.manifest.input)
    check_inputs(table, encoder, bundle.manifest, selection)
    labels = Vocabulary(bundle.manifest.labels)
    for number, values in chosen:
        label = labels.match(values.get(selection.label or "") or "")
        row = _answerable(values, label, selection, bundle.manifest, encoder)
        if isinstance(row, str) or label is None:
            refused.append(Refused(number, str(row)))
        else:
            kept.append(_KeptRow(number, values, label, row))
    refused.sort(key=lambda row: row.row_number)
    if not kept:
        raise DataError(_nothing_left(table, bundle.manifest, refused))
    groups = {name: _groups(kept, name, bundle.manifest) for name in selection.attributes}
    schema, new_groups = _schema(groups, bundle.manifest, selection)
    rows = _rows(kept, groups, schema)
    gates = {attribute.name: tuple(attribute.groups) for attribute in bundle.manifest.attributes}
    rows, schema = with_intersections(rows, schema, selection.intersections)
    encoded = [row.encoded for row in kept]
    return SelectedRows(
        rows, replace(schema, gates=gates), encoded, refused, left_out, selection, absent, new_groups
    )


def _settled(table: Table, bundle: Bundle, selection: RowSelection) -> tuple[RowSelection, tuple[str, ...]]:
    """The selection completed with the bundle's settings, and the bundle's attributes without a column."""
    manifest = bundle.manifest
    saved = _saved(manifest)
    names = tuple(saved.get("attributes", ())) or tuple(manifest.attribute_names)
    present = tuple(name for name in names if name in table.columns)
    pairs = tuple((first, second) for first, second in saved.get("intersections", ()))
    settled = replace(
        _inputs(table, bundle, selection),
        images=selection.images or table.folder,
        label=_name(selection.label) or _name(saved.get("label", "label")),
        attributes=selection.attributes or present,
        references={**saved.get("references", {}), **selection.references},
        favourable=_favourable(selection, manifest),
        intersections=selection.intersections or tuple(pair for pair in pairs if {*pair} <= {*present}),
    )
    _check(table, manifest, settled)
    absent = () if selection.attributes else tuple(name for name in names if name not in present)
    return settled, absent


def _favourable(selection: RowSelection, manifest: Manifest) -> tuple[str, ...]:
    """The favourable labels as the bundle writes them."""
    vocabulary = Vocabulary(manifest.labels)
    return tuple(vocabulary.match(label) or label for label in selection.favourable) or tuple(
        manifest.favourable
    )


def _check(table: Table, manifest: Manifest, selection: RowSelection) -> None:
    """Refuse a selection that the table or the bundle cannot satisfy."""
    if not selection.attributes:
        raise DataError(f"{table.name}: no column of an attribute; name one with --attribute")
    _check_columns(table, manifest, selection, selection.label, *selection.attributes)
    strange = [label for label in selection.favourable if label not in manifest.labels]
    if strange or len(set(selection.favourable)) >= len(manifest.labels):
        raise DataError(f"--favourable must be some, not all, of {', '.join(manifest.labels)}")
    for attribute in manifest.attributes:
        reference = selection.references.get(attribute.name, attribute.reference)
        if Vocabulary([attribute.reference]).match(reference) is None:
            raise DataError(
                f"--reference {attribute.name}: this bundle's detector was taught {attribute.reference!r}; "
                "leave it out"
            )


def _saved(manifest: Manifest) -> dict[str, Any]:
    """The columns that the bundle was fitted with."""
    saved: dict[str, Any] = manifest.provenance.settings.get("columns", {})
    return saved


def input_columns(table: Table, bundle: Bundle, selection: RowSelection) -> RowSelection:
    """The input columns of a row, for a command that needs neither labels nor groups.

    Raises:
        DataError: a column is missing, or the fit's split of this table is not known.
    """
    chosen = _inputs(table, bundle, selection)
    _check_columns(table, bundle.manifest, chosen)
    return chosen


def _inputs(table: Table, bundle: Bundle, selection: RowSelection) -> RowSelection:
    """Input and split columns; where the user names none, those that the bundle was fitted with."""
    saved = _saved(bundle.manifest)
    selection = replace(
        selection,
        text=_name(selection.text) or _name(saved.get("text", "text")),
        text_pair=_name(selection.text_pair) or _name(saved.get("text_pair")),
        split=_name(selection.split),
    )
    if selection.split in SPLITS and not selection.only:
        return _of_fit(table, bundle, selection)
    own = _name(saved.get("split")) or table.split
    split = selection.split or (own if own in table.cells else None)
    return replace(selection, split=split, only=selection.only or ((TEST,) if split else ()))


def _name(column: str | None) -> str | None:
    """A column's name as tables have it, its letters composed."""
    return None if column is None else clean(column)


def _of_fit(table: Table, bundle: Bundle, selection: RowSelection) -> RowSelection:
    """The rows that the fit itself put into a split."""
    name = str(selection.split)
    if name in table.columns:
        raise DataError(
            f"--split {name}: {table.name} has a column of this name, and the fit a split\n"
            f"name a value of the column with --only, or give the column another name"
        )
    return replace(selection, split=None, only=(name,), fit_splits=splits_of_fit(bundle, table))


def _check_columns(table: Table, manifest: Manifest, selection: RowSelection, *more: str | None) -> None:
    if selection.only and not selection.split and selection.fit_splits is None:
        raise DataError("--only needs --split: the column whose values it names")
    inputs = {"table": [], "pair": [selection.text, selection.text_pair]}.get(manifest.task, [selection.text])
    columns = [*inputs, *more, *([selection.split] if selection.split else [])]
    gone = [str(column) for column in columns if column not in table.cells]
    if gone:
        raise DataError(f"{table.name}: no column {', '.join(gone)}; it has {', '.join(table.columns)}")


def of_split(table: Table, selection: RowSelection) -> tuple[list[tuple[int, Values]], dict[str, int]]:
    """Rows of the selected splits, and the number of rows of each other split.

    Raises:
        DataError: no row is in a selected split.
    """
    if selection.fit_splits is not None:
        splits: dict[int, str | None] = dict(selection.fit_splits)
    elif selection.split:
        cells = table.cells[selection.split]
        splits = {
            number: None if cell is None else split_name(cell)
            for number, cell in zip(table.numbers, cells, strict=True)
        }
    else:
        return list(table.rows()), {}
    only = {split_name(name) for name in selection.only}
    by_split = Counter(splits[number] or "none given" for number in table.numbers)
    if not only & set(by_split):
        names = ", ".join(name for name, _ in by_split.most_common(10))
        where = selection.split or "the fit's split"
        raise DataError(f"{table.name}: no row of {', '.join(selection.only)} in {where}; it has {names}")
    chosen = [(number, values) for number, values in table.rows() if splits[number] in only]
    return chosen, {name: n for name, n in sorted(by_split.items()) if name not in only}


def check_inputs(table: Table, encoder: Encoder, manifest: Manifest, selection: RowSelection) -> None:
    """Refuse a table without any feature of the model, and a missing folder of images.

    Raises:
        DataError: either of them.
    """
    if isinstance(encoder, TableEncoder) and not {*encoder.features.names} & {*table.columns}:
        few = ", ".join(encoder.features.names[:10])
        raise DataError(
            f"{table.name}: none of the model's features; it has {', '.join(table.columns)}, not {few}"
        )
    if manifest.task == "image" and not (selection.images and selection.images.is_dir()):
        raise DataError(f"--images {selection.images}: no such folder")


def _answerable(
    values: Values, label: str | None, selection: RowSelection, manifest: Manifest, encoder: Encoder
) -> Encoded | str:
    """The encoded input, or why there is none; the reason never repeats the row."""
    if label is None:
        written = clean(values.get(selection.label or "") or "")
        return "no label" if is_gone(written, GONE_LABEL) else "a label that the bundle does not know"
    try:
        return encoder.encode(item_of(values, selection, manifest, encoder))
    except InputError as error:
        return str(error)


def item_of(values: Values, selection: RowSelection, manifest: Manifest, encoder: Encoder) -> Any:  # noqa: ANN401 - as encoders take
    """The item of a row for the encoder.

    Raises:
        InputError: a part is missing, or a value cannot be read.
    """
    inputs = RowInputs(manifest.task, selection.text, selection.text_pair, selection.images or Path())
    return row_item(values, inputs, encoder)


def _nothing_left(table: Table, manifest: Manifest, refused: Sequence[Refused]) -> str:
    reasons = ", ".join(
        f"{reason} ({n} rows)" for reason, n in Counter(row.reason for row in refused).most_common(3)
    )
    labels = ", ".join(manifest.labels)
    return f"{table.name}: no row can be evaluated: {reasons}; the bundle knows the labels {labels}"


def _groups(kept: Sequence[_KeptRow], name: str, manifest: Manifest) -> list[str | None]:
    """The group of each row, as the bundle calls it where it knows it; ``None`` where it is not known."""
    attribute = next((attribute for attribute in manifest.attributes if attribute.name == name), None)
    fitted = attribute.groups if attribute else []
    cells = [row.values.get(name) for row in kept]
    if attribute and attribute.ranges:
        ranges = ranges_of(tuple(attribute.ranges))
        cells = [ranges.group(cell) for cell in cells]
    column = Column.of(name, cells, GONE_GROUP, values=fitted)
    vocabulary = Vocabulary(fitted)
    groups = [*(vocabulary.match(value) or value for value in column.values), None]
    return [groups[code] for code in column.codes]


def _schema(
    groups_of: Mapping[str, Sequence[str | None]], manifest: Manifest, selection: RowSelection
) -> tuple[Schema, dict[str, tuple[str, ...]]]:
    """The bundle's groups, reference first, and after them those that only the table has."""
    fitted = {attribute.name: attribute for attribute in manifest.attributes}
    groups, new = {}, {}
    for name in selection.attributes:
        of_table = [value for value, _ in Counter(filter(None, groups_of[name])).most_common()]
        if len(of_table) > MOST_GROUPS:
            raise DataError(
                f"attribute {name!r} has {len(of_table)} values, more than {MOST_GROUPS}: not groups"
            )
        fitted_groups = list(fitted[name].groups) if name in fitted else []
        first = fitted[name].reference if name in fitted else _reference(name, of_table, selection)
        if first not in (*fitted_groups, *of_table):
            raise DataError(
                f"attribute {name!r} needs its reference among its values; found {', '.join(of_table)}"
            )
        names = tuple(dict.fromkeys([first, *fitted_groups, *of_table]))
        if len(names) < 2:
            raise DataError(
                f"attribute {name!r} needs two groups; the selected rows have {', '.join(of_table)}"
            )
        groups[name] = names
        if name in fitted and set(of_table) - set(fitted_groups):
            new[name] = tuple(value for value in of_table if value not in fitted_groups)
    return Schema(tuple(manifest.labels), tuple(selection.favourable), groups), new


def _reference(name: str, of_table: Sequence[str], selection: RowSelection) -> str:
    """The reference of an attribute without a detector: the one that is named, or the most frequent group."""
    named = selection.references.get(name)
    if named is None:
        return next(iter(of_table), "")
    return Vocabulary(of_table).match(named) or named


def _rows(kept: Sequence[_KeptRow], groups_of: Mapping[str, Sequence[str | None]], schema: Schema) -> Rows:
    labels = {label: code for code, label in enumerate(schema.labels)}
    codes = {
        name: {group: code for code, group in enumerate(groups)} for name, groups in schema.groups.items()
    }
    return Rows(
        [None] * len(kept),  # the rows are encoded already
        np.array([labels[row.label] for row in kept], dtype=np.int64),
        {
            name: np.array(
                [codes[name].get(group or "", UNKNOWN) for group in groups_of[name]], dtype=np.int64
            )
            for name in schema.groups
        },
        np.array([TEST] * len(kept)),
        np.array([row.number - 1 for row in kept]),
    )
