"""The rules of one window: rows, rates with limits, disparities, the target, calibration, drift of risk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import NormalDist

from rule import FAMILIES, MEMBER, MEMORY, TENTHS, Rule, by, limit

SECONDS = {"1h": 3600, "1d": 86400, "7d": 7 * 86400, "30d": 30 * 86400}
Z = NormalDist().inv_cdf(0.975)
ANSWERS = ("base", "final")
FLOOR = 1e-4
"""Smallest share in a population stability index, whose logarithm does not allow an empty bin."""
ATTRIBUTE = ("model", "attribute", "source")
LABELLED = 'group!="unknown"'
CELL = (*MEMBER, "label")
DECLARED = 'source="declared"'
GAPS = {
    "demographic-parity": "demographic_parity_difference",
    "equal-opportunity": "equal_opportunity_difference",
    "predictive-equality": "predictive_equality_difference",
    "equalized-odds": "equalized_odds_difference",
}
"""The figure of each measure whose target is a gap."""
ODDS = ("equal_opportunity_difference", "predictive_equality_difference")
"""The gaps that equalized odds is the larger of."""
WORST_CELL = "worst-cell"
TARGETS = "max by (model, attribute, measure) (evenhand_target_limit >= 0)"
"""Limits of the targets; other measures have none."""
ON_TARGET = "on (model, attribute, measure) group_left ()"


def rate(name: str, hits: str, rows: str, labels: Sequence[str], window: str) -> Iterator[Rule]:
    """A share with its Wilson limits; none without rows. ``hits`` is a sum, which may lack a group."""
    p, n, z2 = f"evenhand:{name}:{window}", f"evenhand:{rows}:{window}", Z * Z
    labelled = f"{n}{{{LABELLED}}}" if "group" in labels else n
    yield Rule(p, f"({hits} or 0 * {labelled}) / ({labelled} > 0)")
    for side, sign, clamp in (("lower", "-", "clamp_min({}, 0)"), ("upper", "+", "clamp_max({}, 1)")):
        spread = f"{Z} * sqrt({p} * (1 - {p}) / {n} + {z2} / (4 * {n} * {n}))"
        wilson = f"\n({p} + {z2} / (2 * {n})\n  {sign} {spread})\n/ (1 + {z2} / {n})\n"
        yield Rule(f"evenhand:{name}_{side}:{window}", clamp.format(wilson))


def gap(name: str, share: str, rows: str, window: str, why: str = "") -> Iterator[Rule]:
    """The largest gap of a rate between groups, with limits; ``judged``: of groups with enough rows."""
    p, low, high = (f"evenhand:{share}{side}:{window}" for side in ("", "_lower", "_upper"))
    enough = f"evenhand:{rows}:{window} >= {limit('rows')}"
    yield Rule(f"evenhand:{name}:{window}", f"max {by(ATTRIBUTE)} ({p}) - min {by(ATTRIBUTE)} ({p})", why)
    yield Rule(
        f"evenhand:{name}_lower:{window}",
        f"clamp_min(max {by(ATTRIBUTE)} ({low}) - min {by(ATTRIBUTE)} ({high}), 0)",
    )
    yield Rule(
        f"evenhand:{name}_upper:{window}", f"max {by(ATTRIBUTE)} ({high}) - min {by(ATTRIBUTE)} ({low})"
    )
    for extreme, of in (("highest", "max"), ("lowest", "min")):
        yield Rule(
            f"evenhand:{share}_{extreme}:{window}",
            f"({p} and {enough})\n== on ({', '.join(ATTRIBUTE)}) group_left () {of} {by(ATTRIBUTE)} ({p} "
            f"and {enough})",
        )
    several = f"and count {by(ATTRIBUTE)} ({p} and {enough}) > 1"
    yield Rule(
        f"evenhand:{name}_judged:{window}",
        f"clamp_min(\n  max {by(ATTRIBUTE)} ({low} and {enough})\n  - min {by(ATTRIBUTE)} ({high} and "
        f"{enough})\n, 0)\n{several}",
    )
    yield Rule(
        f"evenhand:{name}_judged_upper:{window}",
        f"max {by(ATTRIBUTE)} ({high} and {enough})\n- min {by(ATTRIBUTE)} ({low} and {enough})\n{several}",
    )


def change(name: str, gained: str, lost: str, rows: str, window: str) -> Iterator[Rule]:
    """Change of a share by the correction: a paired difference with limits (Bonett and Price 2012)."""
    n = f"{rows} + 2"
    up, down = f"(({gained}) + 1) / ({n})", f"(({lost}) + 1) / ({n})"
    half = f"{Z} * sqrt(({up} + {down}\n  - ({up} - {down}) ^ 2) / ({n}))"
    yield Rule(f"evenhand:{name}_change:{window}", f"(({gained}) - ({lost})) / ({rows} > 0)")
    yield Rule(f"evenhand:{name}_change_lower:{window}", f"{up} - {down}\n- {half}")
    yield Rule(f"evenhand:{name}_change_upper:{window}", f"{up} - {down}\n+ {half}")


def larger(a: str, b: str) -> str:
    """The larger of two, or the one that there is."""
    return f"({a} >= {b}) or {b} or {a}"


def sums(window: str) -> Iterator[Rule]:
    """Rows in the window, and rows per group."""
    same = f"(evenhand:totals:begun == last_over_time(evenhand:totals:begun[{MEMORY}] offset {window}))"
    for family in FAMILIES:
        total_, before = (
            f"evenhand:{family.name}:total",
            f"last_over_time(evenhand:{family.name}:total[{MEMORY}] offset {window})",
        )
        yield Rule(
            f"evenhand:{family.name}:{window}",
            f"{total_} - ({before} and on () {same})\n"
            f"or\n({total_} and on () ({same} or evenhand:totals:begun > time() - {SECONDS[window]}))",
            "Rows in the window: the total now less the total then; all of it where the totals, or this "
            "series, began\nwithin the window; nothing where Prometheus no longer has what was then "
            "(retention)."
            if family is FAMILIES[0]
            else "",
        )
    yield Rule(f"evenhand:rows:{window}", f"sum {by(MEMBER)} (evenhand:decisions:{window})")
    for label, name in (("1", "positives"), ("0", "negatives")):
        yield Rule(
            f"evenhand:{name}:{window}",
            f'sum {by(MEMBER)} (evenhand:outcomes:{window}{{label="{label}"}})',
            f"Rows whose joined true label is {'' if label == '1' else 'not '}favourable.",
        )
    yield Rule(f"evenhand:labels:{window}", f"sum {by(MEMBER)} (evenhand:outcomes:{window})")


def effect(window: str) -> Iterator[Rule]:
    """What the correction did to labelled rows: errors it mended, right answers it broke."""

    def pairs(base: str, final: str) -> str:
        outcomes = f"evenhand:outcomes:{window}"
        parts = (
            f'{{label="1", base="{base}", final="{final}"}}',
            f'{{label="0", base="{final}", final="{base}"}}',
        )
        return f"sum {by(MEMBER)} ({outcomes}{parts[0]}\n  or {outcomes}{parts[1]})"

    yield Rule(
        f"evenhand:mended:{window}", pairs("0", "1"), "Labelled rows: base answer wrong, final answer right."
    )
    yield Rule(
        f"evenhand:broken:{window}", pairs("1", "0"), "Labelled rows: base answer right, final answer wrong."
    )
    gained, lost, rows = (
        f"evenhand:{name}:{window}{{{LABELLED}}}" for name in ("mended", "broken", "labels")
    )
    yield from change("accuracy", gained, lost, rows, window)
    gained, lost = f"sum {by(ATTRIBUTE)} ({gained})", f"sum {by(ATTRIBUTE)} ({lost})"
    all_rows = f"evenhand:labels_of_attribute:{window}"
    yield Rule(all_rows, f"sum {by(ATTRIBUTE)} ({rows})")
    yield from change("accuracy_of_attribute", gained, lost, all_rows, window)


def growth(name: str, share: str, rows: str, cells: str, window: str) -> Iterator[Rule]:
    """Lower limit of how much the correction widened the gap between the two groups that are furthest apart.

    Each group's change is a paired difference; those of two groups are independent, and are combined as
    Newcombe does. Where the two have changed places, the gap's own limits must be apart.
    """
    n = f"evenhand:{rows}:{window}{{{LABELLED}}}"
    for name_of_cell, base, final in (("gained", "0", "1"), ("lost", "1", "0")):
        hits = f'sum {by(MEMBER)} ({cells}, base="{base}", final="{final}"}})'
        yield Rule(f"evenhand:{share}_{name_of_cell}:{window}", f"{hits} or 0 * {n}")
    yield from change(
        share, f"evenhand:{share}_gained:{window}", f"evenhand:{share}_lost:{window}", n, window
    )
    ends, ends_of_gap = {}, ("highest", "lowest")
    for end in ends_of_gap:
        there = f"and evenhand:{share}_final_{end}:{window}"
        for side in ("", "_lower", "_upper"):
            ends[end + side] = f"max {by(ATTRIBUTE)} (evenhand:{share}_change{side}:{window} {there})"
        ends[end + "_base"] = f"max {by(ATTRIBUTE)} (evenhand:{share}_base:{window} {there})"
    apart = {
        answer: " - ".join(
            f"max {by(ATTRIBUTE)} (evenhand:{share}_{answer}_{end}:{window})" for end in ends_of_gap
        )
        for answer in ANSWERS
    }
    yield Rule(
        f"evenhand:{name}_growth_judged:{window}",
        f"""\
