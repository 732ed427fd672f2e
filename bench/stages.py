"""What a row costs outside the engine: JSON, schemas, tokenising, the decision, counting."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry

from evenhand.models.bundle.bundle import Bundle
from evenhand.models.bundle.encoders.choose import make_encoder
from evenhand.models.bundle.inputs import collate, pad_of
from evenhand.models.bundle.runtime_onnx import MODE_CODES, GraphRunner
from evenhand.service.http.schemas import PredictReply, PredictRequest
from evenhand.service.inference import decision
from evenhand.service.metrics.collectors import Metrics
from evenhand.service.types import Row, Scores

ROWS = 256
REPLY = {
    "id": "01M7XSM36SMM9GD3M1GMNJ0F6P",
    "label": "not hate",
    "score": 0.503,
    "scores": {"not hate": 0.503, "hate": 0.497},
    "flagged": {"any_group": True, "religion": True, "race": False, "gender": False, "orientation": False},
    "corrected": True,
    "risk": {"any_group": 0.9421, "religion": 0.8943, "race": 0.2989, "gender": 0.021, "orientation": 0.0001},
    "base": {"label": "hate", "score": 0.7104},
    "shadow": None,
    "abstained": None,
    "truncated": False,
}


def measure(bundle: Bundle, texts: Sequence[str], repeats: int) -> list[dict[str, Any]]:
    """Microseconds per row of every stage."""
    manifest, some = bundle.manifest, list(texts[:ROWS])
    encoder = make_encoder(bundle.preprocess, manifest.input)
    bodies = [json.dumps({"inputs": text}).encode() for text in some]
    reply = PredictReply.model_validate({"model": "m", "version": "1", "predictions": [REPLY]})
    modes = np.array([MODE_CODES[attribute.mode] for attribute in manifest.attributes], dtype=np.int64)
    rows = [encoder.encode(text) for text in some]
    out = GraphRunner(bundle).run(collate(rows, pad_of(manifest.input)), np.tile(modes, (len(rows), 1)))
    scores = [
        Scores(out.logits[i], out.base_logits[i], out.shadow_logits[i], out.risk[i], out.flagged[i])
        for i in range(len(rows))
    ]
    decisions = [decision.decide(one, modes, manifest) for one in scores]
    metrics = Metrics(CollectorRegistry())
    metrics.add_model(manifest, bundle.sha256, live=True, normal={})

    answered = [Row("", one, {}, "") for one in decisions]

    def count() -> None:
        for row in answered:
            metrics.fairness.decision(manifest, row)
        metrics.flush()

    stages: dict[str, Callable[[], object]] = {
        "request: JSON and schema": lambda: [PredictRequest.model_validate_json(body) for body in bodies],
        "tokenising": lambda: [encoder.encode(text) for text in some],
        "decision": lambda: [decision.decide(one, modes, manifest) for one in scores],
        "counting a decision": count,
        "reply: JSON": lambda: [reply.model_dump_json() for _ in some],
    }
    return [{"stage": name, "µs per row": _us(run, len(some), repeats)} for name, run in stages.items()]


def _us(run: Callable[[], object], rows: int, repeats: int) -> float:
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return round(1e6 * statistics.median(times) / rows, 1)
