"""Choose strength, levels and offsets: search on rows that order, certify on rows that nothing else saw."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evenhand.console import say
from evenhand.models.bundle.target import Target
from evenhand.models.network.corrector import Corrector
from evenhand.training.choice.aim import corrected_columns, target_of
from evenhand.training.choice.candidates import (
    ALWAYS,
    NEVER,
    Cuts,
    LogitTable,
    Setting,
    levels_of,
    untouched,
)
from evenhand.training.choice.certify import fallback, shares
from evenhand.training.choice.claims import Claim, Claims, PassChance, Sample
from evenhand.training.choice.expected import label_probabilities
from evenhand.training.choice.program import RateProblem, offsets
from evenhand.training.choice.scorer import TargetScorer
from evenhand.training.choice.search import Objective, SearchSpace, search
from evenhand.training.correctors.interface import CorrectorMethod
from evenhand.training.learning.config import CorrectionConfig
from evenhand.training.learning.features import Material
from evenhand.typing import Float32s, Floats, Ints

AMBITIONS = (0.9, 0.7, 0.45, 0.2, 0.05)
"""Chance to pass, judged on the rows that order, that a setting needs to be tested first, second and so on.

The first is safe. Each later one comes nearer to the target and is tested with what the earlier ones, which
passed, hand on: nearly all of alpha. Chances are judged with care, so that bold settings often pass.
"""
START_LEVEL = 1.0
"""The level that the search starts from."""
BELOW = 10.0
"""More than any value: a setting beyond a limit ranks below all others, by how far it is beyond."""
ORDERING = 1 / 3
"""Share of fresh training rows and validation rows that order; the others certify."""


@dataclass(frozen=True)
class SettingTrial:
    """One tested setting."""

    setting: Setting
    claims: tuple[Claim, ...]
    certified: bool
    value: float
    """On the rows that order; see :class:`evenhand.training.choice.scorer.TargetScorer`."""

    @property
    def p(self) -> float:
        """The largest of the claims' p-values."""
        return max(claim.p for claim in self.claims)

    def plain(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "strength": self.setting.strength,
            "levels": self.setting.plain_levels,
            "offsets": [list(of) for of in self.setting.offsets],
            "claims": [
                {
                    "kind": claim.kind,
                    "said": claim.said,
                    "p": claim.p,
                    "margin": claim.margin,
                    "rows_needed": claim.rows_needed,
                }
                for claim in self.claims
            ],
            "certified": self.certified,
        }


@dataclass(frozen=True)
class Choice:
    """The chosen setting, and the tests of it."""

    setting: Setting
    thresholds: tuple[float, ...]
    """One per gated attribute; 1.0 where an attribute is never flagged, and its mode is ``off``."""
    counting: tuple[float, ...]
    """One per gated attribute: from which risk on rows are counted where nothing is corrected."""
    certified: bool
    target: Target
    named: str | None
    """The base's worst figure on the rows that order, in words; its gain is tested."""
    trials: tuple[SettingTrial, ...]
    rows: int
    """Rows that certified."""
    value: float
    """On the rows that order; see :class:`evenhand.training.choice.scorer.TargetScorer`."""
    refusal: tuple[str, ...] = ()
    """Why nothing is certified, in words; empty if something is, or if nothing was to be."""

    @property
    def strength(self) -> float:
        """What the first stage's change is multiplied by."""
        return self.setting.strength

    def helps(self, attribute: int) -> bool:
        """Whether this attribute is corrected at all."""
        return self.thresholds[attribute] < NEVER

    def flags_from(self, attribute: int) -> float:
        """The threshold of an attribute: the chosen one, or the one to count by if nothing is corrected."""
        return self.thresholds[attribute] if self.helps(attribute) else self.counting[attribute]

    def plain(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "rows": self.rows,
            "named": self.named,
            "trials": [trial.plain() for trial in self.trials],
            "refusal": list(self.refusal),
        }


@dataclass(frozen=True)
class LearntCorrector:
    """A first stage, its detectors' risks, and what they were taught."""

    correction: Corrector
    """Left at full strength."""
    method: CorrectorMethod
    risk: Float32s
    """``(rows, attributes)`` of all rows."""
    members: Ints
    """``(rows, attributes)`` group codes as the training may see them."""
    fresh: Ints
    """Training rows that neither base nor detectors nor corrector learnt from."""


