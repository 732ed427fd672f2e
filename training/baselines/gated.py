"""Every corrector of :mod:`evenhand.training.correctors` in the comparison: behind our detectors' gate, or open for every row.

Learnt and chosen as ours is, by the same stages, without a certificate: only what answers flagged rows
    differs. A new
module there is a line here.
"""

from __future__ import annotations

from collections.abc import Iterator

from evenhand.training.baselines.method import Sees, Served
from evenhand.training.baselines.ours import Ours
from evenhand.training.correctors import correctors
from evenhand.training.correctors.interface import CorrectorMethod
from evenhand.training.correctors.lora import LORA
from evenhand.training.correctors.none import NONE

ELSEWHERE = (LORA.name, NONE.name)
"""Evenhand's own lines, and the base's."""


def lines_of(method: CorrectorMethod) -> Iterator[Ours]:
    """A corrector's lines of the table."""
    gates = (("gated", "detector", "gated"), ("always", "always", "every row"))
    for prefix, gate, where in gates[: 2 if method.always else 1]:
        yield Ours(
            f"{prefix}-{method.name}",
            f"{method.title}, {where}",
            method.source,
            Sees("all", "all", test=False),
            Served("corrector", f"`evenhand fit --method {method.name} --gate {gate}`."),
            changes={"correction": {"method": method.name, "gate": gate}},
        )


GATED = tuple(
    line for name, method in correctors().items() if name not in ELSEWHERE for line in lines_of(method)
)
