"""What one caller waits beyond the model itself: HTTP, tokenising, the queue, counting and recording.

    python -m bench.alone --data <hatexplain.jsonl or its folder> --rounds 5

Every round takes the same texts through the bundle's graph with nothing around it, one by one, and then
through the server over one connection. Both run the graph the same way: on all cores, as the server does by
default for a row that is alone, or on one, as it does with ``EVENHAND_THREADS=1``. Differences are taken
within a round, figures are medians over rounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from dataclasses import replace
from pathlib import Path

from bench import servers
from bench.engine import Rows
from bench.prepare import BUNDLE
from bench.process import stop_on_sigterm
from bench.protocols import PROTOCOLS, asks
from bench.side_by_side.report import table
from bench.texts import Text, read
from evenhand.models.bundle import bundle as bundles

TEXTS = 300


def bare_p50_ms(rows: Rows, threads: int) -> float:
    """Median time of one row's run of the served graph."""
    session, times_ms = rows.session("corrected", threads), []
    feeds = [rows.full([row]) for row in rows.rows]
    session.run(None, feeds[0])
    for feed in feeds:
        started_s = time.perf_counter()
        session.run(None, feed)
        times_ms.append(1e3 * (time.perf_counter() - started_s))
    return statistics.median(times_ms)


def main() -> None:
    """Measure in rounds; print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument(
        "--data", type=Path, help="HateXplain's file or folder; EVENHAND_DATA else; our pages else"
    )
    options = parser.parse_args()
    stop_on_sigterm()
    texts = read(options.data)
    texts = texts[:: max(1, len(texts) // TEXTS)]
    rows, sent = (
        Rows(bundles.load(BUNDLE), texts),
        asks(PROTOCOLS["evenhand"], [Text(text, None) for text in texts]),
    )
    ours, cores = servers.evenhand(), os.cpu_count() or 1
    ways = {"all cores, as it is": (cores, ours), "EVENHAND_THREADS=1": (1, one_thread(ours))}
    times_ms: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for number in range(options.rounds):
        for name, (threads, server) in ways.items():
            bare_ms = bare_p50_ms(rows, threads)
            served_ms = float(servers.figures_of(server, sent, 1, 1, options.seconds)["p50_ms"])
            times_ms[name].append((bare_ms, served_ms))
            print(f"round {number + 1}, {name}: {bare_ms:.2f} ms bare, {served_ms:.2f} served", flush=True)
    print("\n" + table(lines(times_ms)))


def one_thread(server: servers.Server) -> servers.Server:
    """The server that runs every row on one core."""
    return replace(server, environment={**server.environment, "EVENHAND_THREADS": "1"})


def lines(times_ms: dict[str, list[tuple[float, float]]]) -> list[list[str]]:
    """The table: medians over the rounds, the difference with its range."""
    made = [["one caller", "graph alone, p50 ms", "served, p50 ms", "more, ms", "over the rounds"]]
    for name, pairs in times_ms.items():
        more_ms = [served_ms - bare_ms for bare_ms, served_ms in pairs]
        bare_ms, served_ms = (statistics.median(side) for side in zip(*pairs, strict=True))
        spread = f"{min(more_ms):.2f} to {max(more_ms):.2f}"
        made.append([name, f"{bare_ms:.2f}", f"{served_ms:.2f}", f"{statistics.median(more_ms):.2f}", spread])
    return made


if __name__ == "__main__":
    main()
