"""Every method that ``evenhand compare`` knows, in the order of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from training.compare.adversarial import Adversarial
from training.compare.augment import CounterfactualAugmentation
from training.compare.constrained import Constrained
from training.compare.context import Context
from training.compare.gated import GATED
from training.compare.groupdro import GroupDro
from training.compare.heads import LEACE, DeepFeatureReweighting
from training.compare.lora import FAIRNET, AlwaysOn
from training.compare.massaging import Massaging
from training.compare.method import Answer, Method, Sees, Served
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
    served: Served = Served("bundle", "`evenhand fit --method none`.", 1.0)

    def answer(self, context: Context) -> Answer:
        """Nothing to learn."""
        return Answer.of_logits(context.features.base_logits[context.judged])


STAGES: dict[str, tuple[Method, ...]] = {
    "controls": (BaseItself(), Erm()),
    "before-training": (Reweighting(), Resampling(), Massaging(), CounterfactualAugmentation(), Mixup()),
    "in-training": (
        JustTrainTwice(),
        GroupDro(),
        Adversarial(),
        RegularisedParity(),
        RegularisedOdds(),
        MmdPenalty(),
        CoralPenalty(),
    ),
    "representation": (DeepFeatureReweighting(), *LEACE, Constrained()),
    "after-model": (Thresholds(), RejectOption()),
    "fairnet": (AlwaysOn(), *FAIRNET),
    "correctors": GATED,
    "ours": OURS,
}
"""Methods by where they act; each name stands for all of its methods on the command line."""

METHODS: tuple[Method, ...] = tuple(method for stage in STAGES.values() for method in stage)
ALL = "all"


def named(names: Sequence[str], ablations: bool = False) -> tuple[Method, ...]:
    """Some methods by name or stage, or all; the base is always among them, and first.

    Args:
        names: Names, stages or ``all``; all where empty.
        ablations: Ours with one part left out or changed, instead of all methods.

    Raises:
        DataError: there is no such method.
    """
    if ablations and not names:
        return (METHODS[0], OURS[0], *ABLATIONS)
    known = {method.name: method for method in (*METHODS, *ABLATIONS)}
    words = {ALL: METHODS, **STAGES}
    strange = [name for name in names if name not in known and name not in words]
    if strange:
        raise DataError(f"no method {', '.join(strange)}; there are {', '.join(known)}; together {', '.join(words)}")
    wanted = {method.name for word in names or (ALL,) for method in words.get(word, ())} | set(names)
    return tuple(method for method in known.values() if method.name in wanted or method is METHODS[0])
