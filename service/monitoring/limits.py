"""The limits of verdicts and alerts: some are settings, the others are constants."""

from __future__ import annotations

from evenhand.service.settings import Settings

FOUR_FIFTHS = 0.8
"""29 CFR 1607.4 D: a selection rate below four fifths of the highest is taken as evidence of adverse
impact."""


def limits_of(settings: Settings) -> dict[str, float]:
    """Limits by the name under which ``evenhand_limit`` shows them."""
    return {
        "gap": settings.gap_limit,
        "rows": float(settings.min_rows),
        "impact_ratio": FOUR_FIFTHS,
        "accuracy_drop": settings.gap_limit,
        "unknown_share": 0.2,
        "label_coverage_gap": 0.2,
        "calibration_gap": 0.1,
        "flagged_shift": 0.1,
        "risk_psi": 0.25,
    }
