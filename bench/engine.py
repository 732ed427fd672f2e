"""Micro-benchmarks in process: what the engine could do without HTTP, and what each stage around it costs.

    python -m bench.engine --data <hatexplain.jsonl or its folder> --out runs/engine.json

Times are medians. The yardstick is a loop over the same rows, sorted by length, with nothing around it: the
best of a few ways to split two things, rows into batches and cores between runs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from bench import stages
from bench.prepare import BUNDLE
from bench.side_by_side.report import table
from bench.texts import read
from evenhand.models.bundle.bundle import GRAPH, Bundle, load
from evenhand.models.bundle.encoders.choose import make_encoder
from evenhand.models.bundle.inputs import Encoded, collate, pad_of
from evenhand.models.bundle.runtime_onnx import MODE_CODES, OUTPUTS, SLOWER
from evenhand.models.onnx.join import base_only

BATCHES = (8, 16, 32, 64)
COST_BATCHES = (1, 8, 32, 64)
SHARES = (0.0, 0.1, 0.5, 1.0)
NEVER = 2.0
"""A threshold that no risk reaches."""
Feed = dict[str, NDArray[Any]]


class Rows:
    """A bundle's rows, and the two graphs that they go through."""

    def __init__(self, bundle: Bundle, texts: Sequence[str]) -> None:
        self.bundle = bundle
        self.manifest = bundle.manifest
        self.encoder = make_encoder(bundle.preprocess, self.manifest.input)
        self.rows = [self.encoder.encode(text) for text in texts]
        self.sorted = sorted(self.rows, key=lambda row: row.tokens)
        model = onnx.load(bundle.path / GRAPH)
        self.graphs = {"base": base_only(model).SerializeToString(), "corrected": model.SerializeToString()}
        self.thresholds = np.array([a.threshold for a in self.manifest.attributes], dtype=np.float32)
        self.modes = np.array([MODE_CODES[a.mode] for a in self.manifest.attributes], dtype=np.int64)

    def plain(self, rows: Sequence[Encoded]) -> Feed:
        """Inputs of the base model's graph."""
        return collate(rows, pad_of(self.manifest.input))

    def full(self, rows: Sequence[Encoded]) -> Feed:
        """Inputs of the whole graph, under the bundle's own thresholds and modes."""
        return {
            **self.plain(rows),
            "thresholds": self.thresholds,
            "modes": np.tile(self.modes, (len(rows), 1)),
        }

    def session(self, graph: str, threads: int) -> ort.InferenceSession:
        """Open one of the two graphs."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        content = self.graphs[graph]
        return ort.InferenceSession(
            content, options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOWER
        )


def yardstick(rows: Rows, repeats: int) -> list[dict[str, Any]]:
    """Rows per second of the bare loop, by graph, runs at a time, threads of each and batch."""
    cores, lines = os.cpu_count() or 1, []
    ways = dict.fromkeys([(1, 0), (1, cores), (cores, 1)])
    for graph, feed in (("base", rows.plain), ("corrected", rows.full)):
        for runs, threads in ways:
            sessions = [rows.session(graph, threads) for _ in range(runs)]
            for batch in BATCHES:
                feeds = [feed(rows.sorted[at : at + batch]) for at in range(0, len(rows.sorted), batch)]
                took_s = statistics.median(loop_s(sessions, feeds) for _ in range(repeats))
                one = {
                    "graph": graph,
                    "runs at a time": runs,
                    "threads of each": threads or "default",
                    "batch": batch,
                }
                lines.append({**one, "rows per s": round(len(rows.rows) / took_s, 1)})
                _say(lines[-1])
    return lines


def loop_s(sessions: Sequence[ort.InferenceSession], feeds: Sequence[Feed]) -> float:
    """Time of all feeds, shared between the sessions."""
    started = time.perf_counter()
    if len(sessions) == 1:
        for feed in feeds:
            sessions[0].run(None, feed)
    else:
        with ThreadPoolExecutor(len(sessions)) as pool:
            shares = [feeds[index :: len(sessions)] for index in range(len(sessions))]
            list(
                pool.map(
                    lambda pair: [pair[0].run(None, feed) for feed in pair[1]],
                    zip(sessions, shares, strict=True),
                )
            )
    return time.perf_counter() - started


def alone(rows: Rows) -> list[dict[str, Any]]:
    """One row at a time: the reference for concurrency 1."""
    lines = []
    some = rows.rows[:: max(1, len(rows.rows) // 300)]
    for graph, feed in (("base", rows.plain), ("corrected", rows.full)):
        session = rows.session(graph, 0)
        feeds = [feed([row]) for row in some]
        session.run(None, feeds[0])
        times = [_seconds(partial(session.run, None, one)) for one in feeds]
        lines.append({"graph": graph, "p50 ms": round(1e3 * statistics.median(times), 3)})
    return lines


def correction(rows: Rows, repeats: int) -> list[dict[str, Any]]:
    """The whole graph over the base model's, the same rows in turn, by share of flagged rows."""
    base, full, lines = rows.session("base", 0), rows.session("corrected", 0), []
    middle = len(rows.sorted) // 2
    for batch in COST_BATCHES:
        chosen = rows.sorted[middle : middle + batch]
        plain = rows.plain(chosen)
        feed: Feed = {**plain, "modes": np.full((len(chosen), len(rows.modes)), MODE_CODES["apply"])}
        never = np.full(len(rows.modes), NEVER, dtype=np.float32)
        (risk,) = full.run(["risk"], {**feed, "thresholds": never})
        for share in SHARES:
            flagged = round(share * len(chosen))
            if share and not flagged:
                continue
            limits = never.copy()
            limits[0] = np.sort(risk[:, 0])[::-1][flagged - 1] if flagged else NEVER
            ratios = [
                _seconds(partial(full.run, list(OUTPUTS), {**feed, "thresholds": limits}))
                / _seconds(partial(base.run, None, plain))
                for _ in range(repeats * max(4, 128 // batch))
            ]
            lines.append(
                {"batch": len(chosen), "flagged": f"{share:.0%}", "cost": round(statistics.median(ratios), 3)}
            )
            _say(lines[-1])
    return lines


def padding(rows: Rows) -> list[dict[str, Any]]:
    """Share of positions that are padding: in order of arrival, and sorted within a queue."""
    lines = []
    for batch in BATCHES:
        one: dict[str, Any] = {"batch": batch, "FIFO": _padding(rows.rows, batch)}
        for window in (128, 512):
            waits = [rows.rows[at : at + window] for at in range(0, len(rows.rows), window)]
            ordered = [row for some in waits for row in sorted(some, key=lambda row: row.tokens)]
            one[f"sorted, {window} wait"] = _padding(ordered, batch)
        lines.append({**one, "all sorted": _padding(rows.sorted, batch)})
    return lines


def _padding(rows: Sequence[Encoded], batch: int) -> str:
    chunks = [rows[at : at + batch] for at in range(0, len(rows), batch)]
    padded = sum(len(chunk) * max(row.tokens for row in chunk) for chunk in chunks)
    return f"{1 - sum(row.tokens for row in rows) / padded:.1%}"


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _say(row: dict[str, Any]) -> None:
    print("  " + ", ".join(f"{name} {value}" for name, value in row.items()), flush=True)


def main() -> None:
    """Measure everything, print tables, write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path, default=BUNDLE)
    parser.add_argument(
        "--data", type=Path, help="HateXplain's file or folder; EVENHAND_DATA else; our pages else"
    )
    parser.add_argument("--rows", type=int, default=2000, help="how many of them at most")
    parser.add_argument("--repeats", type=int, default=3, help="of every loop")
    parser.add_argument("--out", type=Path, help="file for the figures as JSON")
    options = parser.parse_args()
    texts = read(options.data)[: options.rows]
    rows = Rows(load(options.bundle), texts)
    print(
        f"{len(texts)} rows, {sum(row.tokens for row in rows.rows) / len(texts):.1f} tokens each", flush=True
    )
    tables = {
        "raw loop": yardstick(rows, options.repeats),
        "one row at a time": alone(rows),
        "cost of correction": correction(rows, options.repeats),
        "padding": padding(rows),
        "around the engine": stages.measure(rows.bundle, texts, options.repeats),
    }
    for title, lines in tables.items():
        shown = [list(lines[0]), *([str(value) for value in line.values()] for line in lines)]
        print(f"\n{title}\n\n{table(shown)}", flush=True)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps({"rows": len(texts), **tables}, indent=1) + "\n")


if __name__ == "__main__":
    main()
