"""Massaging: training labels nearest to the boundary are changed until all groups are selected alike; then retrain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evenhand.training.baselines.context import Context
from evenhand.training.baselines.group_labels import LEFT_OUT
from evenhand.training.baselines.method import Sees
from evenhand.training.baselines.postprocess import favourable_class
from evenhand.training.baselines.retrain import Learning, RetrainedBase, Retraining, grouped, retrain
from evenhand.training.learning.finetune import cross_entropy
from evenhand.typing import Bools, Floats, Ints


def targets(selected: Bools, codes: Ints) -> dict[int, int]:
    r"""How many rows of each group are to be selected, so that all groups' rates are the same and so is their sum.

    Group :math:`g` of :math:`n_g` rows gets :math:`n_g \bar r`, :math:`\bar r` the rate of all rows. With two
    groups the rows that are moved are Kamiran and Calders's :math:`M = |r_1 - r_2| \, n_1 n_2 / n`. What
    rounding leaves goes to the groups of largest remainder.

    Args:
        selected: ``(rows,)`` whether a row has the favourable label.
        codes: ``(rows,)`` group.
    """
    found, sizes = np.unique(codes, return_counts=True)
    exact = sizes * selected.mean()
    whole = np.floor(exact + 1e-9).astype(int)
    left = int(selected.sum()) - int(whole.sum())
    whole[np.argsort(whole - exact, kind="stable")[:left]] += 1
    return dict(zip(found.tolist(), whole.tolist(), strict=True))


def massaged(selected: Bools, codes: Ints, score: Floats) -> Bools:
    """Promote the unselected rows of highest score, demote the selected ones of lowest, as many as each group needs.

    Args:
        selected: ``(rows,)`` whether a row has the favourable label.
        codes: ``(rows,)`` group; rows that are left out stay as they are.
        score: ``(rows,)`` how far a ranker believes in the favourable label.

    Returns:
        ``(rows,)`` whether a row has it now; as many rows as before have it.
    """
    changed = selected.copy()
    known = codes != LEFT_OUT
    for code, wanted in targets(selected[known], codes[known]).items():
        inside = np.flatnonzero(codes == code)
        have = int(selected[inside].sum())
        if wanted > have:
            candidates = inside[~selected[inside]]
            changed[candidates[np.argsort(-score[candidates], kind="stable")[: wanted - have]]] = True
        else:
            candidates = inside[selected[inside]]
            changed[candidates[np.argsort(score[candidates], kind="stable")[: have - wanted]]] = False
    return changed


@dataclass(frozen=True)
class Massaging(Retraining):
    """Massaging (Kamiran and Calders 2012), ranked by the base's scores, then the base's own recipe on those labels.

    Validation and test rows keep their labels.
    """

    name: str = "massaging"
    title: str = "Massaging"
    source: str = "Kamiran and Calders 2012"
    sees: Sees = Sees("all", "all", test=False)

    def learn(self, context: Context) -> RetrainedBase:
        """Change labels, retrain."""
        favourable = favourable_class(context)
        train, labels = context.train, context.rows.labels
        groups = grouped(context)
        logits = context.features.base_logits[train]
        score = logits[:, favourable] - logits[:, 1 - favourable]
        selected = labels[train] == favourable
        changed = massaged(selected, groups.codes[train], score)
        new = labels.copy()
        new[train] = np.where(changed, favourable, 1 - favourable)
        model = retrain(context, Learning(self.name, cross_entropy(new), train, context.criterion.value))
        return RetrainedBase(
            model, {"groups": list(groups.names), "relabelled": int((changed != selected).sum())}
        )
