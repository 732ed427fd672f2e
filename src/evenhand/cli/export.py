"""``evenhand export``. Light to import: what it needs comes with the command, not with ``evenhand --help``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evenhand.cli.options import SHARE, one_line

if TYPE_CHECKING:
    from evenhand.training.data.select_rows import RowSelection
    from evenhand.training.fit.convert import ConvertedBundle


class Weights(StrEnum):
    """How weights are stored."""

    fp16 = "fp16"
    int8 = "int8"
    int4 = "int4"


def export(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle with float32 or float16 weights.")],
    precision: Annotated[Weights, typer.Option(help="How to store the base's weights.")],
    data: Annotated[
        Path, typer.Option(help="Labelled rows: .csv, .jsonl or .parquet.", exists=True, dir_okay=False)
    ],
    out: Annotated[Path, typer.Option(help="Folder of the new bundle; must not exist.")],
    tolerance: Annotated[
        float,
        typer.Option(
            callback=SHARE, help="Loss of accuracy, over all rows or in the worst cell, as a share."
        ),
    ] = 0.01,
    text: Annotated[str | None, typer.Option(help="Column with the text, or the image's file name.")] = None,
    text_pair: Annotated[str | None, typer.Option(help="Column with the second text of a pair.")] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the image files; the table's if not given.")
    ] = None,
    label: Annotated[str | None, typer.Option(help="Column with the label.")] = None,
    split: Annotated[str | None, typer.Option(help="Column that says train, val or test.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Value of the split column to judge; test if not given.")
    ] = None,
) -> None:
    """Store a bundle's weights with lower precision, unless accuracy or the worst cell falls too far.

    Columns that are not named are those that the bundle was fitted with.
    """
    from evenhand.training.data.select_rows import RowSelection

    wanted = RowSelection(
        text=text, text_pair=text_pair, images=images, label=label, split=split, only=tuple(only or ())
    )
    _run(bundle, (data, out), precision, wanted, tolerance)


def _run(
    bundle: Path, files: tuple[Path, Path], precision: Weights, wanted: RowSelection, tolerance: float
) -> None:
    """Load the heavy parts, and turn errors a user can mend into one line."""
    from evenhand.models.onnx.quantize import Precision
    from evenhand.training.data.dataset import refuse_existing
    from evenhand.training.fit import convert

    stored: dict[Weights, Precision] = {Weights.fp16: "float16", Weights.int8: "int8", Weights.int4: "int4"}
    data, out = files
    with one_line():
        refuse_existing(out)
        found = convert.prepare(bundle, data, stored[precision], wanted, tolerance)
        _show(found)
        convert.write(found, out)


def _show(found: ConvertedBundle) -> None:
    """Both bundles side by side, and the verdict."""
    from rich.console import Console
    from rich.table import Table

    names = [of.manifest.graph.weights for of in (found.original, found.bundle)]
    rows = len(found.after.answers[found.split].rows)
    table = Table(
        "", *names, title=f"{found.bundle.manifest.name} on {rows} rows ({found.split}); 95 % intervals"
    )
    table.add_row("graph, MB", *(f"{len(of.graph) / 1e6:.1f}" for of in (found.original, found.bundle)))
    for kind, name in (("base", "base"), ("final", "corrected")):
        figures = [of.figures[found.split] for of in (found.before, found.after)]
        table.add_row(f"accuracy, {name}, %", *(_rate(of["accuracy"][kind]) for of in figures))
        table.add_row(f"worst cell, {name}, %", *(_cell(of["worst_cell"][kind]) for of in figures))
    changed = found.changed()
    table.add_row("answers that differ, base", "", str(changed["base"]))
    table.add_row("answers that differ, corrected", "", str(changed["final"]))
    table.add_row("flags that differ", "", str(changed["flagged"]))
    table.add_row(
        f"alone or in a batch ({found.invariance.rows} rows)", "", f"{found.invariance.difference:.1e}"
    )
    table.add_row("verdict", "", "refused" if found.reasons() else f"within {100 * found.tolerance:g} points")
    Console().print(table)


def _rate(rate: dict[str, Any]) -> str:
    return f"{100 * rate['value']:.1f} ({100 * rate['low']:.1f} to {100 * rate['high']:.1f})"


def _cell(cell: dict[str, Any]) -> str:
    rate = cell["accuracy"]
    return f"{_rate(rate)}\n{cell['attribute']} = {cell['group']}, {cell['label']}, n {rate['n']}"
