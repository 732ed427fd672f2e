"""Many reloads under load: does any request fail, and does memory grow?

    python -m bench.reload --reloads 100 --data <hatexplain.jsonl or its folder>

Evenhand serves a symbolic link. Before every reload the link is moved, in one step, to a copy of the demo
bundle with the other of two versions; then POST /models/<name>/reload, while a closed loop keeps asking.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop

from bench.loops import Outcome, closed
from bench.prepare import BUNDLE
from bench.process import stop_on_sigterm
from bench.protocols import Ask, asks
from bench.servers import Running, evenhand
from bench.soak import drift
from bench.summary import percentile, rounded
from bench.texts import Text, read
from bench.wire import HOST, once, post
from evenhand.models.bundle import bundle as bundles

CONNECTIONS = 16
RELOAD_S = 60.0
VERSIONS = ("1.0.0-a", "1.0.0-b")


def copies(folder: Path, bundle: Path) -> list[Path]:
    """Two copies of a bundle that differ in their version."""
    made = []
    for version in VERSIONS:
        copy = folder / version
        shutil.copytree(bundle, copy)
        manifest, _ = bundles.read_manifest(copy)
        bundles.write_manifest(copy, manifest.model_copy(update={"version": version}))
        made.append(copy)
    return made


def point(link: Path, to: Path) -> None:
    """Move a symbolic link in one step: there is no moment without it."""
    fresh = link.with_suffix(".fresh")
    fresh.symlink_to(to, target_is_directory=True)
    fresh.replace(link)


async def drive(
    running: Running, sent: Sequence[Ask], link: Path, bundle_copies: Sequence[Path], name: str, n: int
) -> dict[str, Any]:
    """Reload again and again while a closed loop runs."""
    await closed(running.port, sent, CONNECTIONS, 2)
    memory, times, refused = [running.tree.memory_mb()], [], Counter[str]()
    stopping = False

    async def ask() -> list[Outcome]:
        outcomes = []
        while not stopping:
            outcomes.append(await closed(running.port, sent, CONNECTIONS, 2))
        return outcomes

    load = asyncio.create_task(ask())
    request = post(HOST, f"/models/{name}/reload", b"{}")
    loop = asyncio.get_running_loop()
    for number, copy in zip(range(n), itertools.cycle(reversed(bundle_copies)), strict=False):
        point(link, copy)
        started = loop.time()
        reply = await once(running.port, request, RELOAD_S)
        times.append(loop.time() - started)
        reason = "no reply" if reply is None else f"{reply.status}"
        if reply is None or reply.status != 200:
            refused[reason] += 1
        elif json.loads(reply.body).get("version") != copy.name:
            refused["another version answers"] += 1
        memory.append(running.tree.memory_mb())
        print(f"reload {number + 1}/{n}: {reason}, {times[-1]:.2f} s, {memory[-1]:.0f} MB", flush=True)
    stopping = True
    records = [record for outcome in await load for record in outcome.records]
    return {
        "reloads": n,
        "reloads_refused": dict(refused),
        "requests": len(records),
        "failed_requests": sum(record.status != 200 for record in records),
        "reload_p50_s": rounded(percentile(times, 0.5)),
        "request_p99_ms": rounded(percentile([1e3 * record.latency_s for record in records], 0.99)),
        "memory_mb": [rounded(value) for value in memory],
        "drift_percent": drift(memory),
    }


def main() -> None:
    """Serve, reload, count."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path, default=BUNDLE)
    parser.add_argument("--reloads", type=int, default=100)
    parser.add_argument(
        "--data", type=Path, help="HateXplain's file or folder; EVENHAND_DATA else; our pages else"
    )
    parser.add_argument("--out", type=Path, help="file for the figures as JSON")
    options = parser.parse_args()
    stop_on_sigterm()
    manifest, _ = bundles.read_manifest(options.bundle)
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / "served"
        made = copies(Path(folder), options.bundle)
        point(link, made[0])
        server = evenhand(link)
        sent = asks(server.protocol, [Text(text, None) for text in read(options.data)])
        with server.running() as running:
            figures = uvloop.run(drive(running, sent, link, made, manifest.name, options.reloads))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(figures, indent=1) + "\n")
    del figures["memory_mb"]
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
