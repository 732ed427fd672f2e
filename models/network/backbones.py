"""Cut a base in two: hidden states for the detectors, and a second pass for the rows that they flag.

The cut needs no rewritten forward pass. The base runs once with a hook on the input of block ``layer``. What
finishes a row is the same model again, sharing every weight: the tapped state takes the place of that input.
Of a family whose cut is known (:data:`evenhand.models.network.family.FAMILIES`) earlier blocks pass their
input through. Any other model runs whole, on the row's own inputs, so that whatever else passes between
its blocks is there; in an ONNX graph the earlier blocks then feed nothing and are dropped.
"""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from evenhand.models.network.family import FAMILIES, Family, UnsupportedBaseError
from evenhand.models.network.structure import adapted, read_structure
from evenhand.typing import Array

Args = tuple[Any, ...]
Kwargs = dict[str, Any]
Inputs = dict[str, Tensor]
"""Texts of a table stay numpy arrays, for torch has none; only a black box reads them."""
AtCut = Callable[[Args, Kwargs], Any]
PROBE_SIDE = 224
"""Height and width of a plain image for a base whose configuration names no size."""


def as_inputs(arrays: Mapping[str, Array], device: torch.device | str = "cpu") -> Inputs:
    """A batch's arrays by name as a base takes them."""
    made: dict[str, Any] = {
        name: array if array.dtype == object else torch.from_numpy(array).to(device)
        for name, array in arrays.items()
    }
    return made


def family_of(model: nn.Module, kind: str | None = None) -> Family:
    """Find the family of a classifier.

    Args:
        model: A Hugging Face classifier, or our own for tables.
        kind: Kind of input that it must read; any if ``None``.

    Raises:
        UnsupportedBaseError: its architecture cannot be read, or it reads something else.
    """
    model_type = str(getattr(getattr(model, "config", None), "model_type", "?"))
    exact = FAMILIES.get(model_type)
    if exact is None:
        return read_structure(model, kind)
    if kind is not None and kind not in exact.kinds:
        raise UnsupportedBaseError(
            f"base model type {model_type!r} is not supported for {kind}: it reads {exact.kinds[0]}"
        )
    return exact


def block_count(model: nn.Module, layer: int = 1) -> int:
    """Number of blocks of a classifier that can be cut before block ``layer``.

    Raises:
        UnsupportedBaseError: unknown family, or no such block.
    """
    family = family_of(model)
    config: Any = model.config
    count = int(config.num_hidden_layers) if family.repeats else len(block_paths(model, family))
    if not 1 <= layer < count:
        raise UnsupportedBaseError(
            f"layer {layer} is not between 1 and {count - 1}, the blocks of this base model"
        )
    return count


def block_paths(model: nn.Module, family: Family) -> tuple[str, ...]:
    """Paths of a classifier's blocks, in the order in which they are called."""
    if family.paths:
        return family.paths
    return tuple(f"{family.blocks}.{name}" for name, _ in model.get_submodule(family.blocks).named_children())


def set_up(model: nn.Module) -> nn.Module:
    """Make a classifier answer padded batches as it answers a row alone; every new instance needs it.

    A cache of keys and values, which is for generation, is switched off.
    """
    config: Any = model.config
    family = family_of(model)
    if getattr(config, "use_cache", False):
        config.use_cache = False
    if family.left:
        model.register_forward_pre_hook(_pad_left, with_kwargs=True)
    return model


