"""Choose the block whose input the detectors read: the earliest whose probe is nearly as good as the best.

An early cut leaves more blocks to correct, and costs more per flagged row; at a late cut the hidden state
may no longer show the attribute. The score of a cut is the lowest AUC of a linear probe on mean-pooled
states, over attributes and within the rows of one label: over all rows a probe could use the label alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from evenhand.console import say
from evenhand.models.network.backbones import SplitModel, block_count
from evenhand.training.data.dataset import HELD, Rows
from evenhand.training.learning.base_model import Base
from evenhand.training.learning.features import extract
from evenhand.training.learning.pseudo_labels import pooled
from evenhand.typing import Float32s, Ints

TOLERANCE = 0.01
LEARN_ROWS, SCORE_ROWS = 3000, 1500


def choose_layer(
    base: Base, rows: Rows, members: Ints, seed: int, work: Path
) -> tuple[int, dict[int, float]]:
    """Probe every cut on a sample of training rows.

    Args:
        base: The frozen base.
        rows: All rows.
        members: ``(rows, attributes)`` 1 outside the reference group, 0 inside, -1 unknown.
        seed: Decides the sample.
        work: Folder for temporary hidden states.

    Returns:
        The layer, and the lowest AUC at each one.
    """
    rng = np.random.default_rng(seed)
    learn, probed = (rng.permutation(rows.of(s))[:n] for s, n in (("train", LEARN_ROWS), (HELD, SCORE_ROWS)))
    sample = np.concatenate([learn, probed])
    encoded = [base.encoded[row] for row in sample]
    aucs: dict[int, float] = {}
    for layer in range(1, block_count(base.model)):
        states = pooled(extract(SplitModel(base.model, layer), encoded, base.pad_id, work / "probe.npy"))
        aucs[layer] = lowest_auc(
            (states[: len(learn)], members[learn]),
            (states[len(learn) :], members[probed]),
            rows.labels[probed],
        )
        say(f"layer {layer}: lowest AUC of a linear probe {aucs[layer]:.3f}")
    (work / "probe.npy").unlink(missing_ok=True)
    best = max(aucs.values())
    return min(layer for layer, value in aucs.items() if value >= best - TOLERANCE), aucs


def lowest_auc(learn: tuple[Float32s, Ints], probed: tuple[Float32s, Ints], labels: Ints) -> float:
    """Lowest AUC over attributes and labels of linear probes; 0.5 where nothing can be said.

    Args:
        learn: States ``(rows, hidden)`` and members ``(rows, attributes)`` to fit on.
        probed: The same to score the probe on.
        labels: ``(rows,)`` labels of the rows in ``probed``.
    """
    aucs: list[float] = []
    for attribute in range(learn[1].shape[1]):
        seen = learn[1][:, attribute] >= 0
        if len(set(learn[1][seen, attribute].tolist())) < 2:
            continue
        probe: Any = make_pipeline(
            StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=300)
        )
        scores = probe.fit(learn[0][seen], learn[1][seen, attribute]).decision_function(probed[0])
        for label in np.unique(labels):
            inside = (labels == label) & (probed[1][:, attribute] >= 0)
            if len(set(probed[1][inside, attribute].tolist())) == 2:
                aucs.append(float(roc_auc_score(probed[1][inside, attribute], scores[inside])))
    return min(aucs, default=0.5)
