"""From rounds to a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.side_by_side.speed import CONNECTIONS, SATURATED
from bench.summary import median, rounded

PHASES = (*(f"closed_{n}" for n in CONNECTIONS), "open")
OURS = ("evenhand", "evenhand-off")
HELPED = ("fastapi-ours",)
"""Peers around what is ours: shown and compared with, and not among those of which the best is named."""
MOST = f"closed_{SATURATED}"


def medians(rounds: Sequence[dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Per phase, the median over rounds of every figure that is a number."""
    figures: dict[str, dict[str, float | None]] = {}
    for phase in PHASES:
        of = [one[phase] for one in rounds]
        names = [name for name, value in of[0].items() if isinstance(value, int | float) or value is None]
        figures[phase] = {name: rounded(median([one[name] for one in of])) for name in names}
    return figures


def ratios(servers: dict[str, Any], ours: str) -> dict[str, float | None]:
    """Throughput of ours over each other server's: within every round, then the median."""
    mine, medians_of = servers.get(ours, {}).get("rounds", []), {}
    for name, server in servers.items():
        pairs = zip(mine, server.get("rounds", []), strict=False)
        each = [a[MOST]["throughput_per_s"] / b[MOST]["throughput_per_s"] for a, b in pairs if _went(b)]
        if name != ours and each:
            medians_of[name] = rounded(median(each))
    return medians_of


def best_peer(servers: dict[str, Any]) -> str | None:
    """The peer with the highest median throughput."""
    peers = {
        name: server
        for name, server in servers.items()
        if name not in OURS + HELPED and server.get("medians")
    }
    return max(peers, key=lambda name: peers[name]["medians"][MOST]["throughput_per_s"] or 0, default=None)


def markdown(results: dict[str, Any]) -> str:
    """Everything as text: settings, speed, behaviour, and what did not run."""
    servers, settings = results["servers"], results["settings"]
    parts = [
        f"Rows: {results['texts']}. {results['machine']['cores']} cores; medians of {settings['rounds']} "
        f"alternating rounds of {settings['seconds']:g} s; the open loop at {settings['rate']:g}/s.",
        _speed(servers),
        _compared(servers),
        "Overload: open loop at 3 times the throughput measured just before, "
        f"{settings['overload_seconds']:g} s. Faults: 1 row in 32, 64 connections. SIGTERM with 64 "
        "connections busy.",
        _behaviour(servers),
    ]
    failed = [
        f"- {server['shown']}: {server['failed']}" for server in servers.values() if server.get("failed")
    ]
    return "\n\n".join([part for part in [*parts, "\n".join(failed)] if part]) + "\n"


def _speed(servers: dict[str, Any]) -> str:
    head = ["server", *(f"req/s, {n}" for n in CONNECTIONS), "p50 ms, 1", f"p50 / p95 / p99 ms, {SATURATED}"]
    rows = [[*head, "p99 ms, open", "CPU ms per request", "memory MB", "load's own CPU µs", "wrong"]]
    for server in servers.values():
        of = server.get("medians")
        if not of:
            continue
        most = of[MOST]
        rows.append(
            [
                server["shown"],
                *(_said(of[f"closed_{n}"]["throughput_per_s"]) for n in CONNECTIONS),
                _said(of["closed_1"]["p50_ms"]),
                " / ".join(_said(most[name]) for name in ("p50_ms", "p95_ms", "p99_ms")),
                _said(of["open"]["p99_ms"]),
                _said(most["cpu_ms_per_request"]),
                _said(most["memory_mb"]),
                _said(most["client_cpu_us_per_request"]),
                _said(sum(one[phase]["wrong"] for one in server["rounds"] for phase in PHASES)),
            ]
        )
    return table(rows) if len(rows) > 1 else ""


def _compared(servers: dict[str, Any]) -> str:
    lines = []
    for ours in OURS:
        of = ratios(servers, ours)
        best = best_peer(servers)
        if of and best:
            rest = ", ".join(f"{name} {value}" for name, value in of.items())
            lines.append(f"- {ours}: {of.get(best)} times the best peer ({best}). Over each: {rest}")
    return "\n".join(lines)


def _behaviour(servers: dict[str, Any]) -> str:
    head = [
        "server",
        "failed good rows: schema",
        "in the model",
        "3x overload: of saturated",
        "accepted p99, longest ms",
    ]
    rows = [[*head, "refused: p99 ms", "lost or unanswered", "SIGTERM: answered", "exit, s", "orphans"]]
    for server in servers.values():
        steps = [server.get(step) for step in ("schema", "in_model", "overload", "stop")]
        if any(steps):
            schema, in_model, over, stop = steps
            rows.append([server["shown"], _faults(schema), _faults(in_model), *_overload(over), *_stop(stop)])
    return table(rows) if len(rows) > 1 else ""


def _faults(faults: dict[str, Any] | None) -> str:
    if not faults:
        return ""
    after = "" if faults["answers_afterwards"] else ", then no answer"
    return f"{faults['failed_good']} of {faults['good']}{after}"


def _overload(over: dict[str, Any] | None) -> list[str]:
    if not over or "statuses" not in over:
        return ["", "", "", ""]
    refused = "none"
    if over["refused"]:
        statuses = ", ".join(status for status in over["statuses"] if status not in ("200", "0", "-1"))
        share = over["refusals_with_retry_after"] / over["refused"]
        refused = (
            f"{over['refused']} ({statuses}): {_said(over['refusals']['p99_ms'])}, Retry-After {share:.0%}"
        )
    return [
        _said(over["ratio_to_saturated"]),
        f"{_said(over['p99_ms'])}, {_said(over['longest_ms'])}",
        refused,
        f"{over['lost']} + {over['unanswered']} of {over['requests']}",
    ]


def _stop(stop: dict[str, Any] | None) -> list[str]:
    if not stop:
        return ["", "", ""]
    code = "killed" if stop["exit_code"] is None else stop["exit_code"]
    return [f"{stop['answered']} of {stop['under_way']}", f"{code}, {stop['seconds']}", str(stop["orphans"])]


def table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is its head."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], f"|{'---|' * len(rows[0])}", *lines[1:]])


def _went(one: dict[str, Any]) -> bool:
    return bool(one[MOST]["throughput_per_s"])


def _said(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
