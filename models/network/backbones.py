"""Base families: where the blocks, the head and the projections are, and how to cut a model in two.

The cut needs no rewritten forward pass. The base runs once with a hook on the input of block ``layer``. The
suffix is the same model whose blocks before the cut pass their input through, so that the tapped state takes
the place of their output.
"""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from evenhand.typing import Array

Args = tuple[Any, ...]
Kwargs = dict[str, Any]
Inputs = dict[str, Tensor]
"""Texts of a table stay numpy arrays, for torch has none; only a black box reads them."""


def as_inputs(arrays: Mapping[str, Array], device: torch.device | str = "cpu") -> Inputs:
    """A batch's arrays by name as a base takes them."""
    made: dict[str, Any] = {
        name: array if array.dtype == object else torch.from_numpy(array).to(device)
        for name, array in arrays.items()
    }
    return made


class UnsupportedBaseError(ValueError):
    """This base model cannot be cut; the message says why and what can."""


@dataclass(frozen=True)
class Family:
    """Where things are in one architecture, as dotted module paths."""

    blocks: str
    """The ``nn.ModuleList`` of blocks (of stages, in a convolutional net)."""
    head: str
    """The last linear layer; its input is the representation that the contrastive loss shapes."""
    targets: tuple[str, ...]
    """Names of the adapted projections inside a block: query and value as in FairNet."""
    kinds: tuple[str, ...] = ("text", "pair")
    embeddings: str | None = None
    """What the suffix goes around; families that take ``inputs_embeds`` need nothing."""
    enters: str = "inputs_embeds"
    """Argument under which a hidden state enters the suffix."""
    pairs: bool = False
    """Whether a block returns a pair, the hidden state first."""
    maps: bool = False
    """Whether hidden states are feature maps ``(batch, channels, height, width)``."""


def _bert_like(blocks: str, head: str, query: str, value: str) -> Family:
    return Family(blocks, head, (query, value))


FAMILIES = {
    "bert": _bert_like("bert.encoder.layer", "classifier", "query", "value"),
    "roberta": _bert_like("roberta.encoder.layer", "classifier.out_proj", "query", "value"),
    "distilbert": _bert_like("distilbert.transformer.layer", "classifier", "q_lin", "v_lin"),
    # Its query projection also reads relative positions, which belong to no row, so it takes no gate per row.
    "deberta-v2": Family(
        "deberta.encoder.layer", "classifier", ("value_proj", "attention.output.dense"), pairs=True
    ),
    "vit": Family(
        "vit.layers", "classifier", ("q_proj", "v_proj"), ("image",), "vit.embeddings", "pixel_values"
    ),
    "convnext": Family(
        "convnext.encoder.stages",
        "classifier",
        ("pwconv1", "pwconv2"),
        ("image",),
        "convnext.embeddings",
        "pixel_values",
        maps=True,
    ),
    "tabular": Family("blocks", "classifier", ("query", "value"), ("table",), "embeddings", "numeric"),
}


def family_of(model: nn.Module, kind: str | None = None) -> Family:
    """Find the family of a classifier.

    Args:
        model: A Hugging Face classifier, or our own for tables.
        kind: Kind of input that it must read; any if ``None``.

    Raises:
        UnsupportedBaseError: its architecture is not in :data:`FAMILIES`, or reads something else.
    """
    model_type = str(getattr(getattr(model, "config", None), "model_type", "?"))
    fitting = [name for name, family in FAMILIES.items() if kind is None or kind in family.kinds]
    if model_type not in fitting:
        what = "" if kind is None else f" for {kind}"
        raise UnsupportedBaseError(
            f"base model type {model_type!r} is not supported{what}: where its blocks and projections lie is "
            f"not known here; use one of {', '.join(fitting)}"
        )
    return FAMILIES[model_type]


def block_count(model: nn.Module, layer: int = 1) -> int:
    """Number of blocks of a classifier that can be cut before block ``layer``.

    Raises:
        UnsupportedBaseError: unknown family, or no such block.
    """
    blocks = model.get_submodule(family_of(model).blocks)
    assert isinstance(blocks, nn.ModuleList)
    if not 1 <= layer < len(blocks):
        raise UnsupportedBaseError(
            f"layer {layer} is not between 1 and {len(blocks) - 1}, the blocks of this base model"
        )
    return len(blocks)


class _PassThrough(nn.Module):
    """Takes the place of a block and returns its input."""

    def __init__(self, pairs: bool) -> None:
        super().__init__()
        self._pairs = pairs

    def forward(self, hidden_states: Tensor, *_: Any, **__: Any) -> Tensor | tuple[Tensor, None]:  # noqa: ANN401
        return (hidden_states, None) if self._pairs else hidden_states


class _Entrance(nn.Module):
    """Takes the place of the embeddings; keeps the attribute that models read from them."""

    def __init__(self, embeddings: nn.Module) -> None:
        super().__init__()
        self.patch_embeddings = getattr(embeddings, "patch_embeddings", None)

    def forward(self, hidden: Tensor, *_: Any, **__: Any) -> Tensor:  # noqa: ANN401
        return hidden


