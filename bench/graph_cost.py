"""Cost of the correction: a bundle's graph over the base model's own graph, same rows, alternating, medians.

``python bench/graph_cost.py bundles/hate-speech``. Rows are random token ids of mixed lengths, so it
needs no data. Thresholds are set so that a given share of rows is flagged; the base answer of flagged rows is
computed too.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from evenhand.models.bundle.bundle import GRAPH
from evenhand.models.bundle.runtime_onnx import MODE_CODES, OUTPUTS, SLOWER
from evenhand.models.onnx.join import base_only

SHARES = (0.0, 0.1, 0.5, 1.0)


def session(content: bytes, threads: int) -> ort.InferenceSession:
    """Open a graph."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    return ort.InferenceSession(
        content, options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOWER
    )


def rows(batch: int, longest: int, seed: int) -> dict[str, np.ndarray]:
    """Random rows of mixed lengths, as sorted batches of real posts have: within a fifth of the longest."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(round(longest * 0.8), longest + 1, batch)
    lengths[0] = longest
    mask = (np.arange(longest) < lengths[:, None]).astype(np.int64)
    return {"input_ids": rng.integers(1000, 20000, (batch, longest)) * mask, "attention_mask": mask}


def seconds(run: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Median time of one call by ``clock``, in seconds."""
    taken = []
    for _ in range(repeats):
        started = clock()
        run()
        taken.append(clock() - started)
    return statistics.median(taken)


def main() -> None:
    """Print a table of ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    model = onnx.load(options.bundle / GRAPH)
    full = session(model.SerializeToString(), options.threads)
    base = session(base_only(model).SerializeToString(), options.threads)
    attributes = next(o.shape[1] for o in full.get_outputs() if o.name == "risk")
    print("batch  tokens  flagged  base ms  ratio (median of rounds; lowest to highest)", flush=True)
    for batch, longest in ((1, 24), (8, 32), (64, 32)):
        plain = rows(batch, longest, seed=batch)
        modes = np.full((batch, attributes), MODE_CODES["apply"])
        never = np.full(attributes, 2.0, dtype=np.float32)
        risk = full.run(["risk"], {**plain, "modes": modes, "thresholds": never})[0][:, 0]
        for share in SHARES:
            flagged = round(share * batch)
            if share and not flagged:
                continue
            limits = never.copy()
            limits[0] = np.sort(risk)[::-1][flagged - 1] if flagged else 2.0
            feed = {**plain, "modes": modes, "thresholds": limits}
            repeats = max(3, 200 // batch)
            ratios, base_s = [], 0.0
            for _ in range(options.rounds):
                base_s = seconds(lambda: base.run(None, plain), repeats)  # noqa: B023
                ratios.append(seconds(lambda: full.run(list(OUTPUTS), feed), repeats) / base_s)  # noqa: B023
            spread = f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
            print(
                f"{batch:5d}  {longest:6d}  {flagged / batch:7.0%}  {1e3 * base_s:7.2f}  {spread}", flush=True
            )


if __name__ == "__main__":
    main()