(
  {ends["highest"]}
  - {ends["lowest"]}
  - sqrt(
    ({ends["highest"]} - {ends["highest_lower"]}) ^ 2
    + ({ends["lowest_upper"]} - {ends["lowest"]}) ^ 2
  )
  and {ends["highest_base"]} >= {ends["lowest_base"]}
  and {apart["final"]}
    > {apart["base"]}
)
or evenhand:{name}_final_judged:{window} - evenhand:{name}_base_judged_upper:{window}""",
    )


def growths(window: str) -> Iterator[Rule]:
    """All of them."""
    decisions, outcomes = (
        f"evenhand:decisions:{window}{{{LABELLED}",
        f"evenhand:outcomes:{window}{{{LABELLED}",
    )
    for name, share, rows, cells in (
        ("demographic_parity_difference", "selection_rate", "rows", decisions),
        ("equal_opportunity_difference", "true_positive_rate", "positives", f'{outcomes}, label="1"'),
        ("predictive_equality_difference", "false_positive_rate", "negatives", f'{outcomes}, label="0"'),
    ):
        yield from growth(name, share, rows, cells, window)


def rates(answer: str, window: str) -> Iterator[Rule]:
    """The rates of one answer, base or final, per group."""

    def outcomes(*pairs: str) -> str:
        cells = (f'{{{LABELLED}, label="{pair[0]}", {answer}="{pair[1]}"}}' for pair in pairs)
        return f"sum {by(MEMBER)} ({' or '.join(f'evenhand:outcomes:{window}{cell}' for cell in cells)})"

    selected = f'sum {by(MEMBER)} (evenhand:decisions:{window}{{{LABELLED}, {answer}="1"}})'
    yield from rate(f"selection_rate_{answer}", selected, "rows", MEMBER, window)
    yield from rate(f"true_positive_rate_{answer}", outcomes("11"), "positives", MEMBER, window)
    yield from rate(f"false_positive_rate_{answer}", outcomes("01"), "negatives", MEMBER, window)
    yield from rate(f"accuracy_{answer}", outcomes("11", "00"), "labels", MEMBER, window)
    p = f"evenhand:selection_rate_{answer}:{window}"
    yield Rule(
        f"evenhand:impact_ratio_{answer}:{window}",
        f"{p} / on ({', '.join(ATTRIBUTE)}) group_left () (max {by(ATTRIBUTE)} ({p}) > 0)",
        "Selection rate over that of the group with the highest; none where nobody is selected.",
    )


def gaps(answer: str, window: str) -> Iterator[Rule]:
    """The disparities of one answer."""
    p, low, high = (f"evenhand:selection_rate_{answer}{side}:{window}" for side in ("", "_lower", "_upper"))
    name = f"demographic_parity_difference_{answer}"
    yield from gap(name, f"selection_rate_{answer}", "rows", window, "Highest less lowest selection rate.")
    ratio = f"evenhand:demographic_parity_ratio_{answer}"
    why = "Lowest over highest selection rate; none where nobody is selected."
    for side, least, most in (("", p, p), ("_lower", low, high), ("_upper", high, low)):
        expr = f"min {by(ATTRIBUTE)} ({least}) / (max {by(ATTRIBUTE)} ({most}) > 0)"
        yield Rule(f"{ratio}{side}:{window}", f"clamp_max({expr}, 1)" if side else expr, "" if side else why)
    tpr, fpr = (f"{name}_{answer}" for name in ODDS)
    why = "Highest less lowest true positive rate. A group without positives has none, and is left out."
    yield from gap(tpr, f"true_positive_rate_{answer}", "positives", window, why)
    yield from gap(fpr, f"false_positive_rate_{answer}", "negatives", window)
    why = "The larger of the true and the false positive rate's difference (Fairlearn; others take the mean)."
    for side in ("", "_lower", "_upper", "_judged", "_judged_upper"):
        expr = larger(f"evenhand:{tpr}{side}:{window}", f"evenhand:{fpr}{side}:{window}")
        yield Rule(f"evenhand:equalized_odds_difference_{answer}{side}:{window}", expr, "" if side else why)
    for side in ("", "_lower", "_upper"):
        yield Rule(
            f"evenhand:worst_group_accuracy_{answer}{side}:{window}",
            f"min {by(ATTRIBUTE)} (evenhand:accuracy_{answer}{side}:{window})",
            "" if side else "Lowest accuracy over groups.",
        )
    yield from worst_cell(answer, window)


def worst_cell(answer: str, window: str) -> Iterator[Rule]:
    """The lowest accuracy over groups and kinds of true labels."""
    cells = f"evenhand:cell_accuracy_{answer}"
    enough = f"evenhand:cell_rows:{window} >= {limit('rows')}"
    for side in ("", "_lower", "_upper"):
        yield Rule(
            f"evenhand:worst_cell_accuracy_{answer}{side}:{window}",
            f"min {by(ATTRIBUTE)} ({cells}{side}:{window})",
            "" if side else "Lowest accuracy over cells.",
        )
    for side, of in (("_judged", "_upper"), ("_judged_lower", "_lower")):
        yield Rule(
            f"evenhand:worst_cell_accuracy_{answer}{side}:{window}",
            f"min {by(ATTRIBUTE)} ({cells}{of}:{window} and {enough})",
        )
    yield Rule(
        f"evenhand:cell_accuracy_{answer}_lowest:{window}",
        f"({cells}:{window} and {enough})\n== on ({', '.join(ATTRIBUTE)}) group_left () "
        f"min {by(ATTRIBUTE)} ({cells}:{window} and {enough})",
    )


def cells(window: str) -> Iterator[Rule]:
    """Accuracy per group and kind of true label, and what the correction changes in it."""

    def outcomes(favourable: str, unfavourable: str) -> str:
        parts = (f'label="1", {favourable}', f'label="0", {unfavourable}')
        listed = (f"evenhand:outcomes:{window}{{{LABELLED}, {part}}}" for part in parts)
        return f"sum {by(CELL)} ({' or '.join(listed)})"

    rows = f"evenhand:cell_rows:{window}"
    why = "Labelled rows of a cell: a group, and whether the true label is favourable."
    yield Rule(rows, f"sum {by(CELL)} (evenhand:outcomes:{window}{{{LABELLED}}})", why)
    for answer in ANSWERS:
        right = outcomes(f'{answer}="1"', f'{answer}="0"')
        yield from rate(f"cell_accuracy_{answer}", right, "cell_rows", CELL, window)
    moved = (("0", "1"), ("1", "0"))
    pairs = ((f'base="{a}", final="{b}"', f'base="{b}", final="{a}"') for a, b in moved)
    names = [f"evenhand:cell_{name}:{window}" for name in ("mended", "broken")]
    for name, pair in zip(names, pairs, strict=True):
        yield Rule(name, f"{outcomes(*pair)} or 0 * {rows}")
    yield from change("cell_accuracy", names[0], names[1], rows, window)


def named(figure: str, measure: str, window: str) -> str:
    """A figure over declared groups, under its measure's name."""
    series = f"evenhand:{figure}:{window}{{{DECLARED}}}"
    return f'label_replace({series}, "measure", "{measure}", "", "")'


