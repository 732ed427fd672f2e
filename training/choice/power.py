r"""What data could prove, before anything is learnt: ``evenhand fit --dry-run``.

The smallest net gain :math:`g` of a cell of :math:`n` rows that a one-sided exact paired test mostly finds,
if 1.5 times as many rows change sides as the gain needs: :math:`g = 1.5 z^2 / n`, with
:math:`z = z_{1-\alpha} + z_{0.8}`. For a gap both groups change; the larger of the two figures counts. A
limit on a loss is provable where an unchanged accuracy would pass if a tenth of the answers change:
:math:`z \sqrt{0.1 / n}`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evenhand.models.bundle.target import Target
from evenhand.training.choice.certify import FIRST
from evenhand.training.choice.scorer import CHANGING, NORMAL, POWER, enough_rows, with_everyone
from evenhand.training.choice.select import moved_rows
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.evaluation.targets import cells_of, rate_rows

CHANGES_PER_GAIN = 1.5


@dataclass(frozen=True)
class Provable:
    """One thing that a certificate would claim."""

    claim: str
    rows: int
    """That would test it."""
    least: float
    """Smallest gain, or smallest tolerated loss, that can mostly be shown; a share."""
    enough: bool
    """Whether the rows can show what is asked for: for a gain, one of at most 10 points."""


LARGEST = 0.1
"""A gain that must be larger than this to be shown is seldom there."""


def provable(rows: Rows, schema: Schema, target: Target, alpha: float, fresh: int) -> list[Provable]:
    """What the validation rows could certify.

    Args:
        rows: The data, with rows held out.
        schema: What its values mean.
        target: What is aimed at, and what it may cost.
        alpha: How often a certificate may be wrong.
        fresh: Training rows that nothing learns from, so that they put settings in order.
    """
    rows, schema = with_everyone(rows, schema)
    validation = rows.of("val")
    # The share of validation rows that will not be needed to put settings in order.
    kept = 1.0 - moved_rows(fresh, len(validation)) / max(len(validation), 1)
    z = NORMAL.inv_cdf(1 - alpha * FIRST) + NORMAL.inv_cdf(POWER)
    listed = []
    for aim in target.attributes:
        for rate in rate_rows(rows, schema, validation, aim):
            n = round(kept * int(rate.inside.sum()))
            least = CHANGES_PER_GAIN * z**2 / max(n, 1)
            what = f"{rate.label} " if rate.label else f"{rate.rate.replace('_', ' ')} "
            listed.append(
                Provable(f"a gain: {what}of {aim.attribute} = {rate.group}", n, least, least <= LARGEST)
            )
    tested = round(kept * len(validation))
    loss = z * float(np.sqrt(CHANGING / max(tested, 1)))
    listed.append(
        Provable(
            f"overall accuracy falls by less than {100 * target.max_loss:g} points",
            tested,
            loss,
            loss <= target.max_loss,
        )
    )
    if target.max_cell_loss is not None:
        least_rows = enough_rows(target.max_cell_loss)
        for (attribute, group, label), inside in cells_of(rows, schema, validation):
            n = round(kept * int(inside.sum()))
            loss = z * float(np.sqrt(CHANGING / max(n, 1)))
            limit = f"{100 * target.max_cell_loss:g} points"
            claim = f"less than {limit} lost: {label} of {attribute} = {group}"
            listed.append(Provable(claim, n, loss, n >= least_rows))
    return listed
