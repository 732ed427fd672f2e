"""Cost of three times too much load: saturation and overload in turn, and the part no server could avoid.

    python -m bench.overload --data <hatexplain.jsonl or its folder> --rounds 5

Every round saturates one server with 64 connections, then offers it three times that in an open loop. Then
it saturates the server beside a refuser of twenty lines that gets the other two thirds: load and server
share the cores, so this is the most that a server could keep if refusals were free. Ratios are taken within
a round, figures are medians.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
from pathlib import Path
from typing import Any

import uvloop

from bench import servers
from bench.loops import closed, opened
from bench.prepare import WORK
from bench.process import Tree, free_port, stop_on_sigterm
from bench.protocols import PROTOCOLS, Ask, asks
from bench.side_by_side.report import table
from bench.side_by_side.speed import SATURATED
from bench.summary import LOST, UNANSWERED
from bench.texts import Text, read

TIMES = 3
WARMUP_S = 3.0
"""Long enough for the refuser to start listening."""


class Trial:
    """One server, one refuser, and the load for both."""

    def __init__(self, port: int, refuser: int, sent: list[Ask], seconds: float) -> None:
        self._port, self._refuser, self._sent, self._seconds = port, refuser, sent, seconds

    async def warm(self) -> None:
        """Let the server find its speed."""
        await closed(self._port, self._sent, SATURATED, WARMUP_S)

    async def round(self) -> dict[str, Any]:
        """All three, one after the other."""
        saturated = await self._saturated()
        over = (await opened(self._port, self._sent, TIMES * saturated, self._seconds)).figures()
        other = opened(self._refuser, self._sent, (TIMES - 1) * saturated, self._seconds)
        beside, _ = await asyncio.gather(self._saturated(), other)
        return {
            "saturated/s": saturated,
            "kept": over["throughput_per_s"] / saturated,
            "kept beside a bare refuser": beside / saturated,
            "refusals p99, ms": over["refusals"]["p99_ms"] or 0.0,
            "accepted p99, ms": over["p99_ms"],
            "longest, ms": over["longest_ms"],
            "refusals without Retry-After": over["refused"] - over["refusals_with_retry_after"],
            "requests": sum(over["statuses"].values()),
            "lost": sum(over["statuses"].get(str(status), 0) for status in (LOST, UNANSWERED)),
        }

    async def _saturated(self) -> float:
        outcome = await closed(self._port, self._sent, SATURATED, self._seconds)
        throughput: float = outcome.figures()["throughput_per_s"]
        return throughput


async def measure(trial: Trial, rounds: int) -> list[dict[str, Any]]:
    """Run every round, and print its figures at its end."""
    figures = []
    await trial.warm()
    for number in range(rounds):
        figures.append(await trial.round())
        print(
            f"round {number + 1}/{rounds}: " + ", ".join(f"{n} {v:.4g}" for n, v in figures[-1].items()),
            flush=True,
        )
    return figures


def lines(figures: list[dict[str, Any]]) -> list[list[str]]:
    """The table: of every figure the median and the range."""
    made = [["three times the load", "median", "over the rounds"]]
    for name in figures[0]:
        values = [one[name] for one in figures]
        made.append([name, f"{statistics.median(values):.4g}", f"{min(values):.4g} to {max(values):.4g}"])
    return made


def main() -> None:
    """Measure in rounds; print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each of the three")
    parser.add_argument(
        "--data", type=Path, help="HateXplain's file or folder; EVENHAND_DATA else; our pages else"
    )
    options = parser.parse_args()
    stop_on_sigterm()
    sent = asks(PROTOCOLS["evenhand"], [Text(text, None) for text in read(options.data)])
    port = free_port()
    command = [sys.executable, "-m", "bench.refuser", str(port)]
    refuser = Tree(command, WORK / "logs/refuser.log", servers.ROOT, {})
    try:
        with servers.evenhand().running() as running:
            trial = Trial(running.port, port, sent, options.seconds)
            print("\n" + table(lines(uvloop.run(measure(trial, options.rounds)))))
    finally:
        refuser.kill()


if __name__ == "__main__":
    main()