class Chooser:
    """Answers of a learnt corrector at every setting, from which a choice is made.

    Args:
        learnt: What was learnt.
        material: Hidden states and rows.
        config: Target, gate and level.
    """

    def __init__(self, learnt: LearntCorrector, material: Material, config: CorrectionConfig) -> None:
        self.material, self.rows, self.schema = material, material.rows, material.schema
        self.config, self.method, self.risk, self.fresh = config, learnt.method, learnt.risk, learnt.fresh
        self.base = material.features.base_logits.argmax(axis=1)
        self.target = target_of(material.schema, config)
        self.corrected = corrected_columns(material.schema, self.target)
        self.cuts = Cuts(self.risk, learnt.members, material.rows)
        self._table = LogitTable(learnt.correction, material.features, self.risk)

    def space(self, rows: Ints) -> SearchSpace:
        """What may be chosen, on some rows."""
        return SearchSpace(
            self._table,
            rows,
            self.risk[rows],
            self.cuts,
            self.method.strengths,
            levels_of(self.config),
            self.method.decides,
            self.method.soft,
            len(self.schema.labels),
            self.corrected,
        )

    def predict(self, setting: Setting, rows: Ints) -> Ints:
        """Classes of some rows, ``(rows,)``."""
        return self.base[rows] if not any(setting.levels) else self.space(rows).predict(setting)

    def scorer(self, order: Ints) -> TargetScorer:
        """Values on the rows that order, expected from the probabilities of their labels."""
        space = self.space(order)
        widest = tuple(max(space.levels) if corrects else 0.0 for corrects in self.corrected.tolist())
        strongest = max(self.method.strengths, default=0.0)
        scores = [
            self._table.logits(strength, space.is_open(widest), order)
            for strength in dict.fromkeys((0.0, strongest))
        ]
        probabilities = label_probabilities(self.rows, self.schema, order, scores)
        return TargetScorer(self.rows, self.schema, order, self.base[order], self.target, probabilities)

    def choose(self, order: Ints, certify: Ints | None, alpha: float) -> Choice:
        """Take the best setting within the limits; or test the most promising ones on other rows.

        Args:
            order: Rows that the corrector did not learn from.
            certify: Rows that neither learnt nor ordered anything; ``None`` to go without a certificate.
            alpha: How often a certificate may be wrong.
        """
        scorer = self.scorer(order)
        usual = scorer.value(self.base[order])
        untested = Choice(self._never(), (), (), False, self.target, None, (), 0, 0.0)
        if certify is None:
            value, best = self.search(order, scorer.values)
            chosen = replace(untested, setting=best if value > usual else untested.setting)
        else:
            claims = Claims(
                Sample(self.rows, self.schema, self.base, order, certify, scorer.probabilities),
                self.target,
                alpha,
            )
            trials = self._trials(claims, scorer, alpha)
            # The last that passed is nearest to the target; rows that certify choose nothing else.
            passed = [trial.setting for trial in trials if trial.certified]
            chosen = replace(
                untested,
                setting=passed[-1] if passed else untested.setting,
                certified=bool(passed),
                named=claims.named,
                trials=trials,
                rows=len(certify),
                refusal=() if passed else refusal_of(trials, alpha),
            )
        return replace(
            chosen,
            thresholds=self.cuts.thresholds(chosen.setting.levels),
            counting=self.cuts.counting(self.config),
            value=scorer.value(self.predict(chosen.setting, order)),
        )

    def _trials(self, claims: Claims, scorer: TargetScorer, alpha: float) -> tuple[SettingTrial, ...]:
        """Find one setting for every ambition, and test them in their order."""
        order, certify = claims.order, claims.certify
        best = scorer.merit(self.base[order])
        levels = alpha * np.cumsum(shares(len(AMBITIONS)))
        listed: list[tuple[float, Setting]] = []
        for ambition, level in zip(AMBITIONS, levels.tolist(), strict=True):
            passing = PassChance(claims, level)
            _, setting = self.search(order, _ambitious(scorer, passing, ambition))
            merit = scorer.merit(self.predict(setting, order))
            if merit > best:
                best = merit
                listed.append((merit, setting))
        tested = [
            (setting, tuple(claims.test(self.predict(setting, order), self.predict(setting, certify))), merit)
            for merit, setting in listed
        ]
        passed = fallback([max(claim.p for claim in each) for _, each, _ in tested], alpha)
        return tuple(
            SettingTrial(setting, each, ok, merit)
            for (setting, each, merit), ok in zip(tested, passed, strict=True)
        )

    def search(self, order: Ints, objective: Objective) -> tuple[float, Setting]:
        """The best setting on the rows that order, with its value."""
        return search(self.space(order), objective, self._starts(order))[0]

    def _starts(self, order: Ints) -> list[Setting]:
        """No offset, and where rates are aimed at, what linear programs say of each attribute."""
        attributes, classes = self.risk.shape[1], len(self.schema.labels)
        # From the middle of the levels a step leads both ways.
        level = ALWAYS if self.config.gate == "always" else START_LEVEL
        levels = tuple(level if corrects else 0.0 for corrects in self.corrected.tolist())
        none = (0.0,) * classes
        starts = [Setting(0.0, levels, (none,) * attributes)]
        if not self.method.decides:
            return starts
        programs = [self._program(name, column, order) for column, name in enumerate(self.schema.gated)]
        for place in range(max(map(len, programs))):
            of_attributes = tuple(of[place] if of else none for of in programs)
            starts.append(Setting(0.0, levels, of_attributes))
        return starts

    def _program(self, attribute: str, column: int, order: Ints) -> list[tuple[float, ...]]:
        """The linear programs' offsets for one attribute that rates are aimed at."""
        aim = self.target.of(attribute)
        if aim is None or not aim.is_gap:
            return []
        logits = self.material.features.base_logits[order]
        favourable = np.isin(self.schema.labels, self.schema.favourable)
        problem = RateProblem(logits, self.risk[order, column], favourable, aim.measure)
        return offsets(problem, self.material.seed)

    def _never(self) -> Setting:
        return untouched(self.risk.shape[1], len(self.schema.labels))


