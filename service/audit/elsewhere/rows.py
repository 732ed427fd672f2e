"""One decision made elsewhere, checked. It holds no input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(slots=True)  # not frozen: there are many
class Reported:
    """One decision, checked: its texts are the model's own labels and groups."""

    id: str
    """Ours."""
    own_id: str | None
    """The other system's; one decision of a model has it."""
    label: str
    """What was decided."""
    favourable: bool
    """Whether that is a favourable label."""
    score: float | None
    """Probability of the label, where it was sent."""
    p: float | None
    """Probability of a favourable label, where it follows from what was sent."""
    truth: str | None
    """The true label, if it is known by now."""
    is_good: bool | None
    """Whether that is favourable."""
    groups: Mapping[str, str]
    """Declared groups by attribute: ``unknown`` for one that the model does not list."""
    digest: str
    """Keyed digest of the input; empty if none was sent."""
