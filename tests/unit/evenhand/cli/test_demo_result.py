"""What the demo says: gain, cost and losing cells stand together, and no figure is made of nothing."""

from typing import Any

from evenhand.cli.demo_result import in_words

RECORD = {"window": {"hours": 6}, "source": "decisions"}


def entry(after: str | None, base: float | None, final: float | None) -> dict[str, Any]:
    def side(value: float | None) -> dict[str, Any]:
        groups = [] if value is None else ["not mentioned", "mentioned"]
        return {"value": value, "low": value, "high": value, "groups": groups}

    return {"after": after, "rows": 90, "n": 80, "base": side(base), "final": side(final)}


def replies(**attribute: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    correction = {
        "labels": 90, "mended": 12, "broken": 3,
        "accuracy_change": {"value": 0.1, "low": 0.02, "high": 0.18},
        "losing": [
            {"group": "not mentioned", "label": "hate", "n": 40, "value": -0.05, "low": -0.08, "high": -0.01,
             "surely": True},
        ],
    }  # fmt: skip
    usual = {"attribute": "religion", "measure": "equalized-odds", "figure": "equalized_odds_difference",
             "why": None}  # fmt: skip
    fairness = [{"attribute": "religion", "sources": {"declared": {"correction": correction}}}]
    reply = {"attributes": fairness, "correction": correction}
    return {**RECORD, "attributes": [{**usual, **attribute}]}, reply


def test_gain_and_losing_cells_stand_together() -> None:
    stretches = [entry("correction off", 0.43, 0.43), entry("correction applied", 0.43, 0.17)]
    assert in_words(*replies(stretches=stretches)) == [
        "religion: equalized odds difference",
        "  correction off: 43.0 points before correction, 43.0 points after it (95 % limits 43.0 to 43.0; "
        "not mentioned and mentioned; 80 rows)",
        "  correction applied: 43.0 points before correction, 17.0 points after it "
        "(95 % limits 17.0 to 17.0; not mentioned and mentioned; 80 rows)",
        "  surely loses: not mentioned, hate: -5.0 points (-8.0 to -1.0; 40 rows)",
        "mended 12 and broke 3 of 90 labelled answers: accuracy +10.0 points (+2.0 to +18.0)",
        "All of it over the last 6 hours, from decisions of the record.",
    ]


def test_too_few_rows_and_no_rows_are_said() -> None:
    lines = in_words(*replies(stretches=[entry(None, None, None)]))
    assert lines[1] == "  before the first switch: too few rows (90)"
    assert in_words(*replies(stretches=[], why="No row."))[:2] == [
        "religion: equalized odds difference",
        "  No row.",
    ]
