"""The proof that a text classifier answers in the bundle as it does alone, whatever rows are beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy.special import softmax

from evenhand.console import say
from evenhand.models.bundle.inputs import Encoded, collate
from evenhand.models.onnx.black_box import BoxError
from evenhand.models.onnx.token_box import KINDS, token_inputs, wrap_tokens
from evenhand.models.onnx.torch_export import OPSET
from evenhand.training.boxes.parity import (
    LARGEST_DIFFERENCE,
    Expected,
    ProvenBox,
    announce,
    reason,
    score_output,
    session_of,
)
from evenhand.training.boxes.text_box import TextBox
from evenhand.training.boxes.text_convert import text_conversions
from evenhand.training.data.batches import by_length
from evenhand.training.data.dataset import DataError
from evenhand.typing import Array, Float32s, Ints

PROVEN_ROWS = 1024
"""Of an ONNX file, whose nodes stay as they are; a converted model is compared on all rows."""
COMPANY_ROWS = 32
"""Answered alone and together."""


def prove_text(box: TextBox, encoded: Sequence[Encoded], texts: Sequence[str], classes: int) -> ProvenBox:
    """The graph from token ids to the model's own answer, proven.

    Args:
        box: The model.
        encoded: All rows as ids.
        texts: The same as texts.
        classes: Number of labels.

    Raises:
        DataError: no form agrees with the model, or its answer depends on the rows beside a row.
    """
    try:
        proven = (
            _proven_file(box, encoded, classes)
            if box.words is None
            else _proven_pipeline(box, encoded, texts, classes)
        )
    except BoxError as error:
        raise DataError(f"{box.name}: {error}") from error
    _check_ids(box, proven)
    _check_company(box, proven, encoded)
    return proven


def token_logits(content: bytes, encoded: Sequence[Encoded], pad_id: int, threads: int = 0) -> Float32s:
    """``(rows, classes)`` of a wrapped graph; 0 threads are one per core."""
    session = session_of(content, threads)
    read = [value.name for value in session.get_inputs()]
    answers: list[Float32s] = []
    order = by_length([row.tokens for row in encoded])
    for batch in _batches(encoded, pad_id, order):
        answers.append(session.run(["base_logits"], {name: batch[name] for name in read})[0])
    places = np.concatenate(order)
    out = np.empty((len(encoded), answers[0].shape[1]), dtype=np.float32)
    out[places] = np.concatenate(answers)
    return out


def _proven_file(box: TextBox, encoded: Sequence[Encoded], classes: int) -> ProvenBox:
    """An ONNX file as it is, compared with itself alone over rows of every length."""
    assert box.graph is not None
    rows = [encoded[place] for place in spread(encoded, PROVEN_ROWS)]
    kinds, order = token_inputs(box.graph), by_length([row.tokens for row in rows])
    own: Iterator[Mapping[str, Array]] = (
        {name: batch[name].astype(KINDS[kind]) for name, kind in kinds.items()}
        for batch in _batches(rows, box.spec.pad_id, order)
    )
    try:
        scores, values = score_output(box.graph, own, classes)
        content = wrap_tokens(box.graph, scores, OPSET).SerializeToString()
        answer = token_logits(content, rows, box.spec.pad_id)[np.concatenate(order)]
    except Exception as error:
        # ONNX Runtime's errors share no public base class.
        if not type(error).__module__.startswith("onnxruntime"):
            raise
        raise DataError(f"{box.name}: ONNX Runtime does not run it on rows ({reason(error)})") from error
    say(f"{box.name}: output {scores.name!r} is read as {scores.scale}")
    expected = Expected.of_scores(scores, values)
    problem = expected.problem(answer)
    if problem is not None:
        raise DataError(f"{box.name}: {problem}")
    same = values.shape == answer.shape and bool((values == answer).all())
    proven = ProvenBox(
        content, len(rows), expected.difference(answer), expected.ties(answer), classes, "as it is"
    )
    how = (
        "its scores are the file's own, bit for bit"
        if same
        else f"every label is the file's own, and probabilities differ by at most {proven.difference:.1e}"
    )
    say(f"{box.name} ({box.library}) in the bundle's graph: over {len(rows)} rows of all lengths {how}")
    return proven


def _proven_pipeline(
    box: TextBox, encoded: Sequence[Encoded], texts: Sequence[str], classes: int
) -> ProvenBox:
    """A converted pipeline, compared with its library on all rows: their words first, then its answers."""
    assert box.words is not None
    box.words.check_rows(texts, [row.arrays["input_ids"] for row in encoded], box.spec.max_tokens)
    _say_odd(box, box.words.odd_characters())
    expected = Expected.of(box, texts, classes)
    refused: list[str] = []
    for conversion in text_conversions(box, classes):
        try:
            content = wrap_tokens(conversion.graph, conversion.scores, OPSET).SerializeToString()
            answer = token_logits(content, encoded, box.spec.pad_id)
        except Exception as error:
            # ONNX Runtime's errors share no public base class.
            if not isinstance(error, BoxError) and not type(error).__module__.startswith("onnxruntime"):
                raise
            refused.append(f"in {conversion.precision} ONNX Runtime does not run it ({reason(error)})")
            continue
        problem = expected.problem(answer)
        if problem is None:
            figures = (len(encoded), expected.difference(answer), expected.ties(answer))
            proven = ProvenBox(content, *figures, classes, conversion.precision)
            announce(box, proven)
            return proven
        refused.append(f"in {conversion.precision} {problem}")
    raise DataError(f"{box.name}: its ONNX form does not answer as {box.library} does: {'; '.join(refused)}")


def _say_odd(box: TextBox, characters: Sequence[str]) -> None:
    """Name characters that the bundle's tokenizer reads otherwise than the vectorizer."""
    if characters:
        listed = ", ".join(f"U+{ord(each):04X}" for each in characters[:10])
        more = f" and {len(characters) - 10} more" if len(characters) > 10 else ""
        say(
            f"{box.name}: texts with {listed}{more} may be cut into other words than by its vectorizer; no "
            "row of the table is"
        )


