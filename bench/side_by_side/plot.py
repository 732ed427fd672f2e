"""Throughput and the slowest replies, server by server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

from bench.side_by_side.report import MOST, OURS
from bench.side_by_side.speed import SATURATED

COLOURS = ("#1b6e8c", "#b0b7bd")
"""Ours and the others."""


def draw(servers: dict[str, Any], file: Path) -> None:
    """Write the plot of every server that ran."""
    ran = {name: server for name, server in servers.items() if server.get("medians")}
    ordered = sorted(ran.items(), key=lambda item: item[1]["medians"][MOST]["throughput_per_s"] or 0)
    panels = (
        ("throughput_per_s", f"requests/s, {SATURATED} connections"),
        ("p99_ms", "p99, ms (lower is better)"),
    )
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 0.45 * len(ordered) + 1.2), sharey=True)
    for axis, (figure_name, title) in zip(axes, panels, strict=True):
        values = [server["medians"][MOST][figure_name] or 0 for _, server in ordered]
        colours = [COLOURS[0] if name in OURS else COLOURS[1] for name, _ in ordered]
        bars = axis.barh([server["shown"] for _, server in ordered], values, color=colours)
        axis.bar_label(bars, fmt="%.4g", padding=3, fontsize=9)
        axis.set_title(title, fontsize=10, loc="left")
        axis.margins(x=0.15)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(file)
    pyplot.close(figure)
