"""A recording rule, the counters of the service, and expressions that rules share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MEMORY = "1h"
"""How long Prometheus, or a replica that keeps running, may be away without a row being lost."""
TENTHS = tuple(f"{tenth / 10:.1f}" for tenth in range(1, 11))
MEMBER = ("model", "attribute", "group", "source")


@dataclass(frozen=True)
class Family:
    """A counter of the service and its own labels: those that the scrape does not add."""

    name: str
    series: str
    labels: tuple[str, ...]


FAMILIES = (
    Family("decisions", "evenhand_decisions_total", (*MEMBER, "base", "final")),
    Family("outcomes", "evenhand_outcomes_total", (*MEMBER, "base", "final", "label")),
    Family("corrections", "evenhand_corrections_total", ("model", "attribute", "result", "base", "final")),
    Family("abstentions", "evenhand_abstentions_total", ("model", "attribute", "result", "base")),
    Family("calibration", "evenhand_calibration_total", (*MEMBER, "bin", "label")),
    Family("calibration_score", "evenhand_calibration_score_total", (*MEMBER, "bin")),
    Family("detector", "evenhand_detector_total", ("model", "attribute", "flagged", "truth")),
    Family("risk_bucket", "evenhand_risk_bucket", ("model", "attribute", "le")),
)


@dataclass(frozen=True)
class Rule:
    """A recording rule, and what it means where its name does not say so."""

    record: str
    expr: str
    why: str = ""

    def __str__(self) -> str:
        why = "".join(f"      # {line}\n" for line in self.why.splitlines())
        expr = "".join(f"          {line}\n" for line in self.expr.strip().splitlines())
        return f"{why}      - record: {self.record}\n        expr: |\n{expr}"


def by(labels: Sequence[str]) -> str:
    """An aggregation's labels."""
    return f"by ({', '.join(labels)})"


def limit(name: str) -> str:
    """A limit that the service publishes; NaN, which nothing exceeds, where no replica does."""
    return f'scalar(max(evenhand_limit{{limit="{name}"}}))'
