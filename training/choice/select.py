"""Choose strength and thresholds: order settings on tuning rows, certify them on validation rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from evenhand.console import say
from evenhand.models.network.corrector import Corrector
from evenhand.training.choice.candidates import (
    LEVELS,
    NEVER,
    CellScorer,
    Cuts,
    PredictionTable,
    Setting,
    levels_of,
    settings,
)
from evenhand.training.choice.certify import SHARES, chance, fallback, gain_p_value, loss_p_value
from evenhand.training.data.dataset import TUNE
from evenhand.training.learning.config import CorrectionConfig
from evenhand.training.learning.features import Material
from evenhand.typing import Float32s, Ints

SEEN = 0.5
"""Share of tuning rows whose attributes are known, from which on they alone put settings in order."""


@dataclass(frozen=True)
class SettingTrial:
    """One tested setting."""

    setting: Setting
    loss_p: float
    gain_p: float
    certified: bool
    value: float
    """On the rows that certify; see :class:`evenhand.training.choice.candidates.CellScorer`."""


@dataclass(frozen=True)
class Choice:
    """The chosen setting, and the tests of it."""

    setting: Setting
    thresholds: tuple[float, ...]
    """One per gated attribute; 1.0 where an attribute is never flagged, and its mode is ``off``."""
    certified: bool
    worst_cell: tuple[str, str, str] | None
    """Attribute, group and label of the base's worst cell on the ordering rows; its gain is tested."""
    trials: tuple[SettingTrial, ...]
    tried: int
    """Settings that were better than none on the rows that order."""
    value: float
    """On the rows that order; see :class:`evenhand.training.choice.candidates.CellScorer`."""

    @property
    def strength(self) -> float:
        """What the adapters' change is multiplied by."""
        return self.setting.strength

    def helps(self, attribute: int) -> bool:
        """Whether this attribute is corrected at all."""
        return self.thresholds[attribute] < NEVER

    def plain(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "worst_cell": self.worst_cell,
            "settings_in_order": self.tried,
            "trials": [
                {
                    "strength": trial.setting.strength,
                    "levels": trial.setting.plain_levels,
                    "p_accuracy_loss": trial.loss_p,
                    "p_worst_cell_gain": trial.gain_p,
                    "certified": trial.certified,
                }
                for trial in self.trials
            ],
        }


class Chooser:
    """Answers of a learnt corrector at every setting, from which a choice is made.

    Args:
        correction: The learnt corrector; left at full strength.
        material: Hidden states and rows.
        risk: ``(rows, attributes)`` of all rows.
        members: ``(rows, attributes)`` group codes as the training may see them.
        chosen: Rows that predictions are needed for.
        levels: What may be chosen of every attribute; 0 may always be.
    """

    def __init__(
        self,
        correction: Corrector,
        material: Material,
        risk: Float32s,
        members: Ints,
        chosen: Ints,
        levels: tuple[float, ...] = LEVELS,
    ) -> None:
        self.material, self.rows, self.schema, self.risk = material, material.rows, material.schema, risk
        self.base = material.features.base_logits.argmax(axis=1)
        self.cuts = Cuts(risk, members, material.rows)
        self.attributes = risk.shape[1]
        self.levels = levels
        lowest = np.array(self.cuts.thresholds((max(levels),) * self.attributes))
        self._table = PredictionTable(
            correction, material.features, chosen, risk[chosen] >= lowest, risk[chosen]
        )
        self._place = np.full(len(self.rows), -1)
        self._place[chosen] = np.arange(len(chosen))
        self._chosen = chosen

    def predict(self, setting: Setting, rows: Ints) -> Ints:
        """Classes of some rows, ``(rows,)``."""
        # A risk may round to 1: an attribute that is never flagged is one by its threshold, not by comparing.
        cuts = np.array(self.cuts.thresholds(setting.levels))
        is_open = (self.risk[self._chosen] >= cuts) & (cuts < NEVER)
        predicted: Ints = self._table.predict(setting.strength, is_open)[self._place[rows]]
        return predicted

    def order(self, tune: Ints, cost: float) -> list[Setting]:
        """All settings that tuning rows allow, the best first."""
        scorer = self.scorer(tune, cost)
        valued = [
            (scorer.value(self.predict(setting, tune)), setting)
            for setting in settings(self.attributes, self.levels)
        ]
        allowed = [(value, setting) for value, setting in valued if value > scorer.value(self.base[tune])]
        return [setting for _, setting in sorted(allowed, key=lambda pair: -pair[0])]

    def scorer(self, chosen: Ints, cost: float) -> CellScorer:
        """Cells and value over some rows."""
        return CellScorer(self.rows, self.schema, chosen, self.base[chosen], cost)

    def choose(self, order: Ints, certify: Ints | None, config: CorrectionConfig) -> Choice:
        """Order on some rows by value and take the first; or by the chance to pass, and certify on others.

        Args:
            order: Rows that the adapters did not learn from.
            certify: Rows that neither learnt nor ordered anything; ``None`` to go without a certificate.
            config: Tolerance and level.
        """
        scorer = self.scorer(order, config.cost)
        if certify is None:
            ordered = self.order(order, config.cost)
            trials, named = [], None
            best = ordered[0] if ordered else None
        else:
            named = _worst_of_base(scorer, self.scorer(certify, config.cost))
            ordered = self._likely(order, named, len(certify), config)
            trials = self._trials(ordered[: len(SHARES)], certify, named, config)
            passed = [trial for trial in trials if trial.certified]
            best = max(passed, key=lambda trial: trial.value).setting if passed else None
        never = Setting(1.0, (0.0,) * self.attributes)
        chosen = best or never
        return Choice(
            setting=chosen,
            thresholds=self.cuts.thresholds(chosen.levels),
            certified=certify is not None and best is not None,
            worst_cell=named,
            trials=tuple(trials),
            tried=len(ordered),
            value=scorer.value(self.predict(chosen, order)),
        )

    def _likely(
        self, tune: Ints, named: tuple[str, str, str] | None, rows: int, config: CorrectionConfig
    ) -> list[Setting]:
        """Settings that tuning rows allow, the likeliest to be certified first."""
        scorer = self.scorer(tune, config.epsilon)
        inside = scorer.members[scorer.names.index(named)] if named else np.zeros(len(tune), dtype=bool)

        def chance_of(setting: Setting) -> float:
            right = self.predict(setting, tune) == scorer.truth
            return chance(scorer.base_right, right, inside, config.epsilon, rows)

        return sorted(self.order(tune, config.epsilon), key=chance_of, reverse=True)

    def _trials(
        self,
        first: list[Setting],
        certify: Ints,
        named: tuple[str, str, str] | None,
        config: CorrectionConfig,
    ) -> list[SettingTrial]:
        """Test the first settings in their order."""
        scorer = self.scorer(certify, config.epsilon)
        inside = scorer.members[scorer.names.index(named)] if named in scorer.names else None
        tested = []
        for setting in first:
            predicted = self.predict(setting, certify)
            right = predicted == scorer.truth
            loss_p = loss_p_value(scorer.base_right, right, config.epsilon)
            gain_p = 1.0 if inside is None else gain_p_value(scorer.base_right[inside], right[inside])
            tested.append((setting, loss_p, gain_p, scorer.value(predicted)))
        passed = fallback([max(loss_p, gain_p) for _, loss_p, gain_p, _ in tested], config.alpha_certificate)
        return [
            SettingTrial(setting, loss_p, gain_p, ok, value)
            for (setting, loss_p, gain_p, value), ok in zip(tested, passed, strict=True)
        ]


