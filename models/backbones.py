"""Base families: where the blocks, the head and the projections are, and how to cut a model in two.

The cut needs no rewritten forward pass: the base runs once with a tap on the input of block ``layer``; the suffix
is the same model with the blocks before the cut replaced by pass-throughs and the tapped state put in their place.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

Args = tuple[Any, ...]
Kwargs = dict[str, Any]


class UnsupportedBaseError(ValueError):
    """This base model cannot be cut; the message says why and what can."""


@dataclass(frozen=True)
class Family:
    """Where things are in one architecture, as dotted module paths."""

    blocks: str
    """The ``nn.ModuleList`` of transformer blocks."""
    head: str
    """The last linear layer; its input is the representation that the contrastive loss shapes."""
    targets: tuple[str, ...]
    """Names of the query and value projections inside a block (FairNet adapts these two)."""


FAMILIES = {
    "bert": Family("bert.encoder.layer", "classifier", ("query", "value")),
    "roberta": Family("roberta.encoder.layer", "classifier.out_proj", ("query", "value")),
    "distilbert": Family("distilbert.transformer.layer", "classifier", ("q_lin", "v_lin")),
}


def family_of(model: nn.Module) -> Family:
    """Find the family of a Hugging Face sequence classifier.

    Raises:
        UnsupportedBaseError: its architecture is not in :data:`FAMILIES`.
    """
    model_type = str(getattr(getattr(model, "config", None), "model_type", "?"))
    if model_type not in FAMILIES:
        raise UnsupportedBaseError(f"base model type {model_type!r} is not supported; use one of {', '.join(FAMILIES)}")
    return FAMILIES[model_type]


class _PassThrough(nn.Module):
    """Stands where a block was, and hands on what it gets."""

    def forward(self, hidden_states: Tensor, *_: Any, **__: Any) -> Tensor:  # noqa: ANN401
        return hidden_states


class SplitModel(nn.Module):
    """A frozen base model, cut before block ``layer``.

    Args:
        model: A Hugging Face sequence classifier.
        layer: Index of the first block of the suffix, from 1 to the number of blocks minus 1.

    Raises:
        UnsupportedBaseError: unknown family, or no such block.
    """

    def __init__(self, model: nn.Module, layer: int) -> None:
        super().__init__()
        self.family = family_of(model)
        blocks = model.get_submodule(self.family.blocks)
        assert isinstance(blocks, nn.ModuleList)
        if not 1 <= layer < len(blocks):
            raise UnsupportedBaseError(
                f"layer {layer} is not between 1 and {len(blocks) - 1}, the blocks of this base model"
            )
        self.layer = layer
        self.layers = len(blocks)
        model.requires_grad_(False)
        self.model = model.eval()
        self.suffix = self._make_suffix(model)

    def train(self, mode: bool = True) -> SplitModel:
        """Stay in evaluation mode: dropout in a frozen base would only blur the detector's and adapter's input."""
        return super().train(False)

    @property
    def hidden_size(self) -> int:
        """Width of the hidden state."""
        return int(self.model.config.hidden_size)  # type: ignore[union-attr, arg-type]

    @property
    def classes(self) -> int:
        """Number of labels."""
        return int(self.model.config.num_labels)  # type: ignore[union-attr, arg-type]

    def base(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Run the base model once.

        Args:
            input_ids: ``(batch, seq)``.
            attention_mask: ``(batch, seq)``, 1 for tokens and 0 for padding.

        Returns:
            Logits ``(batch, classes)``, the input of block ``layer`` ``(batch, seq, hidden)``, and the head's input
            ``(batch, width)``.
        """
        tapped: list[Tensor] = []
        with self._hooks(self.model, lambda args, kwargs: tapped.append(_first(args, kwargs))) as heads:
            logits: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits, tapped[0], heads[0]

    def finish(self, hidden: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Run the suffix, with whatever adapters were put into it.

        Args:
            hidden: ``(rows, seq, hidden)``, what :meth:`base` tapped.
            attention_mask: ``(rows, seq)``.

        Returns:
            Logits ``(rows, classes)``, and the head's input ``(rows, width)``.
        """
        with self._hooks(self.suffix, lambda args, kwargs: _replace_first(args, kwargs, hidden)) as heads:
            logits: Tensor = self.suffix(inputs_embeds=hidden, attention_mask=attention_mask).logits
        return logits, heads[0]

    @contextlib.contextmanager
    def _hooks(self, model: nn.Module, at_cut: Callable[[Args, Kwargs], Any]) -> Iterator[list[Tensor]]:
        """Watch the head's input, and see or change the call of the block at the cut, during one forward pass."""
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
            blocks[index] = _PassThrough()  # type: ignore[operator]
        return suffix


def _first(args: Args, kwargs: Kwargs) -> Tensor:
    """The hidden state a block was called with."""
    hidden: Tensor = args[0] if args else kwargs["hidden_states"]
    return hidden


def _replace_first(args: Args, kwargs: Kwargs, hidden: Tensor) -> tuple[Args, Kwargs]:
    """The same call with another hidden state."""
    if args:
        return (hidden, *args[1:]), kwargs
    return args, {**kwargs, "hidden_states": hidden}
