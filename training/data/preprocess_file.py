"""The file that says how an item becomes arrays, made at fit: tokenizer or feature description."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from transformers import AutoTokenizer

from evenhand.models.bundle.encoders.table import Categorical, Numeric, TableFeatures
from evenhand.training.data.dataset import DataError, Rows
from evenhand.training.data.roles import ColumnRole

MAX_CATEGORIES = 500
SHARE_DIGITS = 6
PARTS = 10
"""Numbers are cut into so many parts of about equally many rows, to be compared with later ones."""


def features_json(rows: Rows, roles: Sequence[ColumnRole] = ()) -> bytes:
    """``features.json`` from the training rows: means, scales and the values of categorical columns.

    Args:
        rows: The data.
        roles: What was read of its columns; says which words among numbers mean missing.

    Raises:
        DataError: there is no column to learn from.
    """
    train = [rows.items[row] for row in rows.of("train")]
    words = {role.name: list(role.words) for role in roles}
    numeric, categorical = [], []
    for name in rows.items[0]:
        values = [item[name] for item in train if item[name] is not None]
        missing = 1.0 - len(values) / len(train) if train else None
        if any(isinstance(item[name], str) for item in rows.items):
            counts = dict(sorted(Counter(values).most_common(MAX_CATEGORIES)))
            shares = [round(count / len(values), SHARE_DIGITS) for count in counts.values()]
            categorical.append(
                Categorical(name=name, categories=list(counts), shares=shares, missing=missing)
            )
        elif values:
            numeric.append(_numeric(name, values, words.get(name, []), missing))
    if not numeric and not categorical:
        raise DataError("no feature has a value in any training row; name some with --feature")
    features = TableFeatures(numeric=numeric, categorical=categorical)
    return features.model_dump_json(indent=1, exclude_defaults=True).encode()


def _numeric(name: str, values: list[float], words: list[str], missing: float | None) -> Numeric:
    """A column of numbers, with what an evaluation compares another table's with."""
    scale = float(np.std(values))
    cuts = np.unique(np.quantile(values, np.arange(1, PARTS) / PARTS))
    counts = np.bincount(np.searchsorted(cuts, values, side="left"), minlength=len(cuts) + 1)
    return Numeric(
        name=name,
        mean=float(np.mean(values)),
        scale=scale if scale > 0 else 1.0,
        words=words,
        median=float(np.median(values)),
        cuts=cuts.tolist(),
        shares=(counts / len(values)).round(SHARE_DIGITS).tolist(),
        missing=missing,
    )


def tokenizer_of(base: str) -> AutoTokenizer:
    """The base's fast tokenizer.

    Raises:
        DataError: it has none.
        OSError: there is no such base.
    """
    # Which base is the user's choice, its revision too; its hash is in the bundle.
    tokenizer = AutoTokenizer.from_pretrained(base, use_fast=True, trust_remote_code=False)  # nosec B615
    if not tokenizer.is_fast:
        raise DataError(f"base {base!r} has no fast tokenizer (tokenizer.json); serving needs one")
    return tokenizer
