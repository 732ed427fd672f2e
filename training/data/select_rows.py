"""A table against a bundle: which rows can be judged, what their values mean, and why the others cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from evenhand.models.bundle.bundle import Bundle
from evenhand.models.bundle.encoders.choose import make_encoder
from evenhand.models.bundle.encoders.table import TableEncoder
from evenhand.models.bundle.inputs import Encoded, Encoder, InputError
from evenhand.models.bundle.manifest import Manifest
from evenhand.training.data.attributes import with_intersections
from evenhand.training.data.dataset import MISSING, UNKNOWN, DataError, Rows, Schema
from evenhand.training.data.items import feature_item, picture
from evenhand.training.data.table import Refused, Table, Values

MOST_GROUPS = 64
"""An attribute with more values than this is more likely a name or a number than a group."""
TEST = "test"


@dataclass(frozen=True)
class RowSelection:
    """What a user asked for; what is not given comes from the bundle."""

    text: str | None = None
    """For images the column with the file's name."""
    text_pair: str | None = None
    images: Path | None = None
    """Folder of the image files; the table's own where not given."""
    label: str | None = None
    attributes: tuple[str, ...] = ()
    split: str | None = None
    only: tuple[str, ...] = ()
    """Values of the split column to judge; ``test`` where there is such a column and nothing is given."""
    references: dict[str, str] = field(default_factory=dict)
    favourable: tuple[str, ...] = ()
    intersections: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Judgeable:
    """Rows that the bundle can answer and whose label it knows."""

    rows: Rows
    schema: Schema
    encoded: list[Encoded]
    refused: list[Refused]
    left_out: dict[str, int]
    """Rows of splits that were not asked for, by split."""
    wanted: RowSelection
    """With the bundle's own settings where the user gave none."""
    absent: tuple[str, ...]
    """Attributes of the bundle that the table has no column for."""
    new_groups: dict[str, tuple[str, ...]]
    """Groups in the table that the bundle was not fitted on, by attribute."""


def judgeable(table: Table, bundle: Bundle, wanted: RowSelection) -> Judgeable:
    """Take from a table what a bundle can be judged on.

    Raises:
        DataError: a column or a group is not there, or no row is left.
    """
    wanted, absent = _settled(table, bundle.manifest, wanted)
    chosen, left_out = of_split(table, wanted)
    kept, refused = [], list(table.refused)
    encoder = make_encoder(bundle.preprocess, bundle.manifest.input)
    check_inputs(table, encoder, bundle.manifest, wanted)
    for number, values in chosen:
        found = _answerable(values, wanted, bundle.manifest, encoder)
        if isinstance(found, str):
            refused.append(Refused(number, found))
        else:
            kept.append((number, values, found))
    refused.sort(key=lambda row: row.row_number)
    if not kept:
        raise DataError(_nothing_left(table, bundle.manifest, refused))
    schema, new_groups = _schema([values for _, values, _ in kept], bundle.manifest, wanted)
    rows = _rows([(number, values) for number, values, _ in kept], schema, wanted)
    gates = {attribute.name: tuple(attribute.groups) for attribute in bundle.manifest.attributes}
    rows, schema = with_intersections(rows, schema, wanted.intersections)
    encoded = [found for _, _, found in kept]
    return Judgeable(
        rows, replace(schema, gates=gates), encoded, refused, left_out, wanted, absent, new_groups
    )


def _settled(table: Table, manifest: Manifest, wanted: RowSelection) -> tuple[RowSelection, tuple[str, ...]]:
    """The user's words, the bundle's settings where there are none, and the bundle's attributes without a column."""
    saved = _saved(manifest)
    names = tuple(saved.get("attributes", ())) or tuple(manifest.attribute_names)
    present = tuple(name for name in names if name in table.columns)
    pairs = tuple((first, second) for first, second in saved.get("intersections", ()))
    found = replace(
        _inputs(table, manifest, wanted),
        images=wanted.images or table.folder,
        label=wanted.label or saved.get("label", "label"),
        attributes=wanted.attributes or present,
        references={**saved.get("references", {}), **wanted.references},
        favourable=wanted.favourable or tuple(manifest.favourable),
        intersections=wanted.intersections or tuple(pair for pair in pairs if {*pair} <= {*present}),
    )
    _check(table, manifest, found)
    absent = () if wanted.attributes else tuple(name for name in names if name not in present)
    return found, absent


