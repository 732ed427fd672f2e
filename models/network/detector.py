"""The bias detectors: which rows belong to a group that the base model may treat unfairly.

FairNet (arXiv 2510.19421), section 3: pooling over positions, then a small MLP, one detector per attribute.
The detectors of all attributes are stacked into batched products. The numbers are those of separate modules,
with a quarter of the graph nodes, which makes a batch of one row faster.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

Pooling = Literal["attention", "mean", "first"]


class BiasDetectors(nn.Module):
    r"""One logit per attribute from hidden states: how likely the row is outside the reference group.

    Attention pooling scores each position, :math:`s_t = v^\top \tanh(W h_t + b)`, and takes the
    softmax-weighted mean. The MLP is hidden -> 128 -> 64 -> 1.

    Args:
        attributes: Number of attributes.
        hidden: Width of the hidden state.
        pooling: ``attention`` (the paper's), ``mean`` over tokens, or the ``first`` token.
        attention_width: Rows of ``W``. The paper uses ``hidden``; 64 keeps four detectors near 1 % of a small
            base.
    """

    def __init__(
        self, attributes: int, hidden: int, pooling: Pooling = "attention", attention_width: int = 64
    ) -> None:
        super().__init__()
        self.attributes = attributes
        self.pooling = pooling
        if pooling == "attention":
            self.project = nn.Linear(hidden, attributes * attention_width)
            self.score = nn.Parameter(_uniform(attributes, 1, attention_width, fan_in=attention_width))
        widths = (hidden, 128, 64, 1)
        self.weights = nn.ParameterList(_uniform(attributes, i, o, fan_in=i) for i, o in pairwise(widths))
        self.biases = nn.ParameterList(_uniform(attributes, 1, o, fan_in=i) for i, o in pairwise(widths))

    def forward(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:
        """Score rows.

        Args:
            hidden: ``(batch, seq, hidden)``.
            attention_mask: ``(batch, seq)``.

        Returns:
            ``(batch, attributes)`` logits; their sigmoid is the risk once :meth:`calibrate` was called.
        """
        x = self.pool(hidden, attention_mask)
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.matmul(x, weight) + bias
            if index < len(self.weights) - 1:
                x = torch.relu(x)
        return x.squeeze(-1).transpose(0, 1)

    def pool(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:
        """Reduce positions, padding weighing nothing.

        Returns:
            ``(attributes, batch, hidden)``, or ``(1, batch, hidden)`` where all attributes pool alike.
        """
        if self.pooling == "first":
            return hidden[:, 0].unsqueeze(0)
        if self.pooling == "mean":
            mask = attention_mask.to(hidden.dtype).unsqueeze(1)
            return (torch.matmul(mask, hidden) / mask.sum(dim=2, keepdim=True)).transpose(0, 1)
        # One product with a block-diagonal matrix instead of one small product per attribute.
        score = torch.block_diag(*self.score).transpose(0, 1)  # type: ignore[no-untyped-call]
        scores = torch.matmul(torch.tanh(self.project(hidden)), score)
        scores = scores.masked_fill(attention_mask.unsqueeze(2) == 0, float("-inf"))
        weights = torch.softmax(scores, dim=1)
        return torch.matmul(weights.transpose(1, 2), hidden).transpose(0, 1)

    @torch.no_grad()
    def calibrate(self, slopes: Tensor, intercepts: Tensor) -> None:
        """Fold ``slope * logit + intercept`` into the last layer, so serving pays nothing for calibration.

        Args:
            slopes: ``(attributes,)``, positive, so that ranks do not change.
            intercepts: ``(attributes,)``.
        """
        bias = self.biases[-1]
        slope, intercept = (values.to(bias.device).view(-1, 1, 1) for values in (slopes, intercepts))
        self.weights[-1].mul_(slope)
        bias.mul_(slope).add_(intercept)


def _uniform(*shape: int, fan_in: int) -> nn.Parameter:
    """``nn.Linear``'s default initialisation."""
    bound = fan_in**-0.5
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
