"""Unit tests of the repository's rules by promtool, from counts per group instead of hand-written series."""

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from monitoring_stack import program, quick_rules

STEP_MIN = 30
"""Between two samples and two evaluations: ``for`` keeps its length, and a day takes 48 evaluations."""
HOURS = 60
LIMITS = {
    "gap": 0.05,
    "rows": 100,
    "unknown_share": 0.2,
    "label_coverage_gap": 0.2,
    "calibration_gap": 0.1,
    "flagged_shift": 0.1,
    "risk_psi": 0.25,
}
Series = dict[str, str]
"""Series in promtool's notation, and their values."""


def series(name: str, value: float | str, **labels: str) -> Series:
    """One series, constant unless its values are written out."""
    values = value if isinstance(value, str) else f"{value}x{HOURS * 60 // STEP_MIN}"
    all_labels = {"model": "m", "attribute": "sex", **labels}
    written = ",".join(f'{key}="{text}"' for key, text in all_labels.items() if text)
    return {f"{name}{{{written}}}": values}


def both(*parts: Series) -> Series:
    """Series together."""
    return {name: values for part in parts for name, values in part.items()}


def replica() -> Series:
    """What a replica that has just started says of itself."""
    limits = (
        series("evenhand_limit", value, model="", attribute="", limit=name) for name, value in LIMITS.items()
    )
    start = series("evenhand_start_time_seconds", 0, model="", attribute="")
    return both(start, series("evenhand_threshold", 0.5), *limits)


def aims(measure: str, limit: float) -> Series:
    """The target of the attribute; a service says NaN for every other measure."""
    return series("evenhand_target_limit", limit, measure=measure)


def price(overall: float, cell: float | str = "NaN") -> Series:
    """What the correction may cost."""
    losses = {"overall": overall, "cell": cell}
    return both(
        *(
            series(
                "evenhand_target_loss",
                value if value != "NaN" else "NaN" + " NaN" * 10,
                attribute="",
                loss=name,
            )
            for name, value in losses.items()
        )
    )


def decisions(
    group: str, rows: int, final: float, base: float | None = None, source: str = "declared"
) -> Series:
    """Rows of a group with their shares of favourable answers; the base has the same unless it is given."""
    answered = round(rows * final)
    alone = answered if base is None else round(rows * base)
    cells = {
        "11": min(answered, alone),
        "01": max(answered - alone, 0),
        "10": max(alone - answered, 0),
        "00": rows - max(answered, alone),
    }
    return both(
        *(
            series("evenhand_decisions_total", count, group=group, source=source, base=bits[0], final=bits[1])
            for bits, count in cells.items()
        )
    )


def outcomes(group: str, cells: Mapping[str, int], source: str = "declared") -> Series:
    """Labelled rows of a group by base, final and label: ``{"101": 3}``; all other cells are zero."""
    every = (f"{base}{final}{label}" for base in "01" for final in "01" for label in "01")
    return both(
        *(
            series(
                "evenhand_outcomes_total",
                cells.get(c, 0),
                group=group,
                source=source,
                base=c[0],
                final=c[1],
                label=c[2],
            )
            for c in every
        )
    )


@dataclass(frozen=True)
class Case:
    """A state of the service, and what the rules say of it.

    Attributes:
        name: What is tested.
        series: What is scraped, besides what every replica says.
        expects: Query to the values it has, by labels in promtool's notation; nothing where it has none.
        hours: When it is asked.
    """

    name: str
    series: Series
    expects: Mapping[str, Mapping[str, float]]
    hours: float = 3


def assert_cases(folder: Path, cases: Iterable[Case], windows: Sequence[str] = ("1d", "7d")) -> None:
    """Run promtool over cases with the repository's rules; fail with what it says."""
    quick_rules(folder / "rules", STEP_MIN * 60, None)
    names = ("totals", *(f"window_{window}" for window in windows), "alerts_fairness", "alerts_service")
    tests = [
        {
            "name": case.name,
            "interval": f"{STEP_MIN}m",
            "input_series": [{"series": n, "values": v} for n, v in both(replica(), case.series).items()],
            "promql_expr_test": [
                {
                    "expr": query,
                    "eval_time": f"{round(case.hours * 60)}m",
                    "exp_samples": [{"labels": labels, "value": value} for labels, value in samples.items()],
                }
                for query, samples in case.expects.items()
            ],
        }
        for case in cases
    ]
    groups = [f"evenhand-{group}" for group in ("totals", *windows, "fairness", "service")]
    files = [f"rules/{name}.yml" for name in names]
    whole = {
        "rule_files": files,
        "evaluation_interval": f"{STEP_MIN}m",
        "group_eval_order": groups,
        "tests": tests,
    }
    (folder / "test.yml").write_text(yaml.safe_dump(whole, sort_keys=False))
    command = [program("promtool"), "test", "rules", folder / "test.yml"]
    spacious = {**os.environ, "GOGC": "800"}  # it collects its memory rarely: a fifth of its time otherwise
    done = subprocess.run(command, env=spacious, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