class SplitModel(nn.Module):
    """A frozen base model, cut before block ``layer``.

    Args:
        model: A classifier of one of :data:`FAMILIES`.
        layer: Index of the first block of the suffix, from 1 to the number of blocks minus 1.

    Raises:
        UnsupportedBaseError: unknown family, or no such block.
    """

    def __init__(self, model: nn.Module, layer: int) -> None:
        super().__init__()
        self.family = family_of(model)
        self.layer = layer
        self.layers = block_count(model, layer)
        model.requires_grad_(False)
        self.model = model.eval()
        self.suffix = self._make_suffix(model)

    def train(self, mode: bool = True) -> SplitModel:
        """Stay in evaluation mode: dropout in a frozen base would only add noise to its hidden states."""
        return super().train(False)

    @property
    def hidden_size(self) -> int:
        """Width of the hidden state at the cut."""
        config: Any = self.model.config
        return int(config.hidden_sizes[self.layer - 1] if self.family.maps else config.hidden_size)

    @property
    def width(self) -> int:
        """Width of the head's input."""
        return int(self.model.get_submodule(self.family.head).in_features)  # type: ignore[arg-type]

    @property
    def classes(self) -> int:
        """Number of labels."""
        return int(self.model.config.num_labels)  # type: ignore[union-attr, arg-type]

    def base(self, inputs: Inputs) -> tuple[Tensor, Tensor, Tensor]:
        """Run the base model once.

        Args:
            inputs: What the model takes, by name; the first axis of each is the batch.

        Returns:
            Logits ``(batch, classes)``, the input of block ``layer`` ``(batch, positions, hidden)``, and the
            head's input ``(batch, width)``.
        """
        tapped: list[Tensor] = []
        with self._hooks(self.model, lambda args, kwargs: tapped.append(_first(args, kwargs))) as heads:
            logits: Tensor = self.model(**inputs).logits
        hidden = tapped[0].flatten(2).transpose(1, 2) if self.family.maps else tapped[0]
        return logits, hidden, heads[0]

    def mask(self, inputs: Inputs, hidden: Tensor) -> Tensor:
        """Which positions of ``hidden (batch, positions, width)`` mean something, ``(batch, positions)``."""
        if "attention_mask" in inputs:
            return inputs["attention_mask"]
        return torch.ones_like(hidden[:, :, 0], dtype=torch.int64)

    def finish(self, hidden: Tensor, attention_mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Run the suffix, with whatever adapters were put into it.

        Args:
            hidden: ``(rows, positions, hidden)``, what :meth:`base` tapped.
            attention_mask: ``(rows, positions)``; only text has one that matters.

        Returns:
            Logits ``(rows, classes)``, and the head's input ``(rows, width)``.
        """
        inside = _fold(hidden) if self.family.maps else hidden
        inputs: dict[str, Any] = {self.family.enters: inside}
        if "text" in self.family.kinds:
            inputs["attention_mask"] = attention_mask
        with self._hooks(self.suffix, lambda args, kwargs: _replace_first(args, kwargs, inside)) as heads:
            logits: Tensor = self.suffix(**inputs).logits
        return logits, heads[0]

    @contextlib.contextmanager
    def _hooks(self, model: nn.Module, at_cut: Callable[[Args, Kwargs], Any]) -> Iterator[list[Tensor]]:
        """During one forward pass, record the head's input and hook the call of the block at the cut."""
        block = model.get_submodule(f"{self.family.blocks}.{self.layer}")
        head = model.get_submodule(self.family.head)
        heads: list[Tensor] = []
        handles = [
            block.register_forward_pre_hook(lambda _, args, kwargs: at_cut(args, kwargs), with_kwargs=True),
            head.register_forward_pre_hook(lambda _, args: heads.append(args[0])),
        ]
        try:
            yield heads
        finally:
            for handle in handles:
                handle.remove()

    def _make_suffix(self, model: nn.Module) -> nn.Module:
        """Copy the module structure but share every weight, so adapters never reach the base."""
        shared = {id(t): t for t in (*model.parameters(), *model.buffers())}
        suffix = copy.deepcopy(model, memo=dict(shared))
        blocks = suffix.get_submodule(self.family.blocks)
        for index in range(self.layer):
            blocks[index] = _PassThrough(self.family.pairs)  # type: ignore[operator]
        if self.family.embeddings is not None:
            suffix.set_submodule(
                self.family.embeddings, _Entrance(suffix.get_submodule(self.family.embeddings))
            )
        return suffix


def _fold(hidden: Tensor) -> Tensor:
    """``(rows, side * side, channels)`` to the square feature map ``(rows, channels, side, side)``."""
    side = math.isqrt(int(hidden.shape[1]))
    return hidden.transpose(1, 2).reshape(-1, hidden.shape[2], side, side)


def _first(args: Args, kwargs: Kwargs) -> Tensor:
    """The hidden state a block was called with."""
    hidden: Tensor = args[0] if args else kwargs["hidden_states"]
    return hidden


def _replace_first(args: Args, kwargs: Kwargs, hidden: Tensor) -> tuple[Args, Kwargs]:
    """The same call with another hidden state."""
    if args:
        return (hidden, *args[1:]), kwargs
    return args, {**kwargs, "hidden_states": hidden}
