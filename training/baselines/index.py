"""Every method that ``evenhand compare`` knows, in the order of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evenhand.training.baselines.adversarial import Adversarial
from evenhand.training.baselines.base import Context, Method, MethodAnswer, Sees, Served
from evenhand.training.baselines.boosted import BOOSTED
from evenhand.training.baselines.global_threshold import DeclaredOffsets, GlobalThreshold, ThresholdAtCost
from evenhand.training.baselines.heads import LEACE, Constrained, DeepFeatureReweighting
from evenhand.training.baselines.ours import ABLATIONS, GATED, OURS
from evenhand.training.baselines.penalties import (
    CoralPenalty,
    MmdPenalty,
    RegularisedOdds,
    RegularisedParity,
)
from evenhand.training.baselines.plain_lora import FAIRNET, AlwaysOn
from evenhand.training.baselines.postprocess import OptimisedThresholds, RejectOption
from evenhand.training.baselines.resampling import CounterfactualAugmentation, Massaging, Mixup, Resampling
from evenhand.training.baselines.retrain import Erm, GroupDro, JustTrainTwice, Reweighting
from evenhand.training.data.dataset import DataError, Schema


@dataclass(frozen=True)
class BaseItself(Method):
    """The base checkpoint as it is: what everything is compared with."""

    name: str = "base"
    title: str = "Base"
    source: str = "cross-entropy"
    sees: Sees = Sees("none", "none", test=False)
    served: Served = Served("bundle", "`evenhand fit --method none`.", 1.0)

    def answer(self, context: Context) -> MethodAnswer:
        """Nothing to learn."""
        return MethodAnswer.of_logits(context.features.base_logits[context.scored])


STAGES: dict[str, tuple[Method, ...]] = {
    "controls": (BaseItself(), GlobalThreshold(), ThresholdAtCost(), *BOOSTED, Erm()),
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
    "after-model": (OptimisedThresholds(), DeclaredOffsets(), RejectOption()),
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
    by_name = {method.name: method for method in (*METHODS, *ABLATIONS)}
    words = {ALL: METHODS, **STAGES}
    strange = [name for name in names if name not in by_name and name not in words]
    if strange:
        raise DataError(
            f"no method {', '.join(strange)}; there are {', '.join(by_name)}; together {', '.join(words)}"
        )
    chosen = {method.name for word in names or (ALL,) for method in words.get(word, ())} | set(names)
    return tuple(method for method in by_name.values() if method.name in chosen or method is METHODS[0])


def compared(names: Sequence[str], task: str, schema: Schema, ablations: bool = False) -> tuple[Method, ...]:
    """The methods of a table: those of :func:`named`, and every control.

    A method that does not suit the data, or that is held to methods of which none is in the table, is left
    out, unless it is named: then its line says why.

    Args:
        names: See :func:`named`.
        task: The kind of input.
        schema: The meaning of the data's values.
        ablations: See :func:`named`.

    Raises:
        DataError: there is no such method.
    """
    chosen = {method.name for method in named(names, ablations)}
    return tuple(
        method
        for method in (*METHODS, *ABLATIONS)
        if method.name in names
        or (
            (method.control or method.name in chosen)
            and method.suits(task, len(schema.labels))
            and (not method.beside or chosen.intersection(method.beside))
        )
    )
