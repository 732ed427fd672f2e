"""Every corrector in the comparison, behind the detectors' gates; some on every row as well.

Rows are found in :mod:`training.correctors`: a module there is a row here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from training.compare.method import Sees, Served
from training.compare.ours import Ours
from training.correctors import correctors
from training.correctors.method import CorrectorMethod

ELSEWHERE = ("lora", "none")
"""Evenhand's own rows, and the base's."""


@dataclass(frozen=True)
class Gated(Ours):
    """A corrector, learnt on held-out rows, its strength and thresholds chosen as ours are, without a certificate."""

    @property
    def page(self) -> str:
        """The corrector's."""
        method = correctors()[self.changes["correction"]["method"]]
        return method.page or method.name


def rows_of(method: CorrectorMethod) -> tuple[Gated, ...]:
    """Its rows of the table."""
    with_gate = Gated(
        f"gated-{method.name}",
        f"{method.title}, gated",
        method.source,
        Sees("all", "all", test=False),
        served=Served("corrector", f"`evenhand fit --method {method.name}`; the detectors infer whom it is for."),
        changes={"correction": {"method": method.name}},
    )
    if not method.always:
        return (with_gate,)
    on_every_row = replace(
        with_gate,
        name=f"always-{method.name}",
        title=f"{method.title}, on every row",
        served=Served("corrector", f"`evenhand fit --method {method.name}` with the gate setting `always`."),
        changes={"correction": {"method": method.name, "gate": "always"}},
    )
    return with_gate, on_every_row


GATED = tuple(row for name, method in correctors().items() if name not in ELSEWHERE for row in rows_of(method))
