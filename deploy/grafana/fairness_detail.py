"""The fairness dashboard's panels of one attribute or group: every gap, every group, evidence, estimates."""

from __future__ import annotations

from colours import BLUE, GREY, ORANGE, PURPLE, SKY, VERMILLION
from parts import NUMBER, About, Column, Line, bars, joined, lines
from series import MODEL, WINDOW, changed, of_target, recorded

METRICS = {
    "demographic_parity": "demographic parity",
    "equal_opportunity": "equal opportunity",
    "predictive_equality": "predictive equality",
    "equalized_odds": "equalized odds",
}


def target_lines() -> object:
    """The target of an attribute before and after correction, with its limit."""
    about = About(
        "Target",
        "The figure that the bundle aims at for this attribute, over declared groups, before and after "
        "correction: a gap, which should be small, or the lowest accuracy of a cell (label x group), which "
        f"should be high; with its limit. It alone is judged. {WINDOW}",
        "it is a breach when the figure is surely beyond the limit, among groups with enough rows: see the "
        "runbook.",
        "FairnessTargetBreach",
    )
    drawn = [
        Line(
            "before",
            f"max by (measure) ({of_target('target_base')})",
            "{{measure}} before",
            GREY,
            dashed=True,
        ),
        Line("after", f"max by (measure) ({of_target('target_final')})", "{{measure}} after", BLUE),
        _limit(f"max(evenhand_target_limit{{{MODEL}}} >= 0)"),
    ]
    return lines(about, drawn)


def losing_cells() -> object:
    """What each cell gains or loses by the correction."""
    about = About(
        "What each cell gains or loses",
        "Accuracy after correction minus before, per group and kind of true label (1: favourable), on the "
        f"same rows; and the upper 95 % limit: below 0 the cell surely lost. {WINDOW}",
        "a cell that surely loses pays for the gain: is that what the target allows?",
        "FairnessCorrectionHarm",
    )
    of_cell = "{{group}}, label {{label}}"
    drawn = [
        Line(
            "change", f"max by (group, label) ({of_target('cell_accuracy_change')})", of_cell, BLUE, many=True
        ),
        Line(
            "upper",
            f"max by (group, label) ({of_target('cell_accuracy_change_upper')})",
            f"{of_cell}, at most",
            SKY,
            many=True,
        ),
    ]
    return lines(about, drawn)


def gap(metric: str) -> object:
    """A gap between groups with its interval: information, unless it is the target."""
    name = f"{metric}_difference"
    means = {
        "demographic_parity": "The largest share of favourable answers of any group minus the smallest.",
        "equal_opportunity": "The largest true positive rate of any group minus the smallest: among rows "
        "whose true label is favourable, the share answered favourably.",
        "predictive_equality": "The largest false positive rate of any group minus the smallest: among rows "
        "whose true label is not favourable, the share answered favourably.",
        "equalized_odds": "The larger of two gaps between groups: that of true positive rates and that of "
        "false positive rates.",
    }[metric]
    about = About(
        f"{METRICS[metric].capitalize()} difference",
        f"{means} Fairlearn's {name}, over every group with a row. The band is the 95 % interval after "
        f"correction. Information, unless it is the target. {WINDOW}",
        "compare it with the target: measures often cannot all be equal at once.",
    )
    judged = Line(
        "judged", f"max({recorded(f'{name}_final_judged')})", "lower limit, groups with enough rows", PURPLE
    )
    return lines(about, [*_before_and_after(name), judged])


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
        f"Fairlearn's demographic_parity_ratio. Information. {WINDOW}",
        "below 80 % ask whether the four-fifths rule of United States employment guidelines applies to you.",
    )
    return lines(about, _before_and_after("demographic_parity_ratio"))


def worst_group() -> object:
    """Accuracy of the group that is served worst."""
    about = About(
        "Worst-group accuracy",
        "Accuracy of the group that is served worst, among rows with a known true label, and what it was in "
        f"validation, where the bundle tells it. Information. {WINDOW}",
        "a drop after correction alone points to the correction, a drop of both lines to the traffic.",
    )
    validation = f'max(evenhand_reference{{{MODEL}, reference="worst_group_accuracy"}})'
    return lines(
        about,
        [
            *_before_and_after("worst_group_accuracy"),
            Line("then", validation, "in validation", PURPLE, thin=True),
        ],
    )


def evidence(process: str) -> object:
    """One of the two sequential processes, and the limit that the target's rates have."""
    descriptions = {
        "detector": (
            "Evidence of a change",
            "Logarithm of the sequential evidence that a gap to the reference group above the limit has "
            "begun: valid however often it is looked at, with the configured days per false alarm. Rates "
            "that are not the target's have no limit.",
        ),
        "since_start": (
            "Evidence since deployment",
            "Logarithm of the sequential evidence of a gap to the reference group above the limit since "
            "deployment, valid at any time. Below the limit there is no evidence of a breach, which is not "
            "evidence of none.",
        ),
    }[process]
    about = About(
        *descriptions,
        "a rate of the target that passes the limit is a breach, whatever the windows above say.",
        "FairnessSequentialEvidence",
    )
    colours = {"demographic_parity": BLUE, "true_positive_rate": ORANGE, "false_positive_rate": PURPLE}
    drawn = [_limit(f'max(evenhand_evidence_limit_ln{{{MODEL}, process="{process}"}})')]
    for metric, colour in colours.items():
        scope = f'{{{MODEL}, metric="{metric}", process="{process}"}}'
        title = metric.replace("_", " ")
        expr = f"max by (group) (evenhand_evidence_ln{scope})"
        drawn.append(Line(metric, expr, f"{{{{group}}}}, {title}", colour, many=True))
    return lines(about, drawn, NUMBER, decimals=1)


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
