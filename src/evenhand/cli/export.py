"""``evenhand export``. Light to import: the command loads what it needs when it runs."""

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
        str, typer.Option(help="Labelled rows: .csv, .tsv, .json, .jsonl or .parquet; or hub:<data set>.")
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
    split: Annotated[
        str | None,
        typer.Option(help="Column that says train, val or test; or test: the rows that the fit held back."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Value of the split column to evaluate; test if not given.")
    ] = None,
) -> None:
    """Store a bundle's weights with lower precision, unless accuracy or the worst cell falls too far.

    Columns that are not named are those that the bundle was fitted with.
    """
    from evenhand.training.data.select_rows import RowSelection

    selection = RowSelection(
        text=text, text_pair=text_pair, images=images, label=label, split=split, only=tuple(only or ())
    )
    _run(bundle, (data, out), precision, selection, tolerance)


def _run(
    bundle: Path, files: tuple[str, Path], precision: Weights, selection: RowSelection, tolerance: float
) -> None:
    """Run it, and turn errors that a user can correct into one line."""
    from evenhand.models.onnx.quantize import Precision
    from evenhand.training.data.dataset import refuse_existing
    from evenhand.training.fit import convert

    stored: dict[Weights, Precision] = {Weights.fp16: "float16", Weights.int8: "int8", Weights.int4: "int4"}
    data, out = files
    with one_line():
        refuse_existing(out)
        converted = convert.prepare(bundle, data, stored[precision], selection, tolerance)
        _show(converted)
        convert.write(converted, out)


def _show(converted: ConvertedBundle) -> None:
    """Both bundles side by side, and the verdict."""
    from rich.console import Console
    from rich.table import Table

    names = [of.manifest.graph.weights for of in (converted.original, converted.bundle)]
    rows = len(converted.after.answers[converted.split].rows)
    table = Table(
        "",
        *names,
        title=f"{converted.bundle.manifest.name} on {rows} rows ({converted.split}); 95 % intervals",
    )
    table.add_row(
        "graph, MB", *(f"{len(of.graph) / 1e6:.1f}" for of in (converted.original, converted.bundle))
    )
    for kind, name in (("base", "base"), ("final", "corrected")):
        figures = [of.figures[converted.split] for of in (converted.before, converted.after)]
        table.add_row(f"accuracy, {name}, %", *(_rate(of["accuracy"][kind]) for of in figures))
        table.add_row(f"worst cell, {name}, %", *(_cell(of["worst_cell"][kind]) for of in figures))
    changed = converted.changed()
    table.add_row("answers that differ, base", "", str(changed["base"]))
    table.add_row("answers that differ, corrected", "", str(changed["final"]))
    table.add_row("flags that differ", "", str(changed["flagged"]))
    table.add_row(
        f"alone or in a batch ({converted.invariance.rows} rows)",
        "",
        f"{converted.invariance.difference:.1e}",
    )
    table.add_row(
        "verdict", "", "refused" if converted.reasons() else f"within {100 * converted.tolerance:g} points"
    )
    Console().print(table)


def _rate(rate: dict[str, Any]) -> str:
    return f"{100 * rate['value']:.1f} ({100 * rate['low']:.1f} to {100 * rate['high']:.1f})"


def _cell(cell: dict[str, Any]) -> str:
    rate = cell["accuracy"]
    return f"{_rate(rate)}\n{cell['attribute']} = {cell['group']}, {cell['label']}, n {rate['n']}"
