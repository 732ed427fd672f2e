"""Evenhand's own correction in the comparison, and every other corrector behind the same detectors.

The stages of a fit learn all of them. Evenhand's lines are chosen with or without a certificate. Another
corrector's line is chosen as Evenhand's without one, so that only the corrector differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.special import softmax

from evenhand.training.baselines.base import Context, Method, MethodAnswer, Sees, Served
from evenhand.training.baselines.cost import Parts, parts_of
from evenhand.training.choice import learners, select
from evenhand.training.choice.candidates import NEVER, learnt_level
from evenhand.training.correctors import correctors, named
from evenhand.training.correctors.interface import CorrectorMethod
from evenhand.training.correctors.lora import LORA
from evenhand.training.correctors.none import NONE
from evenhand.training.evaluation.metrics import MIN_CELL
from evenhand.training.learning.config import FitConfig
from evenhand.training.learning.features import Material
from evenhand.typing import Bools, Ints


@dataclass(frozen=True)
class LearnerAnswers:
    """Adapters of one learner with their answers at every setting that was asked about."""

    learner: learners.Learner
    chooser: select.Chooser
    abstain_below: tuple[float, ...]
    notes: dict[str, Any]
    parts: Parts


FITTED = Served(
    "bundle", "`evenhand fit` makes the bundle: base, detectors, gates and adapters in one graph."
)
SETTING = Served("no", "An ablation: `evenhand fit` with the same settings makes its bundle.")


@dataclass(frozen=True)
class Ours(Method):
    """Detectors and adapters on held-out rows, anchors balanced over cells, strength and thresholds chosen.

    Without a certificate the choice is made on tuning and validation rows together. With one, tuning rows put
    settings in order and validation rows certify; where none passes, the base's answers stay. With no labels,
    the learner that is better on the rows that order is taken, outliers or benefit.
    """

    knowledge: str = "full"
    served: Served = FITTED
    known_share: float = 1.0
    certificate: bool = False
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Fields of the detector and correction stages to set otherwise: an ablation."""

    @property
    def corrects(self) -> bool:
        """It learns detectors and adapters."""
        return True

    def answer(self, context: Context) -> MethodAnswer:
        """Learn, choose, answer."""
        config = self.config(context.config)
        if config.detector.layer != context.config.detector.layer:
            context = replace(context, config=config)
        candidates = learnt(context, config)
        prepared = [self._prepared(one) for one in candidates]
        promises = [each.promise() if len(prepared) > 1 else 0.0 for each in prepared]
        best = int(np.argmax(promises))
        choice, one = self._choice(config, prepared[best]), candidates[best]
        cuts = np.array(choice.thresholds)
        is_open = (one.chooser.risk[context.scored] >= cuts) & (cuts < NEVER)
        predicted = one.chooser.predict(choice.setting, context.scored)
        answered: dict[str, Any] = {}
        if one.abstain_below:
            withheld = abstained(context, is_open, one.abstain_below)
            answered = {"answered": per_group(context, predicted, ~withheld)}
        return MethodAnswer(
            predicted,
            notes={
                "taught": one.learner.name,
                "strength": choice.strength,
                "levels": choice.setting.plain_levels,
                "offsets": [list(of) for of in choice.setting.offsets],
                "certified": choice.certified,
                **one.notes,
                "values": {
                    other.learner.name: value for other, value in zip(candidates, promises, strict=True)
                },
                **choice.plain(),
                **answered,
            },
            # A first stage of strength 0 is not in the graph; offsets cost nothing that could be counted.
            cost=one.parts.at(float(is_open.any(axis=1).mean()) if choice.strength else 0.0),
        )

    def config(self, config: FitConfig) -> FitConfig:
        """The seed's settings, with this method's in their place."""
        detector = replace(
            config.detector,
            attributes_known=self.knowledge,  # type: ignore[arg-type]
            known_share=self.known_share,
        )
        return replace(
            config,
            detector=replace(detector, **self.changes.get("detector", {})),
            correction=replace(config.correction, **self.changes.get("correction", {})),
        )

    def _prepared(self, one: LearnerAnswers) -> select.Prepared:
        order, certify = select.choice_rows(one.chooser.material, one.chooser.fresh, self.certificate)
        return select.Prepared(one.chooser, order, certify)

    def _choice(self, config: FitConfig, prepared: select.Prepared) -> select.Choice:
        chooser = prepared.chooser
        if not named(config.correction.method).chosen:
            level = learnt_level(config.correction, soft=False)
            return select.everything(chooser.cuts, level, chooser.material, config.correction)
        return chooser.choose(prepared.order, prepared.certify, config.correction.alpha_certificate)


