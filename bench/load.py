"""Drive one server: a closed loop of connections, or an open loop of Poisson arrivals.

    python -m bench.load --port 8000 --connections 64 --seconds 5
    python -m bench.load --port 8000 --rate 200 --seconds 5 --data <hatexplain.jsonl or its folder>

One process, one thread, no task per request; what it costs itself is among the figures, for it shares the
processor with the server. Timers of the event loop are a millisecond apart, and that is part of an open
loop's latencies.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import uvloop

from bench.loops import Outcome, closed, opened
from bench.protocols import PROTOCOLS, asks
from bench.texts import Text, read


def main() -> None:
    """Print the figures of one run as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--server", choices=PROTOCOLS, default="evenhand", help="how to ask")
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--connections", type=int, help="closed loop")
    kind.add_argument("--rate", type=float, help="open loop, requests per second")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--warmup-s", type=float, default=1.0)
    parser.add_argument("--data", type=Path, help="HateXplain's file or folder; EVENHAND_DATA else")
    options = parser.parse_args()
    sent = asks(PROTOCOLS[options.server], [Text(text, None) for text in read(options.data)])

    async def drive() -> Outcome:
        await closed(options.port, sent, options.connections or 8, options.warmup_s)
        if options.connections:
            return await closed(options.port, sent, options.connections, options.seconds)
        return await opened(options.port, sent, options.rate, options.seconds)

    print(json.dumps(uvloop.run(drive()).figures(), indent=1))


if __name__ == "__main__":
    main()
