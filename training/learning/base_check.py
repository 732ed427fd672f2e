"""Prove on rows, before anything is learnt, that a base can be served: what was read off it holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from evenhand.models.bundle.inputs import Encoded
from evenhand.models.network.backbones import SplitModel
from evenhand.models.network.family import UnsupportedBaseError
from evenhand.training.learning import distributed
from evenhand.training.learning.features import tensors

TOLERANCE = 1e-3
"""Of a logit, relative to the largest: sums in another order differ by far less, a wrong position by more."""
FIRST_ROWS = 64


@torch.no_grad()
def check_base(model: nn.Module, layer: int, encoded: Sequence[Encoded], pad_id: int) -> None:
    """Check a base on a short and a long row.

    Args:
        model: The classifier, unchanged afterwards.
        layer: Where it is to be cut.
        encoded: Rows; the shortest and the longest of the first ones are used.
        pad_id: Padding token.

    Raises:
        UnsupportedBaseError: it does not run, a row's answer depends on padding, its head is not linear in
            what was read as its input, or the second pass does not repeat the first.
    """
    learnt = [parameter for parameter in model.parameters() if parameter.requires_grad]
    training = model.training
    model_type = model.config.model_type  # type: ignore[union-attr]
    try:
        reason = _fault(SplitModel(model.to(distributed.device()), layer), _extremes(encoded), pad_id)
    finally:
        for parameter in learnt:
            parameter.requires_grad_(True)
        model.train(training)
    if reason:
        raise UnsupportedBaseError(f"base model type {model_type!r} is not supported: {reason}")


def _extremes(encoded: Sequence[Encoded]) -> list[Encoded]:
    first = list(encoded[:FIRST_ROWS])
    lengths = [row.tokens for row in first]
    return [first[int(np.argmin(lengths))], first[int(np.argmax(lengths))], first[0]]


def _fault(split: SplitModel, rows: Sequence[Encoded], pad_id: int) -> str:
    """What does not hold; empty if everything does."""
    inputs = tensors(rows, pad_id)
    try:
        logits, hidden, representation = split.base(inputs)
        alone = torch.cat([split.base(tensors([row], pad_id))[0] for row in rows])
        again = split.finish(hidden, split.mask(inputs, hidden), inputs)[0]
        head = split.model.get_submodule(split.family.head)(representation)
    except (RuntimeError, ValueError, TypeError, IndexError, KeyError) as error:
        return f"it does not run on rows ({_first_line(error)})"
    if not torch.isfinite(logits).all():
        return "its answers are not finite numbers in float32"
    if _differ(alone, logits):
        return "its answer to a row depends on the padding or on the other rows of a batch"
    if _differ(head, logits):
        return f"its answer is not what its last linear layer ({split.family.head}) returns"
    if _differ(again, logits):
        return "finishing a row from its middle does not repeat its answer"
    return ""


def _differ(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape:
        return True
    scale = 1.0 + float(other.abs().max())
    return not float((one - other).abs().max()) <= TOLERANCE * scale


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
