"""One training loop for every stage: progress, early stopping, and a checkpoint after every epoch.

Each epoch is a pure function of (weights, optimiser state, seed, epoch): all randomness is reseeded at its
start. So an interrupted and resumed run ends with the same weights, bit for bit, as one without interruption.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from evenhand.console import say, track
from evenhand.training.learning import distributed
from evenhand.training.learning.config import fingerprint
from evenhand.typing import Ints


@dataclass(frozen=True)
class Plan:
    """How long and how fast to learn."""

    name: str
    epochs: int
    learning_rate: float
    batch_rows: int
    patience: int
    seed: int
    warmup: float = 0.06
    weight_decay: float = 0.01


@dataclass
class _State:
    epoch: int = 0
    best_score: float = float("-inf")
    best_epoch: int = -1


def fit(
    plan: Plan,
    parameters: dict[str, nn.Parameter],
    lengths: Sequence[int],
    loss_of: Callable[[Ints], Tensor],
    score: Callable[[], float] | None,
    folder: Path,
) -> float:
    """Learn until the epochs or the patience end; leaves the best epoch's weights in ``parameters``.

    Args:
        plan: Epochs, rates and seed.
        parameters: What to learn, by name.
        lengths: Length of each training row, to batch rows of like length.
        loss_of: Loss of a batch of row indices.
        score: Score after an epoch; higher is better. Without one, every epoch is run and the last one's
            weights stay.
        folder: Folder of checkpoints; a run with the same plan resumes there.

    Returns:
        The best score.
    """
    store = _CheckpointStore(folder, plan, parameters)
    optimiser = torch.optim.AdamW(
        list(parameters.values()), lr=plan.learning_rate, weight_decay=plan.weight_decay, fused=True
    )
    state = store.resume(optimiser)
    while state.epoch < plan.epochs and state.epoch - state.best_epoch <= plan.patience:
        torch.manual_seed(plan.seed * 1009 + state.epoch + distributed.index() * 1_000_003)
        mean_loss = _epoch(plan, state.epoch, lengths, loss_of, optimiser)
        value = float(state.epoch) if score is None else distributed.from_main(score())
        scored = "" if score is None else f", score {value:.4f}"
        say(f"{plan.name}: epoch {state.epoch + 1}/{plan.epochs}, loss {mean_loss:.4f}{scored}")
        if value > state.best_score:
            state.best_score, state.best_epoch = value, state.epoch
            store.save_best()
        state.epoch += 1
        store.save(state, optimiser)
    store.load_best()
    return state.best_score


def batches(lengths: Sequence[int], rows: int, seed: int, window: int = 50) -> Iterator[Ints]:
    """Shuffle rows, sort them by length within windows of ``window`` batches, and shuffle the batches."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(lengths))
    sizes = np.asarray(lengths)
    shuffled = []
    for start in range(0, len(order), rows * window):
        part = order[start : start + rows * window]
        part = part[np.argsort(sizes[part], kind="stable")]
        shuffled += [part[i : i + rows] for i in range(0, len(part), rows)]
    yield from (shuffled[i] for i in rng.permutation(len(shuffled)))


def _epoch(
    plan: Plan,
    epoch: int,
    lengths: Sequence[int],
    loss_of: Callable[[Ints], Tensor],
    optimiser: torch.optim.Optimizer,
) -> float:
    """One pass over the rows; returns the mean loss."""
    order = list(batches(lengths, plan.batch_rows, plan.seed + epoch))
    total = 0.0
    first, last = epoch * len(order), plan.epochs * len(order)
    for step, batch in enumerate(track(order, len(order), f"{plan.name} {epoch + 1}/{plan.epochs}"), first):
        for group in optimiser.param_groups:
            group["lr"] = plan.learning_rate * _rate(step, last, plan.warmup)
        total += _step(plan.name, batch, loss_of, [p for g in optimiser.param_groups for p in g["params"]])
        optimiser.step()
        optimiser.zero_grad()
    return total / max(len(order), 1)


def _step(name: str, batch: Ints, loss_of: Callable[[Ints], Tensor], parameters: list[nn.Parameter]) -> float:
    """Gradients of one batch, which processes share; returns its loss."""
    part, value = distributed.own_part(batch), 0.0
    if len(part):
        # The mean over processes weighs processes equally; this factor makes it weigh rows equally.
        loss = loss_of(part) * (len(part) * distributed.count() / len(batch))
        value = loss.item()
        loss.backward()  # type: ignore[no-untyped-call]
    value = distributed.mean(value)
    if not math.isfinite(value):
        raise FloatingPointError(f"{name}: the loss is {value}; lower the learning rate")
    distributed.average_gradients(parameters)
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    return value


def _rate(step: int, steps: int, warmup: float) -> float:
    """Linear warm-up, then linear decay to zero."""
    rising = step / max(warmup * steps, 1)
    falling = (steps - step) / max(steps * (1 - warmup), 1)
    return min(rising, falling, 1.0)


class _CheckpointStore:
    """Checkpoints of one stage: safetensors and JSON, no pickle."""

    def __init__(self, folder: Path, plan: Plan, parameters: dict[str, nn.Parameter]) -> None:
        self._folder = folder
        self._key = fingerprint(plan.__dict__, {name: list(p.shape) for name, p in parameters.items()})
        self._parameters = parameters
        folder.mkdir(parents=True, exist_ok=True)

    def resume(self, optimiser: torch.optim.Optimizer) -> _State:
        """The state after the last finished epoch of the same plan, or a new one."""
        try:
            saved = json.loads((self._folder / "state.json").read_text())
        except (OSError, ValueError):
            return _State()
        if saved.pop("key") != self._key:
            return _State()
        state = _State(**saved)
        tensors = load_file(self._folder / f"epoch-{state.epoch}.safetensors")
        self._copy({name: tensors[f"weight/{name}"] for name in self._parameters})
        for name, parameter in self._parameters.items():
            moments = {
                key: tensors[f"{key}/{name}"].to(parameter.device)
                for key in ("exp_avg", "exp_avg_sq", "step")
            }
            optimiser.state[parameter] = moments
        say(f"resuming after epoch {state.epoch} from {self._folder}")
        return state

    def save(self, state: _State, optimiser: torch.optim.Optimizer) -> None:
        """Write an epoch; the state file is replaced last, so an interrupted save keeps the epoch before."""
        distributed.wait()
        if not distributed.is_main():
            return
        tensors = {f"weight/{name}": p.data for name, p in self._parameters.items()}
        for name, parameter in self._parameters.items():
            tensors |= {f"{key}/{name}": value for key, value in optimiser.state[parameter].items()}
        save_file(tensors, self._folder / f"epoch-{state.epoch}.safetensors")
        temporary = self._folder / "state.json.part"
        temporary.write_text(json.dumps({"key": self._key, **state.__dict__}))
        temporary.replace(self._folder / "state.json")
        (self._folder / f"epoch-{state.epoch - 1}.safetensors").unlink(missing_ok=True)

    def save_best(self) -> None:
        """Write the weights of the best epoch."""
        if distributed.is_main():
            save_file(
                {name: p.data for name, p in self._parameters.items()}, self._folder / "best.safetensors"
            )

    def load_best(self) -> None:
        """Load the best epoch's weights."""
        distributed.wait()
        self._copy(load_file(self._folder / "best.safetensors"))

    @torch.no_grad()
    def _copy(self, tensors: dict[str, Tensor]) -> None:
        for name, parameter in self._parameters.items():
            parameter.copy_(tensors[name])
