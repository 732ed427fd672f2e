"""Write MODEL_CARD.md from the manifest and the evaluation; every figure has its count and interval."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from evenhand.models.bundle.manifest import Attribute, Correction, Manifest
from evenhand.stats import in_words as rate
from evenhand.training.choice.learners import BENEFIT, OUTLIER
from evenhand.training.correctors import correctors
from evenhand.training.fit.data_card import data_card

BASE_ANSWER = "the base model's answer bit for bit"
UNCERTIFIED = "it may do less, or harm, on other data. Start in shadow mode and watch."


def write(manifest: Manifest, evaluation: dict[str, Any]) -> str:
    """The card as Markdown.

    Args:
        manifest: The bundle's manifest.
        evaluation: The figures of :func:`evenhand.training.evaluation.bundle_score.score`, per split.
    """
    parts = [
        f"# {manifest.name} {manifest.version}",
        manifest.description,
        "## Intended use",
        manifest.intended_use,
        "## Not for",
        manifest.out_of_scope,
        "## What it does",
        _mechanism(manifest),
        "## Correction per attribute",
        _attributes(manifest),
        "## Certificate",
        _certificate(manifest),
        *_precision(manifest),
        *(_split(name, figures, manifest) for name, figures in evaluation.items()),
        *data_card(manifest),
        "## Provenance",
        _provenance(manifest),
    ]
    return "\n\n".join(parts) + "\n"


def _mechanism(manifest: Manifest) -> str:
    sentences = [_base(manifest), *_correction(manifest), _risk(manifest)]
    if manifest.graph.engine == "torch":
        sentences.append("The torch engine runs it: serving it needs the extra `torch`.")
    return " ".join(sentences)


def _base(manifest: Manifest) -> str:
    """The base, and where the detectors read it."""
    c, retraining = manifest.correction, manifest.provenance.settings.get("retraining")
    trained = f", trained by the method {retraining}" if retraining else ""
    box = manifest.provenance.settings.get("box")
    if box:
        return _box(manifest, box)
    return (
        f"A base classifier ({manifest.provenance.base}{trained}) with labels {', '.join(manifest.labels)} "
        f"(favourable: {', '.join(manifest.favourable)}). A bias detector per attribute reads the input of "
        f"block {c.layer} of {c.layers} ({c.pooling} pooling); a row is flagged where its risk reaches the "
        "attribute's threshold."
    )


def _box(manifest: Manifest, box: Mapping[str, Any]) -> str:
    """A model of the user's, how well its form agrees with it, and what the detectors read."""
    came = "as a file" if box["file"] else "from memory"
    proof = (
        f"In the bundle's graph it gave the file's own label on {box['rows']} rows of all lengths"
        if manifest.task == "text" and box["precision"] == "as it is"
        else f"Its ONNX form gave the library's own label on all {box['rows']} rows of the table"
    )
    reads = f"which of {box['tokens']} frequent tokens a text holds" if "tokens" in box else "the features"
    return (
        f"A classifier that came {came} ({manifest.provenance.base}, {box['library']}) and is unchanged, "
        f"with labels {', '.join(manifest.labels)} (favourable: {', '.join(manifest.favourable)}). {proof}"
        + (f" but {box['ties']} ties" if box["ties"] else "")
        + f"; probabilities differed by at most {box['largest_difference']:.1e}. A bias detector per "
        f"attribute reads {reads} and the model's own probabilities; a row is flagged where its risk "
        "reaches the attribute's threshold."
    )


def _correction(manifest: Manifest) -> list[str]:
    """What becomes of flagged rows in the modes that the bundle is written with."""
    if manifest.correction.method == "none":
        return [f"Nothing is corrected: flagged rows are only counted, and every row gets {BASE_ANSWER}."]
    if not manifest.correction.changes_answers:
        return _abstention(manifest)
    attributes = manifest.attributes
    names = {mode: _names(a for a in attributes if a.mode == mode) for mode in ("apply", "shadow", "off")}
    everyone = _names(a for a in attributes if a.mode == "apply" and a.threshold == 0.0)
    sentences = [f"A corrected row is {_how(manifest.correction)}.", *_offsets(manifest.correction)]
    if everyone:
        sentences.append(
            f"The gate is always open for {everyone}: every row is corrected, whatever its risk."
        )
    elif names["apply"]:
        sentences.append(
            f"Rows flagged for {names['apply']} are corrected; every other row gets {BASE_ANSWER}."
        )
    else:
        sentences.append(f"In the modes of this bundle no row is corrected: each gets {BASE_ANSWER}.")
    if names["shadow"]:
        sentences.append(f"For {names['shadow']} the corrected answer is recorded and not served (shadow).")
    if names["off"]:
        sentences.append(f"For {names['off']} the correction is off: flagged rows are only counted.")
    return [*sentences, "An operator can switch these modes while the bundle serves."]


