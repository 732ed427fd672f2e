"""Every method that ``evenhand compare`` knows, in the order of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from training.compare.constrained import Constrained
from training.compare.context import Context
from training.compare.groupdro import GroupDro
from training.compare.heads import LEACE, DeepFeatureReweighting
from training.compare.lora import FAIRNET, AlwaysOn
from training.compare.method import Answer, Method, Sees
from training.compare.postprocess import RejectOption, Thresholds
from training.compare.retrain import Erm, JustTrainTwice, Resampling, Reweighting
from training.data import DataError


@dataclass(frozen=True)
class BaseItself(Method):
    """The base checkpoint as it is: what everything is compared with."""

    name: str = "base"
    title: str = "Base"
    source: str = "cross-entropy"
    sees: Sees = Sees("none", "none", test=False)

    def answer(self, context: Context) -> Answer:
        """Nothing to learn."""
        return Answer.of_logits(context.features.base_logits[context.judged])


METHODS: tuple[Method, ...] = (
    BaseItself(),
    Erm(),
    Reweighting(),
    Resampling(),
    JustTrainTwice(),
    GroupDro(),
    DeepFeatureReweighting(),
    *LEACE,
    Constrained(),
    Thresholds(),
    RejectOption(),
    AlwaysOn(),
    *FAIRNET,
)


def named(names: Sequence[str]) -> tuple[Method, ...]:
    """Some methods by name, or all; the base is always among them, and first.

    Raises:
        DataError: there is no such method.
    """
    known = {method.name: method for method in METHODS}
    strange = [name for name in names if name not in known]
    if strange:
        raise DataError(f"no method {', '.join(strange)}; there are {', '.join(known)}")
    return tuple(method for method in METHODS if not names or method.name in names or method is METHODS[0])
