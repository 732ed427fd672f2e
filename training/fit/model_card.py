"""MODEL_CARD.md, written from the manifest and the evaluation; every figure with its count and interval."""

from __future__ import annotations

from typing import Any

from evenhand.models.bundle.manifest import Correction, Manifest


def write(manifest: Manifest, evaluation: dict[str, Any]) -> str:
    """The card as Markdown.

    Args:
        manifest: The bundle's manifest.
        evaluation: What ``evenhand.training.evaluation.bundle_score.judge`` found, per split.
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
        *(_split(name, judged) for name, judged in evaluation.items()),
        "## Provenance",
        _provenance(manifest),
    ]
    return "\n\n".join(parts) + "\n"


def _mechanism(manifest: Manifest) -> str:
    c = manifest.correction
    engine = "" if manifest.graph.engine == "onnx" else " The torch engine runs it: serving it needs the extra `torch`."
    return (
        f"A base classifier ({manifest.provenance.base}) with labels {', '.join(manifest.labels)} (favourable: "
        f"{', '.join(manifest.favourable)}). A bias detector per attribute reads the input of block {c.layer} of "
        f"{c.layers} ({c.pooling} pooling). Rows whose risk reaches the threshold are {_finished(c)}; every other row "
        f"gets the base model's answer bit for bit. The risk is the calibrated probability that the row does not "
        f"belong to the reference group; it is an inference about a sensitive attribute: treat it as personal "
        f"data.{engine}"
    )


def _finished(correction: Correction) -> str:
    if correction.method == "none":
        return "only counted"
    if correction.method == "abstain":
        return "answered like any other, but for answers below the attribute's bound: there is no decision then"
    if correction.method != "lora":
        return f"answered by the method {correction.method}"
    targets = ", ".join(correction.targets)
    return f"finished a second time with LoRA weights (rank {correction.rank}, alpha {correction.alpha}, on {targets})"


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
        f"Exported with {export['weights']} weights from a bundle whose weights are {export['bundle_weights']} "
        f"(`{export['bundle_sha256']}`); thresholds and modes are that bundle's. Accuracy and the worst cell, of the "
        f"base and of the corrected answer, fall by at most {100 * export['tolerance']:g} points on the "
        f"{export['rows']} rows below. Certificate and tests above are about that bundle, not about this one.",
    ]


def _certificate(manifest: Manifest) -> str:
    """What was tested, what was found, and what that does not say."""
    c = manifest.certificate
    if c is None:
        return "**The thresholds are not certified**, nor was that tried."
    cell = "no cell was large enough" if c.worst_cell is None else "{} = {}, {}".format(*c.worst_cell)
    points = f"{100 * c.epsilon:g} points"
    found = (
        f"**Certified**: overall accuracy falls by less than {points}, and accuracy in the base's worst cell ({cell}) "
        "rises, on rows like the validation rows."
        if manifest.certified
        else "**The thresholds are not certified**: they may do less, or harm, on other data. Start in shadow mode and "
        "watch."
    )
    lines = [
        found,
        "",
        f"Learn-then-Test (arXiv 2110.01052) with exact paired tests on {c.rows} validation rows, family-wise level "
        f"{c.alpha:g}. {c.settings_in_order} settings were put in order on tuning rows; the first of them were tested. "
        f"The cell was named on tuning rows. Not certified: that no other cell loses, or becomes the worst; see all "
        "cells below.",
        "",
        f"| strength | levels | p of a loss above {points} | p of no gain in the cell | certified |",
        "|---|---|---|---|---|",
    ]
    for t in c.trials:
        levels = ", ".join(f"{level:g}" for level in t.levels)
        verdict = "yes" if t.certified else "no"
        lines.append(f"| {t.strength:g} | {levels} | {t.p_accuracy_loss:.4f} | {t.p_worst_cell_gain:.4f} | {verdict} |")
    return "\n".join(lines)


def _split(name: str, judged: dict[str, Any]) -> str:
    accuracy, difference = judged["accuracy"], judged["accuracy"]["difference"]
    lines = [
        f"## Evaluation on {name} ({judged['rows']} rows)",
        "",
        "Cell means (label x group); rates are accuracies with n and 95 % Wilson intervals. Cells under "
        f"{judged['min_cell_rows']} rows are marked \\* and never taken as the worst.",
        "",
        f"- accuracy: base {rate(accuracy['base'])}, corrected {rate(accuracy['final'])}; difference "
        f"{100 * difference['value']:+.2f} points ({100 * difference['low']:+.2f} to {100 * difference['high']:+.2f}; "
        f"{difference['mended']} rows mended, {difference['broken']} broken)",
        f"- worst cell: base {_cell(judged['worst_cell']['base'])}; corrected {_cell(judged['worst_cell']['final'])}",
        f"- rows with a correction: {100 * judged['corrected_share']:.1f} %; answers changed: "
        + (", ".join(f"{direction}: {n}" for direction, n in judged["flips"].items()) or "none"),
    ]
    for attribute, of in judged["attributes"].items():
        lines += ["", f"### {attribute}", "", *_attribute_lines(of)]
    return "\n".join(lines)


def _attribute_lines(of: dict[str, Any]) -> list[str]:
    lines = ["| group | label | n | base | corrected |", "|---|---|---|---|---|"]
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
        lines.append(f"- {title}, base to corrected: among all groups {among}; reference against the others {against}")
    detector = of["detector"]
    lines.append(
        f"- detector: flags {rate(detector['true_positive_rate'])} of rows outside the reference group and "
        f"{rate(detector['false_positive_rate'])} of rows inside it; {of['unknown_rows']} rows of unknown group"
        + ("" if detector["own"] else " (this attribute has no detector of its own: any detector counts)")
    )
    if of["risk"] is not None:
        error, brier = (_with_interval(of["risk"][key]) for key in ("calibration_error", "brier"))
        lines.append(f"- risk against membership: expected calibration error {error}, Brier score {brier}")
    return [*lines, _break_even(detector["break_even"]), "", *_detector_cells(detector["cells"])]


def _break_even(of: dict[str, Any]) -> str:
    """The condition of FairNet's claim, in words."""
    if of["ratio"] is None or of["gain"] is None or of["harm"] is None:
        return "- no overall loss needs TPR / FPR above (1 - pi) c / (pi g): too few flagged rows to say"
    needed = "none, as nothing is gained" if of["gain"] <= 0 else f"{max(of['needed'], 0.0):.2f}"
    return (
        f"- no overall loss needs TPR / FPR above (1 - pi) c / (pi g): it is {of['ratio']:.2f}, needed {needed} (pi "
        f"{of['pi']:.3f}, gain on rightly flagged rows {of['gain']:+.4f}, harm on wrongly flagged {of['harm']:+.4f})"
    )


