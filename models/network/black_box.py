"""A base without layers: a classifier of any producer in ONNX Runtime, and what detectors read of a row.

Detectors get the features or the tokens themselves, as a vector that small networks learn from well, and the
probabilities of the model. The vector takes the place of a hidden state and of the last layer's input.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import onnxruntime as ort
import torch
from torch import Tensor, nn

from evenhand.models.network.backbones import Inputs, SplitModel
from evenhand.models.network.family import Family, UnsupportedBaseError
from evenhand.typing import Float64s

BINS = 8
"""Pieces of a numeric feature (piecewise linear encoding, Gorishniy et al. 2022, arXiv 2203.05556)."""
NO_LAYERS = Family("", "", (), ("table",))


@dataclass(frozen=True)
class VectorShape:
    """What a row's vector is made of."""

    edges: Float64s
    """``(numbers, BINS + 1)`` quantiles of each numeric feature, rising."""
    categories: tuple[int, ...]
    """Codes of each text feature, those of absent and unknown values among them."""
    classes: int

    @property
    def width(self) -> int:
        """Numbers of the vector."""
        return len(self.edges) * (BINS + 1) + sum(self.categories) + self.classes


class RowReader(nn.Module, ABC):
    """A row and the model's answer to the vector that detectors read."""

    reads: ClassVar[tuple[str, ...]]
    """Arrays of a row that it may take."""
    width: int
    """Numbers of the vector."""
    classes: int

    @abstractmethod
    def forward(self, inputs: Inputs, logits: Tensor) -> Tensor:
        """``(batch, width)`` float32 of a batch's arrays and of the model's answer ``(batch, classes)``."""


class RowVector(RowReader):
    """Features and probabilities to one vector.

    Args:
        shape: What it is made of.
    """

    reads = ("values", "codes")

    def __init__(self, shape: VectorShape) -> None:
        super().__init__()
        self.shape, self.width, self.classes = shape, shape.width, shape.classes
        self.low: Tensor
        self.span: Tensor
        low, high = shape.edges[:, :-1], shape.edges[:, 1:]
        # Of a piece without width the value is below or above it, and nothing between.
        self.register_buffer("low", torch.from_numpy(low.copy()))
        self.register_buffer("span", torch.from_numpy(np.maximum(high - low, 1e-12)))

    def forward(self, inputs: Inputs, logits: Tensor) -> Tensor:
        """``(batch, width)`` float32.

        Args:
            inputs: ``values (batch, numbers)`` double, NaN for no value, and ``codes (batch, texts)``, where
                there are numbers and texts.
            logits: ``(batch, classes)`` the model's own answer.
        """
        parts, values, codes = [], inputs.get("values"), inputs.get("codes")
        if values is not None:
            absent = torch.isnan(values)
            pieces = ((values.unsqueeze(2) - self.low) / self.span).clamp(0.0, 1.0)
            kept = torch.where(absent.unsqueeze(2), torch.zeros_like(pieces), pieces)
            parts += [kept.to(torch.float32).flatten(1), absent.to(torch.float32)]
        if codes is not None:
            parts += [
                (codes[:, place : place + 1] == torch.arange(size, device=codes.device)).to(torch.float32)
                for place, size in enumerate(self.shape.categories)
            ]
        return torch.cat([*parts, torch.softmax(logits, dim=1)], dim=1)


class BlackBox(nn.Module):
    """The user's model.

    Args:
        graph: A row's arrays to ``base_logits``: :func:`evenhand.models.onnx.black_box.wrap`, or
            :func:`evenhand.models.onnx.token_box.wrap_tokens`.
        vector: What detectors read of a row.
    """

    def __init__(self, graph: bytes, vector: RowReader) -> None:
        super().__init__()
        self.graph = graph
        self.vector = vector
        self.content: Tensor
        # Part of the state, so that the hash of the weights is also that of the model.
        self.register_buffer("content", torch.frombuffer(bytearray(graph), dtype=torch.uint8))
        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.enable_mem_pattern = False
        self._session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._reads = [value.name for value in self._session.get_inputs()]

    def logits(self, inputs: Mapping[str, Any]) -> Tensor:
        """The model's own answer ``(batch, classes)``."""
        feed = {
            name: inputs[name].cpu().numpy() if isinstance(inputs[name], Tensor) else inputs[name]
            for name in self._reads
        }
        return torch.from_numpy(self._session.run(["base_logits"], feed)[0])


class BoxSplit(SplitModel):
    """A black box in the place of a cut base: its one state is the row's vector.

    Args:
        model: The user's model.
    """

    per_token = False

    def __init__(self, model: BlackBox) -> None:
        nn.Module.__init__(self)
        self.family, self.layer, self.layers = NO_LAYERS, 0, 1
        self.model = self.box = model.requires_grad_(False).eval()

    @property
    def hidden_size(self) -> int:
        """Width of the vector."""
        return self.box.vector.width

    @property
    def width(self) -> int:
        """Width of the vector."""
        return self.box.vector.width

    @property
    def classes(self) -> int:
        """Number of labels."""
        return self.box.vector.classes

    def base(self, inputs: Inputs) -> tuple[Tensor, Tensor, Tensor]:
        """The model's logits, and the vector as the only state and as the representation."""
        logits = self.box.logits(inputs).to(next(self.box.vector.buffers()).device)
        vector = self.box.vector(inputs, logits)
        return logits, vector.unsqueeze(1), vector

    def mask(self, inputs: Inputs, hidden: Tensor) -> Tensor:
        """The one state means something: ``(batch, 1)``, whatever the number of tokens."""
        return torch.ones_like(hidden[:, :, 0], dtype=torch.int64)

    def finish(
        self, hidden: Tensor, attention_mask: Tensor | None, inputs: Inputs | None = None
    ) -> tuple[Tensor, Tensor]:
        """There is nothing behind the cut.

        Raises:
            UnsupportedBaseError: always.
        """
        raise UnsupportedBaseError("a model file has no layers that could finish a row a second time")


def edges_of(columns: Sequence[Float64s]) -> Float64s:
    """Rising edges ``(columns, BINS + 1)`` of each numeric feature: quantiles of its values."""
    edges = np.zeros((len(columns), BINS + 1))
    for place, column in enumerate(columns):
        seen = column[~np.isnan(column)]
        if len(seen):
            edges[place] = np.quantile(seen, np.linspace(0.0, 1.0, BINS + 1))
    return edges
