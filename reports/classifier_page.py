"""What a ``FairClassifier`` shows of itself in a notebook and on a terminal: gains beside losses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evenhand.models.bundle.manifest import Manifest
from evenhand.reports.html.page import render
from evenhand.reports.html.wording import number, percent, points
from evenhand.training.evaluation.metrics import MIN_CELL

Plain = dict[str, Any]
ORDER = ("loses", "gains", "unchanged", "not clear", "too few rows")


@dataclass(frozen=True)
class Before:
    """A figure without and with the correction, in words."""

    name: str
    base: str
    final: str
    change: str
    n: int = 0
    word: str = ""
    """Of a cell: what became of it."""


@dataclass(frozen=True)
class ClassifierReport:
    """Figures on the rows that the fit never saw. A notebook shows it, ``print`` prints it."""

    name: str
    state: str
    """What is corrected, and why not more."""
    notes: Sequence[str] = ()
    rows_said: str = ""
    n: int = 0
    figures: Sequence[Before] = ()
    cells: Sequence[Before] = ()

    def _repr_html_(self) -> str:
        return render("classifier.html.j2", report=self)

    def __str__(self) -> str:
        lines = [self.name, self.state, *self.notes]
        if self.cells:
            lines += ["", self.rows_said, f"on {self.n:,} rows that the fit never saw:"]
            lines += [f"  {of.name}: {of.base} -> {of.final}; {of.change}" for of in self.figures]
            lines += [
                f"  {of.name} (n {of.n}): {of.base} -> {of.final}; {of.change}; {of.word}"
                for of in self.cells
            ]
        return "\n".join(lines)


def report_of(manifest: Manifest, figures: Plain, notes: Sequence[str]) -> ClassifierReport:
    """The report of a bundle.

    Args:
        manifest: Of the bundle.
        figures: Those of :func:`evenhand.training.evaluation.bundle_score.score` on the test rows.
        notes: What was guessed, and why nothing is corrected.
    """
    accuracy = figures["accuracy"]
    listed = [
        Before(
            "accuracy",
            percent(accuracy["base"]),
            percent(accuracy["final"]),
            points(accuracy["difference"]),
        ),
        *(_aim(of) for of in figures["target"]["attributes"]),
    ]
    groups = {of.name: of.groups for of in manifest.attributes}
    # Of two groups, "any but the reference" is the other one.
    cells = [
        _cell(name, cell)
        for name, of in figures["attributes"].items()
        for cell in of["cells"]
        if cell["group"] in groups.get(name, ()) or len(groups.get(name, ())) != 2
    ]
    counts = ", ".join(f"{split} {n:,}" for split, n in manifest.provenance.rows.items())
    return ClassifierReport(
        name=f"{manifest.name} {manifest.version}: {manifest.provenance.base}",
        state=_state(manifest),
        notes=notes,
        rows_said=f"Rows: {counts}. The estimator learnt from train alone; held and tune taught the "
        "correction, val certified it.",
        n=figures["rows"],
        figures=listed,
        cells=sorted(cells, key=lambda cell: ORDER.index(cell.word)),
    )


def _state(manifest: Manifest) -> str:
    target = f" Target: {manifest.target.in_words()}." if manifest.target is not None else ""
    corrected = [of.name for of in manifest.attributes if of.mode == "apply"]
    if not corrected:
        return f"Nothing is corrected: every answer is the estimator's own.{target}"
    sure = "certified on validation rows" if manifest.certified else "not certified"
    return f"Corrected for {', '.join(corrected)}; {sure}.{target}"


def _aim(of: Plain) -> Before:
    """A figure of the target; a gap gets better as it falls."""
    name = f"{of['figure'].replace('_', ' ')} of {of['attribute']}"
    base, final = (number(of[side], "too few rows") for side in ("base", "final"))
    change = of["difference"]
    return Before(name, base, final, "too few rows" if change["value"] is None else points(change))


def _cell(attribute: str, cell: Plain) -> Before:
    change = cell["difference"]
    return Before(
        f"{attribute} = {cell['group']}, {cell['label']}",
        percent(cell["base"]),
        percent(cell["final"]),
        points(change),
        cell["base"]["n"],
        _word(change),
    )


def _word(change: Plain) -> str:
    if change["value"] is None or change["n"] < MIN_CELL:
        return "too few rows"
    if change["low"] > 0:
        return "gains"
    if change["high"] < 0:
        return "loses"
    return "unchanged" if change["mended"] == change["broken"] == 0 else "not clear"
