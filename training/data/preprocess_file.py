"""The file that says how an item becomes arrays, made at fit: tokenizer or feature description."""

from __future__ import annotations

from collections import Counter

import numpy as np
from transformers import AutoTokenizer

from evenhand.models.bundle.encoders.table import Categorical, Numeric, TableFeatures
from evenhand.training.data.dataset import DataError, Rows

MAX_CATEGORIES = 500


def features_json(rows: Rows) -> bytes:
    """``features.json`` from the training rows: means, scales and the values of categorical columns.

    Raises:
        DataError: there is no column to learn from.
    """
    train = [rows.items[row] for row in rows.of("train")]
    numeric, categorical = [], []
    for name in rows.items[0]:
        values = [item[name] for item in train if item[name] is not None]
        if any(isinstance(item[name], str) for item in rows.items):
            common = Counter(values).most_common(MAX_CATEGORIES)
            categorical.append(Categorical(name=name, categories=sorted(value for value, _ in common)))
        elif values:
            scale = float(np.std(values))
            numeric.append(Numeric(name=name, mean=float(np.mean(values)), scale=scale if scale > 0 else 1.0))
    if not numeric and not categorical:
        raise DataError("no feature has a value in any training row; name some with --feature")
    return TableFeatures(numeric=numeric, categorical=categorical).model_dump_json(indent=1).encode()


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
