"""A fitted model to ONNX, by the converter of its library; what cannot be converted is refused by name."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from evenhand.models.onnx.black_box import SINGLE_TREES, BoxError, Feature, read_model
from evenhand.models.onnx.torch_export import OPSET
from evenhand.training.boxes.box import Box
from evenhand.training.boxes.imputer import convert_imputer
from evenhand.training.data.dataset import DataError

TREES = "HistGradientBoostingClassifier"
OLD_ML, NEW_ML = 3, 5
"""Versions of ai.onnx.ml: the newest that skl2onnx writes, and that of trees in double precision."""
ADVICE = (
    "use parts that converters know (scikit-learn's encoders in front of a classifier are known), "
    "or export the model to ONNX yourself and give that file"
)
EXTRA = "install evenhand with its extra `boxes`"


@dataclass(frozen=True)
class Conversion:
    """One way of writing a model as ONNX."""

    precision: str
    """What numbers it computes in."""
    graph: onnx.ModelProto


def conversions(box: Box, features: Sequence[Feature]) -> Iterator[Conversion]:
    """The model as ONNX, the most exact form first.

    Args:
        box: The model.
        features: Its columns, in order.

    Raises:
        DataError: no converter can; the message names the part that it does not know.
    """
    if box.graph is not None:
        yield Conversion("as it is", box.graph)
        return
    module = type(box.estimator).__module__.partition(".")[0]
    if module == "catboost":
        yield Conversion("float32", _catboost(box))
        return
    if type(box.estimator).__name__ == "_Booster":
        yield Conversion("float32", _booster(box))
        return
    reasons, marks = [], missing_marks(box.estimator)
    for precision in ("double", "float32"):
        try:
            graph = scikit_learn(box.estimator, features, precision)
        except Exception as error:  # converters raise errors of every kind
            reasons.append(reason(error))
            continue
        if marks:
            yield Conversion(f"{precision}, {marks[0]:g} as missing", with_marks(graph, marks))
        yield Conversion(precision, graph)
    if len(reasons) == 2:
        raise DataError(f"{box.name}: {box.library} to ONNX: {reasons[-1]}\n{ADVICE}")


def scikit_learn(model: Any, features: Sequence[Feature], precision: str) -> onnx.ModelProto:  # noqa: ANN401
    """A model of scikit-learn, or one that follows it, in ``double`` or ``float32``.

    Raises:
        DataError: the converters are not installed; they raise errors of every kind themselves.
    """
    try:
        import skl2onnx
        from skl2onnx.common import data_types
    except ImportError as error:
        raise DataError(f"converting a fitted model needs skl2onnx and onnxmltools: {EXTRA}") from error
    _register()
    number = data_types.DoubleTensorType if precision == "double" else data_types.FloatTensorType
    texts = [feature.text for feature in features]
    if _reads_columns(model) or len(set(texts)) > 1:
        inputs = [
            (of.name, (data_types.StringTensorType if of.text else number)([None, 1])) for of in features
        ]
    else:
        kind = data_types.StringTensorType if texts[0] else number
        inputs = [("features", kind([None, len(features)]))]
    plain = without_preprocessor(model)
    with _quiet():
        graph: onnx.ModelProto = skl2onnx.to_onnx(
            plain,
            initial_types=inputs,
            options={"zipmap": False},
            target_opset={"": OPSET, "ai.onnx.ml": OLD_ML},
        )
    operators = {node.op_type for node in graph.graph.node}
    if "TreeEnsemble" in operators:
        if operators & set(SINGLE_TREES):
            raise BoxError(f"{TREES} and trees of another kind in one model")
        for domain in graph.opset_import:
            if domain.domain == "ai.onnx.ml":
                domain.version = NEW_ML
    return graph


def missing_marks(model: Any) -> list[float]:  # noqa: ANN401
    """Numbers that XGBoost at the end of a pipeline takes for missing: its setting, and 0 in sparse tables.

    Scikit-learn's transformers give a sparse table where most of it is 0, and XGBoost reads that as no value.
    """
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    if not type(last).__module__.startswith("xgboost"):
        return []
    sparse = any(
        getattr(step, "sparse_output_", False) or _one_hot(step)
        for _, step in getattr(model, "steps", ())[:-1]
    )
    own = getattr(last, "missing", None)
    return [*([0.0] if sparse else []), *([float(own)] if own is not None and own == own else [])]


def _one_hot(step: Any) -> bool:  # noqa: ANN401
    return type(step).__name__ == "OneHotEncoder" and bool(getattr(step, "sparse_output", False))


def with_marks(graph: onnx.ModelProto, marks: Sequence[float]) -> onnx.ModelProto:
    """The graph with NaN in the place of numbers in what its trees read."""
    nodes, marked = [], onnx.ModelProto()
    marked.CopyFrom(graph)
    gone = numpy_helper.from_array(np.array(np.nan, dtype=np.float32), "marks/gone")
    constants = [
        gone,
        *(numpy_helper.from_array(np.array(mark, np.float32), f"marks/{mark:g}") for mark in marks),
    ]
    for node in marked.graph.node:
        if node.op_type in SINGLE_TREES:
            current = f"{node.input[0]}/marks"
            nodes.append(helper.make_node("Cast", [node.input[0]], [current], to=TensorProto.FLOAT))
            for mark in marks:
                is_mark, name = f"{current}/is", f"{current}/{mark:g}"
                nodes.append(helper.make_node("Equal", [current, f"marks/{mark:g}"], [is_mark + f"{mark:g}"]))
                nodes.append(
                    helper.make_node("Where", [is_mark + f"{mark:g}", "marks/gone", current], [name])
                )
                current = name
            node.input[0] = current
        nodes.append(node)
    del marked.graph.node[:]
    marked.graph.node.extend(nodes)
    marked.graph.initializer.extend(constants)
    return marked


def without_preprocessor(model: Any) -> Any:  # noqa: ANN401
    """Histogram gradient boosting that encodes categories itself, as a pipeline of encoder and trees."""
    from copy import copy

    from sklearn.pipeline import Pipeline

    if hasattr(model, "steps") and type(model.steps[-1][1]).__name__ == TREES:
        last = without_preprocessor(model.steps[-1][1])
        return Pipeline([*model.steps[:-1], *(last.steps if hasattr(last, "steps") else [("trees", last)])])
    if type(model).__name__ != TREES or getattr(model, "_preprocessor", None) is None:
        return model
    trees = copy(model)
    trees._preprocessor = None
    columns = copy(model._preprocessor)
    # It picks columns by masks, which skl2onnx takes for names, and checks numbers with a function.
    columns.transformers_ = [
        (
            name,
            "passthrough" if type(part).__name__ == "FunctionTransformer" else part,
            np.flatnonzero(which).tolist() if _is_mask(which) else which,
        )
        for name, part, which in columns.transformers_
    ]
    return Pipeline([("columns", columns), ("trees", trees)])


def _is_mask(columns: Any) -> bool:  # noqa: ANN401 - names, places, a mask or a slice
    return not isinstance(columns, slice | str) and np.asarray(columns).dtype == bool


def _reads_columns(model: Any) -> bool:  # noqa: ANN401
    """Whether what stands first picks columns by name."""
    first = model.steps[0][1] if hasattr(model, "steps") else model
    if type(first).__name__ == TREES and getattr(first, "_preprocessor", None) is not None:
        return True
    return hasattr(first, "transformers_") or hasattr(first, "transformer_list")


def _register() -> None:
    """Teach skl2onnx the models of other libraries, and trees in double precision."""
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes as shapes
    from skl2onnx.shape_calculators.imputer import calculate_sklearn_imputer_output_shapes
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer

    update_registered_converter(
        SimpleImputer, "SklearnSimpleImputer", calculate_sklearn_imputer_output_shapes, convert_imputer
    )
    options = {"nocl": [True, False], "zipmap": [True, False, "columns"], "raw_scores": [True, False]}
    update_registered_converter(
        HistGradientBoostingClassifier, "EvenhandHistogramTrees", shapes, _histogram_trees, options=options
    )
    with contextlib.suppress(ImportError):
        from xgboost import XGBClassifier

        update_registered_converter(XGBClassifier, "XgbXGBClassifier", shapes, _xgboost, options=options)
    with contextlib.suppress(ImportError):
        from lightgbm import LGBMClassifier
        from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm

        update_registered_converter(
            LGBMClassifier, "LgbmLGBMClassifier", shapes, convert_lightgbm, options={**options, "split": None}
        )


def _xgboost(scope: Any, operator: Any, container: Any) -> None:  # noqa: ANN401 - skl2onnx's classes
    """Onnxmltools' converter, which knows features by number, and no mark of a missing value but NaN."""
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost

    model = operator.raw_operator
    booster = model.get_booster()
    names, mark = booster.feature_names, model.missing
    booster.feature_names = [f"f{place}" for place in range(booster.num_features())]
    model.missing = np.nan
    try:
        convert_xgboost(scope, operator, container)
    finally:
        booster.feature_names, model.missing = names, mark


