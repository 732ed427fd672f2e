"""GroupDRO: the groups that the model is worst at weigh more, step by step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from evenhand.training.baselines.context import Context
from evenhand.training.baselines.group_labels import LEFT_OUT, Groups, merge
from evenhand.training.baselines.method import Sees
from evenhand.training.baselines.retrain import Learning, RetrainedBase, Retraining, retrain
from evenhand.typing import Ints


class RobustLoss:
    r"""GroupDRO's loss (Sagawa et al. 2020, algorithm 1).

    .. math:: q_g \leftarrow q_g e^{\eta \ell_g} / Z, \qquad L = \sum_g q_g \ell_g

    over cells :math:`g` (label x group). The paper draws every cell equally often. Here a batch is plain, as
    the base's, and each row weighs :math:`q_g / p_g` with :math:`p_g` its cell's share: the same sum in
    expectation, and no row of a large cell is left out. A cell that the batch lacks is judged by its running
    loss (their code's step of
    0.1), else rare cells would gain weight more slowly only because they are rare. Rows that are left out of
    the groups enter by their plain loss.
    """

    def __init__(self, groups: Groups, chosen: Ints, eta: float, step: float = 0.1) -> None:
        cells = groups.cells
        counts = np.bincount(cells[chosen][cells[chosen] != LEFT_OUT], minlength=groups.cell_count)
        self._cells = torch.from_numpy(cells)
        self._labels = torch.from_numpy(groups.labels)
        self._share = torch.from_numpy(counts / max(1, counts.sum()))
        self._eta, self._step = eta, step
        present = torch.from_numpy(counts > 0)
        self.weights = present.double() / present.sum()
        """``(cells,)`` q, on the simplex."""
        self._running = torch.full_like(self.weights, float(np.log(groups.classes)))

    def __call__(self, logits: Tensor, batch: Ints) -> Tensor:
        """Update the weights by one batch, and weigh it."""
        losses = functional.cross_entropy(logits, self._labels[batch], reduction="none")
        cells = self._cells[batch]
        known = cells != LEFT_OUT
        self._update(losses.detach()[known].double(), cells[known])
        scale = torch.ones_like(losses)
        scale[known] = (self.weights / self._share.clamp(min=1e-12))[cells[known]].to(losses.dtype)
        return (losses * scale).mean()

    def _update(self, losses: Tensor, cells: Tensor) -> None:
        for cell in torch.unique(cells):
            mean = losses[cells == cell].mean()
            self._running[cell] += self._step * (mean - self._running[cell])
        raised = self.weights * torch.exp(self._eta * self._running)
        self.weights = raised / raised.sum()


@dataclass(frozen=True)
class GroupDro(Retraining):
    """Group distributionally robust optimisation over cells (label x group)."""

    name: str = "groupdro"
    title: str = "GroupDRO"
    source: str = "Sagawa et al. 2020"
    sees: Sees = Sees("all", "all", test=False)
    eta: float = 0.01

    def learn(self, context: Context) -> RetrainedBase:
        """Retrain."""
        groups = merge(context.rows, context.schema, context.train)
        loss = RobustLoss(groups, context.train, self.eta)
        model = retrain(context, Learning(self.name, loss, context.train, context.criterion.value))
        return RetrainedBase(
            model, {"groups": list(groups.names), "weights": [round(q, 4) for q in loss.weights.tolist()]}
        )
