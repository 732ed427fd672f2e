"""Which columns of a table mean what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Columns:
    """Which columns of the table mean what, from the options of ``evenhand fit`` and ``evenhand compare``."""

    text: str
    label: str
    attributes: tuple[str, ...]
    split: str | None = None
    """Column that says train, val or test; without it rows are split 70/15/15 by label, with the seed."""
    references: dict[str, str] = field(default_factory=dict)
    """The group of an attribute that is not corrected; by default the most frequent one."""
    intersections: tuple[tuple[str, str], ...] = ()
    """Pairs of attributes whose combinations count like an attribute, in evaluation and in the choice."""
    task: Literal["text", "pair", "image", "table"] = "text"
    """What a row is; for images ``text`` is the column with the file's name."""
    text_pair: str | None = None
    images: str | None = None
    """Folder of the image files; by default the table's."""
    features: tuple[str, ...] = ()
    """Columns of a table to learn from; by default all columns without another meaning, but none that names
    rows, holds dates, or says the label: :func:`evenhand.training.data.roles.describe`."""
    categories: tuple[str, ...] = ()
    """More features, whose values are categories even if they are numbers or dates, such as codes."""
    favourable: tuple[str, ...] = ()
    """Labels that are good for the person. There is no default: a wrong guess turns every figure round."""
    ranges: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Attributes that are numbers, with their ranges in ascending order, which are their groups."""
    other_labels: tuple[str, ...] = ()
    """Labels of other bundles of the same fit: they are not learnt from."""
    raw: bool = False
    """Whether features stay as they stand in the table: they go to a model of the user's."""
    raw_texts: tuple[str, ...] = ()
    """Of those, columns that are texts even where every value is a number."""