def pooled(model: nn.Module, state: Tensor, ids: Tensor | None) -> Tensor:
    """The head's input ``(batch, width)``; a decoder's head reads every token, and the last one counts.

    Args:
        model: The classifier.
        state: What its head read: ``(batch, width)``, or ``(batch, tokens, width)``.
        ids: ``(batch, tokens)``, for a decoder.
    """
    if state.dim() == 2:
        return state
    assert ids is not None
    config: Any = model.config
    places = torch.arange(ids.shape[1], device=ids.device, dtype=torch.int32)
    last = ((ids != config.get_text_config().pad_token_id).to(torch.int32) * places).argmax(-1)
    return state[torch.arange(ids.shape[0], device=ids.device), last]


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
        model: A classifier.
        layer: Index of the first block of the suffix, from 1 to the number of blocks minus 1.

    Raises:
        UnsupportedBaseError: its architecture cannot be read, or it has no such block.
    """

    per_token: ClassVar[bool] = True
    """Whether a text has a state per token."""

    def __init__(self, model: nn.Module, layer: int) -> None:
        super().__init__()
        self.family = family_of(model)
        self.layer = layer
        self.layers = block_count(model, layer)
        model.requires_grad_(False)
        self.model = model.eval()
        self.suffix = self._make_suffix(model)
        self._plain_image = self._image_state() if self._reads_whole_images() else None

    def train(self, mode: bool = True) -> SplitModel:
        """Stay in evaluation mode: dropout in a frozen base would only add noise to its hidden states."""
        return super().train(False)

    @property
    def hidden_size(self) -> int:
        """Width of the hidden state at the cut."""
        config: Any = self.model.config
        if self._plain_image is not None:
            return int(self._plain_image.shape[1 if self._plain_image.dim() == 4 else 2])
        if self.family.maps:
            return int(config.hidden_sizes[self.layer - 1])
        text = config.get_text_config() if hasattr(config, "get_text_config") else config
        return int(text.hidden_size)

    @property
    def width(self) -> int:
        """Width of the head's input."""
        return int(self.model.get_submodule(self.family.head).in_features)  # type: ignore[arg-type]

    @property
    def classes(self) -> int:
        """Number of labels."""
        return int(self.model.config.num_labels)  # type: ignore[union-attr, arg-type]

    @property
    def reads(self) -> tuple[Literal["hidden", "mask", "inputs"], ...]:
        """What of a row :meth:`finish` needs."""
        return ("hidden", "inputs") if self.family.whole else ("hidden", "mask")

    @property
    def targets(self) -> list[str]:
        """Names of the projections that adapters change: full names where the family was read off modules."""
        return (
            adapted(self.suffix, self.family, self.layer) if self.family.paths else list(self.family.targets)
        )

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
        representation = pooled(self.model, heads[0], inputs.get("input_ids"))
        return logits, self._positions(tapped[0], inputs), representation

    def mask(self, inputs: Inputs, hidden: Tensor) -> Tensor:
        """Which positions of ``hidden (batch, positions, width)`` mean something, ``(batch, positions)``."""
        if "attention_mask" in inputs:
            return inputs["attention_mask"]
        return torch.ones_like(hidden[:, :, 0], dtype=torch.int64)

    def finish(
        self, hidden: Tensor, attention_mask: Tensor | None, inputs: Inputs | None = None
    ) -> tuple[Tensor, Tensor]:
        """Run the suffix, with whatever adapters were put into it.

        Args:
            hidden: ``(rows, positions, hidden)``, what :meth:`base` tapped.
            attention_mask: ``(rows, positions)``; only text has one that matters.
            inputs: The rows as the base takes them; only a model that runs whole reads them.

        Returns:
            Logits ``(rows, classes)``, and the head's input ``(rows, width)``.
        """
        if self.family.whole:
            assert inputs is not None
            inside, inputs_of_suffix = self._layout(hidden, inputs), dict[str, Any](inputs)
        else:
            inside = _fold(hidden) if self.family.maps else hidden
            inputs_of_suffix = {self.family.enters: inside}
            if "text" in self.family.kinds:
                inputs_of_suffix["attention_mask"] = attention_mask
        with self._hooks(self.suffix, lambda args, kwargs: _replace_first(args, kwargs, inside)) as heads:
            logits: Tensor = self.suffix(**inputs_of_suffix).logits
        return logits, pooled(self.model, heads[0], (inputs or {}).get("input_ids"))

    def _positions(self, hidden: Tensor, inputs: Inputs) -> Tensor:
        """A block's input as ``(batch, positions, width)``, padding last."""
        if hidden.dim() == 4:
            return hidden.flatten(2).transpose(1, 2)
        rows_first = hidden.transpose(0, 1) if self.family.axis == 1 else hidden
        return _to_right(rows_first, inputs["attention_mask"]) if self.family.left else rows_first

    def _layout(self, hidden: Tensor, inputs: Inputs) -> Tensor:
        """``(rows, positions, width)`` as the block takes it: the inverse of :meth:`_positions`."""
        if self._plain_image is not None:
            return _fold(hidden) if self._plain_image.dim() == 4 else hidden
        padded = _to_left(hidden, inputs["attention_mask"]) if self.family.left else hidden
        return padded.transpose(0, 1) if self.family.axis == 1 else padded

    def _reads_whole_images(self) -> bool:
        return self.family.whole and "image" in self.family.kinds

    @torch.no_grad()
    def _image_state(self) -> Tensor:
        """The input of the block at the cut for a plain image: its widths are in no configuration."""
        side = getattr(self.model.config, "image_size", None) or PROBE_SIDE
        height, width = (side, side) if isinstance(side, int) else side
        place = next(self.model.parameters()).device
        tapped: list[Tensor] = []
        with self._hooks(self.model, lambda args, kwargs: tapped.append(_first(args, kwargs))):
            self.model(pixel_values=torch.zeros(1, 3, height, width, device=place))
        return tapped[0]

    @contextlib.contextmanager
    def _hooks(self, model: nn.Module, at_cut: AtCut) -> Iterator[list[Tensor]]:
        """During one forward pass, record the head's input and hook the call of the block at the cut."""
        heads: list[Tensor] = []
        handles = [
            model.get_submodule(self.family.head).register_forward_pre_hook(
                lambda _, args: heads.append(args[0])
            )
        ]
        if self.family.repeats:
            hook = _nth_call(self.layer, at_cut)
            blocks = block_paths(model, self.family)
        else:
            hook = lambda _, args, kwargs: at_cut(args, kwargs)  # noqa: E731
            blocks = (block_paths(model, self.family)[self.layer],)
        for path in blocks:
            handles.append(model.get_submodule(path).register_forward_pre_hook(hook, with_kwargs=True))
        try:
            yield heads
        finally:
            for handle in handles:
                handle.remove()

    def _make_suffix(self, model: nn.Module) -> nn.Module:
        """Copy the module structure but share every weight, so adapters never reach the base."""
        shared = {id(t): t for t in (*model.parameters(), *model.buffers())}
        suffix = copy.deepcopy(model, memo=dict(shared))
        if self.family.whole:
            return suffix
        blocks = suffix.get_submodule(self.family.blocks)
        for index in range(self.layer):
            blocks[index] = _PassThrough(self.family.pairs)  # type: ignore[operator]
        if self.family.embeddings is not None:
            suffix.set_submodule(
                self.family.embeddings, _Entrance(suffix.get_submodule(self.family.embeddings))
            )
        return suffix


