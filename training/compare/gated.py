"""Every corrector of :mod:`training.correctors` in the comparison: behind our detectors' gate, or open for every row.

Learnt and chosen as ours is, by the same stages: only what answers flagged rows differs. FairNet's own corrector is
``ours``; one that changes no answer (``abstain``) has no line, as its figures would be the base's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from training.compare.method import Sees, Served
from training.compare.ours import Ours
from training.correctors import correctors
from training.correctors.lora import LORA

ALWAYS_ON = ("leace", "inlp", "steering")
"""Correctors that are known without a gate, too."""


@dataclass(frozen=True)
class Gated(Ours):
    """A corrector other than FairNet's."""


def _all() -> Iterator[Gated]:
    sees = Sees("all", "all", test=False)
    for name, method in correctors().items():
        if name == LORA.name or not method.chosen:
            continue
        settings = [("gated", "detector", "the detector's gate")]
        settings += [("always", "always", "a gate that is always open")] if name in ALWAYS_ON else []
        for prefix, gate, behind in settings:
            served = Served(
                "corrector", f"`evenhand fit --method {name}` puts it into the base's graph, behind {behind}."
            )
            changes = {"correction": {"method": name, "gate": gate}}
            title = f"{method.title.removesuffix(' on flagged rows')}, {'gated' if gate == 'detector' else 'every row'}"
            yield Gated(f"{prefix}-{name}", title, method.source, sees, served, changes=changes)


GATED = tuple(_all())
