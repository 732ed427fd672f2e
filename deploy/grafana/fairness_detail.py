"""The fairness dashboard's panels of one attribute or group: every gap, every group, evidence, estimates."""

from __future__ import annotations

from colours import BLUE, GREY, ORANGE, PURPLE, SKY, VERMILLION
from parts import NUMBER, About, Column, Line, bars, joined, lines
from series import MODEL, WINDOW, changed, limit, recorded

METRICS = {
    "demographic_parity": "demographic parity",
    "equal_opportunity": "equal opportunity",
    "equalized_odds": "equalized odds",
}


def gap(metric: str) -> object:
    """A gap between groups, its interval and its limit."""
    name = f"{metric}_difference"
    means = {
        "demographic_parity": "The largest share of favourable answers of any group minus the smallest.",
        "equal_opportunity": "The largest true positive rate of any group minus the smallest: among rows "
        "whose true label is favourable, the share answered favourably.",
        "equalized_odds": "The larger of two gaps between groups: that of true positive rates and that of "
        "false positive rates.",
    }[metric]
    alert = {"demographic_parity": "FairnessSelectionGap", "equal_opportunity": "FairnessEqualOpportunityGap"}
    about = About(
        f"{METRICS[metric].capitalize()} difference",
        f"{means} Fairlearn's {name}, over every group with a row. The band is the 95 % interval after "
        f"correction. {WINDOW}",
        "it is a breach when the lower limit between groups with enough rows passes the limit, not when "
        "the gap does.",
        alert.get(metric, "FairnessEqualizedOddsGap"),
    )
    judged = Line(
        "judged", f"max({recorded(f'{name}_final_judged')})", "lower limit, groups with enough rows", PURPLE
    )
    return lines(about, [*_before_and_after(name), judged, _limit(limit("gap"))])


def _limit(expr: str) -> Line:
    return Line("limit", expr, "limit", VERMILLION, thin=True)


def _before_and_after(name: str) -> list[Line]:
    """Grey dashes before correction, a blue line after it, and the interval around it."""
    low, high = "after, lower limit", "after, upper limit"
    return [
        Line("before", f"max({recorded(f'{name}_base')})", "before", GREY, dashed=True),
        Line("after", f"max({recorded(f'{name}_final')})", "after", BLUE),
        Line("lower", f"max({recorded(f'{name}_final_lower')})", low, SKY, thin=True),
        Line("upper", f"max({recorded(f'{name}_final_upper')})", high, SKY, thin=True, band_to=low),
    ]


def ratio() -> object:
    """The smallest rate over the largest."""
    about = About(
        "Demographic parity ratio",
        "The smallest share of favourable answers of any group divided by the largest; 100 % is equal. "
        "Fairlearn's demographic_parity_ratio. The limit is four fifths unless it was set otherwise. "
        f"{WINDOW}",
        "it is a breach when even the upper limit between groups with enough rows is below the limit.",
        "FairnessFourFifths",
    )
    name, title = "demographic_parity_ratio", "upper limit, groups with enough rows"
    judged = Line("judged", f"max({recorded(f'{name}_final_judged')})", title, PURPLE)
    return lines(about, [*_before_and_after(name), judged, _limit(limit("impact_ratio"))])


def worst_group() -> object:
    """Accuracy of the group that is served worst."""
    about = About(
        "Worst-group accuracy",
        "Accuracy of the group that is served worst, among rows with a known true label. The limit is its "
        f"value in validation minus the allowed drop, where the bundle tells that value. {WINDOW}",
        "a drop after correction alone points to the correction, a drop of both lines to the traffic.",
        "FairnessWorstGroupAccuracyLow",
    )
    validation = (
        f'max(evenhand_reference{{{MODEL}, reference="worst_group_accuracy"}}) - {limit("accuracy_drop")}'
    )
    return lines(about, [*_before_and_after("worst_group_accuracy"), _limit(validation)])


def evidence(process: str) -> object:
    """One of the two sequential processes, as a share of its limit."""
    descriptions = {
        "detector": (
            "Evidence of a change, against its limit",
            "Sequential evidence that a gap to the reference group above the limit has begun: valid "
            "however often it is looked at, with the configured days per false alarm. 100 % is the limit.",
        ),
        "since_start": (
            "Evidence since deployment, against its limit",
            "Sequential evidence of a gap to the reference group above the limit since deployment, valid "
            "at any time. 100 % is the limit; below it there is no evidence of a breach, which is not "
            "evidence of none.",
        ),
    }[process]
    about = About(
        *descriptions,
        "at 100 % treat it as a breach, whatever the windows above say.",
        "FairnessSequentialEvidence",
    )
    colours = {"demographic_parity": BLUE, "true_positive_rate": ORANGE, "false_positive_rate": PURPLE}
    drawn = [_limit("vector(1)")]
    for metric, colour in colours.items():
        scope = f'{{{MODEL}, metric="{metric}", process="{process}"}}'
        parts = [f"max by (group) (evenhand_evidence_{part}{scope})" for part in ("ln", "limit_ln")]
        title = metric.replace("_", " ")
        drawn.append(Line(metric, " / ".join(parts), f"{{{{group}}}}, {title}", colour, many=True))
    return lines(about, drawn, decimals=0)


