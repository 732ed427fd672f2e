"""``--target``, ``--max-loss`` and ``--max-cell-loss``: what a correction is for, and what it may cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from evenhand.cli.options import POINTS
from evenhand.models.bundle.target import MEASURES, Measure

if TYPE_CHECKING:
    from evenhand.training.learning.config import TargetConfig

TargetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        help=f"What should get better: {', '.join(MEASURES)}, of every attribute; or attribute=measure, "
        "repeatable: then only attributes that are named are corrected. worst-cell if not given.",
    ),
]
MaxLossOption = Annotated[
    float | None,
    typer.Option(
        "--max-loss", callback=POINTS, help="Overall accuracy that it may cost, in points; 0.5 if not given."
    ),
]
MaxCellLossOption = Annotated[
    float | None,
    typer.Option(
        "--max-cell-loss",
        callback=POINTS,
        help="Accuracy that a cell (label x group) of enough rows may lose, in points; 5 if not given, 100 "
        "for no limit.",
    ),
]


@dataclass(frozen=True)
class AimOptions:
    """What is aimed at, and what it may cost in points; what is not named stays as it is."""

    targets: list[str] | None
    max_loss: float | None
    max_cell_loss: float | None

    def adapted(self, target: TargetConfig) -> TargetConfig:
        """A recipe's target, or the default one, with what the command line says in its place.

        Raises:
            typer.BadParameter: there is no such measure, or two are for the same attribute.
        """
        general, own = measures_of(self.targets or [])
        if general or own:
            target = replace(target, measure=general, measures=own)
        if self.max_loss is not None:
            target = replace(target, max_loss=self.max_loss / 100)
        if self.max_cell_loss is not None:
            share = None if self.max_cell_loss >= 100 else self.max_cell_loss / 100
            target = replace(target, max_cell_loss=share)
        return target


def measures_of(values: Sequence[str]) -> tuple[Measure | None, tuple[tuple[str, Measure], ...]]:
    """``--target`` to the measure of all attributes without one of their own, and those that have one.

    Args:
        values: Each ``measure`` or ``attribute=measure``.

    Raises:
        typer.BadParameter: there is no such measure, or two are for the same attribute.
    """
    listed: dict[str, Measure] = {}
    for value in values:
        # Names of attributes are free: a measure stands after the last sign.
        attribute, _, name = value.rpartition("=")
        measure = next((each for each in MEASURES if each == name), None)
        if measure is None:
            raise typer.BadParameter(f"--target {value!r}: a measure is one of {', '.join(MEASURES)}")
        if attribute in listed:
            raise typer.BadParameter(f"--target {value!r}: give one measure for {attribute or 'all'}")
        listed[attribute] = measure
    general = listed.pop("", None)
    return general, tuple(listed.items())
