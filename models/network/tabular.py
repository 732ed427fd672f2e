"""A small transformer over the columns of a table, after FT-Transformer (Gorishniy et al. 2021).

Each feature is one token. It is shaped like the text families (blocks, query and value projections, a head),
so that the same detectors, adapters, cut and export work for tables. There is no pretrained one: it is made
for a table's columns and learnt from its rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

BLOCKS, WIDTH, HEADS = 4, 64, 4


@dataclass
class TabularConfig:
    """The shape of one table's classifier; named like Hugging Face's configurations, which the cut reads."""

    numeric: int
    """Numeric columns."""
    categories: tuple[int, ...]
    """Codes of each categorical column, those for absent and unknown values among them."""
    num_labels: int
    hidden_size: int = WIDTH
    num_hidden_layers: int = BLOCKS
    model_type: str = "tabular"


@dataclass
class TabularOutput:
    """Named like Hugging Face's outputs."""

    logits: Tensor
    """``(batch, classes)``."""


class TabularEmbeddings(nn.Module):
    """Columns to tokens, a summary token in front."""

    def __init__(self, config: TabularConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.summary = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.scale = nn.Parameter(torch.randn(config.numeric, width) * width**-0.5)
        self.shift = nn.Parameter(torch.randn(config.numeric, width) * 0.02)
        self.absent = nn.Parameter(torch.randn(config.numeric, width) * 0.02)
        sizes = torch.tensor([0, *config.categories])
        self.offsets: Tensor
        self.register_buffer("offsets", sizes.cumsum(0)[:-1])
        self.codes = nn.Embedding(max(int(sizes.sum()), 1), width)

    def forward(self, numeric: Tensor | None, absent: Tensor | None, codes: Tensor | None) -> Tensor:
        """Embed rows.

        Args:
            numeric: ``(batch, numeric columns)``, standardised, 0 where absent; ``None`` if the table has
                none.
            absent: ``(batch, numeric columns)``, 1 where there is no value.
            codes: ``(batch, categorical columns)``; ``None`` if the table has none.

        Returns:
            ``(batch, 1 + columns, width)``.
        """
        tokens = []
        if numeric is not None and absent is not None:
            seen = numeric.unsqueeze(2) * self.scale + self.shift
            tokens.append(seen + absent.to(seen.dtype).unsqueeze(2) * (self.absent - self.shift))
        if codes is not None:
            tokens.append(self.codes(codes + self.offsets))
        rows = tokens[0].shape[0]
        return torch.cat([self.summary.expand(rows, -1, -1), *tokens], dim=1)


class TabularBlock(nn.Module):
    """Attention over columns and a feed-forward layer, each after normalisation."""

    def __init__(self, config: TabularConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.norm_attention, self.norm_forward = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(0.1)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """One block; ``(batch, columns, width)`` to the same."""
        x = self.norm_attention(hidden_states)
        query, key, value = (self._heads(part(x)) for part in (self.query, self.key, self.value))
        weights = torch.softmax(query @ key.transpose(2, 3) * query.shape[-1] ** -0.5, dim=-1)
        mixed = (weights @ value).transpose(1, 2).flatten(2)
        hidden_states = hidden_states + self.dropout(self.out(mixed))
        x = self.down(torch.relu(self.up(self.norm_forward(hidden_states))))
        out: Tensor = hidden_states + self.dropout(x)
        return out

    def _heads(self, x: Tensor) -> Tensor:
        """``(batch, columns, width)`` to ``(batch, heads, columns, width / heads)``."""
        return x.reshape(-1, x.shape[1], HEADS, x.shape[2] // HEADS).transpose(1, 2)


class TabularClassifier(nn.Module):
    """Embeddings, blocks, and a head on the summary token."""

    def __init__(self, config: TabularConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = TabularEmbeddings(config)
        self.blocks = nn.ModuleList(TabularBlock(config) for _ in range(config.num_hidden_layers))
        self.norm = nn.LayerNorm(config.hidden_size)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)

    def forward(
        self,
        numeric: Tensor | None = None,
        absent: Tensor | None = None,
        codes: Tensor | None = None,
    ) -> TabularOutput:
        """Classify rows; see :meth:`TabularEmbeddings.forward`."""
        hidden = self.embeddings(numeric, absent, codes)
        for block in self.blocks:
            hidden = block(hidden)
        return TabularOutput(self.classifier(self.norm(hidden[:, 0])))
