"""The device of learning, and the processes that share it, by Accelerate.

One process runs on the CPU, or on the machine's GPU, unless ``accelerate launch`` starts several.
Those do the same steps with the same seeds: every batch is split among them, gradients are averaged, and
only the main process writes. On several machines, all processes must share the work folder.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import nn

from evenhand.typing import Ints


@functools.cache
def accelerator() -> Accelerator:
    """The Accelerator of this process."""
    # CUDA reads this before its first product; without it, it cannot be deterministic.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return Accelerator()


def device() -> torch.device:
    """The device of models and batches."""
    process_device: torch.device = accelerator().device
    return process_device


def deterministic() -> None:
    """Same seed, same result on the CPU; on a GPU, as far as its operations allow."""
    torch.use_deterministic_algorithms(True, warn_only=device().type != "cpu")


def autocast(precision: str) -> contextlib.AbstractContextManager[Any]:
    """Forward passes in ``float32`` or ``bfloat16``, as ``precision`` says."""
    return torch.autocast(device().type, torch.bfloat16, enabled=precision == "bfloat16")


def count() -> int:
    """Number of processes."""
    return int(accelerator().num_processes)


def index() -> int:
    """Index of this process."""
    return int(accelerator().process_index)


def is_main() -> bool:
    """Whether this process is the one that writes files and messages."""
    return bool(accelerator().is_main_process)


def wait() -> None:
    """Wait for all processes."""
    accelerator().wait_for_everyone()


def own_part(batch: Ints) -> Ints:
    """This process's rows of a batch; may be empty."""
    return batch[index() :: count()]


def own_batches(batches: Sequence[Ints]) -> Sequence[Ints]:
    """This process's batches."""
    return batches[index() :: count()]


@torch.no_grad()
def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its mean over processes."""
    if count() == 1:
        return
    learnt = [parameter for parameter in parameters if parameter.requires_grad]
    grads = [torch.zeros_like(each) if each.grad is None else each.grad for each in learnt]
    flat = accelerator().reduce(torch.cat([grad.flatten() for grad in grads]), "mean")
    for parameter, part in zip(learnt, flat.split([grad.numel() for grad in grads]), strict=True):
        parameter.grad = part.view_as(parameter).clone()


def mean(value: float) -> float:
    """Mean over processes."""
    if count() == 1:
        return value
    return float(accelerator().reduce(torch.tensor([value], dtype=torch.float64, device=device()), "mean"))


def from_main(value: float) -> float:
    """The main process's value, so that all processes decide alike: GPUs may differ in the last digit."""
    if count() == 1:
        return value
    return float(broadcast(torch.tensor([value], dtype=torch.float64, device=device())))
