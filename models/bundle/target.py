"""The target of a correction: which fairness measure, of which attributes, and what it may cost. No torch.

A target is named before anything is learnt. The choice of settings, the certificate, the card, ``/fairness``,
the dashboard and the report speak of it first; every other measure is information without a verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Measure = Literal[
    "worst-cell", "equalized-odds", "equal-opportunity", "predictive-equality", "demographic-parity"
]
MEASURES: tuple[Measure, ...] = (
    "worst-cell",
    "equalized-odds",
    "equal-opportunity",
    "predictive-equality",
    "demographic-parity",
)
RATES: dict[Measure, tuple[str, ...]] = {
    "equalized-odds": ("true_positive_rate", "false_positive_rate"),
    "equal-opportunity": ("true_positive_rate",),
    "predictive-equality": ("false_positive_rate",),
    "demographic-parity": ("selection_rate",),
}
"""The rates whose gap between groups a measure is about: the largest of them, as in Fairlearn."""
FIGURES: dict[Measure, str] = {
    "worst-cell": "worst_cell_accuracy",
    "equalized-odds": "equalized_odds_difference",
    "equal-opportunity": "equal_opportunity_difference",
    "predictive-equality": "predictive_equality_difference",
    "demographic-parity": "demographic_parity_difference",
}
"""Fairlearn's names, and the worst cell's, which Fairlearn lacks."""


class AttributeTarget(BaseModel):
    """What is aimed at for one attribute."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attribute: str
    """An evaluated attribute, or an intersection ``first:second``."""
    measure: Measure
    """Which figure: a gap in rates that should be small, or the worst cell's accuracy that should be high."""
    limit: float | None = Field(default=None, ge=0.0, le=1.0)
    """In service, the largest gap, or the least accuracy, that is no breach; a share."""

    @property
    def is_gap(self) -> bool:
        """Whether less is better."""
        return self.measure != "worst-cell"


class Target(BaseModel):
    """What the correction is for, and what it may cost; every loss is a share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attributes: list[AttributeTarget] = Field(min_length=1)
    """One per attribute that is aimed at."""
    max_loss: float = Field(ge=0.0, le=1.0)
    """Overall accuracy that the correction may cost."""
    max_cell_loss: float | None = Field(default=None, ge=0.0, le=1.0)
    """Accuracy that any cell (label x group) of enough rows may lose; no limit if ``None``."""

    def of(self, attribute: str) -> AttributeTarget | None:
        """What is aimed at for an attribute, if anything."""
        return next((each for each in self.attributes if each.attribute == attribute), None)

    def in_words(self) -> str:
        """``equalized odds of any_group, at most 0.5 points of accuracy lost, 5 in any cell``."""
        cell = "" if self.max_cell_loss is None else f", {100 * self.max_cell_loss:g} in any cell"
        return f"{aims(self.attributes)}, at most {100 * self.max_loss:g} points of accuracy lost{cell}"


def aims(attributes: Sequence[AttributeTarget]) -> str:
    """``equal opportunity of sex; worst cell of race and age``."""
    measures = dict.fromkeys(each.measure for each in attributes)
    said = []
    for measure in measures:
        names = [each.attribute for each in attributes if each.measure == measure]
        said.append(f"{measure.replace('-', ' ')} of {' and '.join(names)}")
    return "; ".join(said)


def loss_in_words(cell: Mapping[str, Any]) -> str:
    """A cell that pays for the gain, as an evaluation's ``losing`` lists it."""
    change = cell["difference"]
    return (
        f"{cell['attribute']} = {cell['group']}, {cell['label']} "
        f"{'surely loses' if cell['surely'] else 'loses'} {-100 * change['value']:.1f} points of accuracy "
        f"({-100 * change['high']:.1f} to {-100 * change['low']:.1f}, n {change['n']})"
    )
