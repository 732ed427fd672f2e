"""Text classifiers of other libraries, as a user would have them on disk."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tiny_model import tiny_base, write_tiny_base
from torch import nn


class _Logits(nn.Module):
    """A Hugging Face classifier that returns its scores alone."""

    def __init__(self, model: nn.Module, names: tuple[str, ...], probabilities: bool) -> None:
        super().__init__()
        self.model, self.names, self.probabilities = model, names, probabilities

    def forward(self, *arrays: torch.Tensor) -> torch.Tensor:
        logits = self.model(**dict(zip(self.names, arrays, strict=True))).logits
        return torch.softmax(logits, dim=1) if self.probabilities else logits


def taught(table: pd.DataFrame, kind: str = "bert", steps: int = 60) -> nn.Module:
    """A tiny transformer that has learnt a table's training rows a little."""
    from tokenizers import Tokenizer

    folder = Path(str(table.attrs["folder"]))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_padding(pad_id=0)
    train = table[table["split"] == "train"]
    labels = torch.from_numpy((train["label"] == "positive").to_numpy().astype("int64"))
    encoded = tokenizer.encode_batch(train["text"].tolist())
    ids = torch.tensor([of.ids for of in encoded])
    mask = torch.tensor([of.attention_mask for of in encoded])
    model = tiny_base(kind).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        rows = torch.randint(len(ids), (64,), generator=generator)
        answer = model(input_ids=ids[rows], attention_mask=mask[rows]).logits
        optimiser.zero_grad()
        nn.functional.cross_entropy(answer, labels[rows]).backward()
        optimiser.step()
    return model.eval()


def write_onnx(
    folder: Path,
    model: nn.Module,
    names: tuple[str, ...] = ("input_ids", "attention_mask"),
    probabilities: bool = False,
    opset: int | None = None,
    **options: Any,
) -> Path:
    """``model.onnx``, ``tokenizer.json`` and ``config.json``, as optimum writes them.

    With an opset torch's older exporter writes it, which optimum uses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_tiny_base(folder)
    (folder / "model.safetensors").unlink()
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {"0": "negative", "1": "positive"}
    (folder / "config.json").write_text(json.dumps(config))
    ids = torch.randint(4, 18, (3, 7))
    arrays = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "token_type_ids": torch.zeros_like(ids),
    }
    batch, seq = torch.export.Dim("batch", min=1), torch.export.Dim("seq", min=2, max=64)
    wrapped = _Logits(model, names, probabilities).eval()
    if opset is not None:
        axes = {name: {0: "batch", 1: "seq"} for name in names}
        options |= {"dynamo": False, "opset_version": opset, "dynamic_axes": axes}
    else:
        options |= {"dynamo": True, "dynamic_shapes": ((({0: batch, 1: seq},) * len(names)),)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            wrapped,
            tuple(arrays[name] for name in names),
            str(folder / "model.onnx"),
            input_names=list(names),
            output_names=["logits"],
            verbose=False,
            **options,
        )
    return folder


def text_table(folder: Path, rows: int = 1500, seed: int = 0) -> pd.DataFrame:
    """The table of ``tiny_model``, and beside it the tokenizer that its base reads."""
    from tiny_model import tiny_table

    folder.mkdir(parents=True, exist_ok=True)
    write_tiny_base(folder)
    table = tiny_table(rows, seed)
    table.attrs["folder"] = str(folder)
    table.to_csv(folder / "rows.csv", index=False)
    return table
