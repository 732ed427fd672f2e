"""A table's rows as a causal model takes them, and a bundle as a function of such rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evenhand.models.bundle.bundle import Bundle, BundleError
from evenhand.models.bundle.encoders.choose import make_encoder
from evenhand.models.bundle.encoders.table import TableEncoder
from evenhand.models.bundle.inputs import collate, pad_of
from evenhand.models.bundle.manifest import Manifest
from evenhand.models.bundle.runner import make_runner
from evenhand.models.bundle.runtime_onnx import MODE_CODES
from evenhand.tables.cells import GONE, clean, number_of, spelled
from evenhand.tables.column import Column
from evenhand.tables.ranges import ranges_of
from evenhand.tables.table import Values
from evenhand.training.data.dataset import DataError
from evenhand.typing import Float32s, Float64s

BATCH_ROWS = 256
KINDS = ("base", "final")
MEASURES = ("decision", "score")
"""Whether the label is favourable, and the probability that it is."""


class Decider:
    """A bundle as a function from rows of a table to decisions.

    An attribute of declared ranges has its range in the rows; the model reads the middle of it.

    Args:
        bundle: A bundle that reads tables.

    Raises:
        BundleError: it reads something else, or does not run here.
    """

    def __init__(self, bundle: Bundle) -> None:
        encoder = make_encoder(bundle.preprocess, bundle.manifest.input)
        if not isinstance(encoder, TableEncoder):
            raise BundleError(
                f"{bundle.path}: causal effects are for models of tables; for texts there is evenhand flip"
            )
        self._encoder, self._runner = encoder, make_runner(bundle)
        self.manifest = bundle.manifest
        self.features = encoder.features
        self._ranges = {
            of.name: ranges_of(tuple(of.ranges)) for of in bundle.manifest.attributes if of.ranges
        }

    def __call__(self, rows: pd.DataFrame) -> Float64s:
        """Whether each decision is favourable, and the probability of a favourable label.

        Returns:
            ``(kinds, measures, rows)`` as :data:`KINDS` and :data:`MEASURES` name them.
        """
        names = self.features.names
        numeric = {column.name for column in self.features.numeric}
        columns = [_values(self._read(rows[name]), name in numeric) for name in names]
        encoded = [
            self._encoder.encode(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)
        ]
        manifest = self.manifest
        modes = np.array([MODE_CODES[attribute.mode] for attribute in manifest.attributes], dtype=np.int64)
        logits = []
        for start in range(0, len(encoded), BATCH_ROWS):
            arrays = collate(encoded[start : start + BATCH_ROWS], pad_of(manifest.input))
            out = self._runner.run(arrays, np.repeat(modes[None], len(next(iter(arrays.values()))), axis=0))
            logits.append(np.stack([out.base_logits, out.logits]))
        return _favourable(
            np.concatenate(logits, axis=1), [label in manifest.favourable for label in manifest.labels]
        )

    def _read(self, column: pd.Series) -> pd.Series:
        """A column as the model reads it."""
        ranges = self._ranges.get(str(column.name))
        return column if ranges is None else column.map(ranges.middle)


@dataclass(frozen=True)
class CausalRows:
    """Rows that a causal model can be learnt from."""

    rows: pd.DataFrame
    incomplete: int
    """Rows that lack a value of the graph's columns."""


def prepare(rows: Sequence[Values], decider: Decider, nodes: Collection[str], attribute: str) -> CausalRows:
    """Take the graph's columns and the model's features.

    Raises:
        DataError: no row is complete, or a number is expected and something else stands there.
    """
    words = {column.name: column.words for column in decider.features.numeric}
    names = list(dict.fromkeys([*decider.features.names, *nodes, attribute]))
    columns = {
        name: Column.of(
            name,
            [values.get(clean(name)) for values in rows],
            GONE | {word.lower() for word in words.get(name, ())},
        )
        for name in names
    }
    table = pd.DataFrame({name: column.texts() for name, column in columns.items()}, dtype=object)
    table[attribute] = [_group(value, decider.manifest, attribute) for value in table[attribute]]
    complete = table[[*nodes]].notna().all(axis=1)
    kept = table[complete].reset_index(drop=True)
    if kept.empty:
        raise DataError(
            "no row has a value in every column of the graph; leave columns with many gaps out of the graph"
        )
    for name, column in columns.items():
        of_graph_alone = name not in decider.features.names
        if name == attribute or not (name in words or (of_graph_alone and column.numeric)):
            continue
        numbers = {text: number_of(text) for text in kept[name].dropna().unique()}
        unread = int(kept[name].isin([text for text, number in numbers.items() if number is None]).sum())
        if unread:
            raise DataError(f"column {name}: {unread} values are no numbers, and the model reads numbers")
        kept[name] = kept[name].map(numbers).astype(float)
    return CausalRows(kept, int((~complete).sum()))


def _group(value: str | None, manifest: Manifest, attribute: str) -> str | None:
    """A group as the bundle writes it, where it is one of the bundle's."""
    fitted = next((of for of in manifest.attributes if of.name == attribute), None)
    if value is None or fitted is None:
        return value
    if fitted.ranges:
        return ranges_of(tuple(fitted.ranges)).group(value)
    return spelled(fitted.groups, value) or value


def _values(column: pd.Series, numeric: bool) -> list[float | str | None]:
    gone = column.isna()
    return [
        None if none else (float(value) if numeric else str(value))
        for none, value in zip(gone, column, strict=True)
    ]


def _favourable(logits: Float32s, good: Sequence[bool]) -> Float64s:
    exponent = np.exp(logits - logits.max(axis=2, keepdims=True))
    scores = exponent / exponent.sum(axis=2, keepdims=True)
    chosen = np.array(good)
    decided = chosen[logits.argmax(axis=2)]
    measures: Float64s = np.stack([decided.astype(np.float64), scores[:, :, chosen].sum(axis=2)], axis=1)
    return measures
