"""The proof that a converted model answers as its library does, on every row of the user's table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime as ort
import pandas as pd
from onnx import helper
from scipy.special import softmax

from evenhand.console import say
from evenhand.models.onnx.black_box import (
    BoxError,
    Feature,
    Scores,
    assign,
    scores_of,
    wrap,
)
from evenhand.models.onnx.torch_export import OPSET
from evenhand.training.boxes.box import Box
from evenhand.training.boxes.convert import Conversion, conversions
from evenhand.training.data.dataset import DataError
from evenhand.typing import Array, Bools, Float32s, Float64s, Ints

LARGEST_DIFFERENCE = 1e-5
"""Of a probability: float32 sums of some hundred trees in another order differ by less."""
TIE = 1e-6
"""Two labels whose probabilities differ by less are a tie: float32 does not tell which is the higher."""
BATCH = 4096
NUMPY = {
    onnx.TensorProto.FLOAT: np.float32,
    onnx.TensorProto.DOUBLE: np.float64,
    onnx.TensorProto.FLOAT16: np.float16,
    onnx.TensorProto.INT32: np.int32,
    onnx.TensorProto.INT64: np.int64,
    onnx.TensorProto.BOOL: np.bool_,
    onnx.TensorProto.STRING: np.object_,
}


@dataclass(frozen=True)
class BoxRows:
    """Rows as a graph takes them, and as the library does."""

    arrays: Mapping[str, Array]
    """``values (rows, numbers)`` and ``texts (rows, texts)``, where there are any."""
    table: pd.DataFrame
    """The same, a column per feature in the model's order."""

    def part(self, rows: Ints) -> BoxRows:
        """Some of them."""
        return BoxRows({name: of[rows] for name, of in self.arrays.items()}, self.table.iloc[rows])

    def __len__(self) -> int:
        return len(self.table)


@dataclass(frozen=True)
class ProvenBox:
    """The graph from a table's columns to the model's own answer, proven."""

    graph: bytes
    rows: int
    difference: float
    """The largest absolute difference of a probability from the library's."""
    ties: int
    """Rows of other labels than the library's, whose two labels are a tie."""
    classes: int
    precision: str


def prove(box: Box, features: Sequence[Feature], rows: BoxRows, classes: int) -> ProvenBox:
    """Convert a model, and compare it with its library on all rows; the most exact form is taken.

    Raises:
        DataError: no form agrees, or none can be made; the message says why.
    """
    refused: list[str] = []
    expected = Expected.of(box, rows.table, classes) if box.estimator is not None else None
    for conversion in conversions(box, features):
        try:
            content = _wrapped(box, conversion, features, rows, classes)
            answer = logits_of(content, rows)
        except BoxError as error:
            refused.append(f"{error} ({conversion.precision})")
            continue
        except Exception as error:
            # ONNX Runtime's errors share no public base class.
            if not type(error).__module__.startswith("onnxruntime"):
                raise
            refused.append(f"in {conversion.precision} ONNX Runtime does not run it ({reason(error)})")
            continue
        reference = expected or Expected.of_file(box, features, rows, classes)
        proven = ProvenBox(
            content,
            len(rows),
            reference.difference(answer),
            reference.ties(answer),
            classes,
            conversion.precision,
        )
        problem = reference.problem(answer)
        if problem is None:
            announce(box, proven)
            return proven
        refused.append(f"in {conversion.precision} {problem}")
    if box.graph is not None:
        raise DataError(f"{box.name}: {refused[0]}")
    raise DataError(f"{box.name}: its ONNX form does not answer as {box.library} does: {'; '.join(refused)}")


def logits_of(content: bytes, rows: BoxRows, threads: int = 0) -> Float32s:
    """``(rows, classes)`` of the wrapped graph; 0 threads are one per core."""
    session = session_of(content, threads)
    listed = [
        session.run(["base_logits"], {name: of[start : start + BATCH] for name, of in rows.arrays.items()})[0]
        for start in range(0, len(rows), BATCH)
    ]
    return np.concatenate(listed)


