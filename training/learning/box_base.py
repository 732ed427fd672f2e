"""A model file as the base of a fit: converted, proven on all rows, and never changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evenhand.console import say
from evenhand.models.bundle.encoders.table import (
    MISSING_TEXT,
    UNKNOWN,
    Categorical,
    Numeric,
    TableEncoder,
    TableFeatures,
)
from evenhand.models.bundle.encoders.text import TextEncoder
from evenhand.models.bundle.manifest import TableInput
from evenhand.models.network.backbones import SplitModel
from evenhand.models.network.black_box import BlackBox, BoxSplit, RowVector, VectorShape, edges_of
from evenhand.models.network.token_bag import BagShape, TokenBag, frequent_tokens
from evenhand.models.onnx.black_box import BoxError, Feature
from evenhand.stats import Rate
from evenhand.tables.cells import clean
from evenhand.training.boxes.box import Box, read
from evenhand.training.boxes.limits import Limits, limits_of
from evenhand.training.boxes.parity import BoxRows, ProvenBox, logits_of, prove
from evenhand.training.boxes.text_box import TextBox, read_text
from evenhand.training.boxes.text_parity import prove_text, token_logits
from evenhand.training.boxes.vectorizer import text_pipeline
from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import HELD, LEARNT, TUNE, DataError, Rows, Schema, hold_out
from evenhand.training.data.items import encode_all
from evenhand.training.learning.base_model import Base
from evenhand.training.learning.config import FitConfig
from evenhand.typing import Float32s, Float64s

CATEGORIES = 50
"""Values of a text feature that detectors tell apart; the rarer ones count as one."""
MEMORISED = 0.9
"""A model has learnt rows by heart if its share of errors there is below so much of that elsewhere."""
SURELY = 3.1
"""Standard errors that the difference must have: one model in a thousand has them by chance."""
SHARE_HELD = 1 / 3
"""Of the validation rows: the correction learns and is ordered on them where training rows cannot tell."""


def with_model(config: FitConfig) -> FitConfig:
    """The settings with the columns that the model reads, before any table is read.

    Raises:
        DataError: the file cannot be used, or names other features than the options.
    """
    box = read_box(config)
    if isinstance(box, TextBox):
        return config
    if text_pipeline(box.estimator) is not None:
        raise DataError(f"{box.name} reads texts, and no table's features: fit it with --task text")
    named = config.columns.features
    odd = sorted({clean(name) for name in named} ^ {clean(name) for name in box.features})
    if named and box.features and odd:
        raise DataError(
            f"--feature: {box.name} was fitted on {', '.join(box.features)}; leave --feature out, or "
            f"name these ({', '.join(odd)})"
        )
    features = box.features or named
    if not features:
        width = f"{box.width} " if box.width else ""
        raise DataError(
            f"{box.name} does not name its {width}features: name the table's columns in the "
            "model's order with --feature"
        )
    if box.width is not None and len(features) != box.width:
        raise DataError(
            f"{box.name} reads {box.width} features, and {len(features)} are named with --feature"
        )
    columns: Columns = replace(
        config.columns, features=features, raw=True, raw_texts=tuple(sorted(box.texts & set(features)))
    )
    return replace(config, columns=columns)


def read_box(config: FitConfig) -> Box:
    """The model file that the settings name.

    Raises:
        DataError: it is missing, of another kind, does not load, or is no classifier.
    """
    assert config.box is not None
    file = Path(config.box.file)
    if config.columns.task == "table":
        return read(file)
    tokenizer = Path(config.box.tokenizer) if config.box.tokenizer else None
    return read_text(file, tokenizer, config.box.max_tokens)


def prepare(config: FitConfig, box: Box, rows: Rows, schema: Schema) -> tuple[Base, Rows, Schema]:
    """Convert the model, prove it on rows, and describe what detectors read of them.

    Args:
        config: All settings.
        box: The model.
        rows: The data.
        schema: The meaning of its values.

    Returns:
        The base, and the rows and schema with labels in the order of the model's. Where the model has learnt
        the training rows, some validation rows are held out in their place.

    Raises:
        DataError: it cannot be converted, does not agree, or a row cannot be read.
    """
    assert config.box is not None
    rows, schema = _aligned(box, config.box.labels, rows, schema)
    if isinstance(box, TextBox):
        return (*_of_texts(config, box, rows, schema), schema)
    names = config.columns.features
    features = [
        Feature(name, any(isinstance(item[clean(name)], str) for item in rows.items)) for name in names
    ]
    whole = _box_rows(features, rows.items)
    try:
        proven = prove(box, features, whole, len(schema.labels))
        limits = limits_of(box, features, whole, proven)
    except BoxError as error:
        raise DataError(f"{box.name}: {error}") from error
    content = _features_json(rows, features, limits)
    encoded, bad = encode_all(TableEncoder(content), rows.items)
    if bad:
        first, reason = bad[0]
        raise DataError(
            f"{len(bad)} rows cannot be read; the first is row {rows.row[first] + 1}: {reason}\n"
            "the model does not take such rows: fill in what is missing, or leave them out of the table"
        )
    logits = logits_of(proven.graph, whole)
    rows = rows if config.box.held_out else _unseen(box, logits, rows, config)
    described = TableFeatures.model_validate_json(content)
    model = BlackBox(proven.graph, RowVector(_shape(described, rows, proven)))
    return BoxBase(model.eval(), content, TableInput(), encoded, _proof(box, proven)), rows, schema


def _of_texts(config: FitConfig, box: TextBox, rows: Rows, schema: Schema) -> tuple[Base, Rows]:
    """The same for texts: token ids in the place of features."""
    assert config.box is not None
    encoded, bad = encode_all(TextEncoder(box.tokenizer, box.spec), rows.items)
    if bad:
        first, reason = bad[0]
        raise DataError(f"{len(bad)} rows cannot be read; the first is row {rows.row[first] + 1}: {reason}")
    cut = sum(row.truncated for row in encoded)
    if cut:
        say(f"{cut} of {len(encoded)} texts are longer than {box.spec.max_tokens} tokens and are cut")
    proven = prove_text(box, encoded, rows.items, len(schema.labels))
    logits = token_logits(proven.graph, encoded, box.spec.pad_id)
    rows = rows if config.box.held_out else _unseen(box, logits, rows, config)
    tokens = frequent_tokens([encoded[row].arrays["input_ids"] for row in rows.of(*LEARNT)])
    say(f"detectors read which of {len(tokens)} frequent tokens a text holds, and the model's probabilities")
    model = BlackBox(proven.graph, TokenBag(BagShape(tokens, box.ids, proven.classes)))
    proof = _proof(box, proven) | {"tokens": len(tokens)}
    return BoxBase(model.eval(), box.tokenizer, box.spec, encoded, proof), rows


def _proof(box: Box, proven: ProvenBox) -> dict[str, Any]:
    proof = {"library": box.library, "precision": proven.precision, "rows": proven.rows}
    return {**proof, "largest_difference": proven.difference, "ties": proven.ties}


@dataclass(frozen=True)
class BoxBase(Base):
    """A base without layers."""

    proof: dict[str, Any] = field(default_factory=dict)
    """What made the model, and how well its ONNX form agrees with it; for the manifest."""

    def cut(self, layer: int) -> SplitModel:
        """The whole model; there is nothing to cut."""
        assert isinstance(self.model, BlackBox)
        return BoxSplit(self.model)


def _aligned(box: Box, named: tuple[str, ...], rows: Rows, schema: Schema) -> tuple[Rows, Schema]:
    """Labels in the order of the model's scores."""
    own = named or box.labels
    source = "--model-label names" if named else f"{box.name} answers"
    if named and box.labels and len(named) != len(box.labels):
        raise DataError(f"--model-label names {len(named)} labels, and {box.name} has {len(box.labels)}")
    if not own:
        raise DataError(
            f"{box.name} does not name its labels: name those of the label column in the order of its scores "
            f"with --model-label (the column holds {', '.join(schema.labels)})"
        )
    if set(own) != set(schema.labels) or len(set(own)) != len(own):
        raise DataError(
            f"{source} {', '.join(own)}, and the label column holds {', '.join(schema.labels)}: name "
            "the column's labels in the order of the model's scores with --model-label"
        )
    codes = np.array([own.index(label) for label in schema.labels], dtype=np.int64)
    return replace(rows, labels=codes[rows.labels]), replace(schema, labels=tuple(own))


