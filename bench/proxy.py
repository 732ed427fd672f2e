"""What a proxy costs: the same requests to a server alone and through ``evenhand proxy``, taking turns.

    python -m bench.proxy <bundle> --upstream http://127.0.0.1:8080 --path /v2/models/m/infer \
        --body body.json --rounds 5 -- --column age --column pay

Alternates A B A B in one run, at one connection and at 64, and prints medians over rounds. Everything shares
this machine: the load, the proxy, its graph, and the server behind it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop

from bench.loops import Outcome, closed
from bench.process import Tree, free_port
from bench.protocols import Ask
from bench.servers import OURS
from bench.wire import HOST, post

CONNECTIONS = (1, 64)


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--upstream", required=True, help="a server on this machine that is running")
    parser.add_argument("--path", required=True, help="its route that predicts")
    parser.add_argument(
        "--body", type=Path, required=True, help="file with a request, or several, one a line"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    cut = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    options, proxy_options = parser.parse_args(sys.argv[1:cut]), sys.argv[cut + 1 :]
    bodies = [line for line in options.body.read_bytes().splitlines() if line.strip()]
    asks = [Ask(post(HOST, options.path, body), None) for body in bodies]
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", OURS, "proxy", str(options.bundle), "--upstream", options.upstream]
        tree = Tree(
            [*command, "--port", str(port), *proxy_options],
            Path(folder) / "log",
            Path.cwd(),
            {"EVENHAND_STATE": str(Path(folder) / "state"), "EVENHAND_WATCH_S": "0"},
        )
        try:
            tree.wait_ready(port, "/readyz")
            ports = urlsplit(options.upstream).port or 80, port
            print(json.dumps(measure(asks, ports, tree, options), indent=1))
        finally:
            tree.kill()


def measure(
    asks: list[Ask], ports: tuple[int, int], tree: Tree, options: argparse.Namespace
) -> dict[str, Any]:
    """Medians over rounds, at each number of connections.

    Args:
        asks: The requests.
        ports: Of the server alone, and of the proxy.
        tree: The proxy's processes.
        options: How long and how often.
    """
    figures: dict[str, Any] = {"rounds": options.rounds, "seconds": options.seconds}
    for connections in CONNECTIONS:
        runs: dict[str, list[dict[str, Any]]] = {"alone": [], "proxied": []}
        for turn in range(-1, options.rounds):
            for name, port in zip(runs, ports, strict=True):
                cpu_s = tree.cpu_s()
                outcome = uvloop.run(closed(port, asks, connections, 1.0 if turn < 0 else options.seconds))
                if turn >= 0:  # the first turn warms both up
                    runs[name].append(summary(outcome, tree.cpu_s() - cpu_s))
        figures[f"{connections} connections"] = compared(runs)
    return figures


def summary(outcome: Outcome, cpu_s: float) -> dict[str, Any]:
    """Median latency, requests per second, failures, and the proxy's processor time, of one run."""
    answered = [record for record in outcome.records if record.status == 200]
    return {
        "median_ms": 1000 * statistics.median(record.latency_s for record in answered),
        "per_s": len(answered) / outcome.seconds,
        "failed": len(outcome.records) - len(answered),
        "proxy_cpu_us_per_request": 1e6 * cpu_s / max(1, len(answered)),
    }


def compared(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Medians of the runs, and of what each pair of runs differs by."""
    pairs = list(zip(runs["alone"], runs["proxied"], strict=True))
    return {
        **{
            name: {key: round(statistics.median(run[key] for run in rows), 3) for key in rows[0]}
            for name, rows in runs.items()
        },
        "added_ms": round(statistics.median(b["median_ms"] - a["median_ms"] for a, b in pairs), 3),
        "throughput_ratio": round(statistics.median(b["per_s"] / a["per_s"] for a, b in pairs), 3),
    }


if __name__ == "__main__":
    main()