def targets(window: str) -> Iterator[Rule]:
    """The target of each attribute over declared groups: figures, distance from the limit, verdict."""
    figures = {**GAPS, WORST_CELL: "worst_cell_accuracy"}
    for answer in ANSWERS:
        either = "\nor\n".join(named(f"{name}_{answer}", of, window) for of, name in figures.items())
        why = "The target's figure: only of the measure that the bundle aims at."
        yield Rule(
            f"evenhand:target_{answer}:{window}",
            f"({either})\nand on (model, attribute, measure) {TARGETS}",
            why if answer == "base" else "",
        )
    before, after = f"evenhand:target_base:{window}", f"evenhand:target_final:{window}"
    worst = f'{{measure="{WORST_CELL}"}}'
    yield Rule(
        f"evenhand:target_gain:{window}",
        f'{before}{{measure!="{WORST_CELL}"}} - {after}\nor\n{after}{worst} - {before}',
        "How much better the target is with the correction.",
    )
    gaps = "\nor\n".join(named(f"{name}_final_judged", of, window) for of, name in GAPS.items())
    yield Rule(
        f"evenhand:target_excess:{window}",
        f"({gaps})\n- {ON_TARGET} {TARGETS}\nor\n"
        f"-({named('worst_cell_accuracy_final_judged', WORST_CELL, window)}\n"
        f"  - {ON_TARGET} {TARGETS})",
        "How far at least the target is beyond its limit, over groups or cells with enough rows: above 0 a "
        "breach.",
    )
    yield from target_growth(window)
    excess = f"evenhand:target_excess:{window}"
    both = " ".join(f"and on (model, attribute, source) evenhand:{of}_final_judged:{window}" for of in ODDS)
    yield Rule(
        f"evenhand:target_verdict:{window}",
        f"0 * ({excess} > 0) + 2\nor\n"
        f'0 * ({excess}{{measure!="equalized-odds"}} or {excess} {both}) + 1\nor\n'
        f'label_replace(0 * {TARGETS}, "source", "declared", "", "")',
        "2 breach: the target is surely beyond its limit. 1 no evidence of breach. 0 insufficient data: too "
        "few groups, or\nno cell, with enough rows. Of equalized odds one gap in breach is enough, and both "
        "must be judged.",
    )
    yield Rule(
        f"evenhand:smallest_group_rows:{window}",
        f"min {by(ATTRIBUTE)} (evenhand:rows:{window}{{{LABELLED}}})",
    )


