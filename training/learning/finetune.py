"""Fine-tune a whole classifier on some rows: the base by cross-entropy (ERM), a baseline by its own loss."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from evenhand.models.bundle.inputs import Encoded, collate
from evenhand.training.data.batches import by_length
from evenhand.training.data.dataset import Rows
from evenhand.training.learning import distributed
from evenhand.training.learning.config import BaseConfig
from evenhand.training.learning.loop import Plan, fit
from evenhand.typing import Float32s, Ints

RowLoss = Callable[[Tensor, Ints], Tensor]
"""Logits ``(batch, classes)`` and the indices of their rows to one loss."""
Around = Callable[[Ints], contextlib.AbstractContextManager[Any]]
"""The indices of a batch's rows to a context in which the model runs over them in learning."""
Score = Callable[[Ints], float]
"""Predicted classes of the validation rows to their score; the epoch of the highest score is kept."""


@dataclass(frozen=True)
class FinetuneKey:
    """Name, seed, folder, loss and score of one fine-tuning."""

    name: str
    seed: int
    folder: Path
    """Checkpoints; a run with the same plan resumes there."""
    pad_id: int
    loss: RowLoss
    score: Score | None = None
    """Accuracy if ``None``."""
    around: Around = contextlib.nullcontext


def cross_entropy(labels: Ints) -> RowLoss:
    """Plain cross-entropy (ERM) against ``labels (rows,)`` of all rows."""
    targets = torch.from_numpy(labels)
    return lambda logits, batch: functional.cross_entropy(logits, targets[batch])


def finetune(
    model: nn.Module,
    encoded: Sequence[Encoded],
    rows: Rows,
    chosen: Ints,
    stage: BaseConfig,
    run: FinetuneKey,
) -> float:
    """Learn all weights on some rows; early stopping on the validation rows.

    Args:
        model: A classifier; left with the weights of its best epoch, where learning runs.
        encoded: All rows, tokenised.
        rows: All rows.
        chosen: Rows to learn from; a row that stands twice counts twice.
        stage: Epochs, rates, precision.
        run: Name, seed, checkpoints, the loss and the score of an epoch.

    Returns:
        The best epoch's score on the validation rows.
    """
    model.to(distributed.device())
    validation = rows.of("val")
    score = run.score or (lambda predicted: float((predicted == rows.labels[validation]).mean()))

    def loss_of(batch: Ints) -> Tensor:
        model.train()
        _freeze_statistics(model)
        with distributed.autocast(stage.precision), run.around(chosen[batch]):
            logits = logits_of(model, [encoded[row] for row in chosen[batch]], run.pad_id)
        return run.loss(logits.float().cpu(), chosen[batch])

    def score_epoch() -> float:
        return score(predict(model, encoded, validation, run.pad_id).argmax(1))

    plan = Plan(run.name, stage.epochs, stage.learning_rate, stage.batch_rows, stage.patience, run.seed)
    lengths = [encoded[row].tokens for row in chosen]
    return fit(plan, dict(model.named_parameters()), lengths, loss_of, score_epoch, run.folder)


def _freeze_statistics(model: nn.Module) -> None:
    """Keep the pretrained means and variances of batch normalisation.

    A batch's own would make a row's answer in learning depend on the other rows of its batch, and running
    means are no parameters, so an earlier epoch's could not be restored with its weights.
    """
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def logits_of(model: nn.Module, encoded: Sequence[Encoded], pad_id: int) -> Tensor:
    """Logits of one batch, ``(batch, classes)``."""
    arrays = collate(encoded, pad_id)
    inputs = {name: torch.from_numpy(array).to(distributed.device()) for name, array in arrays.items()}
    logits: Tensor = model(**inputs).logits
    return logits


@torch.no_grad()
def predict(model: nn.Module, encoded: Sequence[Encoded], chosen: Ints, pad_id: int) -> Float32s:
    """Logits of some rows under a whole model in evaluation mode, ``(rows, classes)``."""
    model.eval()
    logits_of_row: dict[int, Float32s] = {}
    for batch in by_length([encoded[row].tokens for row in chosen]):
        logits = logits_of(model, [encoded[row] for row in chosen[batch]], pad_id)
        logits_of_row |= dict(zip(batch.tolist(), logits.cpu().numpy(), strict=True))
    return np.stack([logits_of_row[index] for index in range(len(chosen))])
