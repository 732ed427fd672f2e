"""The file that says how an item becomes arrays, made at fit: tokenizer, image or feature description."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from transformers import AutoTokenizer
from transformers.image_processing_base import ImageProcessingMixin

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


def image_json(base: str) -> bytes:
    """``image.json`` from the base's own preprocessing configuration.

    Raises:
        DataError: it has none, or needs an operation that is not supported.
    """
    from evenhand.models.bundle.encoders.image import Pixels

    try:
        settings, _ = ImageProcessingMixin.get_image_processor_dict(base)
    except (OSError, ValueError) as error:
        raise DataError(
            f"base {base!r} has no preprocessor_config.json: give an image classifier's"
        ) from error
    size = settings.get("size", {"height": 224, "width": 224})
    crop = settings.get("crop_size") if settings.get("do_center_crop") else None
    final = _side(crop or size)
    edge = size.get("shortest_edge") if isinstance(size, dict) else None
    if edge is not None and crop is None and settings.get("crop_pct"):
        # ConvNeXt's own rule: below 384 pixels, resize to size / crop_pct and cut out the centre.
        edge = int(edge / settings["crop_pct"]) if edge < 384 else None
    normal = settings.get("do_normalize", True)
    return (
        Pixels(
            size=final,
            shortest_edge=edge,
            resample=settings.get("resample", 2),
            rescale=settings.get("rescale_factor", 1 / 255) if settings.get("do_rescale", True) else 1.0,
            mean=tuple(settings["image_mean"]) if normal and "image_mean" in settings else (0.0, 0.0, 0.0),
            std=tuple(settings["image_std"]) if normal and "image_std" in settings else (1.0, 1.0, 1.0),
        )
        .model_dump_json(indent=1)
        .encode()
    )


def _side(size: Any) -> int:  # noqa: ANN401 - whatever a configuration says
    """Height and width of the input, which must be the same."""
    if isinstance(size, int):
        return size
    sides = {int(value) for key, value in size.items() if key in ("height", "width", "shortest_edge")}
    if len(sides) != 1:
        raise DataError(f"the base reads images of {size}; only square ones are supported")
    return sides.pop()


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
