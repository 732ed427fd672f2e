"""Local Law 144's tables, as parts of the page."""

from __future__ import annotations

from typing import Any

from evenhand.reports.page_fairness import MARKS
from evenhand.reports.words import count
from evenhand.training.pages import paragraph, points, table
from evenhand.training.words import percent

Plain = dict[str, Any]
HEADER = ["category", "individuals", "share of known", "selection rate", "impact ratio", "four fifths"]


def law(told: Plain, period: str, abstention: Plain | None) -> list[str]:
    """Tables as 6 RCNY 5-301 asks for, and what they are not; ``abstention`` where the model may."""
    named = told["named"]
    asked = [kind for kind, name in (("sex", named["sex"]), ("race or ethnicity", named["race"])) if name is None]
    parts = [
        paragraph(
            "New York City's Local Law 144 of 2021 asks for the selection rate and the impact ratio of every category "
            "of sex, of race or ethnicity, and of their intersections (6 RCNY 5-301). Selected means: answered with a "
            "favourable label, after correction."
        )
    ]
    if len(asked) == 2:
        parts.append(
            paragraph(
                "This is not the table that the law asks for: no attribute of this model was named as sex or as race "
                "or ethnicity (--sex-attribute, --race-attribute). The same figures are given for every attribute."
            )
        )
    elif asked:
        parts.append(
            paragraph(f"No attribute was named as {asked[0]}: that table, and the intersections, are missing.")
        )
    tables = [*told["tables"], *([told["intersections"]] if told["intersections"] else [])]
    for each in tables:
        parts += _categories(each)
    return [*parts, points([*_notes(told, period), *_given(abstention)])]


def _categories(told: Plain) -> list[str]:
    if not told["lines"]:
        return [paragraph(f"By {told['title']}: no category is known of any of {count(told['unknown'])} individuals.")]
    rows = [
        [
            line["category"],
            count(line["selection_rate"]["n"]),
            f"{100 * line['share']:.1f} %",
            percent(line["selection_rate"]),
            _ratio(line),
            line["ratio"]["verdict"] if line["ratio"] else "-",
        ]
        for line in told["lines"]
    ]
    caption = f"By {told['title']}. Individuals of unknown category, in none of these: {count(told['unknown'])}."
    return [table(HEADER, rows, caption, MARKS)]


def _ratio(line: Plain) -> str:
    ratio = line["ratio"]
    if line["small"]:
        beside = "" if line["ratio_with_small"] is None else f"; would be {line['ratio_with_small']:.2f}"
        return f"left out, under 2 %{beside}"
    if ratio is None:
        return "none: nobody is selected"
    limits = "" if ratio["low"] is None else f" ({ratio['low']:.2f} to {ratio['high']:.2f})"
    return f"{ratio['value']:.2f}{limits}"


def _given(abstention: Plain | None) -> list[str]:
    if abstention is None or not abstention["attributes"]:
        return []
    return [
        f"{count(sum(abstention['attributes'].values()))} decisions abstained and were left to a person. They count "
        "here under the model's own answer, whatever that person decided."
    ]


def _notes(told: Plain, period: str) -> list[str]:
    not_held = sum(told["not_held"].values())
    return [
        f"The data are the tool's own decisions of {period}, as they were recorded when they were made (historical "
        "data, 6 RCNY 5-302). Each decision counts as one individual.",
        "Categories are those that were declared; none was inferred or imputed.",
        "Categories under 2 % of the individuals of known category are left out of the ratios, as 6 RCNY 5-301 allows; "
        "an auditor may decide otherwise, and must justify each one that stays left out.",
        "The law sets no limit to an impact ratio. The column “four fifths” compares it with 0.8 (29 CFR 1607.4 D): a "
        "breach where the whole 95 % interval is below, insufficient data where a category, or the most selected one, "
        "has too few individuals.",
        *(
            [f"For {count(not_held)} individuals a category was declared that is no longer kept with the decision."]
            if not_held
            else []
        ),
        "6 RCNY 5-303 asks to publish, besides these figures, the date of the audit and the date from which the tool "
        "was distributed or used.",
        "A bias audit under this law is made by an independent auditor. These tables are material for one, and not the "
        "audit.",
    ]
