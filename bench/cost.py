"""What correction and counting cost end to end, and how near the server comes to the bare engine.

    python -m bench.cost --data <hatexplain.jsonl or its folder> --rounds 5

Every round runs, one after the other: a bare loop of ONNX Runtime over the same rows, sorted by length, one
run per core; then Evenhand in front of the base model alone, of the demo bundle with none of its rows
flagged, with a tenth flagged and corrected (base answers included), as it was fitted, and as it was fitted
without counting or recording anything. Ratios are taken within a round, figures are medians over rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from bench import servers
from bench.engine import Rows, loop_s
from bench.prepare import BUNDLE
from bench.process import stop_on_sigterm
from bench.protocols import PROTOCOLS, asks
from bench.side_by_side.report import table
from bench.texts import Text, read
from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.runtime_onnx import OUTPUTS
from evenhand.models.onnx.join import base_only

BATCH = 16
UNCOUNTED = (
    "import os; os.environ['EVENHAND_RECORD'] = 'off'; from service import fairness, metrics; "
    "nothing = lambda *_, **__: None; m = metrics.Metrics; fairness.FairnessCounters.decision = nothing; "
    "m.request = m.batch = m.queued = m.waiting = nothing; " + servers.OURS
)
PAIRS = {
    "HTTP and queue: as fitted / bare loop": ("as fitted", "bare loop"),
    "correction, 0 % flagged: / base alone": ("0 % flagged", "base alone"),
    "correction, 10 % flagged: / base alone": ("10 % flagged", "base alone"),
    "counting and recording: as fitted / without": ("as fitted", "not counted"),
}


def base_alone(graph: bytes, attributes: int) -> bytes:
    """The base model under the joined graph's contract: no detector, no branch, nothing flagged."""
    model = base_only(onnx.load_model_from_string(graph))
    whole = onnx.load_model_from_string(graph).graph
    constants = {"zero": np.zeros((1, attributes), np.float32), "never": np.zeros((1, attributes), np.bool_)}
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    node = helper.make_node
    model.graph.node.extend(
        [
            *(node("Identity", ["base_logits"], [name]) for name in ("logits", "shadow_logits")),
            node("Shape", ["modes"], ["wide"]),
            node("Expand", ["zero", "wide"], ["risk"]),
            node("Expand", ["never", "wide"], ["flagged"]),
        ]
    )
    del model.graph.input[:], model.graph.output[:]
    model.graph.input.extend(whole.input)
    model.graph.output.extend(output for name in OUTPUTS for output in whole.output if output.name == name)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def changed(folder: Path, name: str, limits: Sequence[float], graph: bytes | None = None) -> Path:
    """A copy of the demo bundle with other thresholds, every correction switched on."""
    copy = folder / name
    shutil.copytree(BUNDLE, copy)
    manifest, _ = bundles.read_manifest(copy)
    if graph is not None:
        (copy / bundles.GRAPH).write_bytes(graph)
    attributes = [
        attribute.model_copy(update={"threshold": limit, "mode": "apply"})
        for attribute, limit in zip(manifest.attributes, limits, strict=True)
    ]
    files = {file: digest for file, digest in bundles.hash_files(copy).items() if file in manifest.files}
    bundles.write_manifest(copy, manifest.model_copy(update={"attributes": attributes, "files": files}))
    return copy


@contextmanager
def variants(rows: Rows) -> Iterator[dict[str, servers.Server]]:
    """Evenhand in front of every bundle."""
    session, risks = rows.session("corrected", 1), []
    for at in range(0, len(rows.sorted), BATCH):
        risks.append(session.run(["risk"], rows.full(rows.sorted[at : at + BATCH]))[0][:, 0])
    tenth = float(np.quantile(np.concatenate(risks), 0.9))
    never = [1.0] * len(rows.modes)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        alone = changed(folder, "base", never, base_alone(rows.bundle.graph, len(never)))
        yield {
            "base alone": servers.evenhand(alone),
            "0 % flagged": servers.evenhand(changed(folder, "none", never)),
            "10 % flagged": servers.evenhand(changed(folder, "tenth", [tenth, *never[1:]])),
            "as fitted": servers.evenhand(),
            "not counted": servers.evenhand(start=UNCOUNTED),
        }


def bare_loop(rows: Rows) -> float:
    """Rows per second of the bundle's graph with nothing around it."""
    sessions = [rows.session("corrected", 1) for _ in range(os.cpu_count() or 1)]
    feeds = [rows.full(rows.sorted[at : at + BATCH]) for at in range(0, len(rows.sorted), BATCH)]
    for session in sessions:
        session.run(None, feeds[0])
    return len(rows.sorted) / loop_s(sessions, feeds)


def main() -> None:
    """Measure in rounds; print a table, write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument(
        "--data", type=Path, help="HateXplain's file or folder; EVENHAND_DATA else; our pages else"
    )
    parser.add_argument("--out", type=Path, help="file for the figures as JSON")
    options = parser.parse_args()
    stop_on_sigterm()
    texts = read(options.data)
    rows = Rows(bundles.load(BUNDLE), texts)
    sent = asks(PROTOCOLS["evenhand"], [Text(text, None) for text in texts])
    throughputs: dict[str, list[float]] = {"bare loop": []}
    with variants(rows) as all_variants:
        for number in range(options.rounds):
            throughputs["bare loop"].append(bare_loop(rows))
            for name, server in all_variants.items():
                figures = servers.figures_of(server, sent, options.connections, 2, options.seconds)
                throughputs.setdefault(name, []).append(figures["throughput_per_s"])
            print(
                f"round {number + 1}: " + ", ".join(f"{n} {v[-1]:.0f}/s" for n, v in throughputs.items()),
                flush=True,
            )
    report = summary(throughputs)
    print("\n" + table([list(report[0]), *([str(value) for value in line.values()] for line in report)]))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps({"per second": throughputs, "ratios": report}, indent=1) + "\n")


def summary(throughputs: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Median and range of every ratio, taken within rounds."""
    lines = []
    for name, (above, below) in PAIRS.items():
        ratios = [a / b for a, b in zip(throughputs[above], throughputs[below], strict=True)]
        spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
        lines.append(
            {"throughput": name, "ratio": round(statistics.median(ratios), 3), "over the rounds": spread}
        )
    return lines


if __name__ == "__main__":
    main()