def groups_now() -> object:
    """Everything about each group, now."""
    about = About(
        "Groups now",
        "Every group in the window: rows, share of favourable answers before and after correction with 95 "
        "% limits (Wilson), that share divided by the largest group's (impact ratio), true and false "
        "positive rate, accuracy, and answers that the correction moved.",
        "find the group behind a gap, and whether its limits leave room for doubt.",
    )
    shares = {
        "selection_rate_base": "Selected before",
        "selection_rate_final": "Selected after",
        "selection_rate_final_lower": "Lower limit",
        "selection_rate_final_upper": "Upper limit",
        "impact_ratio_final": "Impact ratio",
        "true_positive_rate_base": "TPR before",
        "true_positive_rate_final": "TPR after",
        "false_positive_rate_base": "FPR before",
        "false_positive_rate_final": "FPR after",
        "accuracy_base": "Accuracy before",
        "accuracy_final": "Accuracy after",
    }
    columns = [Column("rows", f"sum by (group) ({recorded('rows')})", "Rows", NUMBER, 0)]
    columns += [Column(name, f"max by (group) ({recorded(name)})", title) for name, title in shares.items()]
    columns += [
        Column(kind.replace(" ", "_"), f"sum by (group) ({changed(kind)})", kind.capitalize(), NUMBER, 0)
        for kind in ("to favourable", "to unfavourable")
    ]
    return joined(about, "group", columns)


def flips() -> object:
    """What the correction moved, by direction."""
    about = About(
        "Answers that the correction moved",
        f"Decisions of each group that the correction turned to favourable or to unfavourable. {WINDOW}",
        "moves in an unexpected direction, or for one group alone, are worth reading row by row in the "
        "record.",
        "FairnessCorrectionRateShift",
    )
    drawn = [
        Line(kind.split()[1], f"sum by (group) ({changed(kind)})", f"{{{{group}}}} {kind}", colour)
        for kind, colour in (("to favourable", BLUE), ("to unfavourable", ORANGE))
    ]
    return bars(about, drawn, NUMBER)


def benefit() -> object:
    """What the correction mended and broke."""
    about = About(
        "Benefit and harm per group",
        "Rows with a known true label: mended were wrong before correction and right after it, broken the "
        f"other way round. {WINDOW}",
        "a group with more broken than mended pays for the others: see the runbook.",
        "FairnessCorrectionHarm",
    )
    drawn = [
        Line(kind, f"sum by (group) ({recorded(kind)})", f"{{{{group}}}} {kind}", colour)
        for kind, colour in (("mended", BLUE), ("broken", VERMILLION))
    ]
    return bars(about, drawn, NUMBER)


def selection() -> object:
    """One group's rate with its interval; repeated for every group."""
    about = About(
        "Share of favourable answers: $group",
        f"Before correction, and after it with its 95 % interval (Wilson). {WINDOW}",
        "compare with the other groups: bands that do not overlap are a gap.",
        "FairnessSelectionGap",
    )
    only = ', group=~"$group"'
    low, high = "after, lower limit", "after, upper limit"
    shown = "max by (attribute) ({})"
    drawn = [
        Line("before", shown.format(recorded("selection_rate_base", only)), "before", GREY, dashed=True),
        Line("after", shown.format(recorded("selection_rate_final", only)), "after", BLUE),
        Line("lower", shown.format(recorded("selection_rate_final_lower", only)), low, SKY, thin=True),
        Line(
            "upper",
            shown.format(recorded("selection_rate_final_upper", only)),
            high,
            SKY,
            thin=True,
            band_to=low,
        ),
    ]
    return lines(about, drawn).repeat("group").repeat_direction("h")


def _soft_sum(series: str, by: str, more: str = "") -> str:
    return f"sum by ({by}) (increase(evenhand_soft_{series}_total{{{MODEL}{more}}}[${{window}}]))"


def soft() -> object:
    """Rates weighted by the probability of the group, marked as estimates."""
    about = About(
        "Estimate: share of favourable answers, weighted by the probability of the group",
        "An estimate: nobody declared these groups. Each row counts for the other groups with its risk "
        "and for the reference group with the rest. Such weights understate gaps, and the same network "
        "estimates the risk. Over the chosen window.",
        "use it to see movement, not to decide; declare groups for a part of the traffic to check it.",
    )
    drawn = []
    for when, colour, title in (("base", ORANGE, "before"), ("final", BLUE, "after")):
        favourable = _soft_sum("decisions", "attribute, group", f', {when}="1"')
        expr = f"{favourable} / ({_soft_sum('decisions', 'attribute, group')} > 0)"
        drawn.append(
            Line(title, expr, f"estimate, {{{{attribute}}}}: {{{{group}}}}, {title}", colour, many=True)
        )
    return lines(about, drawn)


def effective_rows() -> object:
    """What those weights are worth."""
    about = About(
        "Estimate: rows that the weights are worth",
        "The square of the sum of weights divided by the sum of their squares: how many rows with a known "
        "group would be as informative.",
        "an estimate worth fewer rows than a verdict needs says little.",
        "FairnessInsufficientData",
    )
    weights, squares = (_soft_sum(series, "attribute, group") for series in ("decisions", "weight_squared"))
    expr = f"{weights} ^ 2 / ({squares} > 0)"
    return bars(about, [Line("rows", expr, "{{attribute}}: {{group}}", GREY)], NUMBER)