def session_of(content: bytes, threads: int = 0) -> ort.InferenceSession:
    """A session on the processor without log lines."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    options.enable_mem_pattern = False
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


@dataclass(frozen=True)
class Expected:
    """What the library answers."""

    probabilities: Float64s
    """``(rows, classes)``."""
    labels: Ints
    """``(rows,)`` what it predicts; the most probable, unless it has a threshold of its own."""

    @classmethod
    def of(cls, box: Box, table: pd.DataFrame | Sequence[str], classes: int) -> Expected:
        """The answers to rows of a table, or to texts.

        Raises:
            DataError: the library does not answer them, or not with a probability per label.
        """
        try:
            probabilities = box.probabilities(table)
            answers = box.answers(table)
        except Exception as error:  # whatever the user's model raises
            raise DataError(
                f"{box.name}: {box.library} does not answer the table's rows ({reason(error)})\n"
                "give the table as the model was fitted on: the same columns, with the same values"
            ) from error
        if probabilities.shape != (len(table), classes):
            raise DataError(
                f"{box.name}: it gives {probabilities.shape[-1]} probabilities per row, and there are "
                f"{classes} labels"
            )
        codes = {label: code for code, label in enumerate(map(str, _classes(box, classes)))}
        labels = np.array([codes.get(answer, -1) for answer in answers.tolist()], dtype=np.int64)
        return cls(probabilities, labels)

    @classmethod
    def of_file(cls, box: Box, features: Sequence[Feature], rows: BoxRows, classes: int) -> Expected:
        """The answers of an ONNX file alone."""
        assert box.graph is not None
        return cls.of_scores(*raw_scores(box.graph, features, rows, classes))

    @classmethod
    def of_scores(cls, scores: Scores, values: Array) -> Expected:
        """Of an ONNX file's own scores ``(rows, width)``."""
        wide = values.reshape(len(values), -1).astype(np.float64)
        if scores.width == 1:
            first = 1.0 - wide if scores.scale == "probabilities" else 0.0 * wide
            wide = np.concatenate([first, wide], axis=1)
        probabilities = wide if scores.scale == "probabilities" else softmax(wide, axis=1)
        return cls(probabilities, wide.argmax(axis=1))

    def difference(self, logits: Float32s) -> float:
        """The largest absolute difference of a probability."""
        return float(np.abs(softmax(logits.astype(np.float64), axis=1) - self.probabilities).max())

    def wrong(self, logits: Float32s) -> Bools:
        """``(rows,)`` whether the label is another."""
        differ: Bools = logits.argmax(axis=1) != self.labels
        return differ

    def ties(self, logits: Float32s) -> int:
        """Rows of another label whose two labels are a tie."""
        return int((self.wrong(logits) & (self._lead() < TIE)).sum())

    def problem(self, logits: Float32s) -> str | None:
        """Why the graph does not answer as the library does; ``None`` if it does."""
        if not np.isfinite(logits).all():
            row = int(np.flatnonzero(~np.isfinite(logits).all(axis=1))[0])
            return f"row {row} gets no number"
        own = self.probabilities.argmax(axis=1) != self.labels
        if own.any():
            return (
                f"in {int(own.sum())} of {len(own)} rows it does not predict its most probable label: "
                "it has a threshold of its own; give the classifier inside of it, and let the target move "
                "decisions"
            )
        wrong = int((self.wrong(logits) & (self._lead() >= TIE)).sum())
        difference = self.difference(logits)
        if wrong or not difference <= LARGEST_DIFFERENCE:
            return f"{wrong} of {len(logits)} labels differ, and probabilities by up to {difference:.1e}"
        return None

    def _lead(self) -> Float64s:
        """``(rows,)`` how far the most probable label is ahead."""
        top = np.sort(self.probabilities, axis=1)
        lead: Float64s = top[:, -1] - top[:, -2]
        return lead


