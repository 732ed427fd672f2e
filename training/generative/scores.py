r"""Log-likelihoods of answers, and how far one model's predictions drift from another's.

.. math:: \log p(y \mid x) = \sum_t \log p(y_t \mid x, y_{<t}), \qquad
          m = \log p(y^+ \mid x) - \log p(y^- \mid x)

A pair's margin ``m`` is positive where the preferred answer is the likelier one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from evenhand.console import track
from evenhand.training.generative.language import TokenPair
from evenhand.typing import Float64s, Ints

BATCH_TOKENS = 2048
Way = Callable[[], AbstractContextManager[object]]
"""A context inside which the model runs as its base, or as tuned."""
Begin = Callable[[Tensor], None]
"""Takes the last position of each row's prompt, ``(rows,)``, before each forward pass."""


@dataclass(frozen=True)
class Likelihoods:
    """Log-likelihoods of both answers, per pair."""

    preferred: Float64s
    dispreferred: Float64s
    tokens: Ints
    """``(pairs, 2)`` of each answer."""

    @property
    def margin(self) -> Float64s:
        """Difference of the answers' log-likelihoods, which DPO increases; it favours shorter answers."""
        return self.preferred - self.dispreferred

    @property
    def margin_per_token(self) -> Float64s:
        """Difference of the answers' mean log-likelihoods per token."""
        return self.preferred_per_token - self.dispreferred / self.tokens[:, 1]

    @property
    def preferred_per_token(self) -> Float64s:
        """Mean log-likelihood per token of the preferred answer; it falls if the model unlearns its words."""
        return self.preferred / self.tokens[:, 0]


@dataclass(frozen=True)
class Drift:
    """Per neutral prompt."""

    base_loss: Float64s
    final_loss: Float64s
    """Sums of negative log-likelihoods of the prompt's own tokens but the first."""
    divergence: Float64s
    """Sums over all positions of KL(base || final) of the next token's distribution, in nats."""
    tokens: Ints


def likelihoods(
    model: nn.Module, pairs: Sequence[TokenPair], what: str, begin: Begin | None = None
) -> Likelihoods:
    """Log-likelihoods of pairs under a causal model.

    Args:
        model: In evaluation mode.
        pairs: Tokenised pairs.
        what: Name of the progress bar.
        begin: Called with the last position of each row's prompt before each forward pass.
    """
    rows = [(pair.prompt, answer) for pair in pairs for answer in (pair.preferred, pair.dispreferred)]
    order = list(batches([len(prompt) + len(answer) for prompt, answer in rows]))
    sums = np.zeros(len(rows))
    for batch in track(order, len(order), what):
        sums[batch] = answer_scores(model, [rows[row] for row in batch], begin)
    both = sums.reshape(-1, 2)
    return Likelihoods(both[:, 0], both[:, 1], np.array([len(answer) for _, answer in rows]).reshape(-1, 2))


@torch.no_grad()
def answer_scores(
    model: nn.Module, rows: Sequence[tuple[list[int], list[int]]], begin: Begin | None = None
) -> Float64s:
    """Log-likelihood of each answer after its prompt, ``(rows,)``."""
    ids, mask = padded([prompt + answer for prompt, answer in rows], model)
    if begin is not None:
        begin(torch.tensor([len(prompt) - 1 for prompt, _ in rows], device=ids.device))
    scores = own_scores(logits_of(model, ids, mask), ids)
    sums = [
        scores[row, len(prompt) - 1 : len(prompt) + len(answer) - 1].sum()
        for row, (prompt, answer) in enumerate(rows)
    ]
    return torch.stack(sums).double().cpu().numpy()


@torch.no_grad()
def drift(
    model: nn.Module,
    ways: tuple[Way, Way],
    prompts: Sequence[list[int]],
    what: str,
    begin: Begin | None = None,
) -> Drift:
    """How far a model's predictions on neutral prompts are from its base's.

    Args:
        model: In evaluation mode.
        ways: Contexts in which the model runs as its base, and as tuned.
        prompts: Tokenised.
        what: Name of the progress bar.
        begin: Called with the last position of each prompt before the tuned model runs.
    """
    order = list(batches([len(prompt) for prompt in prompts]))
    table = np.zeros((len(prompts), 3))
    for batch in track(order, len(order), what):
        ids, mask = padded([prompts[row] for row in batch], model)
        with ways[0]():
            before = logits_of(model, ids, mask)
        with ways[1]():
            if begin is not None:
                begin(mask.sum(1) - 1)
            after = logits_of(model, ids, mask)
        inside = mask.bool()
        sums = [
            torch.where(inside[:, 1:], -own_scores(before, ids), 0.0).sum(1),
            torch.where(inside[:, 1:], -own_scores(after, ids), 0.0).sum(1),
            torch.where(inside, divergences(before, after), 0.0).sum(1),
        ]
        table[batch] = torch.stack(sums, 1).double().cpu().numpy()
    lengths = np.array([len(prompt) for prompt in prompts])
    return Drift(table[:, 0], table[:, 1], table[:, 2], lengths)


def batches(lengths: Sequence[int]) -> Iterator[Ints]:
    """Batches of like length and at most :data:`BATCH_TOKENS` tokens with padding, to bound the memory."""
    order = np.argsort(np.asarray(lengths), kind="stable")
    start = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or (end + 1 - start) * lengths[order[end]] > BATCH_TOKENS:
            yield order[start:end]
            start = end


def padded(rows: Sequence[list[int]], model: nn.Module) -> tuple[Tensor, Tensor]:
    """Ids and mask, ``(rows, seq)``, padded on the right, where a causal model cannot see it."""
    longest = max(len(row) for row in rows)
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    place = next(model.parameters()).device
    return ids.to(place), mask.to(place)


def logits_of(model: nn.Module, ids: Tensor, mask: Tensor) -> Tensor:
    """``(rows, seq, vocabulary)`` in float32."""
    logits: Tensor = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    return logits.float()


def own_scores(logits: Tensor, ids: Tensor) -> Tensor:
    """Log-likelihood of every token but the first, ``(rows, seq - 1)``."""
    return -functional.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none")


def divergences(before: Tensor, after: Tensor) -> Tensor:
    """KL(before || after) of the next token's distribution per position, ``(rows, seq)``."""
    first, second = functional.log_softmax(before, -1), functional.log_softmax(after, -1)
    return (first.exp() * (first - second)).sum(-1)
