"""Examples in, scores out: one run of the graph. Knows no HTTP and no queue."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.bundle import Bundle
from models.inputs import Encoder, collate, pad_of
from models.manifest import Manifest
from models.runtime import GraphRunner
from service.types import Example, Scores

PROVIDERS = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
}


class Engine:
    """One bundle's graph, ready to run.

    Args:
        bundle: A verified bundle.
        threads: Threads inside one operator.
        provider: Key of :data:`PROVIDERS`.

    Raises:
        BundleError: the graph does not load.
    """

    def __init__(self, bundle: Bundle, threads: int, provider: str) -> None:
        self._runner = GraphRunner(bundle, threads, PROVIDERS[provider])
        self._pad_id = pad_of(bundle.manifest.input)
        self.providers = self._runner.providers

    def run(self, examples: Sequence[Example]) -> list[Scores]:
        """Score examples in one run of the graph."""
        arrays = collate([example.encoded for example in examples], self._pad_id)
        out = self._runner.run(arrays, np.stack([example.modes for example in examples]))
        return [
            Scores(out.logits[i], out.base_logits[i], out.shadow_logits[i], out.risk[i], out.flagged[i])
            for i in range(len(examples))
        ]

    def canary(self, encoder: Encoder, manifest: Manifest) -> None:
        """Run two rows through every branch, and see that the base answers numbers.

        Raises:
            RuntimeError: it does not.
        """
        rows = [encoder.encode(item) for item in encoder.examples()]
        for code in range(3):
            modes = np.full(len(manifest.attributes), code, dtype=np.int64)
            for scores in self.run([Example(row, modes) for row in rows]):
                if not np.isfinite(scores.base).all():
                    raise RuntimeError(f"{manifest.name}: the canary's base answer is not finite")