def target_growth(window: str) -> Iterator[Rule]:
    """How much at least the correction made the target worse.

    One of two gaps makes equalized odds worse where it is above what the larger one was before. The worst
    cell is compared on the same rows where it is the same one before and after.
    """
    cell = f"evenhand:cell_accuracy_change_upper:{window}{{{DECLARED}}}"
    lowest = " ".join(f"and evenhand:cell_accuracy_{answer}_lowest:{window}" for answer in ANSWERS)
    worst_base, worst_final = (
        f"evenhand:worst_cell_accuracy_base_judged_lower:{window}{{{DECLARED}}}",
        f"evenhand:worst_cell_accuracy_final_judged:{window}",
    )
    parts = {
        of: f"evenhand:{name}_growth_judged:{window}" for of, name in GAPS.items() if of != "equalized-odds"
    }
    parts["equalized-odds"] = "\n  or ".join(
        f"(evenhand:{of}_growth_judged:{window}{{{DECLARED}}} > 0 and evenhand:{of}_final:{window} "
        f"> evenhand:equalized_odds_difference_base:{window})"
        for of in ODDS
    )
    parts[WORST_CELL] = f"-max {by(ATTRIBUTE)} ({cell} {lowest})\n  or {worst_base} - {worst_final}"
    either = "\nor\n".join(f'label_replace({expr}, "measure", "{of}", "", "")' for of, expr in parts.items())
    yield Rule(
        f"evenhand:target_growth:{window}",
        f"(\n{either}\n)\nand on (model, attribute, measure) {TARGETS}",
        "How much at least the correction made the target worse: above 0 is harm.",
    )