def _nth_call(layer: int, at_cut: AtCut) -> Callable[[nn.Module, Args, Kwargs], Any]:
    """A hook for modules that are called in turn: it acts at call ``layer`` of one forward pass."""
    calls = iter(range(10**6))
    return lambda _, args, kwargs: at_cut(args, kwargs) if next(calls) == layer else None


def _pad_left(_: nn.Module, args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs]:
    """A hook on a model that reads the last position: rows padded at their end become padded before it."""
    mask = kwargs["attention_mask"]
    return args, {
        name: _to_left(value, mask) if isinstance(value, Tensor) and value.dim() == 2 else value
        for name, value in kwargs.items()
    }


def _to_left(rows: Tensor, mask: Tensor) -> Tensor:
    """``(rows, positions, ...)`` padded at the end as ``mask (rows, positions)`` says, then before."""
    return _rolled(rows, mask.sum(dim=1, keepdim=True))


def _to_right(rows: Tensor, mask: Tensor) -> Tensor:
    """The inverse of :func:`_to_left`; ``mask`` is still that of rows padded at the end."""
    return _rolled(rows, -mask.sum(dim=1, keepdim=True))


def _rolled(rows: Tensor, steps: Tensor) -> Tensor:
    """Position ``j`` of a row gets what stood at ``j + steps``, around the end."""
    positions = rows.shape[1]
    source = (torch.arange(positions, device=rows.device)[None] + steps) % positions
    if rows.dim() == 3:
        return rows.gather(1, source.unsqueeze(2).expand(-1, -1, rows.shape[2]))
    return rows.gather(1, source)


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
