"""The report's sentences: what changed, for whom, how sure; what is not known; what the words mean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evenhand.training.evaluation.calibration import BINS, DRAWS
from evenhand.training.evaluation.metrics import MIN_CELL
from evenhand.training.words import MEANINGS, percent

Plain = dict[str, Any]

DEFINITIONS = {
    "base and corrected": "The base answer is the model's without correction; the corrected answer is the one that is "
    "served, under each attribute's mode. Both come from the bundle's own graph, on the same rows.",
    "group, reference": "A value of a sensitive attribute; the value that the correction leaves alone.",
    **MEANINGS,
    "equalized odds difference": f"{MEANINGS['equalized odds difference']} Their mean is a second figure.",
    "cell, worst cell": "A cell is a true label within a group. The worst cell is the one of lowest accuracy, as in "
    f"GroupDRO (Sagawa et al. 2020) and FairNet (arXiv 2510.19421). Cells under {MIN_CELL} rows are listed and never "
    "taken as the worst, and enter no difference over groups.",
    "calibration error": f"How far a probability is from how often it comes true, averaged over {BINS} intervals of "
    "equal width, weighted by their rows (ECE: Naeini, Cooper and Hauskrecht 2015; Guo et al. 2017). Within a group it "
    "is about the probability of a favourable label (calibration within groups: Kleinberg, Mullainathan and Raghavan "
    "2016). Over few rows it comes out too high.",
    "Brier score": "Mean squared distance between the probability of a favourable label and what came true; 0 is best "
    "(Brier 1950).",
    "risk, detector": "The detector's probability that a row does not belong to the reference group; a row is flagged "
    "when it reaches the threshold. Its true positive rate is the share flagged outside the reference group, its false "
    "positive rate the share flagged inside it.",
    "coverage, AURC": "If only the most confident rows are answered, coverage is their share. AURC is the error rate "
    "over them, averaged over all coverages; lower is better (El-Yaniv and Wiener 2010; Geifman, Uziel and El-Yaniv "
    "2019).",
    "interval": "95 %. Rates: Wilson 1927. Two groups: Newcombe 1998, method 10 for independent samples. "
    "Before and after on the same rows: Newcombe 1998, method 10 for paired samples. Calibration error, Brier score, "
    f"AURC: basic bootstrap over rows, {DRAWS} draws. They are about the choice of rows, one figure at a time: among "
    "many figures some intervals miss by chance.",
}


def number(figure: Plain) -> str:
    """``0.058 (0.041 to 0.072)``, or that there is no row."""
    if figure["value"] is None:
        return "no rows"
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def points(difference: Plain) -> str:
    """``+2.1 points (+0.3 to +4.0)``, or that there is no row."""
    if difference["value"] is None:
        return "no rows"
    return (
        f"{100 * difference['value']:+.1f} points ({100 * difference['low']:+.1f} to {100 * difference['high']:+.1f})"
    )


def verdict(difference: Plain) -> str:
    """What a change with its interval allows to say."""
    if difference["value"] is None or difference["n"] < MIN_CELL:
        return f"too few rows to say ({difference['n']})"
    if difference["low"] > 0:
        return f"rose by {_size(difference, 'value', 'low', 'high')}"
    if difference["high"] < 0:
        return f"fell by {_size(difference, 'value', 'high', 'low')}"
    return f"shows no clear change: {points(difference)}"


def _size(difference: Plain, value: str, least: str, most: str) -> str:
    sizes = [100 * abs(difference[key]) for key in (value, least, most)]
    return "{:.1f} points ({:.1f} to {:.1f})".format(*sizes)


def against_reference(name: str, of: Plain) -> list[str]:
    """How far all groups but the reference are from it, before and after: two groups, so with an interval."""
    before, after = (of["disparities_pooled"][kind] for kind in ("base", "final"))
    reference, others = before["groups"]
    sentences = []
    for metric, words in (
        ("selection_rate", "share answered favourably"),
        ("true_positive_rate", "share answered favourably among rows whose true label is favourable"),
        ("false_positive_rate", "share answered favourably among rows whose true label is not"),
    ):
        first, second = (found["against_reference"][others][metric] for found in (before, after))
        small = min(first["n"], first["n_reference"]) < MIN_CELL
        if small or first["value"] is None or second["value"] is None:
            sentences.append(
                f"For the {words} there are too few rows to compare ({first['n']} and {first['n_reference']})."
            )
        else:
            sentences.append(
                f"Where {name} is {others}, the {words} is {_gap(second)} where it is {reference}; without correction "
                f"it was {_gap(first).removesuffix(' from that').removesuffix(' that')}."
            )
    return sentences


def _gap(difference: Plain) -> str:
    if difference["low"] <= 0 <= difference["high"]:
        return f"not clearly apart ({points(difference)}) from that"
    way, least, most = ("above", "low", "high") if difference["value"] > 0 else ("below", "high", "low")
    return f"{_size(difference, 'value', least, most)} {way} that"


def in_short(result: Plain) -> list[str]:
    """The first thing to read: plain sentences, the most general first."""
    figures = result["figures"]
    accuracy, changed = figures["accuracy"], sum(figures["flips"].values())
    n = figures["rows"]
    moved = "; ".join(f"{count} from {name.replace(' -> ', ' to ')}" for name, count in figures["flips"].items())
    sentences = [
        f"Of {n} judged rows, {changed} ({100 * changed / n:.1f} %) got another answer because of the correction"
        + (f": {moved}." if moved else ".")
        + f" {accuracy['difference']['mended']} became right and {accuracy['difference']['broken']} became wrong.",
        f"Accuracy over all rows {verdict(accuracy['difference'])}; it was {percent(accuracy['base'])} and is "
        f"{percent(accuracy['final'])}.",
        *_worst(figures),
    ]
    certificate = (
        "The thresholds carry a certificate from validation rows (Learn-then-Test, arXiv 2110.01052)."
        if result["bundle"]["certified"]
        else "The thresholds carry no certificate: they were chosen because they did well on validation rows."
    )
    off = [a["name"] for a in result["bundle"]["attributes"] if a["mode"] != "apply"]
    sentences.append(certificate + (f" Not corrected as the bundle stands: {', '.join(off)}." if off else ""))
    return sentences


def _worst(figures: Plain) -> list[str]:
    base, final = (figures["worst_cell"][kind] for kind in ("base", "final"))
    if base is None or final is None:
        return [f"No cell has {figures['min_cell_rows']} rows, so no worst cell can be named."]
    name = _cell_name(base)
    now = next(
        cell
        for cell in figures["attributes"][base["attribute"]]["cells"]
        if (cell["group"], cell["label"]) == (base["group"], base["label"])
    )
    first = (
        f"Without correction the worst-served cell is {name} ({base['accuracy']['n']} rows): "
        f"{percent(base['accuracy'])} answered right. With correction, accuracy there {verdict(now['difference'])}."
    )
    if (base["attribute"], base["group"], base["label"]) == (final["attribute"], final["group"], final["label"]):
        return [first + " It is still the worst."]
    return [
        first,
        f"With correction the worst-served cell is {_cell_name(final)} ({final['accuracy']['n']} rows): "
        f"{percent(final['accuracy'])} answered right.",
    ]


def _cell_name(cell: Plain) -> str:
    return f"“{cell['attribute']} is {cell['group']}, true label {cell['label']}”"


def for_whom(result: Plain) -> list[str]:
    """Groups and cells whose figures moved by more than chance explains, and how many groups did not."""
    figures, favourable = result["figures"], ", ".join(result["data"]["favourable"])
    found, unclear = [], 0
    for attribute, of in figures["attributes"].items():
        for group, figure in of["groups"].items():
            said = [
                f"{words} {verdict(figure[metric]['difference'])}"
                for metric, words in (
                    ("accuracy", "accuracy"),
                    ("selection_rate", f"the share answered “{favourable}”"),
                )
                if _clear(figure[metric]["difference"])
            ]
            unclear += figure["rows"] >= MIN_CELL and not said
            if said:
                found.append(f"Where {attribute} is {group} ({figure['rows']} rows), {', and '.join(said)}.")
        found += [
            f"Where {attribute} is {cell['group']} and the true label {cell['label']} ({cell['base']['n']} rows), "
            f"accuracy {verdict(cell['difference'])}."
            for cell in of["cells"]
            if _clear(cell["difference"])
        ]
    found.append(
        f"In {unclear} {'other ' if found else ''}groups of at least {MIN_CELL} rows neither accuracy nor the share "
        "answered favourably changed by more than chance explains."
    )
    return found


def _clear(difference: Plain) -> bool:
    return bool(difference["n"] >= MIN_CELL and (difference["low"] > 0 or difference["high"] < 0))


def not_known(result: Plain) -> list[str]:
    """What these rows cannot say."""
    data, figures = result["data"], result["figures"]
    return [
        *_about_rows(data),
        *(
            f"{of['unknown_rows']} of {figures['rows']} rows have no known {name}: they count in the overall figures, "
            "and are shown apart under this attribute."
            for name, of in figures["attributes"].items()
            if of["unknown_rows"]
        ),
        *(_small_cells(name, of) for name, of in figures["attributes"].items() if _small(of)),
        *(
            f"The bundle corrects for {name}, but the table has no such column: nothing is said about it."
            for name in data["absent_attributes"]
        ),
        *(
            f"The bundle was not fitted on these groups of {name}: {', '.join(groups)}."
            for name, groups in data["new_groups"].items()
        ),
        *(
            f"{name} has no detector of its own: it is judged by what any detector flags."
            for name, of in figures["attributes"].items()
            if not of["detector"]["own"]
        ),
        "" if result["bundle"]["certified"] else "No certificate: other rows may turn out worse than these.",
        "The groups are as the table gives them. Where they are wrong or guessed, so are the figures per group.",
        "The figures are about these rows. Rows from another place or time may be treated otherwise.",
        "Many groups and figures are looked at, each with its own 95 % interval: about one in twenty misses by chance.",
    ]


def _about_rows(data: Plain) -> Iterator[str]:
    rows = data["rows"]
    if rows["left_out"]:
        parts = ", ".join(f"{name} {n}" for name, n in rows["left_out"].items())
        yield f"Rows of other splits were left out as asked: {parts}."
    if rows["refused"]:
        yield f"{rows['refused']} rows could not be judged; they are listed below with the reason."
    if data["same_as_fitted"] and not data["only"]:
        yield "This is the file that the bundle was fitted on: figures over rows it has learnt from flatter it."
    if data["truncated"]:
        yield f"{data['truncated']} inputs were longer than the model reads and were cut."


def _small(of: Plain) -> list[Plain]:
    return [cell for cell in of["cells"] if not cell["counts"]]


def _small_cells(name: str, of: Plain) -> str:
    parts = ", ".join(f"{cell['group']} / {cell['label']} ({cell['base']['n']})" for cell in _small(of))
    return f"Too few rows to judge in these cells of {name} (rows in brackets): {parts}."
