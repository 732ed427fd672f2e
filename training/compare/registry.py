"""Every method that ``evenhand compare`` knows, in the order of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from training.compare.adversarial import Adversarial
from training.compare.augment import CounterfactualAugmentation
from training.compare.constrained import Constrained
from training.compare.context import Context
from training.compare.groupdro import GroupDro
from training.compare.heads import LEACE, DeepFeatureReweighting
from training.compare.lora import FAIRNET, AlwaysOn
from training.compare.massaging import Massaging
from training.compare.method import Answer, Method, Sees
from training.compare.mixup import Mixup
from training.compare.ours import ABLATIONS, OURS
from training.compare.postprocess import RejectOption, Thresholds
from training.compare.regularised import CoralPenalty, MmdPenalty, RegularisedOdds, RegularisedParity
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
    Massaging(),
    CounterfactualAugmentation(),
    Mixup(),
    JustTrainTwice(),
    GroupDro(),
    Adversarial(),
    RegularisedParity(),
    RegularisedOdds(),
    MmdPenalty(),
    CoralPenalty(),
    DeepFeatureReweighting(),
    *LEACE,
    Constrained(),
    Thresholds(),
    RejectOption(),
    AlwaysOn(),
    *FAIRNET,
    *OURS,
)


def named(names: Sequence[str], ablations: bool = False) -> tuple[Method, ...]:
    """Some methods by name, or all; the base is always among them, and first.

    Args:
        names: Which; all where empty.
        ablations: Ours with one part left out or changed, instead of all methods.

    Raises:
        DataError: there is no such method.
    """
    if ablations and not names:
        return (METHODS[0], OURS[0], *ABLATIONS)
    known = {method.name: method for method in (*METHODS, *ABLATIONS)}
    strange = [name for name in names if name not in known]
    if strange:
        raise DataError(f"no method {', '.join(strange)}; there are {', '.join(known)}")
    if not names:
        return METHODS
    return tuple(method for method in known.values() if method.name in names or method is METHODS[0])
