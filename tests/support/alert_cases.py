"""For each alert on fairness: states in which it fires, stays silent, or has too little to judge."""

from promtool import Case, Series, both, decisions, outcomes, series

SILENT: dict[str, float] = {}


def firing(alert: str, *by: str) -> str:
    """Query that counts how often an alert fires."""
    return f'count by ({", ".join(by)}) (ALERTS{{alertname="{alert}", alertstate="firing"}})'


def labelled(
    group: str, positives: int, tpr: float, negatives: int, fpr: float, source: str = "declared"
) -> Series:
    """Labelled rows that no correction changed."""
    hits, alarms = round(positives * tpr), round(negatives * fpr)
    cells = {"111": hits, "001": positives - hits, "110": alarms, "000": negatives - alarms}
    return outcomes(group, cells, source)


def risks(shares: list[float], rows: int) -> Series:
    """Rows by tenth of risk."""
    sums = [round(sum(shares[: place + 1]) * rows) for place in range(10)]
    buckets = [series("evenhand_risk_bucket", n, le=f"{(k + 1) / 10:.1f}") for k, n in enumerate(sums)]
    return both(*buckets, series("evenhand_risk_bucket", rows, le="+Inf"))


REFERENCE_SHARES = [0.5, 0.2, 0.1, 0.05, 0.05, 0.02, 0.02, 0.02, 0.02, 0.02]
REFERENCE_RISK = both(
    *(
        series("evenhand_reference_risk", round(sum(REFERENCE_SHARES[: k + 1]), 6), le=f"{(k + 1) / 10:.1f}")
        for k in range(10)
    )
)


def flags(flagged: int, rows: int) -> Series:
    """Flagged rows among rows, where a fifth was flagged in validation."""
    return both(
        series("evenhand_corrections_total", flagged, result="applied", base="1", final="1"),
        series("evenhand_risk_bucket", rows, le="+Inf"),
        series("evenhand_reference", 0.2, reference="flagged"),
    )


def calibration(rows: int, positives: int) -> Series:
    """Rows of one bin that were given a probability of 0.75."""
    cell = {"group": "a", "source": "declared", "bin": "7"}
    return both(
        series("evenhand_calibration_total", positives, label="1", **cell),
        series("evenhand_calibration_total", rows - positives, label="0", **cell),
        series("evenhand_calibration_score_total", 0.75 * rows, **cell),
    )


def cases(alert: str, by: tuple[str, ...], fires: list, silent: list, hours: float = 3) -> list[Case]:
    """Cases of one alert: states in which it fires with these labels, states in which it does not."""
    loud = [Case(name, state, {firing(alert, *by): {labels: 1}}, hours) for name, labels, state in fires]
    return loud + [Case(name, state, {firing(alert, *by): SILENT}, hours) for name, state in silent]


DECLARED, INFERRED = '{source="declared"}', '{source="inferred"}'
WORST = series("evenhand_reference", 0.9, reference="worst_group_accuracy")
EVIDENCE = {"group": "b", "metric": "demographic_parity", "process": "detector"}

