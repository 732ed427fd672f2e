"""Words that every report of ours shares, of a fit and of a period: what figures mean, and how a share is written."""

from __future__ import annotations

from typing import Any

KEPT = "\N{NO-BREAK SPACE}"
"""A line does not end here."""
MEANINGS = {
    "favourable": "The label, or labels, that are good for the person the answer is about.",
    "selection rate": "Share of rows that are answered with a favourable label (Fairlearn: selection_rate).",
    "true and false positive rate": "Share answered favourably among rows whose true label is favourable, and among "
    "rows whose true label is not (Fairlearn: true_positive_rate, false_positive_rate).",
    "demographic parity difference, ratio": "Largest minus smallest selection rate over groups; smallest over largest "
    "(Fairlearn: demographic_parity_difference, demographic_parity_ratio).",
    "equal opportunity difference": "Largest minus smallest true positive rate over groups (Hardt, Price and Srebro "
    "2016; Fairlearn: equal_opportunity_difference).",
    "equalized odds difference": "The larger of the two gaps in true and in false positive rate over groups (Hardt, "
    "Price and Srebro 2016; Fairlearn: equalized_odds_difference).",
    "mended, broken": "Rows whose wrong base answer the correction made right, and whose right one it made wrong.",
}
"""In the order in which a page lists them; a page that says more of one puts its own in its place."""


def percent(rate: dict[str, Any]) -> str:
    """``47.5 % (32.9 to 62.5)``, or that there is no row."""
    if rate["value"] is None:
        return "no rows"
    return f"{100 * rate['value']:.1f}{KEPT}% ({100 * rate['low']:.1f}{KEPT}to{KEPT}{100 * rate['high']:.1f})"
