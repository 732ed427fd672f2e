"""scikit-learn's histogram gradient boosting as ONNX, in double precision, with its categorical splits.

skl2onnx 1.20 rejects these trees under numpy 2 and knows no categorical split, and float32 thresholds would
send a row whose value equals a threshold the other way. ``TreeEnsemble`` (ai.onnx.ml 5) takes doubles and
sets of categories.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import TensorProto, numpy_helper

from evenhand.typing import Float64s

LEQ, MEMBER = 0, 6
"""Codes of the operator's tests: at most the split, and in the set of the node."""
SUM, AS_IS = 1, 0
"""Codes of its aggregation, and of what happens to the sum."""
WORD = 32
"""Categories in one word of a bit set."""


@dataclass
class _Nodes:
    """The operator's attributes while trees are added."""

    feature: list[int] = field(default_factory=list)
    split: list[float] = field(default_factory=list)
    mode: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    """Whether a missing value takes the true branch."""
    branches: dict[bool, list[tuple[int, int]]] = field(default_factory=lambda: {True: [], False: []})
    """Per branch the number of a node or leaf, and whether it is a leaf."""
    member_sets: list[float] = field(default_factory=list)
    roots: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)

    def add(self, predictor: Any, target: int) -> None:  # noqa: ANN401 - scikit-learn's private class
        """Add one tree that counts for one column of the sum."""
        nodes = predictor.nodes
        inner = np.flatnonzero(nodes["is_leaf"] == 0)
        numbers = {int(index): len(self.feature) + place for place, index in enumerate(inner)}
        leaves: dict[int, int] = {}
        for index in np.flatnonzero(nodes["is_leaf"]):
            leaves[int(index)] = len(self.weights)
            self.weights.append(float(nodes[index]["value"]))
            self.targets.append(target)
        self.roots.append(len(self.feature))
        if not len(inner):
            # A tree needs an inner node: both branches of this one lead to the only leaf.
            self._node(0, 0.0, LEQ, 1, (leaves[0], 1), (leaves[0], 1))
            return
        for index in inner:
            node = nodes[index]
            left, right = (
                (leaves[child], 1) if child in leaves else (numbers[child], 0)
                for child in (int(node["left"]), int(node["right"]))
            )
            categorical = bool(node["is_categorical"])
            if categorical:
                self._member_set(predictor.raw_left_cat_bitsets[node["bitset_idx"]])
            self._node(
                int(node["feature_idx"]),
                0.0 if categorical else float(node["num_threshold"]),
                MEMBER if categorical else LEQ,
                int(node["missing_go_to_left"]),
                left,
                right,
            )

    def _node(self, feature: int, split: float, mode: int, missing: int, *branches: tuple[int, int]) -> None:
        self.feature.append(feature)
        self.split.append(split)
        self.mode.append(mode)
        self.missing.append(missing)
        for side, branch in zip((True, False), branches, strict=True):
            self.branches[side].append(branch)

    def _member_set(self, words: Any) -> None:  # noqa: ANN401 - a memory view of 32-bit words
        """The categories that go left; the operator's sets follow one another, NaN after each."""
        bits = [
            float(place * WORD + bit)
            for place, word in enumerate(np.asarray(words).tolist())
            for bit in range(WORD)
            if word >> bit & 1
        ]
        self.member_sets += [*bits, float("nan")]

    def attributes(self, targets: int) -> dict[str, Any]:
        """As the operator names them."""
        true, false = self.branches[True], self.branches[False]
        attributes: dict[str, Any] = {
            "n_targets": targets,
            "aggregate_function": SUM,
            "post_transform": AS_IS,
            "tree_roots": self.roots,
            "nodes_featureids": self.feature,
            "nodes_splits": _tensor("splits", self.split),
            "nodes_modes": numpy_helper.from_array(np.array(self.mode, dtype=np.uint8), "modes"),
            "nodes_missing_value_tracks_true": self.missing,
            "nodes_truenodeids": [number for number, _ in true],
            "nodes_trueleafs": [leaf for _, leaf in true],
            "nodes_falsenodeids": [number for number, _ in false],
            "nodes_falseleafs": [leaf for _, leaf in false],
            "leaf_targetids": self.targets,
            "leaf_weights": _tensor("weights", self.weights),
        }
        if self.member_sets:
            attributes["membership_values"] = _tensor("sets", self.member_sets)
        return attributes


def ensemble(model: Any) -> tuple[dict[str, Any], Float64s]:  # noqa: ANN401 - scikit-learn's classifier
    """Attributes of the ``TreeEnsemble`` whose sum is the model's raw score but for the baseline.

    Args:
        model: A fitted ``HistGradientBoostingClassifier``.

    Returns:
        The attributes, and the baseline ``(columns,)``: one column for two classes, else one per class.
    """
    nodes = _Nodes()
    for iteration in model._predictors:
        for target, predictor in enumerate(iteration):
            nodes.add(predictor, target)
    baseline = np.asarray(model._baseline_prediction, dtype=np.float64).reshape(-1)
    return nodes.attributes(len(baseline)), baseline


def _tensor(name: str, values: list[float]) -> TensorProto:
    return numpy_helper.from_array(np.array(values, dtype=np.float64), name)
