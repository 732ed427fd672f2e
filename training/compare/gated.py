"""Every corrector of :mod:`training.correctors` in the comparison: behind our detectors' gate, or open for every row.

Learnt and chosen as ours is, by the same stages: only what answers flagged rows differs. FairNet's own corrector is
``ours``; one that changes no answer (``abstain``) has no line, as its figures would be the base's.
"""

from __future__ import annotations

from collections.abc import Iterator

from training.compare.method import Sees, Served
from training.compare.ours import Ours
from training.correctors import correctors
from training.correctors.lora import LORA

ALWAYS_ON = ("leace", "inlp", "steering")
"""Correctors that are known without a gate, too."""


def _all() -> Iterator[Ours]:
    sees = Sees("all", "all", test=False)
    for name, method in correctors().items():
        if name == LORA.name or not method.chosen:
            continue
        title = method.title.removesuffix(" on flagged rows")
        for prefix, gate, where in (("gated", "detector", "gated"), ("always", "always", "every row")):
            if gate == "always" and name not in ALWAYS_ON:
                continue
            served = Served("corrector", f"`evenhand fit --method {name} --gate {gate}`.")
            changes = {"correction": {"method": name, "gate": gate}}
            yield Ours(f"{prefix}-{name}", f"{title}, {where}", method.source, sees, served, changes=changes)


GATED = tuple(_all())