def _how(correction: Correction) -> str:
    """Both stages in words."""
    soft = "; this change is multiplied by the row's risk" if correction.soft else ""
    if correction.method == "lora":
        targets = ", ".join(correction.targets)
        scale = f"rank {correction.rank}, alpha {correction.alpha}, on {targets}"
        return f"finished a second time with LoRA weights ({scale}){soft}"
    method = correctors().get(correction.method)
    effect = f": {method.effect}" if method and method.effect else ""
    return f"answered by the method {correction.method}{effect}{soft}"


def _offsets(correction: Correction) -> list[str]:
    """The decision stage's numbers."""
    if correction.offsets is None:
        return []
    of_attributes = "; ".join(
        f"{name}: " + ", ".join(f"{label} {offset:+g}" for label, offset in of.items())
        for name, of in correction.offsets.items()
    )
    return [
        "In the end an offset per label, times the risk, is added to the scores (logits) of a corrected row: "
        f"{of_attributes}."
    ]


def _abstention(manifest: Manifest) -> list[str]:
    """Which rows get no decision."""
    bounds = [
        f"{a.name} below {a.abstain_below:.3f}"
        for a in manifest.attributes
        if a.abstain_below and a.mode == "apply"
    ]
    if not bounds:
        return [f"No answer is changed, and no row goes without a decision: every row gets {BASE_ANSWER}."]
    return [
        "No answer is changed. A flagged row whose answer is less probable than the attribute's bound "
        f"({', '.join(bounds)}) gets no decision and is left to a person; every decision that is given is "
        f"{BASE_ANSWER}."
    ]


def _risk(manifest: Manifest) -> str:
    taught = manifest.provenance.settings.get("detector_taught")
    if taught == OUTLIER:
        return (
            "No attribute was known: the risk is the calibrated probability that a row is unlike most others."
        )
    if taught == BENEFIT:
        return (
            "No attribute was known: the risk is the calibrated probability that the correction raises the "
            "probability of the row's true label."
        )
    return (
        "The risk is the calibrated probability that the row does not belong to the reference group; it is "
        "an inference about a sensitive attribute: treat it as personal data."
    )


def _names(attributes: Iterable[Attribute]) -> str:
    return ", ".join(attribute.name for attribute in attributes)


def _attributes(manifest: Manifest) -> str:
    lines = ["| attribute | reference | other groups | threshold | mode | why |", "|---|---|---|---|---|---|"]
    for a in manifest.attributes:
        others = ", ".join(group for group in a.groups if group != a.reference)
        lines.append(f"| {a.name} | {a.reference} | {others} | {a.threshold:g} | {a.mode} | {a.why} |")
    return "\n".join(lines)


def _precision(manifest: Manifest) -> list[str]:
    """What an export with lower precision changed, if this is one."""
    export = manifest.provenance.settings.get("export")
    if export is None:
        return []
    return [
        "## Precision",
        f"Exported with {export['weights']} weights from a bundle whose weights are "
        f"{export['bundle_weights']} (`{export['bundle_sha256']}`); thresholds and modes are that bundle's. "
        "Accuracy and the worst cell, of the base and of the answer as served, fall by at most "
        f"{100 * export['tolerance']:g} points on the {export['rows']} rows below. Certificate and tests "
        "above are about that bundle, not about this one.",
    ]


