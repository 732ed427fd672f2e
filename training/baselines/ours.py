"""Our own correction in the comparison: learnt by the stages of a fit, chosen with or without a certificate."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from evenhand.training.baselines import coverage
from evenhand.training.baselines.context import Context
from evenhand.training.baselines.cost import Parts, parts_of
from evenhand.training.baselines.method import Method, MethodAnswer, Sees, Served
from evenhand.training.choice import learners, select
from evenhand.training.choice.candidates import NEVER, levels_of
from evenhand.training.correctors import named
from evenhand.training.learning.config import FitConfig
from evenhand.training.learning.features import Material


@dataclass(frozen=True)
class LearnerAnswers:
    """Adapters of one arm with their answers at every setting, to every row that may be asked about."""

    arm: learners.Arm
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
    the arm that is better on the rows that order is taken, outliers or benefit.
    """

    knowledge: str = "full"
    served: Served = FITTED
    known: float = 1.0
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
        choices = [self._choice(context, config, one) for one in candidates]
        best = max(range(len(choices)), key=lambda index: (choices[index].certified, choices[index].value))
        choice, one = choices[best], candidates[best]
        cuts = np.array(choice.thresholds)
        is_open = (one.chooser.risk[context.judged] >= cuts) & (cuts < NEVER)
        predicted = one.chooser.predict(choice.setting, context.judged)
        told: dict[str, Any] = {}
        if one.abstain_below:
            withheld = coverage.abstained(context, is_open, one.abstain_below)
            told = {"answered": coverage.per_group(context, predicted, ~withheld)}
        return MethodAnswer(
            predicted,
            notes={
                "taught": one.arm.name,
                "strength": choice.strength,
                "levels": choice.setting.plain_levels,
                "certified": choice.certified,
                **one.notes,
                "values": {other.arm.name: c.value for other, c in zip(candidates, choices, strict=True)},
                **choice.plain(),
                **told,
            },
            cost=one.parts.at(float(is_open.any(axis=1).mean())),
        )

    def config(self, config: FitConfig) -> FitConfig:
        """The seed's settings, with this method's in their place."""
        detector = replace(config.detector, attributes_known=self.knowledge, known_share=self.known)  # type: ignore[arg-type]
        return replace(
            config,
            detector=replace(detector, **self.changes.get("detector", {})),
            correction=replace(config.correction, **self.changes.get("correction", {})),
        )

    def _choice(self, context: Context, config: FitConfig, one: LearnerAnswers) -> select.Choice:
        if not named(config.correction.method).chosen:
            return select.everything(one.chooser.cuts, max(levels_of(config.correction)))
        order, certify = select.choice_rows(one.chooser.material, self.certificate)
        share = config.correction.alpha_certificate / (2 if self.knowledge == "none" else 1)
        return one.chooser.choose(order, certify, replace(config.correction, alpha_certificate=share))


def learnt(context: Context, config: FitConfig) -> list[LearnerAnswers]:
    """Learn what the setting allows, once per seed: choices with and without a certificate share it."""
    key = repr((config.detector, config.correction))
    if key not in context.cache:
        context.cache.clear()  # the answers of one setting are enough to keep
        context.cache[key] = _learn(context, config)
    found: list[LearnerAnswers] = context.cache[key]
    return found


def _learn(context: Context, config: FitConfig) -> list[LearnerAnswers]:
    material, folder = context.material, context.folder / "ours"
    asked = context.rows.of("tune", "val", "test")
    found = []
    for arm in learners.arms(config, context.split, material, folder):
        fairnet, risk, notes = learners.learn(arm, config, context.split, material, folder)
        own: Material = replace(material, rows=arm.rows, schema=arm.schema)
        chooser = select.Chooser(
            fairnet.correction, own, risk, arm.lesson.targets, asked, levels_of(config.correction)
        )
        bounds, parts = fairnet.correction.abstain_below, parts_of(fairnet, context.base, material.features)
        found.append(LearnerAnswers(arm, chooser, bounds, notes, parts))
    return found


def _variants(prefix: str, title: str, certificate: bool) -> tuple[Ours, ...]:
    source = "this project" + (", certified or the base" if certificate else "")
    kinds: tuple[tuple[str, float, str, Sees], ...] = (
        ("full", 1.0, "full", Sees("all", "all", test=False)),
        ("partial", 0.1, "partial, 10 %", Sees("part", "all", test=False)),
        ("none", 1.0, "none", Sees("none", "all", test=False)),
    )
    return tuple(
        Ours(f"{prefix}-{kind}", f"{title}, {words}", source, sees, FITTED, kind, known, certificate)
        for kind, known, words, sees in kinds
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
