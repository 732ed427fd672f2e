"""A fitted scikit-learn pipeline over texts as one graph over ids: counts of words, then the estimator."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from onnx import TensorProto

from evenhand.models.onnx.black_box import Feature, round_for_trees
from evenhand.models.onnx.join import in_front
from evenhand.training.boxes.convert import Conversion, missing_marks, reason, scikit_learn, with_marks
from evenhand.training.boxes.text_box import TextBox
from evenhand.training.data.dataset import DataError

KINDS = {"double": TensorProto.DOUBLE, "float32": TensorProto.FLOAT}
ADVICE = (
    "use steps behind the vectorizer that skl2onnx knows (scikit-learn's own are), or export the model to "
    "ONNX over token ids yourself"
)


def text_conversions(box: TextBox) -> Iterator[Conversion]:
    """The pipeline as ONNX, the most exact form first.

    Raises:
        DataError: no converter can; the message names the part that it does not know.
    """
    assert box.words is not None
    features = [Feature(f"word {place}", text=False) for place in range(len(box.words.sequences))]
    reasons, marks = [], _marks(box)
    for precision, kind in KINDS.items():
        try:
            graph = scikit_learn(box.rest, features, precision)
        except DataError:
            raise
        except Exception as error:  # converters raise errors of every kind
            reasons.append(reason(error))
            continue
        counts = box.words.graph(kind)
        for mark in marks:
            yield Conversion(f"{precision}, {mark:g} as missing", _joined(counts, with_marks(graph, [mark])))
        yield Conversion(precision, _joined(counts, graph))
    if len(reasons) == len(KINDS):
        raise DataError(f"{box.name}: {box.library} to ONNX: {reasons[-1]}\n{ADVICE}")


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
