r"""Gated steering of a causal language model: a direction is added to a hidden state where a gate opens.

.. math:: h_t' = h_t + g \, s \, d \quad (t \ge T), \qquad g = [\sigma(w \cdot h_T + b) \ge \tau]

``h`` is the input of one block, ``T`` the prompt's last position, ``d`` the direction (of contrastive
activation addition, CAA, arXiv 2312.06681) and ``s`` its strength. The gate reads the state before the
change, so reading and steering take one pass. A closed gate *selects* the base's hidden state
(``torch.where``), so its logits are the base's bit for bit, whatever the other rows of the batch are.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from evenhand.training.data.dataset import DataError

TENSORS, SETTINGS = "steering.safetensors", "steering.json"
FORMAT = 1
Mode = Literal["gated", "always"]


@dataclass(frozen=True)
class SteeringSettings:
    """The base that is steered, the block, and the strength."""

    base: str
    base_sha256: str
    layer: int
    """Block whose input is read and changed, counted from 0."""
    layers: int
    strength: float
    threshold: float
    format: int = FORMAT


@dataclass(frozen=True)
class GatedSteering:
    """A direction and its gate."""

    settings: SteeringSettings
    direction: Tensor
    """``(width,)`` from dispreferred to preferred."""
    weight: Tensor
    """``(width,)`` of the gate."""
    bias: Tensor
    """``(1,)``"""

    def risk(self, hidden: Tensor) -> Tensor:
        """Probability that a prompt is one of those to steer; ``hidden (rows, width)`` to ``(rows,)``."""
        risk: Tensor = torch.sigmoid(
            hidden.float() @ self.weight.to(hidden.device) + self.bias.to(hidden.device)
        )
        return risk

    def save(self, folder: Path) -> None:
        """Write it as safetensors and JSON."""
        tensors = {"direction": self.direction, "gate.weight": self.weight, "gate.bias": self.bias}
        save_file(
            {name: tensor.float().cpu().contiguous() for name, tensor in tensors.items()}, folder / TENSORS
        )
        (folder / SETTINGS).write_text(json.dumps(asdict(self.settings), indent=2) + "\n")


def load(folder: Path) -> GatedSteering:
    """Read what :meth:`GatedSteering.save` wrote.

    Raises:
        DataError: a file is missing or is not of this form.
    """
    try:
        settings = SteeringSettings(**json.loads((folder / SETTINGS).read_text()))
        tensors = load_file(folder / TENSORS)
        steering = GatedSteering(settings, tensors["direction"], tensors["gate.weight"], tensors["gate.bias"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"{folder}: no steering can be read there ({type(error).__name__}); write it anew"
        ) from error
    if settings.format != FORMAT:
        raise DataError(
            f"{folder}: format {settings.format} is not the format that this version reads ({FORMAT})"
        )
    return steering


class Steered:
    """A causal model that is steered while :meth:`attached`; its weights stay as they are.

    Args:
        model: A causal language model.
        steering: Direction, gate and settings.
        mode: ``gated``, or ``always`` for every row.

    Raises:
        DataError: the steering is of a model of another size.
    """

    def __init__(self, model: nn.Module, steering: GatedSteering, mode: Mode = "gated") -> None:
        self._model, self._steering, self._mode = model, steering, mode
        self._block = block(model, steering.settings.layer)
        layers, width = len(blocks(model)), int(width_of(model))
        if (layers, width) != (steering.settings.layers, len(steering.direction)):
            raise DataError(
                f"the steering is for {steering.settings.layers} blocks of width {len(steering.direction)}, "
                f"the model has {layers} of width {width}; load the base that steering.json names"
            )
        self._ends: Tensor | None = None
        self.open: Tensor | None = None
        """``(rows,)`` which rows are steered, of the last prompts seen."""

    def begin(self, ends: Tensor) -> None:
        """Set the last position of each prompt of the next pass, ``(rows,)``; by default the row's last."""
        self._ends = ends

    @contextlib.contextmanager
    def attached(self) -> Iterator[Steered]:
        """Steer every forward pass in the context, also of ``generate`` with left padding and the cache."""
        hooks = [
            self._model.register_forward_pre_hook(self._before_model, with_kwargs=True),
            self._block.register_forward_pre_hook(self._before_block, with_kwargs=True),
        ]
        try:
            yield self
        finally:
            for hook in hooks:
                hook.remove()
            self._ends = self.open = None

    def _before_model(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Forget the gates where the cache is empty: the pass has new prompts."""
        cache = kwargs.get("past_key_values")
        if kwargs.get("use_cache") is False and self._ends is None:
            raise ValueError(
                "steering without the cache needs the ends of the prompts: call begin, or use the cache"
            )
        if cache is None or cache.get_seq_length() == 0:
            self.open = None

    def _before_block(
        self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Steer the input of the block."""
        if args:
            return (self._steer(args[0]), *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": self._steer(kwargs["hidden_states"])}

    def _steer(self, hidden: Tensor) -> Tensor:
        """Steer ``(rows, seq, width)``; the first pass of a prompt sets its gate, later passes keep it."""
        positions = torch.arange(hidden.shape[1], device=hidden.device)
        if self.open is None:
            ends = positions[-1].expand(len(hidden)) if self._ends is None else self._ends
            self._ends = None
            risk = self._steering.risk(hidden[torch.arange(len(hidden), device=hidden.device), ends])
            self.open = (
                torch.ones_like(risk, dtype=torch.bool) if self._mode == "always" else self._opens(risk)
            )
            after = positions >= ends.unsqueeze(1)
        else:
            after = torch.ones(hidden.shape[:2], dtype=torch.bool, device=hidden.device)
        change = (self._steering.settings.strength * self._steering.direction).to(hidden)
        return torch.where((after & self.open.unsqueeze(1)).unsqueeze(2), hidden + change, hidden)

    def _opens(self, risk: Tensor) -> Tensor:
        return risk >= self._steering.settings.threshold


def blocks(model: nn.Module) -> nn.ModuleList:
    """The model's blocks, by their number.

    Raises:
        DataError: there is no such list.
    """
    count = int(_sizes(model).num_hidden_layers)
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return module
    raise DataError(
        f"{type(model).__name__} has no list of its {count} blocks; steering cannot be added to it"
    )


def block(model: nn.Module, layer: int) -> nn.Module:
    """One block.

    Raises:
        DataError: there is none of that number.
    """
    listed = blocks(model)
    if not 0 <= layer < len(listed):
        raise DataError(f"--layer {layer}: the model's blocks are 0 to {len(listed) - 1}")
    return listed[layer]


def width_of(model: nn.Module) -> int:
    """Width of the hidden state."""
    return int(_sizes(model).hidden_size)


def _sizes(model: nn.Module) -> Any:  # noqa: ANN401 - transformers is not typed
    return model.config.get_text_config()  # type: ignore[operator,union-attr]
