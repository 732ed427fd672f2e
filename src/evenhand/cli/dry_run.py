"""``evenhand fit --dry-run``: what the data could prove, before anything is learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evenhand.training.data.dataset import Rows, Schema
    from evenhand.training.learning.config import FitConfig


def show(config: FitConfig, rows: Rows, schema: Schema) -> None:
    """Print, for every claim of a certificate, its rows and the least that they can show."""
    from rich.console import Console
    from rich.table import Table

    from evenhand.console import say
    from evenhand.training.choice.aim import refuse_uncounted, target_of
    from evenhand.training.choice.power import provable
    from evenhand.training.correctors import named
    from evenhand.training.data.attributes import with_intersections
    from evenhand.training.data.dataset import HELD, TUNE, hold_out
    from evenhand.training.fit.data_card import data_in_words

    for line in data_in_words(rows, schema):
        say(line)
    rows = hold_out(rows, config.base_stage.hold_out, config.seed)
    rows, schema = with_intersections(rows, schema, config.columns.intersections)
    target, alpha = target_of(schema, config.correction), config.correction.alpha_certificate
    refuse_uncounted(schema, target)
    console = Console()
    console.print(f"target: {target.in_words()}")
    console.print(
        f"A certificate at level {alpha:g} needs, with power 80 %, at least these changes on the validation "
        "rows that test:"
    )
    table = Table("claim", "rows", "least that can be shown, points", "enough rows")
    learns = named(config.correction.method).learns
    fresh = len(rows.of(TUNE) if learns else rows.of(HELD, TUNE))
    listed = provable(rows, schema, target, alpha, fresh)
    for each in listed:
        table.add_row(each.claim, f"{each.rows:,}", f"{100 * each.least:.1f}", "yes" if each.enough else "no")
    console.print(table)
    short = [each for each in listed if not each.enough]
    console.print(
        f"{len(short)} of {len(listed)} cannot be shown well: name a target with more rows, a larger limit, "
        "or give more rows. Cells of too few rows are under no limit; the bundle's card lists them."
        if short
        else "Every claim has rows enough."
    )
    console.print("Nothing was learnt or written.")
