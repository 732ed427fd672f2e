"""What a proxy costs: the same requests to a server alone and through ``evenhand proxy``, taking turns.

    python -m bench.proxy <bundle> --path /v2/models/m/infer --body body.json --reply reply.json \
        --milliseconds 20 --rounds 5 -- --workers 2
    python -m bench.proxy <bundle> --upstream http://127.0.0.1:8080 --path /v2/models/m/infer --body body.json

The server behind is a real one (``--upstream``), or ``bench.stand_in``, which costs this machine next to
nothing, as a server on another machine does: say with ``--milliseconds`` how long it takes and with
``--at-once`` how many requests it works at. One client loads, by turns, the server alone, the server behind
``bench.relay`` (what the machine itself takes for a hop), and the server behind the proxy, at one connection
and at 64. Medians over rounds. Client, proxy and server share this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server that is loaded."""

    port: int
    tree: Tree | None
    """What is in front of the server behind; ``None``: nothing."""

    def cpu_s(self) -> float:
        """Processor time so far of what is in front."""
        return 0.0 if self.tree is None else self.tree.cpu_s()


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--upstream", help="a server on this machine that is running")
    parser.add_argument("--reply", type=Path, help="file with the body of every reply of a stand-in")
    parser.add_argument("--milliseconds", type=float, default=20.0, help="how long the stand-in takes")
    parser.add_argument("--at-once", type=int, default=10**6, help="requests that it works at")
    parser.add_argument("--path", required=True, help="the route that predicts")
    parser.add_argument(
        "--body", type=Path, required=True, help="file with a request, or several, one a line"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    cut = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    options, proxy_options = parser.parse_args(sys.argv[1:cut]), sys.argv[cut + 1 :]
    if (options.upstream is None) == (options.reply is None):
        parser.error("say --upstream, or --reply for a stand-in")
    with tempfile.TemporaryDirectory() as folder, _contestants(options, proxy_options, Path(folder)) as all_:
        print(json.dumps(measure(all_, options), indent=1))


@contextmanager
def _contestants(
    options: argparse.Namespace, proxy_options: list[str], folder: Path
) -> Iterator[dict[str, Contestant]]:
    """The server alone, behind a relay, and behind the proxy."""
    trees: list[Tree] = []

    def start(name: str, command: list[str], **environment: str) -> Tree:
        trees.append(Tree([sys.executable, *command], folder / name, Path.cwd(), environment))
        return trees[-1]

    try:
        behind = free_port()
        if options.upstream is None:
            said = ("--milliseconds", str(options.milliseconds), "--at-once", str(options.at_once))
            reply = str(options.reply)
            start("stand-in", ["-m", "bench.stand_in", str(behind), "--reply", reply, *said]).wait_ready(
                behind, "/"
            )
        else:
            behind = urlsplit(options.upstream).port or 80
        hop = free_port()
        relay = start("relay", ["-m", "bench.relay", str(hop), str(behind)])
        relay.wait_listening(hop)
        port = free_port()
        upstream = ["--upstream", f"http://{HOST}:{behind}", "--port", str(port)]
        proxy = start(
            "proxy",
            ["-c", OURS, "proxy", str(options.bundle), *upstream, *proxy_options],
            EVENHAND_STATE=str(folder / "state"),
            EVENHAND_WATCH_S="0",
        )
        proxy.wait_ready(port, "/readyz")
        yield {
            "alone": Contestant(behind, None),
            "relay": Contestant(hop, relay),
            "proxied": Contestant(port, proxy),
        }
    finally:
        for tree in trees:
            tree.kill()


def measure(contestants: dict[str, Contestant], options: argparse.Namespace) -> dict[str, Any]:
    """Medians over rounds, at each number of connections.

    Args:
        contestants: By name; the first one is what the others are compared with.
        options: What is asked, how long and how often.
    """
    bodies = [line for line in options.body.read_bytes().splitlines() if line.strip()]
    asks = [Ask(post(HOST, options.path, body), None) for body in bodies]
    figures: dict[str, Any] = {
        "upstream": options.upstream or f"stand-in: {options.milliseconds:g} ms, {options.at_once} at once",
        "rounds": options.rounds,
        "seconds": options.seconds,
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
    }
    for connections in CONNECTIONS:
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in contestants}
        for turn in range(-1, options.rounds):
            for name, contestant in contestants.items():
                cpu_s = contestant.cpu_s()
                seconds = 1.0 if turn < 0 else options.seconds
                outcome = uvloop.run(closed(contestant.port, asks, connections, seconds))
                if turn >= 0:  # the first turn warms all up
                    runs[name].append(summary(outcome, contestant.cpu_s() - cpu_s))
        figures[f"{connections} connections"] = compared(runs)
    return {**figures, "load_after": os.getloadavg()[0]}


def summary(outcome: Outcome, cpu_s: float) -> dict[str, float]:
    """Median latency, requests per second, failures, and processor time in front, of one run."""
    answered = [record for record in outcome.records if record.status == 200]
    return {
        "median_ms": 1000 * statistics.median(record.latency_s for record in answered),
        "per_s": len(answered) / outcome.seconds,
        "failed": len(outcome.records) - len(answered),
        "cpu_ms_per_request": 1e3 * cpu_s / max(1, len(answered)),
    }


def compared(runs: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Medians of the runs, and of what each differs from the first one's of its round."""
    base = next(iter(runs.values()))
    return {
        name: {
            **{key: round(statistics.median(run[key] for run in rows), 3) for key in rows[0]},
            "added_ms": round(
                statistics.median(b["median_ms"] - a["median_ms"] for a, b in zip(base, rows, strict=True)), 3
            ),
            "throughput_ratio": round(
                statistics.median(b["per_s"] / a["per_s"] for a, b in zip(base, rows, strict=True)), 3
            ),
        }
        for name, rows in runs.items()
    }


if __name__ == "__main__":
    main()
