"""The direction and the gate of a steering, from hidden states of the frozen base."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from evenhand.console import track
from evenhand.training.generative.gated_steering import GatedSteering, SteeringSettings, block, width_of
from evenhand.training.generative.language import TokenPair
from evenhand.training.generative.scores import batches, logits_of, padded
from evenhand.typing import Bools, Float32s


def learn(
    model: nn.Module, pairs: Sequence[TokenPair], neutral: Sequence[list[int]], settings: SteeringSettings
) -> GatedSteering:
    """Learn a steering.

    The direction is the mean, over pairs, of the preferred answer's mean hidden state less the dispreferred
    one's. The gate is a logistic regression that tells the pairs' prompts from neutral ones by the last
    hidden state of each.

    Args:
        model: The frozen base.
        pairs: To learn from.
        neutral: Neutral prompts to learn from.
        settings: Layer, strength and threshold.
    """
    answers = [
        (tokens.prompt + answer, len(tokens.prompt))
        for tokens in pairs
        for answer in (tokens.preferred, tokens.dispreferred)
    ]
    states = mean_states(model, answers, settings.layer, "hidden states of answers").reshape(
        len(pairs), 2, -1
    )
    direction = (states[:, 0] - states[:, 1]).mean(0)
    prompts = [tokens.prompt for tokens in pairs] + list(neutral)
    last = mean_states(
        model, [(ids, len(ids) - 1) for ids in prompts], settings.layer, "hidden states of prompts"
    )
    weight, bias = _gate(last, np.arange(len(prompts)) < len(pairs))
    return GatedSteering(settings, torch.from_numpy(direction), weight, bias)


@torch.no_grad()
def mean_states(model: nn.Module, rows: Sequence[tuple[list[int], int]], layer: int, what: str) -> Float32s:
    """Mean input of a block from a position of each row on, ``(rows, width)``.

    Args:
        model: The frozen base.
        rows: Tokens, and the position from which on they count.
        layer: The block.
        what: Name of the progress bar.
    """
    means = np.zeros((len(rows), width_of(model)), np.float32)
    order = list(batches([len(ids) for ids, _ in rows]))
    for batch in track(order, len(order), what):
        ids, mask = padded([rows[row][0] for row in batch], model)
        with _caught(block(model, layer)) as caught:
            logits_of(model, ids, mask)
        for row, hidden in zip(batch, caught[0], strict=True):
            tokens, begin = rows[row]
            means[row] = hidden[begin : len(tokens)].float().mean(0).cpu().numpy()
    return means


@contextmanager
def _caught(module: nn.Module) -> Iterator[list[Tensor]]:
    """The hidden states that a block is given."""
    caught: list[Tensor] = []
    hook = module.register_forward_pre_hook(
        lambda _, args, kwargs: caught.append(args[0] if args else kwargs["hidden_states"]), with_kwargs=True
    )
    try:
        yield caught
    finally:
        hook.remove()


def _gate(states: Float32s, to_steer: Bools) -> tuple[Tensor, Tensor]:
    """Weight and bias on the hidden state as it is: the scaling is folded in."""
    scaler, line = StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000)
    make_pipeline(scaler, line).fit(states, to_steer)
    weight = line.coef_[0] / scaler.scale_
    bias = line.intercept_ - weight @ scaler.mean_
    return torch.tensor(weight, dtype=torch.float32), torch.tensor(bias, dtype=torch.float32)
