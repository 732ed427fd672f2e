"""Scikit-learn's ``SimpleImputer`` to ONNX, for numbers of any precision and for texts.

Skl2onnx's own converter takes no texts, and its operator no doubles. Trees behind rounded numbers go astray.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto

from evenhand.models.bundle.encoders.table import MISSING_TEXT


def convert_imputer(scope: Any, operator: Any, container: Any) -> None:  # noqa: ANN401 - skl2onnx's classes
    """Missing values replaced by what the imputer has learnt, column by column."""
    from skl2onnx.common._apply_operation import apply_identity
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType
    from skl2onnx.operator_converters.common import concatenate_variables
    from skl2onnx.operator_converters.imputer_op import convert_sklearn_imputer

    imputer, kind = operator.raw_operator, operator.inputs[0].type
    fills = np.asarray(imputer.statistics_, dtype=object).tolist()
    text = isinstance(kind, StringTensorType)
    if not _simple(imputer, fills, text) or not isinstance(
        kind, StringTensorType | DoubleTensorType | FloatTensorType
    ):
        convert_sklearn_imputer(scope, operator, container)
        return
    values = concatenate_variables(scope, operator.inputs, container)
    gone, fill, out = (scope.get_unique_variable_name(f"imputer_{part}") for part in ("gone", "fill", "out"))
    if text:
        mark = scope.get_unique_variable_name("imputer_mark")
        container.add_initializer(mark, TensorProto.STRING, [1], [MISSING_TEXT.encode()])
        container.add_initializer(fill, TensorProto.STRING, [1, len(fills)], [of.encode() for of in fills])
        _node(scope, container, "Equal", [values, mark], gone, 19)
    else:
        number = TensorProto.DOUBLE if isinstance(kind, DoubleTensorType) else TensorProto.FLOAT
        container.add_initializer(fill, number, [1, len(fills)], [float(of) for of in fills])
        _node(scope, container, "IsNaN", [values], gone, 13)
    _node(scope, container, "Where", [gone, fill, values], out, 16)
    apply_identity(scope, out, operator.outputs[0].full_name, container)


def _simple(imputer: Any, fills: list[Any], text: bool) -> bool:  # noqa: ANN401
    """Whether it replaces NaN alone, and every column stays one column."""
    mark = imputer.missing_values
    if imputer.add_indicator or not (mark is None or (isinstance(mark, float) and np.isnan(mark))):
        return False
    return all(isinstance(of, str) for of in fills) if text else all(of == of for of in fills)


def _node(
    scope: Any,  # noqa: ANN401
    container: Any,  # noqa: ANN401
    operator: str,
    inputs: list[str],
    output: str,
    version: int,
) -> None:
    name = scope.get_unique_operator_name(operator)
    container.add_node(operator, inputs, [output], op_version=version, name=name)