def _certificate(manifest: Manifest) -> str:
    """What was tested, the result, and what it does not cover."""
    c = manifest.certificate
    if not manifest.correction.changes_answers:
        return "There is nothing to certify: no answer is changed."
    if c is None or not manifest.provenance.settings.get("correction", {}).get("require_certificate", True):
        return f"**The thresholds are not certified**, nor was that tried: {UNCERTIFIED}"
    target = "" if manifest.target is None else f"Target: {manifest.target.in_words()}. "
    result = (
        "**Certified**, on rows like the validation rows: every claim of the setting below that passed."
        if manifest.certified
        else f"**Nothing is certified.** {_as_written(manifest)}"
    )
    lines = [
        result,
        "",
        *(f"- {reason}" for reason in c.refusal),
        *([""] if c.refusal else []),
        f"{target}Learn-then-Test (arXiv 2110.01052) with exact paired tests on {c.rows} validation rows, "
        f"family-wise level {c.alpha:g}. Other rows named what has to become better and put settings in "
        "order, the safest first. Not certified: cells of too few rows; see all cells below.",
        "",
        "| strength | levels | claim | margin, points | p | certified |",
        "|---|---|---|---|---|---|",
    ]
    for t in c.trials:
        levels = ", ".join(level if isinstance(level, str) else f"{level:g}" for level in t.levels)
        for claim in t.claims:
            margin = "" if claim.margin is None else f"{100 * claim.margin:+.2f}"
            verdict = "yes" if t.certified else "no"
            lines.append(
                f"| {t.strength:g} | {levels} | {claim.said} | {margin} | {claim.p:.4f} | {verdict} |"
            )
    return "\n".join(lines)


def _as_written(manifest: Manifest) -> str:
    """How the bundle is written without a certificate."""
    if all(attribute.mode == "off" for attribute in manifest.attributes):
        return "The correction is off."
    return f"All the same it is on: {UNCERTIFIED}"


def _split(name: str, figures: dict[str, Any], manifest: Manifest) -> str:
    uncorrected = {each.name for each in manifest.attributes if not each.corrects}
    accuracy, difference = figures["accuracy"], figures["accuracy"]["difference"]
    flagged, corrected, abstained = (
        figures[f"{what}_share"] for what in ("flagged", "corrected", "abstained")
    )
    lines = [
        f"## Evaluation on {name} ({figures['rows']} rows)",
        "",
        "As served means under the modes above. Cell means (label x group); rates are accuracies with n and "
        f"95 % Wilson intervals. Cells under {figures['min_cell_rows']} rows are marked \\* and never "
        "taken as the worst.",
        "",
        f"- accuracy: base {rate(accuracy['base'])}, as served {rate(accuracy['final'])}; difference "
        f"{100 * difference['value']:+.2f} points ({100 * difference['low']:+.2f} to "
        f"{100 * difference['high']:+.2f}; {difference['mended']} rows mended, {difference['broken']} "
        "broken)",
        f"- worst cell: base {_cell(figures['worst_cell']['base'])}; "
        f"as served {_cell(figures['worst_cell']['final'])}",
        f"- rows flagged: {100 * flagged:.1f} %; rows corrected: {100 * corrected:.1f} %; answers changed: "
        + (", ".join(f"{direction}: {n}" for direction, n in figures["flips"].items()) or "none"),
    ]
    if abstained:
        lines.append(
            f"- rows without a decision: {100 * abstained:.1f} %; their answers count in every figure here"
        )
    lines += ["", *_target_lines(figures["target"])]
    for attribute, of in figures["attributes"].items():
        lines += [
            "",
            f"### {attribute}",
            "",
            *_attribute_lines(of, corrected > 0 and attribute not in uncorrected),
        ]
    return "\n".join(lines)


def _target_lines(figures: dict[str, Any]) -> list[str]:
    """The target before and after, and next to it every cell that loses."""
    lines = [
        "| target | base | as served | difference, points |",
        "|---|---|---|---|",
    ]
    for of in figures["attributes"]:
        change = of["difference"]
        moved = (
            "too few rows"
            if change["value"] is None
            else f"{100 * change['value']:+.1f} ({100 * change['low']:+.1f} to {100 * change['high']:+.1f})"
        )
        name = f"{of['figure'].replace('_', ' ')} of {of['attribute']}"
        lines.append(f"| {name} | {_with_interval(of['base'])} | {_with_interval(of['final'])} | {moved} |")
    return [*lines, "", "Cells that lose (accuracy, points):", "", *_losing_lines(figures["losing"])]


def _losing_lines(losing: list[dict[str, Any]]) -> list[str]:
    if not losing:
        return ["- none of enough rows, on these rows"]
    return [
        f"- {of['attribute']} = {of['group']}, {of['label']}: {100 * of['difference']['value']:+.1f} "
        f"({100 * of['difference']['low']:+.1f} to {100 * of['difference']['high']:+.1f}; "
        f"n {of['difference']['n']}){', surely' if of['surely'] else ''}"
        for of in losing
    ]


