"""How fast a server is, and what it costs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.loops import Outcome, closed, opened
from bench.protocols import Ask
from bench.servers import Running, Server
from bench.summary import rounded

CONNECTIONS = (1, 8, 64)
SATURATED = CONNECTIONS[-1]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how hard."""

    seconds: float
    warmup_s: float
    rate: float
    """Of the open loop, requests per second, the same for every server."""


async def measure(running: Running, asks: Sequence[Ask], plan: Plan) -> dict[str, Any]:
    """Closed loops at every concurrency, then the open loop; each after a warm-up that does not count."""
    figures = {}
    for connections in CONNECTIONS:
        await closed(running.port, asks, connections, plan.warmup_s)
        figures[f"closed_{connections}"] = await _weighed(
            running,
            lambda n=connections: closed(running.port, asks, n, plan.seconds),  # type: ignore[misc]
        )
    figures["open"] = await _weighed(running, lambda: opened(running.port, asks, plan.rate, plan.seconds))
    return figures


async def _weighed(running: Running, drive: Callable[[], Awaitable[Outcome]]) -> dict[str, Any]:
    """A run's figures, with what the server used for it."""
    before_s = running.tree.cpu_s()
    outcome = await drive()
    used_s = running.tree.cpu_s() - before_s
    answered = sum(record.status == 200 for record in outcome.records)
    return {
        **outcome.figures(),
        "cpu_ms_per_request": rounded(1e3 * used_s / answered) if answered else None,
        "memory_mb": rounded(running.tree.memory_mb()),
        "processes": running.tree.processes(),
    }


def line(server: Server, figures: dict[str, Any]) -> str:
    """One line of progress."""
    most = figures[f"closed_{SATURATED}"]
    return (
        f"{server.name}: {most['throughput_per_s']}/s, p50 {most['p50_ms']}, p99 {most['p99_ms']} ms at "
        f"{SATURATED}; {figures['closed_1']['p50_ms']} ms alone; {most['cpu_ms_per_request']} ms CPU; "
        f"{most['memory_mb']} MB" + (f"; {most['wrong']} WRONG" if most["wrong"] else "")
    )