CASES = {
    "FairnessSelectionGap": cases(
        "FairnessSelectionGap",
        ("source",),
        [
            ("a gap with evidence", DECLARED, both(decisions("a", 1000, 0.5), decisions("b", 1000, 0.3))),
            ("a group is never selected", DECLARED, both(decisions("a", 1000, 0.3), decisions("b", 200, 0))),
            (
                "groups that the detector inferred",
                INFERRED,
                both(
                    decisions("flagged", 900, 0.5, source="inferred"),
                    decisions("unflagged", 900, 0.3, None, "inferred"),
                ),
            ),
            (
                "a small group does not hide the gap between large ones",
                DECLARED,
                both(decisions("a", 1000, 0.5), decisions("b", 1000, 0.3), decisions("c", 20, 0.5)),
            ),
        ],
        [
            ("a small gap", both(decisions("a", 1000, 0.5), decisions("b", 1000, 0.48))),
            ("a gap that may be chance", both(decisions("a", 150, 0.3), decisions("b", 150, 0.38))),
            ("too few rows", both(decisions("a", 1000, 0.5), decisions("b", 50, 0))),
            ("unknown is no group", both(decisions("a", 1000, 0.5), decisions("unknown", 1000, 0))),
            (
                "sources are not mixed",
                both(decisions("a", 1000, 0.5), decisions("flagged", 1000, 0.1, source="inferred")),
            ),
        ],
    )
    + cases(
        "FairnessSelectionGap",
        ("source",),
        [],
        [("not yet for two hours", both(decisions("a", 1000, 0.5), decisions("b", 1000, 0.3)))],
        hours=1.5,
    ),
    "FairnessEqualOpportunityGap": cases(
        "FairnessEqualOpportunityGap",
        ("source",),
        [("a gap", DECLARED, both(labelled("a", 400, 0.9, 400, 0.1), labelled("b", 400, 0.7, 400, 0.1)))],
        [
            ("a small gap", both(labelled("a", 400, 0.9, 400, 0.1), labelled("b", 400, 0.88, 400, 0.1))),
            ("too few positives", both(labelled("a", 400, 0.9, 400, 0.1), labelled("b", 40, 0.1, 400, 0.1))),
            ("no positives", both(labelled("a", 400, 0.9, 400, 0.1), labelled("b", 0, 0, 400, 0.1))),
            ("no labels", both(labelled("a", 0, 0, 0, 0), labelled("b", 0, 0, 0, 0))),
        ],
    ),
    "FairnessEqualizedOddsGap": cases(
        "FairnessEqualizedOddsGap",
        ("source",),
        [
            (
                "false alarms",
                DECLARED,
                both(labelled("a", 400, 0.9, 400, 0.4), labelled("b", 400, 0.9, 400, 0.1)),
            )
        ],
        [
            ("a small gap", both(labelled("a", 400, 0.9, 400, 0.12), labelled("b", 400, 0.9, 400, 0.1))),
            ("too few negatives", both(labelled("a", 400, 0.9, 40, 1), labelled("b", 400, 0.9, 400, 0.1))),
        ],
    ),
    "FairnessWorstGroupAccuracyLow": cases(
        "FairnessWorstGroupAccuracyLow",
        ("source",),
        [
            (
                "worse",
                DECLARED,
                both(WORST, labelled("a", 250, 0.95, 250, 0.05), labelled("b", 250, 0.75, 250, 0.25)),
            )
        ],
        [
            (
                "as it was",
                both(WORST, labelled("a", 250, 0.95, 250, 0.05), labelled("b", 250, 0.88, 250, 0.12)),
            ),
            (
                "too few labels",
                both(WORST, labelled("a", 250, 0.95, 250, 0.05), labelled("b", 40, 0.5, 40, 0.5)),
            ),
            (
                "the bundle says nothing",
                both(labelled("a", 250, 0.95, 250, 0.05), labelled("b", 250, 0.5, 250, 0.5)),
            ),
        ],
    ),
    "FairnessSequentialEvidence": cases(
        "FairnessSequentialEvidence",
        ("group", "metric"),
        [
            (
                "past its limit",
                '{group="b", metric="demographic_parity"}',
                both(
                    series("evenhand_evidence_ln", 4.2, **EVIDENCE),
                    series("evenhand_evidence_limit_ln", 3, **EVIDENCE),
                ),
            )
        ],
        [
            (
                "below its limit",
                both(
                    series("evenhand_evidence_ln", 2.9, **EVIDENCE),
                    series("evenhand_evidence_limit_ln", 3, **EVIDENCE),
                ),
            ),
            ("no evidence is kept yet", series("evenhand_evidence_limit_ln", 3, **EVIDENCE)),
            (
                "the process that takes nothing back",
                both(
                    series("evenhand_evidence_ln", 9, **{**EVIDENCE, "process": "since_start"}),
                    series("evenhand_evidence_limit_ln", 3, **{**EVIDENCE, "process": "since_start"}),
                ),
            ),
        ],
        hours=0,
    ),
    "FairnessCorrectionHarm": [
        *cases(
            "FairnessCorrectionHarm",
            ("harm", "group"),
            [
                (
                    "the correction makes a gap",
                    '{harm="selection rate gap"}',
                    both(decisions("a", 1000, 0.6, 0.5), decisions("b", 1000, 0.3, 0.48)),
                ),
                (
                    "it takes right answers from a group that deserves them",
                    '{harm="true positive rate gap"}',
                    # Elsewhere it mends as much as it breaks here, so that errors alone do not show it.
                    both(
                        outcomes("a", {"111": 350, "001": 50}),
                        outcomes("b", {"111": 200, "101": 150, "001": 50, "000": 400, "100": 150}),
                    ),
                ),
            ],
            [
                (
                    "the correction closes a gap",
                    both(decisions("a", 1000, 0.5, 0.6), decisions("b", 1000, 0.48, 0.3)),
                ),
                ("too few rows", both(decisions("a", 50, 1, 0.5), decisions("b", 50, 0, 0.5))),
                ("it mends more than it breaks", outcomes("a", {"111": 300, "011": 40, "101": 10})),
                (
                    "the correction closes a gap among rows that deserve a favourable answer",
                    both(
                        outcomes("a", {"111": 350, "001": 50, "000": 100}),
                        outcomes("b", {"111": 200, "011": 100, "001": 100, "000": 100}),
                    ),
                ),
                ("it changed a few", outcomes("a", {"111": 300, "101": 3, "011": 1})),
                ("too few labels", outcomes("a", {"111": 50, "101": 8})),
                ("it changed nothing", labelled("a", 300, 0.5, 300, 0.5)),
            ],
        ),
        Case(
            "the correction breaks right answers: said of the group and of the attribute",
            outcomes("a", {"111": 300, "101": 40, "011": 10}),
            {
                firing("FairnessCorrectionHarm", "harm", "group"): {
                    '{harm="errors"}': 1,
                    '{harm="errors", group="a"}': 1,
                }
            },
        ),
    ],
    "FairnessFourFifths": cases(
        "FairnessFourFifths",
        ("source",),
        [
            ("below", DECLARED, both(decisions("a", 1000, 0.5), decisions("b", 1000, 0.3))),
            ("rare answers", DECLARED, both(decisions("a", 5000, 0.04), decisions("b", 5000, 0.01))),
        ],
        [
            ("above", both(decisions("a", 1000, 0.5), decisions("b", 1000, 0.45))),
            ("equal rates, 100 rows", both(decisions("a", 100, 0.36), decisions("b", 100, 0.26))),
            ("too few rows", both(decisions("a", 1000, 0.5), decisions("b", 50, 0))),
            ("nobody is selected", both(decisions("a", 1000, 0), decisions("b", 1000, 0))),
        ],
    ),
    "FairnessCalibrationGap": cases(
        "FairnessCalibrationGap",
        ("group", "bin"),
        [
            ("too sure", '{group="a", bin="7"}', calibration(400, 200)),
            ("not sure enough", '{group="a", bin="7"}', calibration(400, 395)),
        ],
        [("calibrated", calibration(400, 296)), ("too few rows", calibration(40, 10))],
    ),
    "FairnessCorrectionRateShift": cases(
        "FairnessCorrectionRateShift",
        ("attribute",),
        [
            ("many more", '{attribute="sex"}', flags(500, 1000)),
            ("many fewer", '{attribute="sex"}', flags(20, 1000)),
        ],
        [("as in validation", flags(220, 1000)), ("too few rows", flags(40, 50))],
    ),
    "FairnessDetectorDrift": cases(
        "FairnessDetectorDrift",
        ("attribute",),
        [
            (
                "risks have moved",
                '{attribute="sex"}',
                both(REFERENCE_RISK, risks(REFERENCE_SHARES[::-1], 1000)),
            )
        ],
        [
            ("as in validation", both(REFERENCE_RISK, risks(REFERENCE_SHARES, 1000))),
            ("too few rows", both(REFERENCE_RISK, risks(REFERENCE_SHARES[::-1], 50))),
            ("the bundle says nothing", risks(REFERENCE_SHARES[::-1], 1000)),
        ],
    ),
    "FairnessLabelCoverageGap": cases(
        "FairnessLabelCoverageGap",
        ("source",),
        [
            (
                "one group's labels come less",
                DECLARED,
                both(
                    decisions("a", 500, 0.5),
                    decisions("b", 500, 0.5),
                    labelled("a", 200, 0.5, 200, 0.5),
                    labelled("b", 50, 0.5, 50, 0.5),
                ),
            )
        ],
        [
            (
                "about the same",
                both(
                    decisions("a", 500, 0.5),
                    decisions("b", 500, 0.5),
                    labelled("a", 200, 0.5, 200, 0.5),
                    labelled("b", 180, 0.5, 170, 0.5),
                ),
            ),
            (
                "too few rows of a group whose labels all come",
                both(
                    decisions("a", 500, 0.5),
                    decisions("b", 50, 0.5),
                    labelled("a", 100, 0.5, 100, 0.5),
                    labelled("b", 25, 0.5, 25, 0.5),
                ),
            ),
            (
                "too few rows",
                both(
                    decisions("a", 500, 0.5),
                    decisions("b", 50, 0.5),
                    labelled("a", 200, 0.5, 200, 0.5),
                    labelled("b", 0, 0, 0, 0),
                ),
            ),
        ],
        hours=7,
    ),
    "FairnessUnknownGroupShare": cases(
        "FairnessUnknownGroupShare",
        ("attribute",),
        [("many", '{attribute="sex"}', both(decisions("a", 600, 0.5), decisions("unknown", 400, 0.5)))],
        [
            ("few", both(decisions("a", 900, 0.5), decisions("unknown", 100, 0.5))),
            ("a share that may be chance", both(decisions("a", 78, 0.5), decisions("unknown", 22, 0.5))),
            ("too few rows", both(decisions("a", 10, 0.5), decisions("unknown", 40, 0.5))),
        ],
    ),
    "FairnessGroupOverflow": cases(
        "FairnessGroupOverflow",
        ("attribute",),
        [("a group nobody lists", '{attribute="sex"}', series("evenhand_group_overflow_total", "0x4 3x100"))],
        [
            ("none", series("evenhand_group_overflow_total", 0)),
            ("long ago", series("evenhand_group_overflow_total", 3)),
        ],
        hours=2.5,
    ),
    "FairnessFeedbackStalled": cases(
        "FairnessFeedbackStalled",
        ("model",),
        [
            (
                "labels came, and come no more",
                '{model="m"}',
                both(
                    decisions("a", 0, 0),
                    labelled("a", 100, 0.5, 100, 0.5),
                    series(
                        "evenhand_decisions_total",
                        "0+9x200",
                        group="a",
                        source="declared",
                        base="1",
                        final="1",
                    ),
                ),
            )
        ],
        [
            ("labels never came", both(decisions("a", 500, 0.5), labelled("a", 0, 0, 0, 0))),
            ("nothing is decided either", both(decisions("a", 500, 0.5), labelled("a", 100, 0.5, 100, 0.5))),
            (
                "labels come",
                both(
                    series(
                        "evenhand_decisions_total",
                        "0+9x200",
                        group="a",
                        source="declared",
                        base="1",
                        final="1",
                    ),
                    labelled("a", 100, 0.5, 100, 0.5),
                    series(
                        "evenhand_outcomes_total",
                        "0+2x200",
                        group="a",
                        source="declared",
                        base="1",
                        final="1",
                        label="1",
                    ),
                ),
            ),
        ],
        hours=27,
    ),
    "FairnessInsufficientData": cases(
        "FairnessInsufficientData",
        ("source",),
        [
            ("thin traffic", DECLARED, both(decisions("a", 40, 0.5), decisions("b", 30, 0.5))),
            ("the other group is thin", DECLARED, both(decisions("a", 1000, 0.5), decisions("b", 30, 0.5))),
            ("the other group never came", DECLARED, both(decisions("a", 1000, 0.5), decisions("b", 0, 0))),
            (
                "nobody's group is known",
                DECLARED,
                both(decisions("a", 0, 0), decisions("unknown", 1000, 0.5)),
            ),
            ("nothing came at all", DECLARED, both(decisions("a", 0, 0), decisions("b", 0, 0))),
        ],
        [
            ("enough", both(decisions("a", 1000, 0.5), decisions("b", 1000, 0.49))),
            (
                "a third group is thin",
                both(*(decisions(g, n, 0.5) for g, n in (("a", 500), ("b", 500), ("c", 20)))),
            ),
            (
                "a source that nobody uses",
                both(
                    decisions("a", 0, 0),
                    decisions("flagged", 500, 0.5, source="inferred"),
                    decisions("unflagged", 500, 0.5, source="inferred"),
                ),
            ),
            (
                # Too few decisions within the day to compare groups, and labels of the week that say enough.
                "it gives way to a gap with evidence",
                both(
                    decisions("a", 50, 0.5),
                    decisions("b", 50, 0.5),
                    labelled("a", 400, 0.9, 0, 0),
                    labelled("b", 400, 0.6, 0, 0),
                ),
            ),
        ],
        hours=7,
    ),
}