def _ambitious(scorer: TargetScorer, passing: PassChance, ambition: float) -> Objective:
    """The target's value among settings with a chance to pass; below them all others, by their chance."""

    def objective(predicted: Ints) -> Floats:
        chance = passing.chances(predicted)
        values: Floats = np.where(chance >= ambition, scorer.merits(predicted), chance - BELOW)
        return values

    return objective


def refusal_of(trials: tuple[SettingTrial, ...], alpha: float) -> tuple[str, ...]:
    """Why no setting is certified: no effect, too costly, or too few rows, and then how many would do."""
    if not trials:
        return ("no effect: no setting made the target better on held-out rows",)
    nearest = min(trials, key=lambda trial: trial.p)
    share = shares(len(trials))[trials.index(nearest)]
    reasons = []
    for claim in nearest.claims:
        if claim.p <= share * alpha:
            continue
        evidence = f"not shown that {claim.said} (p {claim.p:.3f})"
        if claim.margin <= 0.0:
            reasons.append(f"{'no effect' if claim.kind == 'target' else 'too costly'}: {evidence}")
        elif claim.rows_needed is None:
            reasons.append(f"too few rows: {evidence}; no number of rows worth naming would do")
        else:
            reasons.append(f"too few rows: {evidence}; about {claim.rows_needed:,} validation rows would do")
    return tuple(reasons)


@dataclass(frozen=True)
class Prepared:
    """A chooser, and the rows that it is to choose on."""

    chooser: Chooser
    order: Ints
    certify: Ints | None

    def promise(self) -> float:
        """The best value within the limits on the rows that order, or the base's: to compare learners by."""
        chooser, order = self.chooser, self.order
        scorer = chooser.scorer(order)
        return max(scorer.value(chooser.base[order]), chooser.search(order, scorer.values)[0])


def prepare(learnt: LearntCorrector, material: Material, config: CorrectionConfig) -> Prepared:
    """A chooser, with the rows that order and certify."""
    order, certify = choice_rows(material, learnt.fresh, config.require_certificate)
    return Prepared(Chooser(learnt, material, config), order, certify)


def choose(prepared: Prepared) -> Choice:
    """Choose for a bundle; see :meth:`Chooser.choose`."""
    config, certify = prepared.chooser.config, prepared.certify
    choice = prepared.chooser.choose(prepared.order, certify, config.alpha_certificate)
    say(f"target: {choice.target.in_words()}")
    for trial in choice.trials:
        say(
            f"strength {trial.setting.strength}, levels {trial.setting.plain_levels}, "
            f"offsets {[list(of) for of in trial.setting.offsets]}"
            + (": certified" if trial.certified else ": not certified")
        )
        for claim in trial.claims:
            say(f"  p {claim.p:.4f}: {claim.said} (margin {100 * claim.margin:+.2f} points)")
    for reason in choice.refusal:
        say(reason)
    if not any(choice.setting.levels) and certify is None:
        say("no setting helped on the rows that settings are put in order on")
    return choice


def everything(cuts: Cuts, level: float, material: Material, config: CorrectionConfig) -> Choice:
    """Flag at one level for every attribute, without a choice."""
    attributes, classes = len(cuts.shares), len(material.schema.labels)
    setting = Setting(1.0, (level,) * attributes, ((0.0,) * classes,) * attributes)
    target = target_of(material.schema, config)
    thresholds, counting = cuts.thresholds(setting.levels), cuts.counting(config)
    return Choice(setting, thresholds, counting, False, target, None, (), 0, 0.0)


def choice_rows(material: Material, fresh: Ints, certificate: bool) -> tuple[Ints, Ints | None]:
    """Rows to put settings in order on, and rows to certify on.

    Fresh training rows order, with so many validation rows that they are a third of both; where the
    attributes of fresh rows may not be seen, they count by what is seen of them. The other validation rows
    certify. Without a certificate all of both order.

    Args:
        material: The rows, with the groups that training may see.
        fresh: Training rows that neither base nor detectors nor corrector learnt from.
        certificate: Whether the choice needs one.
    """
    validation = material.rows.of("val")
    if not certificate:
        return np.concatenate([fresh, validation]), None
    seen = [material.rows.groups[name][fresh] >= 0 for name in material.schema.groups]
    moved = moved_rows(len(fresh) * (float(np.mean(seen)) if seen else 1.0), len(validation))
    mixed = np.random.default_rng(material.seed).permutation(validation)
    return np.concatenate([fresh, mixed[:moved]]), np.sort(mixed[moved:])


def moved_rows(useful: float, validation: int) -> int:
    """Validation rows that order.

    Args:
        useful: Training rows that order, as far as their attributes are seen.
        validation: All validation rows.
    """
    return max(0, round(ORDERING * (useful + validation) - useful))