def _histogram_trees(scope: Any, operator: Any, container: Any) -> None:  # noqa: ANN401 - skl2onnx's classes
    """The converter of histogram gradient boosting; label and probabilities."""
    from skl2onnx.common._apply_operation import apply_cast

    from evenhand.training.boxes.histogram_trees import ensemble

    model = operator.raw_operator
    attributes, baseline = ensemble(model)
    names = {part: scope.get_unique_variable_name(part) for part in ("double", "sum", "baseline", "raw")}
    apply_cast(scope, operator.inputs[0].full_name, names["double"], container, to=TensorProto.DOUBLE)
    container.add_node(
        "TreeEnsemble",
        [names["double"]],
        [names["sum"]],
        op_domain="ai.onnx.ml",
        op_version=OLD_ML,
        name=scope.get_unique_operator_name("TreeEnsemble"),
        **attributes,
    )
    container.add_initializer(names["baseline"], TensorProto.DOUBLE, [1, len(baseline)], baseline.tolist())
    container.add_node(
        "Add",
        [names["sum"], names["baseline"]],
        [names["raw"]],
        op_version=14,
        name=scope.get_unique_operator_name("Add"),
    )
    label, probabilities = (output.full_name for output in operator.outputs)
    _probabilities(scope, container, names["raw"], probabilities, len(baseline))
    place, classes = scope.get_unique_variable_name("place"), scope.get_unique_variable_name("classes")
    container.add_node(
        "ArgMax",
        [probabilities],
        [place],
        op_version=13,
        axis=1,
        keepdims=0,
        name=scope.get_unique_operator_name("ArgMax"),
    )
    texts = [str(value) for value in model.classes_]
    if all(isinstance(value, np.integer | int | np.bool_) for value in model.classes_.tolist()):
        container.add_initializer(
            classes, TensorProto.INT64, [len(texts)], [int(value) for value in model.classes_]
        )
    else:
        container.add_initializer(
            classes, TensorProto.STRING, [len(texts)], [text.encode() for text in texts]
        )
    container.add_node(
        "Gather", [classes, place], [label], op_version=13, name=scope.get_unique_operator_name("Gather")
    )


