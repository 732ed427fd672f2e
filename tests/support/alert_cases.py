"""For each alert on fairness: states in which it fires, stays silent, or has too little to judge."""

from promtool import Case, Series, aims, both, decisions, outcomes, price, series

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


def crossed(state: Series) -> Series:
    """A state of the attribute as one of an intersection, which has no detector."""
    return {name.replace('attribute="sex"', 'attribute="sex:race"'): values for name, values in state.items()}


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
PARITY, OPPORTUNITY, ODDS = (
    aims(measure, 0.05) for measure in ("demographic-parity", "equal-opportunity", "equalized-odds")
)
WORST = aims("worst-cell", 0.85)
FAIR = both(labelled("a", 400, 0.9, 400, 0.1), labelled("b", 400, 0.9, 400, 0.1))
NO_TARGET = series("evenhand_target_limit", "NaN" + " NaN" * 10, measure="demographic-parity")
EVIDENCE = {"group": "b", "metric": "demographic_parity", "process": "detector"}

CASES = {
    "FairnessTargetBreach": cases(
        "FairnessTargetBreach",
        ("measure",),
        [
            (
                "a gap in favourable answers with evidence",
                '{measure="demographic-parity"}',
                both(PARITY, decisions("a", 1000, 0.5), decisions("b", 1000, 0.3)),
            ),
            (
                "a gap between groups of an intersection",
                '{measure="demographic-parity"}',
                crossed(both(PARITY, decisions("not both", 1000, 0.5), decisions("b & c", 1000, 0.3))),
            ),
            (
                "a group is never selected",
                '{measure="demographic-parity"}',
                both(PARITY, decisions("a", 1000, 0.3), decisions("b", 200, 0)),
            ),
            (
                "a small group does not hide the gap between large ones",
                '{measure="demographic-parity"}',
                both(PARITY, decisions("a", 1000, 0.5), decisions("b", 1000, 0.3), decisions("c", 20, 0.5)),
            ),
            (
                "a gap in true positive rates",
                '{measure="equal-opportunity"}',
                both(OPPORTUNITY, labelled("a", 400, 0.9, 400, 0.1), labelled("b", 400, 0.7, 400, 0.1)),
            ),
            (
                "false alarms, with too few positives to judge the other gap",
                '{measure="equalized-odds"}',
                both(ODDS, labelled("a", 40, 0.9, 400, 0.4), labelled("b", 40, 0.9, 400, 0.1)),
            ),
            (
                "a gap in false positive rates",
                '{measure="predictive-equality"}',
                both(
                    aims("predictive-equality", 0.1),
                    labelled("a", 400, 0.9, 400, 0.4),
                    labelled("b", 400, 0.9, 400, 0.1),
                ),
            ),
            (
                "a cell is less accurate than it should be",
                '{measure="worst-cell"}',
                both(WORST, labelled("a", 400, 0.9, 400, 0.1), labelled("b", 400, 0.9, 400, 0.3)),
            ),
        ],
        [
            ("a small gap", both(PARITY, decisions("a", 1000, 0.5), decisions("b", 1000, 0.48))),
            ("a gap that may be chance", both(PARITY, decisions("a", 150, 0.3), decisions("b", 150, 0.38))),
            ("too few rows", both(PARITY, decisions("a", 1000, 0.5), decisions("b", 50, 0))),
            ("unknown is no group", both(PARITY, decisions("a", 1000, 0.5), decisions("unknown", 1000, 0))),
            (
                "a wider limit",
                both(aims("demographic-parity", 0.3), decisions("a", 1000, 0.5), decisions("b", 1000, 0.3)),
            ),
            (
                "not the target's measure",
                both(OPPORTUNITY, FAIR, decisions("a", 1000, 0.5), decisions("b", 1000, 0.3)),
            ),
            ("no target", both(NO_TARGET, decisions("a", 1000, 0.5), decisions("b", 1000, 0.3))),
            (
                "groups that the detector inferred are not the target's",
                both(
                    PARITY,
                    decisions("flagged", 900, 0.5, source="inferred"),
                    decisions("unflagged", 900, 0.3, None, "inferred"),
                ),
            ),
            (
                "too few positives",
                both(OPPORTUNITY, labelled("a", 400, 0.9, 400, 0.1), labelled("b", 40, 0.1, 400, 0.1)),
            ),
            ("no labels", both(OPPORTUNITY, labelled("a", 0, 0, 0, 0), labelled("b", 0, 0, 0, 0))),
            ("every cell is as accurate as it should be", both(WORST, FAIR)),
            (
                "too few rows of the worst cell",
                both(WORST, labelled("a", 400, 0.9, 400, 0.1), labelled("b", 400, 0.9, 40, 0.9)),
            ),
        ],
    )
    + cases(
        "FairnessTargetBreach",
        ("measure",),
        [],
        [("not yet for two hours", both(PARITY, decisions("a", 1000, 0.5), decisions("b", 1000, 0.3)))],
        hours=1.5,
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
            (
                "a rate that is not the target's",
                both(
                    series("evenhand_evidence_ln", 4.2, **EVIDENCE),
                    series("evenhand_evidence_limit_ln", "NaN" + " NaN" * 10, **EVIDENCE),
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
            ("harm", "measure", "group", "label"),
            [
                (
                    "the correction makes the target's gap",
                    '{harm="target", measure="demographic-parity"}',
                    both(PARITY, decisions("a", 1000, 0.6, 0.5), decisions("b", 1000, 0.3, 0.48)),
                ),
                (
                    "it takes right answers from a group that deserves them",
                    '{harm="target", measure="equal-opportunity"}',
                    # Elsewhere it mends as much as it breaks here, so that errors alone do not show it.
                    both(
                        OPPORTUNITY,
                        price(0.0),
                        outcomes("a", {"111": 350, "001": 50}),
                        outcomes("b", {"111": 200, "101": 150, "001": 50, "000": 400, "100": 150}),
                    ),
                ),
                (
                    "one of two gaps is wider than both were",
                    '{harm="target", measure="equalized-odds"}',
                    both(
                        ODDS,
                        outcomes("a", {"111": 350, "001": 50, "000": 400}),
                        outcomes("b", {"111": 200, "101": 150, "001": 50, "000": 400}),
                    ),
                ),
                (
                    "the worst cell falls",
                    '{harm="target", measure="worst-cell"}',
                    both(WORST, outcomes("a", {"111": 250, "101": 50, "001": 100, "000": 400})),
                ),
                (
                    "a cell loses more than it may, though all rows together gain",
                    '{harm="cell", group="b", label="0"}',
                    both(
                        price(0.0, 0.05),
                        outcomes("a", {"111": 250, "011": 100, "001": 50}),
                        outcomes("b", {"000": 150, "010": 30}),
                    ),
                ),
                (
                    "the correction breaks right answers",
                    '{harm="errors"}',
                    both(price(0.02), outcomes("a", {"111": 300, "101": 40, "011": 10})),
                ),
            ],
            [
                (
                    "the correction closes a gap",
                    both(PARITY, decisions("a", 1000, 0.5, 0.6), decisions("b", 1000, 0.48, 0.3)),
                ),
                (
                    "a gap that is not the target's",
                    both(OPPORTUNITY, decisions("a", 1000, 0.6, 0.5), decisions("b", 1000, 0.3, 0.48)),
                ),
                (
                    "a gap grows, and the larger one before was wider",
                    both(
                        ODDS,
                        outcomes("a", {"111": 300, "001": 100, "100": 150, "000": 250}),
                        outcomes("b", {"111": 250, "101": 50, "001": 100, "000": 400}),
                    ),
                ),
                ("too few rows", both(PARITY, decisions("a", 50, 1, 0.5), decisions("b", 50, 0, 0.5))),
                (
                    "it mends more than it breaks",
                    both(price(0.0), outcomes("a", {"111": 300, "011": 40, "101": 10})),
                ),
                (
                    "it costs no more than it may",
                    both(price(0.2), outcomes("a", {"111": 300, "101": 40, "011": 10})),
                ),
                (
                    "a cell may lose anything",
                    both(
                        price(0.0),
                        outcomes("a", {"111": 250, "011": 100}),
                        outcomes("b", {"000": 150, "010": 30}),
                    ),
                ),
                ("it changed a few", both(price(0.0, 0.0), outcomes("a", {"111": 300, "101": 3, "011": 1}))),
                ("too few labels", both(price(0.0, 0.0), outcomes("a", {"111": 50, "101": 8}))),
                ("it changed nothing", both(price(0.0, 0.0), WORST, labelled("a", 300, 0.5, 300, 0.5))),
            ],
        ),
    ],
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
        ("measure", "source"),
        [
            (name, '{measure="demographic-parity", source="declared"}', both(PARITY, counted))
            for name, counted in (
                ("thin traffic", both(decisions("a", 40, 0.5), decisions("b", 30, 0.5))),
                ("the other group is thin", both(decisions("a", 1000, 0.5), decisions("b", 30, 0.5))),
                ("the other group never came", both(decisions("a", 1000, 0.5), decisions("b", 0, 0))),
                ("nobody's group is known", both(decisions("a", 0, 0), decisions("unknown", 1000, 0.5))),
                ("nothing came at all", both(decisions("a", 0, 0), decisions("b", 0, 0))),
            )
        ]
        + [
            (
                "no labels",
                '{measure="worst-cell", source="declared"}',
                both(WORST, decisions("a", 1000, 0.5), decisions("b", 1000, 0.5)),
            ),
            (
                "one of two gaps has too few labels",
                '{measure="equalized-odds", source="declared"}',
                both(
                    ODDS,
                    decisions("a", 500, 0.5),
                    labelled("a", 400, 0.9, 40, 0.1),
                    labelled("b", 400, 0.9, 40, 0.1),
                ),
            ),
            (
                "an intersection has few rows",
                '{measure="demographic-parity", source="declared"}',
                both(
                    crossed(both(PARITY, decisions("not both", 400, 0.5), decisions("b & c", 40, 0.5))),
                    decisions("a", 500, 0.5),
                ),
            ),
        ],
        [
            ("enough", both(PARITY, decisions("a", 1000, 0.5), decisions("b", 1000, 0.49))),
            (
                "a third group is thin",
                both(PARITY, *(decisions(g, n, 0.5) for g, n in (("a", 500), ("b", 500), ("c", 20)))),
            ),
            (
                "a source that nobody uses",
                both(
                    PARITY,
                    decisions("a", 0, 0),
                    decisions("flagged", 500, 0.5, source="inferred"),
                    decisions("unflagged", 500, 0.5, source="inferred"),
                ),
            ),
            (
                "an intersection whose groups nobody declares",
                both(crossed(both(PARITY, decisions("not both", 0, 0))), decisions("a", 500, 0.5)),
            ),
            ("no target", both(NO_TARGET, decisions("a", 40, 0.5))),
            ("labels of the week say enough", both(OPPORTUNITY, FAIR, decisions("a", 50, 0.5))),
        ],
        hours=7,
    ),
}