def _check(table: Table, manifest: Manifest, wanted: RowSelection) -> None:
    """Refuse what cannot be meant."""
    if not wanted.attributes:
        raise DataError(f"{table.name}: no column of an attribute; name one with --attribute")
    _check_columns(table, manifest, wanted, wanted.label, *wanted.attributes)
    strange = [label for label in wanted.favourable if label not in manifest.labels]
    if strange or len(set(wanted.favourable)) >= len(manifest.labels):
        raise DataError(f"--favourable must be some, not all, of {', '.join(manifest.labels)}")
    for attribute in manifest.attributes:
        given = wanted.references.get(attribute.name, attribute.reference)
        if given != attribute.reference:
            raise DataError(
                f"--reference {attribute.name}: this bundle's detector was taught {attribute.reference!r}; leave it out"
            )


def _saved(manifest: Manifest) -> dict[str, Any]:
    """The columns that the bundle was fitted with."""
    saved: dict[str, Any] = manifest.provenance.settings.get("columns", {})
    return saved


def input_columns(table: Table, manifest: Manifest, wanted: RowSelection) -> RowSelection:
    """What a row is made of, for a command that needs neither labels nor groups.

    Raises:
        DataError: a column is not there.
    """
    chosen = _inputs(table, manifest, wanted)
    _check_columns(table, manifest, chosen)
    return chosen


def _inputs(table: Table, manifest: Manifest, wanted: RowSelection) -> RowSelection:
    """Input and split columns, those that the bundle was fitted with where the user named none."""
    saved = _saved(manifest)
    split = wanted.split or (saved.get("split") if saved.get("split") in table.columns else None)
    return replace(
        wanted,
        text=wanted.text or saved.get("text", "text"),
        text_pair=wanted.text_pair or saved.get("text_pair"),
        split=split,
        only=wanted.only or ((TEST,) if split else ()),
    )


def _check_columns(table: Table, manifest: Manifest, wanted: RowSelection, *more: str | None) -> None:
    if wanted.only and not wanted.split:
        raise DataError("--only needs --split: the column whose values it names")
    inputs = {"table": [], "pair": [wanted.text, wanted.text_pair]}.get(manifest.task, [wanted.text])
    columns = [*inputs, *more, *([wanted.split] if wanted.split else [])]
    gone = [str(column) for column in columns if column not in table.columns]
    if gone:
        raise DataError(f"{table.name}: no column {', '.join(gone)}; it has {', '.join(table.columns)}")


def of_split(table: Table, wanted: RowSelection) -> tuple[list[tuple[int, Values]], dict[str, int]]:
    """Rows of the splits that were asked for, and how many each other split has."""
    if not wanted.split:
        return table.rows, {}
    by_split = Counter(values.get(wanted.split) or "none given" for _, values in table.rows)
    if not any(name in by_split for name in wanted.only):
        found = ", ".join(name for name, _ in by_split.most_common(10))
        raise DataError(f"{table.name}: no row of {', '.join(wanted.only)} in {wanted.split}; it has {found}")
    chosen = [(number, values) for number, values in table.rows if values.get(wanted.split) in wanted.only]
    return chosen, {name: n for name, n in sorted(by_split.items()) if name not in wanted.only}


def check_inputs(table: Table, encoder: Encoder, manifest: Manifest, wanted: RowSelection) -> None:
    """Refuse a table without any feature, and a folder that is not there."""
    if isinstance(encoder, TableEncoder) and not {*encoder.features.names} & {*table.columns}:
        few = ", ".join(encoder.features.names[:10])
        raise DataError(
            f"{table.name}: none of the model's features; it has {', '.join(table.columns)}, not {few}"
        )
    if manifest.task == "image" and not (wanted.images and wanted.images.is_dir()):
        raise DataError(f"--images {wanted.images}: no such folder")