def _box_rows(features: Sequence[Feature], items: Sequence[dict[str, float | str | None]]) -> BoxRows:
    """Items as the library and as the graph take them."""
    table = pd.DataFrame({of.name: _column(of, items) for of in features})
    arrays: dict[str, Float64s] = {}
    numbers = [of.name for of in features if not of.text]
    texts = [of.name for of in features if of.text]
    if numbers:
        arrays["values"] = table[numbers].to_numpy(dtype=np.float64)
    if texts:
        arrays["texts"] = table[texts].fillna(MISSING_TEXT).to_numpy(dtype=object)
    return BoxRows(arrays, table)


def _column(feature: Feature, items: Sequence[dict[str, float | str | None]]) -> pd.Series:
    values = [item[clean(feature.name)] for item in items]
    if feature.text:
        return pd.Series([np.nan if value is None else str(value) for value in values], dtype=object)
    return pd.Series([np.nan if value is None else value for value in values], dtype=np.float64)


def _features_json(rows: Rows, features: Sequence[Feature], limits: Limits) -> bytes:
    """``features.json``: figures and frequent texts of training rows, and what the model does not take."""
    train = [rows.items[row] for row in rows.of(*LEARNT)]
    numeric, categorical = [], []
    for of in features:
        name = clean(of.name)
        values = [item[name] for item in train if item[name] is not None]
        required = of.name in limits.required
        if of.text:
            common = sorted(text for text, _ in Counter(map(str, values)).most_common(CATEGORIES))
            allowed = sorted(limits.texts.get(of.name, ()))
            categorical.append(Categorical(name=name, categories=common, required=required, allowed=allowed))
        else:
            numbers = np.array(values, dtype=np.float64)
            mean, scale = (float(numbers.mean()), float(numbers.std())) if len(numbers) else (0.0, 1.0)
            usable = scale if np.isfinite(scale) and scale > 0 else 1.0
            numeric.append(Numeric(name=name, mean=mean, scale=usable, required=required))
    return (
        TableFeatures(numeric=numeric, categorical=categorical, raw=True).model_dump_json(indent=1).encode()
    )