def _worst_of_base(tune: CellScorer, validation: CellScorer) -> tuple[str, str, str] | None:
    """The base's worst cell on tuning rows, among those that validation rows can test."""
    both = [index for index, name in enumerate(tune.names) if name in validation.names]
    if not both:
        return None
    accuracies = [float(tune.base_right[tune.members[index]].mean()) for index in both]
    return tune.names[both[int(np.argmin(accuracies))]]


def choose(
    correction: Corrector, material: Material, risk: Float32s, members: Ints, config: CorrectionConfig
) -> Choice:
    """Choose for a bundle; see :meth:`Chooser.choose`."""
    order, certify = choice_rows(material, config.require_certificate)
    scored_rows = np.concatenate([order, order[:0] if certify is None else certify])
    choice = Chooser(correction, material, risk, members, scored_rows, levels_of(config)).choose(
        order, certify, config
    )
    for trial in choice.trials:
        say(
            f"strength {trial.setting.strength}, levels {trial.setting.plain_levels}: "
            f"p {trial.loss_p:.3f} for a loss above {100 * config.epsilon:g} points, "
            f"p {trial.gain_p:.3f} for no gain in {choice.worst_cell}"
            + (": certified" if trial.certified else "")
        )
    if not choice.tried:
        say("no setting helped on the rows that settings are put in order on")
    return choice


def everything(cuts: Cuts, level: float) -> Choice:
    """Flag at one level for every attribute, without a choice."""
    setting = Setting(1.0, (level,) * len(cuts.shares))
    return Choice(setting, cuts.thresholds(setting.levels), False, None, (), 1, 0.0)


def choice_rows(material: Material, certificate: bool) -> tuple[Ints, Ints | None]:
    """Rows to put settings in order on, and rows to certify on.

    Tuning rows order and validation rows certify. Where the attributes of tuning rows may not be seen, half
    of the validation rows order with them. Without a certificate all of both order.

    Args:
        material: The rows, with the groups that training may see.
        certificate: Whether the choice needs one.
    """
    tune, validation = material.rows.of(TUNE), material.rows.of("val")
    if not certificate:
        return np.concatenate([tune, validation]), None
    seen = [material.rows.groups[name][tune] >= 0 for name in material.schema.groups]
    if not seen or np.mean(seen) >= SEEN:
        return tune, validation
    half = np.random.default_rng(material.seed).permutation(validation)
    return np.concatenate([tune, half[: len(half) // 2]]), np.sort(half[len(half) // 2 :])
