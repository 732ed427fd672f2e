"""What a model does not take: missing values of a column, and texts that it has never seen.

The library refuses such a row, and a graph would answer it with some number. So the service refuses it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from scipy.special import softmax

from evenhand.console import say
from evenhand.models.bundle.encoders.table import MISSING_TEXT
from evenhand.models.onnx.black_box import WHOLE, Feature, assign, texts_in
from evenhand.training.boxes.box import Box
from evenhand.training.boxes.parity import LARGEST_DIFFERENCE, BoxRows, ProvenBox, logits_of

PROBED = 64
"""Rows on which a column is emptied."""
STRANGE = "\u2047 no such value"


@dataclass(frozen=True)
class Limits:
    """What the service refuses because the model would."""

    required: frozenset[str]
    """Features without which the model answers no row."""
    texts: dict[str, frozenset[str]]
    """By feature the only texts that it takes; a feature that is not here takes any."""


def limits_of(box: Box, features: Sequence[Feature], rows: BoxRows, proven: ProvenBox) -> Limits:
    """Try every column without a value, and every text column with a text that no row has."""
    some = rows.part(np.linspace(0, len(rows) - 1, min(PROBED, len(rows))).astype(np.int64))
    required, closed = set(_whole(box, features)), {}
    for feature in features:
        if feature.name in required or _takes(box, _with(some, features, feature, None), proven):
            continue
        required.add(feature.name)
    for feature in features:
        if feature.text and not _takes(box, _with(some, features, feature, STRANGE), proven):
            seen = {str(text) for text in rows.table[feature.name].dropna().unique()}
            closed[feature.name] = frozenset(seen | texts_in(onnx.load_model_from_string(proven.graph)))
    if required:
        say(f"{box.name} answers no row without {', '.join(sorted(required))}: such rows are refused")
    if closed:
        say(
            f"{box.name} takes only texts that it has seen in {', '.join(sorted(closed))}: others are refused"
        )
    return Limits(frozenset(required), closed)


def _whole(box: Box, features: Sequence[Feature]) -> list[str]:
    """Features that enter the user's own graph as whole numbers, which cannot be missing."""
    if box.graph is None:
        return []
    inputs = [each for each in assign(box.graph, features) if each.kind in WHOLE]
    return [features[place].name for each in inputs for place in each.features]


def _with(rows: BoxRows, features: Sequence[Feature], feature: Feature, value: str | None) -> BoxRows:
    """The rows with another value of one feature, missing if ``None``."""
    alike = [of.name for of in features if of.text == feature.text]
    name, place = ("texts" if feature.text else "values"), alike.index(feature.name)
    arrays = {key: of.copy() for key, of in rows.arrays.items()}
    arrays[name][:, place] = (MISSING_TEXT if feature.text else np.nan) if value is None else value
    table = rows.table.assign(**{feature.name: np.nan if value is None else value})
    if feature.text:
        table[feature.name] = table[feature.name].astype(object)
    return BoxRows(arrays, table)


def _takes(box: Box, rows: BoxRows, proven: ProvenBox) -> bool:
    """Whether the model answers such rows, and the graph as it does."""
    try:
        # One thread, for an operator may fail here, and that should happen on the caller's thread.
        logits = logits_of(proven.graph, rows, threads=1)
    except Exception as error:
        # ONNX Runtime's errors share no public base class. In service such a row would cost its batch.
        if not type(error).__module__.startswith("onnxruntime"):
            raise
        return False
    if not np.isfinite(logits).all():
        return False
    if box.estimator is None:
        return True
    try:
        expected = box.probabilities(rows.table)
    except Exception:  # whatever the user's model raises for rows that it does not take
        return False
    difference = np.abs(softmax(logits.astype(np.float64), axis=1) - expected).max()
    return bool(difference <= LARGEST_DIFFERENCE)
