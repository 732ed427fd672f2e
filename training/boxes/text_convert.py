"""A fitted scikit-learn pipeline over texts as one graph over ids: counts of words, then the estimator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from evenhand.models.onnx.black_box import Feature, Scores, round_for_trees, scores_of
from evenhand.models.onnx.join import in_front
from evenhand.training.boxes.convert import Conversion, missing_marks, reason, scikit_learn, with_marks
from evenhand.training.boxes.text_box import TextBox
from evenhand.training.boxes.word_graph import dense_graph, linear_graph
from evenhand.training.data.dataset import DataError
from evenhand.typing import Float64s

KINDS = {"double": TensorProto.DOUBLE, "float32": TensorProto.FLOAT}
ADVICE = (
    "use steps behind the vectorizer that skl2onnx knows (scikit-learn's own are), or export the model to "
    "ONNX over token ids yourself"
)


@dataclass(frozen=True)
class TextConversion(Conversion):
    """One way of writing a pipeline as ONNX."""

    scores: Scores
    """Where its answer is."""


def text_conversions(box: TextBox, classes: int) -> Iterator[TextConversion]:
    """The pipeline as ONNX, the quickest form first, then the most exact one.

    Args:
        box: The pipeline.
        classes: Number of labels.

    Raises:
        DataError: no converter can; the message names the part that it does not know.
    """
    assert box.words is not None
    vocabulary, linear = box.words.vocabulary, _linear(box.rest)
    if linear is not None:
        scores = Scores("scores", "logits", len(linear[1]))
        yield TextConversion("double", linear_graph(vocabulary, *linear), scores)
    features = [Feature(f"word {place}", text=False) for place in range(len(vocabulary.sequences))]
    reasons, marks = [], _marks(box)
    for precision, kind in KINDS.items():
        try:
            graph = scikit_learn(box.rest, features, precision)
        except DataError:
            raise
        except Exception as error:  # converters raise errors of every kind
            reasons.append(reason(error))
            continue
        counts, scores = dense_graph(vocabulary, kind), Scores(scores_of(graph)[-1], "probabilities", classes)
        for mark in marks:
            marked = _joined(counts, with_marks(graph, [mark]))
            yield TextConversion(f"{precision}, {mark:g} as missing", marked, scores)
        yield TextConversion(precision, _joined(counts, graph), scores)
    if len(reasons) == len(KINDS):
        raise DataError(f"{box.name}: {box.library} to ONNX: {reasons[-1]}\n{ADVICE}")


def _linear(model: Any) -> tuple[Float64s, Float64s] | None:  # noqa: ANN401 - scikit-learn's
    """Coefficients ``(outputs, columns)`` and intercepts of a model whose scores are sums over words.

    Its probabilities are the softmax of the outputs, or the logistic function of the only one. What is no
    such model after all does not pass the proof, and is converted as any other.
    """
    name = type(model).__name__ if type(model).__module__.startswith("sklearn.") else ""
    if name == "LogisticRegression" or (name == "SGDClassifier" and len(model.classes_) == 2):
        coefficients, intercepts = model.coef_, model.intercept_
    elif name == "MultinomialNB":
        coefficients, intercepts = model.feature_log_prob_, model.class_log_prior_
    else:
        return None
    dense = coefficients.toarray() if hasattr(coefficients, "toarray") else coefficients
    return np.asarray(dense, dtype=np.float64), np.asarray(intercepts, dtype=np.float64)


def _marks(box: TextBox) -> list[float]:
    """Numbers that XGBoost takes for missing: words that a text does not hold, as it gets sparse rows."""
    last = box.rest.steps[-1][1] if hasattr(box.rest, "steps") else box.rest
    return [0.0, *missing_marks(last)] if type(last).__module__.startswith("xgboost") else []


def _joined(counts: onnx.ModelProto, graph: onnx.ModelProto) -> onnx.ModelProto:
    """Words to counts, and counts to scores."""
    estimator = onnx.ModelProto()
    estimator.CopyFrom(graph)
    round_for_trees(estimator.graph)
    joined = in_front(counts, estimator)
    kept = [value for value in joined.graph.output if value.name != "features"]
    del joined.graph.output[:]
    joined.graph.output.extend(kept)
    return joined
