"""MODEL_CARD.md, written from the manifest and the evaluation; every figure with its count and interval."""

from __future__ import annotations

from typing import Any

from models.manifest import Manifest


def write(manifest: Manifest, evaluation: dict[str, Any]) -> str:
    """The card as Markdown.

    Args:
        manifest: The bundle's manifest.
        evaluation: What ``training.evaluate.judge`` found, per split.
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
        *(_split(name, judged) for name, judged in evaluation.items()),
        "## Provenance",
        _provenance(manifest),
    ]
    return "\n\n".join(parts) + "\n"


def _mechanism(manifest: Manifest) -> str:
    c = manifest.correction
    certificate = (
        "The thresholds carry a certificate (Learn-then-Test)."
        if manifest.certified
        else "**The thresholds are not certified**: they were chosen by validation figures and may do less, or harm, "
        "on other data. Start in shadow mode and watch."
    )
    return (
        f"A base classifier ({manifest.provenance.base}) with labels {', '.join(manifest.labels)} (favourable: "
        f"{', '.join(manifest.favourable)}). A bias detector per attribute reads the input of block {c.layer} of "
        f"{c.layers} ({c.pooling} pooling). Rows whose risk reaches the threshold are finished a second time with LoRA "
        f"weights (rank {c.rank}, alpha {c.alpha}, on {', '.join(c.targets)}); every other row gets the base model's "
        f"answer bit for bit. The risk is the calibrated probability that the row does not belong to the reference "
        f"group; it is an inference about a sensitive attribute: treat it as personal data. {certificate}"
    )


def _attributes(manifest: Manifest) -> str:
    lines = ["| attribute | reference | other groups | threshold | mode | why |", "|---|---|---|---|---|---|"]
    for a in manifest.attributes:
        others = ", ".join(group for group in a.groups if group != a.reference)
        lines.append(f"| {a.name} | {a.reference} | {others} | {a.threshold:g} | {a.mode} | {a.why} |")
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
    )
    return lines


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


def _figure(value: float | None) -> str:
    return "too few rows" if value is None else f"{value:.3f}"


def _cell(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return "none is large enough"
    return f"{cell['attribute']} = {cell['group']}, {cell['label']}: {rate(cell['accuracy'])}"