def _answerable(values: Values, wanted: RowSelection, manifest: Manifest, encoder: Encoder) -> Encoded | str:
    """The encoded input, or why there is none; the reason never repeats the row."""
    label = values.get(wanted.label or "")
    if label is None or label == "":
        return "no label"
    if label not in manifest.labels:
        return "a label that the bundle does not know"
    try:
        item = item_of(values, wanted, manifest, encoder)
        return f"no {manifest.task}" if item is None else encoder.encode(item)
    except InputError as error:
        return str(error)


def item_of(values: Values, wanted: RowSelection, manifest: Manifest, encoder: Encoder) -> Any:  # noqa: ANN401 - as encoders take
    """What the encoder takes, or nothing where a part is missing."""
    if isinstance(encoder, TableEncoder):
        return feature_item(values, encoder.features)
    first = values.get(wanted.text or "")
    if first is None:
        return None
    if manifest.task == "pair":
        second = values.get(wanted.text_pair or "")
        return None if second is None else {"text": first, "text_pair": second}
    if manifest.task == "image":
        return picture(wanted.images or Path(), first)
    return first


def _nothing_left(table: Table, manifest: Manifest, refused: Sequence[Refused]) -> str:
    reasons = ", ".join(
        f"{reason} ({n} rows)" for reason, n in Counter(row.reason for row in refused).most_common(3)
    )
    return f"{table.name}: no row can be judged: {reasons}; the bundle knows the labels {', '.join(manifest.labels)}"


def _schema(
    rows: Sequence[Values], manifest: Manifest, wanted: RowSelection
) -> tuple[Schema, dict[str, tuple[str, ...]]]:
    """The bundle's groups, reference first, and after them those that only the table has."""
    fitted = {attribute.name: attribute for attribute in manifest.attributes}
    groups, new = {}, {}
    for name in wanted.attributes:
        counts = Counter(value for values in rows if (value := _group(values, name)) is not None)
        of_table = [value for value, _ in counts.most_common()]
        if len(of_table) > MOST_GROUPS:
            raise DataError(
                f"attribute {name!r} has {len(of_table)} values, more than {MOST_GROUPS}: not groups"
            )
        known = list(fitted[name].groups) if name in fitted else []
        first = (
            fitted[name].reference
            if name in fitted
            else wanted.references.get(name, next(iter(of_table), ""))
        )
        if first not in (*known, *of_table):
            raise DataError(
                f"attribute {name!r} needs its reference among its values; found {', '.join(of_table)}"
            )
        names = tuple(dict.fromkeys([first, *known, *of_table]))
        if len(names) < 2:
            raise DataError(
                f"attribute {name!r} needs two groups; the rows to judge have {', '.join(of_table)}"
            )
        groups[name] = names
        if name in fitted and set(of_table) - set(known):
            new[name] = tuple(value for value in of_table if value not in known)
    return Schema(tuple(manifest.labels), tuple(wanted.favourable), groups), new


def _group(values: Values, name: str) -> str | None:
    value = values.get(name)
    return None if value is None or value.strip().lower() in MISSING else value


def _rows(kept: Sequence[tuple[int, Values]], schema: Schema, wanted: RowSelection) -> Rows:
    labels = {label: code for code, label in enumerate(schema.labels)}
    codes = {
        name: {group: code for code, group in enumerate(groups)} for name, groups in schema.groups.items()
    }
    return Rows(
        [None] * len(kept),  # they are encoded already
        np.array([labels[values[wanted.label or ""] or ""] for _, values in kept], dtype=np.int64),
        {
            name: np.array(
                [codes[name].get(_group(values, name) or "", UNKNOWN) for _, values in kept], dtype=np.int64
            )
            for name in schema.groups
        },
        np.array([TEST] * len(kept)),
        np.array([number - 1 for number, _ in kept]),
    )