def _attribute_lines(of: dict[str, Any], corrects: bool) -> list[str]:
    lines = ["| group | label | n | base | as served |", "|---|---|---|---|---|"]
    for cell in of["cells"]:
        if cell["base"]["n"]:
            mark = "" if cell["counts"] else " \\*"
            values = f"{cell['base']['n']}{mark} | {rate(cell['base'])} | {rate(cell['final'])}"
            lines.append(f"| {cell['group']} | {cell['label']} | {values} |")
    lines.append("")
    names = {
        "demographic_parity_difference": "demographic parity difference",
        "equal_opportunity_difference": "equal opportunity difference",
        "equalized_odds_difference": "equalized odds difference (larger gap)",
        "equalized_odds_difference_mean": "equalized odds difference (mean of gaps)",
    }
    for metric, title in names.items():
        among, against = (
            " to ".join(_figure(of[key][kind][metric]) for kind in ("base", "final"))
            for key in ("disparities", "disparities_pooled")
        )
        lines.append(
            f"- {title}, base to served: among all groups {among}; reference against the others {against}"
        )
    detector = of["detector"]
    lines.append(
        f"- detector: flags {rate(detector['true_positive_rate'])} of rows outside the reference group and "
        f"{rate(detector['false_positive_rate'])} of rows inside it; "
        f"{of['unknown_rows']} rows of unknown group"
        + ("" if detector["own"] else " (this attribute has no detector of its own: any detector counts)")
    )
    if of["risk"] is not None:
        error, brier = (_with_interval(of["risk"][key]) for key in ("calibration_error", "brier"))
        lines.append(f"- risk against membership: expected calibration error {error}, Brier score {brier}")
        lines += [
            f"  - label {label}: mean risk {_figure(by['mean_risk'])}, members {rate(by['members'])}; "
            f"expected calibration error {_with_interval(by['calibration_error'])}"
            for label, by in of["risk"]["labels"].items()
        ]
    if corrects:
        lines.append(_break_even(detector["break_even"]))
    return [*lines, "", *_detector_cells(detector["cells"])]


def _break_even(of: dict[str, Any]) -> str:
    """FairNet's condition for no overall loss, in words."""
    if of["ratio"] is None or of["gain"] is None or of["harm"] is None:
        return "- no overall loss needs TPR / FPR above (1 - pi) c / (pi g): too few flagged rows to say"
    needed = "none, as nothing is gained" if of["gain"] <= 0 else f"{max(of['needed'], 0.0):.2f}"
    return (
        f"- no overall loss needs TPR / FPR above (1 - pi) c / (pi g): it is {of['ratio']:.2f}, needed "
        f"{needed} (pi {of['pi']:.3f}, gain on rightly flagged rows {of['gain']:+.4f}, "
        f"harm on wrongly flagged {of['harm']:+.4f})"
    )


def _detector_cells(cells: list[dict[str, Any]]) -> list[str]:
    """How often the detector flags each cell; a group's rate hides differences between its cells."""
    lines = ["| group | label | flagged |", "|---|---|---|"]
    return lines + [
        f"| {c['group']} | {c['label']} | {rate(c['flagged'])} |" for c in cells if c["flagged"]["n"]
    ]


def _provenance(manifest: Manifest) -> str:
    p = manifest.provenance
    counts = ", ".join(f"{split} {n}" for split, n in p.rows.items())
    return (
        f"Base {p.base} (licence {p.base_license or 'not stated'}), rows: {counts}, seed {p.seed}, made with "
        f"Evenhand {p.evenhand} on {manifest.created_utc}. SHA-256 of the data `{p.data_sha256}`, of the "
        f"base's weights `{p.base_sha256}`. Settings and library versions are in `manifest.json`."
    )


def _with_interval(figure: dict[str, Any]) -> str:
    """A figure other than a rate, with its interval."""
    if figure["value"] is None:
        return "unknown"
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def _figure(value: float | None) -> str:
    return "too few rows" if value is None else f"{value:.3f}"


def _cell(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return "none is large enough"
    return f"{cell['attribute']} = {cell['group']}, {cell['label']}: {rate(cell['accuracy'])}"
