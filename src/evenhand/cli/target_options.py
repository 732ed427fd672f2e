"""``--target``, ``--max-loss`` and ``--max-cell-loss``: what a correction is for, and what it may cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from evenhand.cli.options import PERCENT
from evenhand.models.bundle.target import MEASURES

if TYPE_CHECKING:
    from evenhand.models.bundle.target import Measure
    from evenhand.training.learning.config import TargetConfig

TargetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        help=f"What should get better: {', '.join(MEASURES)}, of every attribute; or attribute=measure, "
        "repeatable. worst-cell if not given.",
    ),
]
MaxLossOption = Annotated[
    float,
    typer.Option("--max-loss", callback=PERCENT, help="Overall accuracy that it may cost, in points."),
]
MaxCellLossOption = Annotated[
    float,
    typer.Option(
        "--max-cell-loss",
        callback=PERCENT,
        help="Accuracy that a cell (label x group) of enough rows may lose, in points; 100 sets no limit.",
    ),
]
MAX_LOSS, MAX_CELL_LOSS = 0.5, 5.0


def target_config(targets: list[str] | None, max_loss: float, max_cell_loss: float) -> TargetConfig:
    """The options as settings.

    Raises:
        typer.BadParameter: no such measure, two measures for one attribute, or two for all.
    """
    from evenhand.training.learning.config import TargetConfig

    general: list[Measure] = []
    own: dict[str, Measure] = {}
    for said in targets or []:
        attribute, equals, name = said.rpartition("=")
        measure = _measure(name, said)
        if not equals:
            general.append(measure)
        elif attribute in own:
            raise typer.BadParameter(f"--target names {attribute} twice; one measure per attribute")
        else:
            own[attribute] = measure
    if len(general) > 1:
        raise typer.BadParameter(
            f"--target {general[0]} and --target {general[1]} both stand for every attribute; "
            "name attributes (attribute=measure)"
        )
    return TargetConfig(
        measure=general[0] if general else None if own else "worst-cell",
        measures=tuple(own.items()),
        max_loss=max_loss / 100,
        max_cell_loss=None if max_cell_loss >= 100 else max_cell_loss / 100,
    )


def _measure(name: str, said: str) -> Measure:
    for measure in MEASURES:
        if measure == name:
            return measure
    raise typer.BadParameter(f"--target {said}: no measure {name!r}; there are {', '.join(MEASURES)}")
