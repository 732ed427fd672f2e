"""The limits of verdicts and alerts: some are settings, the others are constants."""

from __future__ import annotations

from evenhand.service.settings import Settings


def limits_of(settings: Settings) -> dict[str, float]:
    """Limits by the name under which ``evenhand_limit`` shows them; a target's own limit is its bundle's."""
    return {
        "gap": settings.gap_limit,
        "rows": float(settings.min_rows),
        "unknown_share": 0.2,
        "label_coverage_gap": 0.2,
        "calibration_gap": 0.1,
        "flagged_shift": 0.1,
        "risk_psi": 0.25,
    }
