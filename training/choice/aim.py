"""The target that settings and data come to."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from evenhand.models.bundle.intersections import BETWEEN, not_watched
from evenhand.models.bundle.target import AttributeTarget, Target
from evenhand.training.choice.scorer import EVERYONE
from evenhand.training.data.dataset import DataError, Schema
from evenhand.training.learning.config import CorrectionConfig
from evenhand.typing import Bools


def target_of(schema: Schema, config: CorrectionConfig) -> Target:
    """What is aimed at.

    Args:
        schema: With the evaluated attributes, intersections among them.
        config: With what is aimed at, and what a choice may cost.

    Raises:
        DataError: an attribute is not there, or a gap is asked for without any attribute.
    """
    own, general = dict(config.target.measures), config.target.measure
    names = schema.attributes or (EVERYONE,)
    strange = [name for name in own if name not in names]
    if strange:
        raise DataError(
            f"--target {strange[0]}={own[strange[0]]}: no such attribute; there are {', '.join(names)}"
        )
    aims = [
        AttributeTarget(attribute=name, measure=measure)
        for name in names
        if (measure := own.get(name, general)) is not None
    ]
    if not schema.attributes and any(aim.is_gap for aim in aims):
        raise DataError(
            f"--target {general} needs groups to compare; give --attribute, or --target worst-cell"
        )
    if not aims:
        raise DataError(f"--target names no attribute; there are {', '.join(names)}")
    return Target(attributes=aims, max_loss=config.target.max_loss, max_cell_loss=config.target.max_cell_loss)


class _Evaluated(NamedTuple):
    """An attribute of the data, as the service would count by it."""

    name: str
    groups: tuple[str, ...]
    reference: str


def refuse_uncounted(schema: Schema, target: Target) -> None:
    """Refuse an intersection that is aimed at and that the service could not count by.

    Args:
        schema: With the evaluated attributes, intersections among them.
        target: What is aimed at.

    Raises:
        DataError: its groups are too many, or their names too long or alike.
    """
    single = [
        _Evaluated(name, groups, groups[0]) for name, groups in schema.groups.items() if BETWEEN not in name
    ]
    for name, why in not_watched(target, single).items():
        if BETWEEN in name:
            first, second = name.split(BETWEEN)
            raise DataError(
                f"--target names {name}, which the service could not count by. {why} Or aim at its "
                f"attributes alone: --target {first}=worst-cell --target {second}=worst-cell"
            )


def corrected_columns(schema: Schema, target: Target) -> Bools:
    """Which gated attributes may be corrected: those that are aimed at, alone or in an intersection.

    The others keep their detectors, whose risk is in every reply; no row is flagged for them. A gate that is
    no evaluated attribute (a shared one, or one of pseudo-labels) stands for all that is aimed at.

    Args:
        schema: With the gated attributes.
        target: What is aimed at.

    Returns:
        ``(attributes,)``.
    """
    aimed = {name for aim in target.attributes for name in (aim.attribute, *aim.attribute.split(":"))}
    return np.array([name in aimed or name not in schema.groups for name in schema.gated], dtype=bool)