def learnt(context: Context, config: FitConfig) -> list[LearnerAnswers]:
    """Learn what the setting allows, once per seed: choices with and without a certificate share it."""
    key = repr((config.detector, config.correction))
    if key not in context.cache:
        context.cache.clear()  # keep the answers of one setting only: they are large
        context.cache[key] = _learn(context, config)
    answers: list[LearnerAnswers] = context.cache[key]
    return answers


def _learn(context: Context, config: FitConfig) -> list[LearnerAnswers]:
    material, folder = context.material, context.folder / "ours"
    answers = []
    for learner in learners.learners_of(config, context.split, material, folder):
        fairnet, risk, notes = learners.learn(learner, config, context.split, material, folder)
        own: Material = replace(material, rows=learner.rows, schema=learner.schema)
        fresh = learners.fresh_rows(learner, named(config.correction.method))
        of_learner = select.LearntCorrector(
            fairnet.correction, named(config.correction.method), risk, learner.lesson.targets, fresh
        )
        chooser = select.Chooser(of_learner, own, config.correction)
        bounds, parts = fairnet.correction.abstain_below, parts_of(fairnet, context.base, material.features)
        answers.append(LearnerAnswers(learner, chooser, bounds, notes, parts))
    return answers


def _variants(prefix: str, title: str, certificate: bool) -> tuple[Ours, ...]:
    source = "this project" + (", certified or the base" if certificate else "")
    kinds: tuple[tuple[str, float, str, Sees], ...] = (
        ("full", 1.0, "full", Sees("all", "all", test=False)),
        ("partial", 0.1, "partial, 10 %", Sees("part", "all", test=False)),
        ("none", 1.0, "none", Sees("none", "all", test=False)),
    )
    return tuple(
        Ours(f"{prefix}-{kind}", f"{title}, {words}", source, sees, FITTED, kind, known_share, certificate)
        for kind, known_share, words, sees in kinds
    )


OURS = tuple(
    method
    for pair in zip(
        _variants("ours", "Evenhand", certificate=False),
        _variants("certified", "Evenhand certified", certificate=True),
        strict=True,
    )
    for method in pair
)
_ABLATED: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "no-contrast": ("without the contrastive term", {"correction": {"contrastive_weight": 0.0}}),
    "no-keep": ("without the KL term", {"correction": {"keep_weight": 0.0}}),
    "no-balance": ("anchors not balanced", {"correction": {"balance": 0.0}}),
    "full-balance": ("anchors balanced entirely", {"correction": {"balance": 1.0}}),
    "mean-pooling": ("detector with mean pooling", {"detector": {"pooling": "mean"}}),
    "shared": ("one detector and adapter for all attributes", {"detector": {"shared": True}}),
    "layer-1": ("cut before block 1", {"detector": {"layer": 1}}),
    "layer-5": ("cut before block 5", {"detector": {"layer": 5}}),
}
ABLATIONS = tuple(
    Ours(
        f"ours-{name}",
        f"Evenhand, {title}",
        "ablation",
        Sees("all", "all", test=False),
        SETTING,
        changes=changes,
    )
    for name, (title, changes) in _ABLATED.items()
)


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


def abstained(context: Context, is_open: Bools, bounds: Sequence[float]) -> Bools:
    """``(scored,)`` rows that the base's answer is withheld from.

    Args:
        context: The seed.
        is_open: ``(scored, attributes)``.
        bounds: Per attribute, the probability below which a flagged row gets no decision.
    """
    probability = softmax(context.features.base_logits[context.scored].astype(np.float64), axis=1).max(axis=1)
    withheld: Bools = (is_open & (probability[:, None] < np.array(bounds))).any(axis=1)
    return withheld


def per_group(context: Context, predicted: Ints, answered: Bools) -> dict[str, Any]:
    """Coverage and accuracy of what is answered; arguments ``(scored,)``.

    Returns:
        Per split, attribute and group; no accuracy over fewer rows than a cell needs to be scored.
    """
    rows, scored = context.rows, context.scored
    right, split = predicted == rows.labels[scored], rows.split[scored]
    return {
        part: {
            name: {
                group: _coverage_of(right, answered, (split == part) & (rows.groups[name][scored] == code))
                for code, group in enumerate(groups)
            }
            for name, groups in context.schema.groups.items()
        }
        for part in ("val", "test")
    }


def _coverage_of(right: Bools, answered: Bools, inside: Bools) -> dict[str, float | int | None]:
    both = inside & answered
    return {
        "rows": int(inside.sum()),
        "coverage": round(float(answered[inside].mean()), 4) if inside.any() else None,
        "accuracy": round(float(right[both].mean()), 4) if both.sum() >= MIN_CELL else None,
    }