def _probabilities(scope: Any, container: Any, raw: str, out: str, columns: int) -> None:  # noqa: ANN401
    """Raw scores to probabilities of all classes, as scikit-learn computes them."""
    if columns > 1:
        container.add_node(
            "Softmax", [raw], [out], op_version=13, axis=1, name=scope.get_unique_operator_name("Softmax")
        )
        return
    one, second, first = (scope.get_unique_variable_name(name) for name in ("one", "second", "first"))
    container.add_initializer(one, TensorProto.DOUBLE, [1], [1.0])
    container.add_node(
        "Sigmoid", [raw], [second], op_version=13, name=scope.get_unique_operator_name("Sigmoid")
    )
    container.add_node(
        "Sub", [one, second], [first], op_version=14, name=scope.get_unique_operator_name("Sub")
    )
    container.add_node(
        "Concat", [first, second], [out], op_version=13, axis=1, name=scope.get_unique_operator_name("Concat")
    )


def _catboost(box: Box) -> onnx.ModelProto:
    import os
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        place = os.path.join(folder, "model.onnx")
        try:
            box.estimator.save_model(place, format="onnx")
            with open(place, "rb") as file:
                return read_model(file.read())
        except BoxError:
            raise
        except Exception as error:  # CatBoost's errors are its C library's
            raise DataError(f"{box.name}: CatBoost's ONNX export: {reason(error)}\n{ADVICE}") from error


def _booster(box: Box) -> onnx.ModelProto:
    try:
        from onnxmltools import convert_lightgbm
        from onnxmltools.convert.common.data_types import FloatTensorType
    except ImportError as error:
        raise DataError(f"converting a LightGBM model needs onnxmltools: {EXTRA}") from error
    try:
        with _quiet():
            graph: onnx.ModelProto = convert_lightgbm(
                box.estimator.booster,
                initial_types=[("features", FloatTensorType([None, box.width]))],
                zipmap=False,
                target_opset=15,
            )
    except Exception as error:  # converters raise errors of every kind
        raise DataError(f"{box.name}: LightGBM to ONNX: {reason(error)}\n{ADVICE}") from error
    return graph


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Converters print notes for their own developers."""
    logging.getLogger("skl2onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def reason(error: BaseException) -> str:
    """The first line of what a converter says."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]