def shares(window: str) -> Iterator[Rule]:
    """Coverage, unknown groups, flags, calibration and drift of risk."""
    attribute = ("model", "attribute")
    rows, labels = f"evenhand:rows:{window}", f"evenhand:labels:{window}"
    why = "Labels joined in the window over decisions in the window; "
    why += "above 1 while older decisions' labels come in."
    yield Rule(f"evenhand:label_coverage:{window}", f"{labels} / ({rows} > 0)", why)
    yield Rule(f"evenhand:declared_rows:{window}", f'sum {by(attribute)} ({rows}{{source="declared"}})')
    unknown = f'sum {by(attribute)} ({rows}{{source="declared", group="unknown"}})'
    yield from rate("unknown_share", unknown, "declared_rows", attribute, window)
    yield Rule(
        f"evenhand:risk_rows:{window}", f'sum {by(attribute)} (evenhand:risk_bucket:{window}{{le="+Inf"}})'
    )
    yield from rate(
        "flagged_share",
        f"sum {by(attribute)} (evenhand:corrections:{window})",
        "risk_rows",
        attribute,
        window,
    )
    applied = f'evenhand:abstentions:{window}{{result="applied"}}'
    yield from rate("abstained_share", f"sum {by(attribute)} ({applied})", "risk_rows", attribute, window)
    in_bin = (*MEMBER, "bin")
    yield Rule(
        f"evenhand:calibration_rows:{window}",
        f"sum {by(in_bin)} (evenhand:calibration:{window}{{{LABELLED}}})",
    )
    hits = f'sum {by(in_bin)} (evenhand:calibration:{window}{{{LABELLED}, label="1"}})'
    yield from rate("calibration_observed", hits, "calibration_rows", in_bin, window)
    yield Rule(
        f"evenhand:calibration_predicted:{window}",
        f"evenhand:calibration_score:{window} / (evenhand:calibration_rows:{window} > 0)",
        "Mean served probability of a favourable label, beside the share that came true above.",
    )
    yield from drift(window)


