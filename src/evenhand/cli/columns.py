"""Options of ``fit`` and ``compare`` that say what a table's columns mean."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from evenhand.cli.options import one_of, pair

if TYPE_CHECKING:
    from evenhand.training.data.columns import Columns


@dataclass(frozen=True)
class ItemOptions:
    """What a row is made of."""

    task: str
    base: str
    text: str
    text_pair: str | None
    image: str
    images: Path | None
    feature: list[str] | None
    category: list[str] | None = None


@dataclass(frozen=True)
class MeaningOptions:
    """What is predicted for whom."""

    label: str
    attribute: list[str] | None
    split: str | None
    reference: list[str] | None
    intersections: list[str] | None
    favourable: list[str] | None
    ranges: list[str] | None = None
    other_labels: tuple[str, ...] = ()


def columns_of(item: ItemOptions, meaning: MeaningOptions) -> Columns:
    """The columns that the options name.

    Raises:
        typer.BadParameter: the task is unknown, or an option that it needs is not there.
    """
    from evenhand.training.data.columns import Columns

    return Columns(
        text=item.image if item.task == "image" else item.text,
        label=meaning.label,
        attributes=tuple(meaning.attribute or ()),
        split=meaning.split,
        references=dict(pair(assignment) for assignment in meaning.reference or []),
        intersections=tuple(pair(names, ":", "intersections") for names in meaning.intersections or []),
        task=kind_of(item),  # type: ignore[arg-type]
        text_pair=item.text_pair if item.task == "pair" else None,
        images=str(item.images) if item.images else None,
        features=tuple(item.feature or ()),
        categories=tuple(item.category or ()),
        favourable=tuple(meaning.favourable or ()),
        ranges=_ranges(meaning),
        other_labels=meaning.other_labels,
    )


def _ranges(meaning: MeaningOptions) -> dict[str, tuple[str, ...]]:
    """Ranges by attribute, in their one spelling.

    Raises:
        typer.BadParameter: they are none, or their attribute is not named.
    """
    from evenhand.tables.ranges import Ranges, RangesError

    ranges = {}
    for option in meaning.ranges or ():
        name, texts = pair(option, option="ranges")
        if name not in (meaning.attribute or ()):
            raise typer.BadParameter(f"--ranges {name} does nothing: {name} is not named with --attribute")
        if name in ranges:
            raise typer.BadParameter(
                f"--ranges {name}: name all its ranges at once, with commas between them"
            )
        try:
            ranges[name] = Ranges(texts.split(",")).names
        except RangesError as error:
            raise typer.BadParameter(f"--ranges {name}: {error}") from error
    return ranges


def kind_of(item: ItemOptions) -> str:
    """The kind of input, once the options that it needs are there."""
    one_of("task", item.task, "text", "pair", "image", "table")
    all_needs: dict[str, dict[str, str | None]] = {
        "text": {"base": item.base, "text": item.text},
        "pair": {"base": item.base, "text": item.text, "text-pair": item.text_pair},
        "image": {"base": item.base, "image": item.image},
        "table": {},
    }
    absent = [f"--{name}" for name, value in all_needs[item.task].items() if not value]
    if absent:
        raise typer.BadParameter(f"--task {item.task} needs {', '.join(absent)}")
    return item.task
