"""The scores of a bundle on some items, as it would serve them, without a server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evenhand.console import track
from evenhand.models.bundle.bundle import Bundle
from evenhand.models.bundle.encoders.choose import make_encoder
from evenhand.models.bundle.inputs import collate, pad_of
from evenhand.models.bundle.runner import make_runner
from evenhand.models.bundle.runtime_onnx import MODE_CODES

AT_ONCE = 64


def scores(bundle: Bundle, items: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """The base's and the served scores, ``(rows, classes)`` each, under the bundle's own modes."""
    manifest = bundle.manifest
    encoder, runner = make_encoder(bundle.preprocess, manifest.input), make_runner(bundle)
    modes = np.array([MODE_CODES[attribute.mode] for attribute in manifest.attributes], dtype=np.int64)
    encoded = [encoder.encode(item) for item in items]
    base = np.zeros((len(items), len(manifest.labels)))
    served = np.zeros_like(base)
    order = np.argsort([row.tokens for row in encoded], kind="stable")
    parts = [order[start : start + AT_ONCE] for start in range(0, len(order), AT_ONCE)]
    for part in track(parts, len(parts), "answering"):
        inputs = collate([encoded[row] for row in part], pad_of(manifest.input))
        out = runner.run(inputs, np.repeat(modes[None], len(part), axis=0))
        base[part], served[part] = out.base_logits, out.logits
    return base, served
