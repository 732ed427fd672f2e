"""Does memory stay flat? One server under steady load for a long time; its memory is read every ten seconds.

    python -m bench.soak --minutes 30 --data <hatexplain.jsonl or its folder>

The load is an open loop at a share, 70 % if not said, of the throughput that is measured first. Drift
compares the last
tenth of the samples with the second tenth: by then everything is warm.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop

from bench.loops import Outcome, closed, opened
from bench.process import stop_on_sigterm
from bench.protocols import Ask, asks
from bench.servers import SERVERS, Running
from bench.side_by_side.speed import SATURATED
from bench.summary import rounded, summarise
from bench.texts import Text, read

SAMPLE_S = 10.0
PIECE_S = 60.0
"""The load comes in pieces, so that it does not keep a record of every request of half an hour."""


async def soak(running: Running, sent: Sequence[Ask], minutes: float, share: float) -> dict[str, Any]:
    """Find the load, then hold it."""
    await closed(running.port, sent, SATURATED, 3)
    saturated = summarise(
        (outcome := await closed(running.port, sent, SATURATED, 10)).records, outcome.seconds
    )
    rate = share * saturated["throughput_per_s"]
    print(f"{saturated['throughput_per_s']}/s saturated; {rate:.0f}/s for {minutes:g} min", flush=True)
    samples: list[float] = []
    watching = asyncio.create_task(_watch(running, samples))
    statuses: dict[str, int] = {}
    ends = time.monotonic() + 60 * minutes
    while (left := ends - time.monotonic()) > 1:
        piece: Outcome = await opened(running.port, sent, rate, min(PIECE_S, left))
        for status, count in piece.figures()["statuses"].items():
            statuses[status] = statuses.get(status, 0) + count
    watching.cancel()
    return {
        "minutes": minutes,
        "rate_per_s": rounded(rate),
        "statuses": statuses,
        "memory_mb": [rounded(value) for value in samples],
        "drift_percent": drift(samples),
    }


async def _watch(running: Running, samples: list[float]) -> None:
    started = time.monotonic()
    while True:
        await asyncio.sleep(SAMPLE_S)
        samples.append(running.tree.memory_mb())
        print(f"{(time.monotonic() - started) / 60:5.1f} min  {samples[-1]:.1f} MB", flush=True)


def drift(samples: Sequence[float]) -> float | None:
    """Last tenth over second tenth, in percent; ``None`` with fewer than four samples."""
    if len(samples) < 4:
        return None
    tenth = max(1, len(samples) // 10)
    early, late = samples[tenth : 2 * tenth], samples[-tenth:]
    return round(100 * (statistics.mean(late) / statistics.mean(early) - 1), 2)


def main() -> None:
    """Soak one server."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--server", choices=SERVERS, default="evenhand")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument(
        "--share", type=float, default=0.7, help="of the throughput that saturates the server"
    )
    parser.add_argument(
        "--data", type=Path, help="HateXplain's file or folder; EVENHAND_DATA else; our pages else"
    )
    parser.add_argument("--out", type=Path, help="file for the figures as JSON")
    options = parser.parse_args()
    server = SERVERS[options.server]
    stop_on_sigterm()
    sent = asks(server.protocol, [Text(text, None) for text in read(options.data)])
    with server.running() as running:
        figures = uvloop.run(soak(running, sent, options.minutes, options.share))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(figures, indent=1) + "\n")
    print(f"requests by status {figures['statuses']}; drift {figures['drift_percent']} %", flush=True)


if __name__ == "__main__":
    main()
