"""Size and processor time of a bundle's graph with lower precision, over the graph as it is.

``python bench/precision.py bundles/hate-speech``. One thread, alternating, medians of processor time;
random rows of like length, under the bundle's own thresholds and modes. What it costs in accuracy says
``evenhand export``.
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import onnx
from graph_cost import rows, session

from evenhand.models.bundle.bundle import load
from evenhand.models.bundle.runtime_onnx import MODE_CODES, OUTPUTS
from evenhand.models.onnx.quantize import Precision, convert_weights

PRECISIONS: tuple[Precision, ...] = ("float16", "int8", "int4")


def main() -> None:
    """Print a table of ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    bundle = load(options.bundle)
    model = onnx.load_model_from_string(bundle.graph)
    stored = bundle.manifest.graph.weights
    graphs = {stored: bundle.graph}
    graphs |= {
        name: convert_weights(model, name).SerializeToString() for name in PRECISIONS if name != stored
    }
    sessions = {name: session(graph, 1) for name, graph in graphs.items()}
    print("weights, MB:", ", ".join(f"{name} {len(graph) / 1e6:.1f}" for name, graph in graphs.items()))
    thresholds = np.array([a.threshold for a in bundle.manifest.attributes], dtype=np.float32)
    modes = np.array([MODE_CODES[a.mode] for a in bundle.manifest.attributes])
    for batch, longest in ((1, 24), (8, 32), (64, 32)):
        feed = {
            **rows(batch, longest, seed=batch),
            "thresholds": thresholds,
            "modes": np.tile(modes, (batch, 1)),
        }
        taken: dict[str, list[float]] = {name: [] for name in sessions}
        for _ in range(options.rounds):
            for name, graph in sessions.items():
                started = time.process_time()
                for _ in range(max(1, 32 // batch)):
                    graph.run(list(OUTPUTS), feed)
                taken[name].append(time.process_time() - started)
        middle = {name: statistics.median(of) for name, of in taken.items()}
        ratios = ", ".join(f"{name} {of / middle[stored]:.2f}" for name, of in middle.items())
        print(f"batch {batch:2d}, up to {longest} tokens, time over {stored}: {ratios}", flush=True)


if __name__ == "__main__":
    main()