def _shape(features: TableFeatures, rows: Rows, proven: ProvenBox) -> VectorShape:
    learnt = [rows.items[row] for row in rows.of(*LEARNT)]
    columns = [
        np.array([np.nan if item[of.name] is None else item[of.name] for item in learnt], dtype=np.float64)
        for of in features.numeric
    ]
    sizes = tuple(UNKNOWN + 1 + len(of.categories) for of in features.categorical)
    return VectorShape(edges_of(columns), sizes, proven.classes)


def _unseen(box: Box, logits: Float32s, rows: Rows, config: FitConfig) -> Rows:
    """Rows held out for the correction: training rows, unless the model has learnt these by heart.

    Its errors there would be too few and of another kind. Then validation rows take their place.
    """
    wrong = logits.argmax(axis=1) != rows.labels
    learnt, fresh = (Rate.of(wrong[rows.of(*splits)]) for splits in (LEARNT, ("val", "test")))
    assert learnt.value is not None
    assert fresh.value is not None
    said = f"{box.name} errs in {_share(learnt)} of the training rows and in {_share(fresh)} of the others"
    pooled = float(wrong.mean())
    spread = np.sqrt(pooled * (1 - pooled) * (1 / learnt.n + 1 / fresh.n))
    surely = fresh.value - learnt.value > SURELY * spread
    if not (surely and learnt.value < MEMORISED * fresh.value):
        say(f"{said}: errors on training rows are like the others, and the correction learns from them")
        return rows
    say(
        f"{said}: it has learnt training rows by heart, so the correction learns on a third of the "
        "validation rows instead, and the rest certify"
    )
    split = rows.split.copy()
    split[rows.of(HELD, TUNE)] = "train"
    validation = rows.of("val")
    moved = hold_out(
        replace(rows, split=np.where(rows.split == "val", "train", "other")), SHARE_HELD, config.seed
    )
    for name in (HELD, TUNE):
        split[np.intersect1d(moved.of(name), validation)] = name
    return replace(rows, split=split)


def _share(rate: Rate) -> str:
    return "no share" if rate.value is None else f"{100 * rate.value:.1f} % (n {rate.n:,})"
