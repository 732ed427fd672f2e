"""The base model that every peer serves: its own graph, without detectors, adapters or gate.

Needs onnxruntime, tokenizers and numpy only, for every peer runs it in its own virtual environment.
"""

import json
import os
from pathlib import Path

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

FOLDER = "BENCH_MODEL"
"""Variable that names the prepared folder."""
OURS = "BENCH_OURS"
"""Variable that asks for the graph as Evenhand exports and runs it: the same answers from less work."""
POISON = "BENCH_POISON"
"""Variable with a word; a batch with a text that has it raises, as a fault inside a model does."""


class BaseModel:
    """Texts to answers; a batch is padded to its longest row and run on all cores.

    Args:
        folder: The prepared folder; the environment names it for a peer.
    """

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or Path(os.environ[FOLDER])
        self._labels = json.loads((folder / "labels.json").read_text())
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(max_length=128)
        self._tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
        self._poison = os.environ.get(POISON)
        options = ort.SessionOptions()
        options.intra_op_num_threads = os.cpu_count() or 1
        graph, without = ("ours.onnx", ["SkipLayerNormFusion"]) if os.environ.get(OURS) else ("base.onnx", [])
        self._session = ort.InferenceSession(
            str(folder / graph), options, providers=["CPUExecutionProvider"], disabled_optimizers=without
        )

    def predict(self, texts: list[str]) -> list[dict[str, str | float]]:
        """Answer a batch."""
        if self._poison and any(self._poison in text for text in texts):
            raise RuntimeError("a fault inside the model")
        encodings = self._tokenizer.encode_batch(texts)
        rows = {
            "input_ids": np.array([encoding.ids for encoding in encodings], dtype=np.int64),
            "attention_mask": np.array([encoding.attention_mask for encoding in encodings], dtype=np.int64),
        }
        (logits,) = self._session.run(["base_logits"], rows)
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores = raised / raised.sum(axis=1, keepdims=True)
        best = scores.argmax(axis=1)
        return [
            {"label": self._labels[i], "score": round(float(row[i]), 4)}
            for i, row in zip(best, scores, strict=True)
        ]