def raw_scores(
    graph: onnx.ModelProto, features: Sequence[Feature], rows: BoxRows, classes: int
) -> tuple[Scores, Array]:
    """Which output of an ONNX classifier is its score, and its values.

    Raises:
        DataError: none can be.
    """
    feeds = {
        each.name: _columns(rows, features, each.features, each.kind, each.rank)
        for each in assign(graph, features)
    }
    batches = (
        {name: of[start : start + BATCH] for name, of in feeds.items()}
        for start in range(0, len(rows), BATCH)
    )
    return score_output(graph, batches, classes)


def score_output(
    graph: onnx.ModelProto, batches: Iterable[Mapping[str, Array]], classes: int
) -> tuple[Scores, Array]:
    """Which output of an ONNX classifier is its score, and its values over all batches of its inputs.

    Raises:
        DataError: none can be.
    """
    names = scores_of(graph)
    shown = onnx.ModelProto()
    shown.CopyFrom(graph)
    outputs = {value.name for value in graph.graph.output}
    shown.graph.output.extend(
        helper.make_empty_tensor_value_info(name) for name in names if name not in outputs
    )
    session = session_of(shown.SerializeToString())
    values: dict[str, list[Array]] = {name: [] for name in names}
    for batch in batches:
        for name, value in zip(names, session.run(names, dict(batch)), strict=True):
            values[name].append(np.asarray(value))
    arrays = {name: np.concatenate(of) for name, of in values.items() if of and of[0].ndim in (1, 2)}
    fitting = []
    for name, array in arrays.items():
        width = 1 if array.ndim == 1 else array.shape[1]
        if width == classes or (width == 1 and classes == 2):
            probable = bool((array >= 0).all() and (array <= 1 + 1e-6).all())
            sums = width == 1 or bool(np.abs(array.sum(axis=1) - 1).max() < 1e-3)
            fitting.append(
                (
                    not (probable and sums),
                    Scores(name, "probabilities" if probable and sums else "logits", width),
                )
            )
    if not fitting:
        shapes = ", ".join(f"{name} {array.shape[1:]}" for name, array in arrays.items()) or "no numbers"
        raise DataError(f"none of its outputs has a score per label ({shapes}; labels: {classes})")
    scores = min(fitting, key=lambda each: each[0])[1]
    return scores, arrays[scores.name]


def _columns(
    rows: BoxRows, features: Sequence[Feature], places: Sequence[int], kind: int, rank: int
) -> Array:
    """Some features of all rows as one input of the user's own graph."""
    column = rows.table.iloc[:, list(places)]
    if features[places[0]].text:
        array: Array = column.fillna("nan").to_numpy(dtype=object)
    else:
        array = column.to_numpy(dtype=np.float64).astype(NUMPY[kind])
    return array[:, 0] if rank == 1 else array


def _wrapped(
    box: Box, conversion: Conversion, features: Sequence[Feature], rows: BoxRows, classes: int
) -> bytes:
    if box.graph is None:
        names = scores_of(conversion.graph)
        scores = Scores(names[-1], "probabilities", classes)
    else:
        scores, _ = raw_scores(box.graph, features, rows.part(np.arange(min(len(rows), BATCH))), classes)
        say(f"{box.name}: output {scores.name!r} is read as {scores.scale}")
    content: bytes = wrap(conversion.graph, features, scores, OPSET).SerializeToString()
    return content


def _classes(box: Box, classes: int) -> Sequence[object]:
    """What the library calls its classes, in the order of its probabilities."""
    own = getattr(box.estimator, "classes_", None)
    return list(range(classes)) if own is None else list(own)


def announce(box: Box, proven: ProvenBox) -> None:
    """Say how well a converted model agrees with its library."""
    say(
        f"{box.name} ({box.library}) as ONNX in {proven.precision}: over all {proven.rows} rows every label "
        f"is the library's, and probabilities differ by at most {proven.difference:.1e}"
        + (
            f"; {proven.ties} rows are ties within {TIE:g}, and float32 may decide them otherwise"
            if proven.ties
            else ""
        )
    )


def reason(error: BaseException) -> str:
    """The first line of what a library says."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:300]
