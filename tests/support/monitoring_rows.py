"""Rows whose fairness Fairlearn and the recording rules must agree on."""

import math
import time
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from fairlearn.metrics import (
    MetricFrame,
    demographic_parity_difference,
    demographic_parity_ratio,
    equal_opportunity_difference,
    equalized_odds_difference,
    false_positive_rate,
    false_positive_rate_difference,
    selection_rate,
    true_positive_rate,
)
from monitoring_stack import Prometheus
from sklearn.metrics import accuracy_score


@dataclass(frozen=True)
class Rows:
    """Decisions with their true labels; 1 is favourable. Each array ``[rows]``."""

    group: np.ndarray[Any, Any]
    base: np.ndarray[Any, Any]
    final: np.ndarray[Any, Any]
    label: np.ndarray[Any, Any]

    @classmethod
    def random(cls, seed: int, rows: int, groups: tuple[str, ...] = ("a", "b", "c")) -> Self:
        """Rows of groups that are treated differently; with enough rows, every group has both labels."""
        random = np.random.default_rng(seed)
        place = random.choice(
            len(groups), rows, p=np.arange(1, len(groups) + 1) / np.arange(len(groups) + 1).sum()
        )
        label = random.random(rows) < 0.3 + 0.1 * place
        base = random.random(rows) < 0.2 + 0.4 * label + 0.1 * place
        final = np.where(random.random(rows) < 0.15, ~base, base)
        return cls(np.array(groups)[place], base.astype(int), final.astype(int), label.astype(int))

    def __add__(self, other: Self) -> "Rows":
        return Rows(*(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(Rows)))

    def __len__(self) -> int:
        return len(self.group)


def by_fairlearn(rows: Rows, answer: str) -> dict[str, float]:
    """Every figure of the rules, computed by Fairlearn: by the rule's name, per group with ``{group}``."""
    columns = {"y_true": rows.label, "y_pred": getattr(rows, answer), "sensitive_features": rows.group}
    figures = {
        f"demographic_parity_difference_{answer}": demographic_parity_difference(**columns),
        f"demographic_parity_ratio_{answer}": demographic_parity_ratio(**columns),
        f"equal_opportunity_difference_{answer}": equal_opportunity_difference(**columns),
        f"predictive_equality_difference_{answer}": false_positive_rate_difference(**columns),
        f"equalized_odds_difference_{answer}": equalized_odds_difference(**columns),
    }
    metrics = {
        "selection_rate": selection_rate,
        "true_positive_rate": true_positive_rate,
        "false_positive_rate": false_positive_rate,
        "accuracy": accuracy_score,
    }
    frame = MetricFrame(metrics=metrics, **columns)
    figures[f"worst_group_accuracy_{answer}"] = frame.group_min()["accuracy"]
    cells = [f"{group}, {label}" for group, label in zip(rows.group, rows.label, strict=True)]
    by_cell = MetricFrame(metrics=accuracy_score, **{**columns, "sensitive_features": cells})
    figures[f"worst_cell_accuracy_{answer}"] = by_cell.group_min()
    for name in metrics:
        figures |= {
            f'{name}_{answer}{{group="{group}"}}': value for group, value in frame.by_group[name].items()
        }
    return {name: float(value) for name, value in figures.items()}


def recorded(prometheus: Prometheus, window: str, where: str, names: list[str]) -> dict[str, float]:
    """What the rules say of these figures. ``where``: label matchers of model, attribute and source."""
    values = {}
    for name in names:
        metric, _, group = name.partition("{")
        inside = ", ".join(filter(None, (where, group.rstrip("}"))))
        values[name] = prometheus.value(f"evenhand:{metric}:{window}{{{inside}}}")
    return values


def assert_rules_equal_fairlearn(prometheus: Prometheus, rows: Rows, window: str, where: str) -> None:
    """Fail unless the rules come to say of exactly these rows what Fairlearn says, to 1e-12."""
    prometheus.wait_for(f"sum(evenhand:rows:{window}{{{where}}})", len(rows))
    prometheus.wait_for(f"sum(evenhand:labels:{window}{{{where}}})", len(rows))
    expected = by_fairlearn(rows, "base") | by_fairlearn(rows, "final")
    deadline_s = time.monotonic() + 600
    while True:  # the rules that build on these counts may be one evaluation behind
        figures = recorded(prometheus, window, where, list(expected))
        wrong = {
            n: (figures[n], expected[n])
            for n in expected
            if not math.isclose(figures[n], expected[n], abs_tol=1e-12)
        }
        if not wrong:
            return
        assert time.monotonic() < deadline_s, f"rules, Fairlearn: {wrong}"
        time.sleep(0.2)