def drift(window: str) -> Iterator[Rule]:
    """How far the risks are from those in validation."""
    bucket, share = f"evenhand:risk_bucket:{window}", f"evenhand:risk_share:{window}"
    terms = [f'{bucket}{{le="{le}"}}' for le in TENTHS]
    parts = [
        f"({term} - ignoring (le) {terms[place - 1]})" if place else term for place, term in enumerate(terms)
    ]
    all_rows = f'({bucket}{{le="+Inf"}} > 0)'
    yield Rule(
        share,
        "\nor\n".join(
            f'label_replace({part} / ignoring (le) {all_rows}, "le", "{le}", "", "")'
            for part, le in zip(parts, TENTHS, strict=True)
        ),
        "Share of rows whose risk lies in the tenth that ends at le.",
    )
    live, then = f"clamp_min({share}, {FLOOR})", f"clamp_min(evenhand:reference_risk_share, {FLOOR})"
    yield Rule(
        f"evenhand:risk_psi:{window}",
        f"sum by (model, attribute) (({live} - {then}) * ln({live} / {then}))",
        "Population stability index: sum over tenths of (now - then) * ln(now / then).",
    )


def window_rules(window: str) -> Iterator[Rule]:
    """Everything of one window, in the order in which it builds on itself."""
    yield from sums(window)
    yield from effect(window)
    yield from cells(window)
    for answer in ANSWERS:
        yield from rates(answer, window)
        yield from gaps(answer, window)
    yield from growths(window)
    yield from targets(window)
    yield from shares(window)