def _detector_cells(found: list[dict[str, Any]]) -> list[str]:
    """How often the detector flags each cell: a group's rate hides its cells'."""
    lines = ["| group | label | flagged |", "|---|---|---|"]
    return lines + [f"| {c['group']} | {c['label']} | {rate(c['flagged'])} |" for c in found if c["flagged"]["n"]]


def _provenance(manifest: Manifest) -> str:
    p = manifest.provenance
    counts = ", ".join(f"{split} {n}" for split, n in p.rows.items())
    return (
        f"Base {p.base} (licence {p.base_license or 'not stated'}), rows: {counts}, seed {p.seed}, made with Evenhand "
        f"{p.evenhand} on {manifest.created_utc}. SHA-256 of the data `{p.data_sha256}`, of the base's weights "
        f"`{p.base_sha256}`. Settings and library versions are in `manifest.json`."
    )


def rate(r: dict[str, Any]) -> str:
    """``0.812 (0.79 to 0.83, n 1922)``, or that there is no row."""
    if r["value"] is None:
        return "no rows"
    return f"{r['value']:.3f} ({r['low']:.3f} to {r['high']:.3f}, n {r['n']})"


def _with_interval(found: dict[str, Any]) -> str:
    """A figure that is no rate."""
    return "unknown" if found["value"] is None else f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


def _figure(value: float | None) -> str:
    return "too few rows" if value is None else f"{value:.3f}"


def _cell(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return "none is large enough"
    return f"{cell['attribute']} = {cell['group']}, {cell['label']}: {rate(cell['accuracy'])}"