def spread(encoded: Sequence[Encoded], count: int) -> Ints:
    """Places of at most so many rows, evenly over all lengths."""
    order = np.argsort([row.tokens for row in encoded], kind="stable")
    chosen: Ints = order[np.unique(np.linspace(0, len(order) - 1, min(count, len(order))).astype(np.int64))]
    return chosen


def _batches(encoded: Sequence[Encoded], pad_id: int, order: Sequence[Ints]) -> Iterator[Mapping[str, Array]]:
    for places in order:
        yield collate([encoded[place] for place in places], pad_id)


def _check_ids(box: TextBox, proven: ProvenBox) -> None:
    """Run the highest id, and a row as long as the settings allow.

    Raises:
        DataError: the model does not take it.
    """
    highest, longest = box.ids - 1, box.spec.max_tokens
    for tokens, fault in (
        (
            [highest] * 4,
            f"the tokenizer's highest token is {highest}, and the model does not take it: they do not belong "
            "together; give the model's own with --tokenizer",
        ),
        (
            [box.spec.pad_id] * longest,
            f"it does not take a row of {longest} tokens; say with --max-tokens how many it reads",
        ),
    ):
        ids = np.array(tokens, dtype=np.int64)
        arrays: dict[str, Array] = {"input_ids": ids}
        if box.spec.type_ids:
            arrays["token_type_ids"] = np.zeros_like(ids)
        try:
            token_logits(proven.graph, [Encoded(arrays, len(ids))], box.spec.pad_id, threads=1)
        except Exception as error:
            if not type(error).__module__.startswith("onnxruntime"):
                raise
            raise DataError(f"{box.name}: {fault}") from error


def _check_company(box: TextBox, proven: ProvenBox, encoded: Sequence[Encoded]) -> None:
    """Compare answers to rows alone with those in one batch of all lengths.

    Raises:
        DataError: they differ.
    """
    rows = [encoded[place] for place in spread(encoded, COMPANY_ROWS)]
    session = session_of(proven.graph)
    read = [value.name for value in session.get_inputs()]

    def run(some: Sequence[Encoded]) -> Float32s:
        batch = collate(some, box.spec.pad_id)
        logits: Float32s = session.run(["base_logits"], {name: batch[name] for name in read})[0]
        return logits

    together, alone = run(rows), np.concatenate([run([row]) for row in rows])
    apart = np.abs(softmax(together.astype(float), axis=1) - softmax(alone.astype(float), axis=1)).max()
    if not apart <= LARGEST_DIFFERENCE:
        raise DataError(
            f"{box.name}: its answer to a row depends on padding or on the rows beside it (probabilities by "
            f"up to {apart:.1e}), as with activations quantised over a batch, or a mask that is not read; "
            "export it with float weights and its attention_mask, padded on the right"
        )
