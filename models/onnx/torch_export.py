"""Torch to one ONNX graph, with its parity proof."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from evenhand.models.bundle.runtime_onnx import GraphOutputs
from evenhand.models.network.backbones import Inputs
from evenhand.models.network.black_box import BlackBox, BoxSplit
from evenhand.models.network.corrector import Field, Selected
from evenhand.models.network.fairnet import FairNet, Outputs
from evenhand.models.onnx.join import in_front, join, store_float16

OPSET = 20
PARITY_TOLERANCE = 1e-4
FIELDS = tuple(name for name in Selected._fields if name not in ("gates", "inputs"))
"""Of a selected row, one array each."""


class ExportError(RuntimeError):
    """The exporter cannot put this base into an ONNX graph."""


class ParityError(RuntimeError):
    """The written graph and its model disagree, so it must not be kept."""


class _Prefix(nn.Module):
    """Base with tap, and the detectors; the head's input where the corrector reads it."""

    def __init__(self, fairnet: FairNet, names: Sequence[str]) -> None:
        super().__init__()
        self.fairnet = fairnet
        self.names = tuple(names)

    def forward(self, *arrays: Tensor) -> tuple[Tensor, ...]:
        inputs = dict(zip(self.names, arrays, strict=True))
        logits, hidden, heads = self.fairnet.split.base(inputs)
        risk = self.fairnet.risk(hidden, self.fairnet.split.mask(inputs, hidden))
        if "representation" in self.fairnet.reads:
            return logits, hidden, risk, heads
        return logits, hidden, risk


class _Reading(nn.Module):
    """The detectors of a black box: a row and its answer to risks; and the vector, where it is read."""

    def __init__(self, fairnet: FairNet, box: BlackBox, names: Sequence[str]) -> None:
        super().__init__()
        self.detectors, self.vector = fairnet.detectors, box.vector
        self.representation = "representation" in fairnet.reads
        self.names = tuple(names)

    def forward(self, *arrays: Tensor) -> tuple[Tensor, ...]:
        inputs = dict(zip(self.names, arrays, strict=True))
        vector = self.vector(inputs, inputs["base_logits"])
        hidden = vector.unsqueeze(1)
        mask = torch.ones_like(hidden[:, :, 0], dtype=torch.int64)
        risk = torch.sigmoid(self.detectors(hidden, mask))
        return (risk, vector) if self.representation else (risk,)


class _Suffix(nn.Module):
    """Both stages of the correction alone."""

    def __init__(self, fairnet: FairNet, names: Sequence[str]) -> None:
        super().__init__()
        self.fairnet = fairnet
        self.names = tuple(names)

    def forward(self, gates: Tensor, *arrays: Tensor) -> Tensor:
        named = dict(zip(self.names, arrays, strict=True))
        fields: dict[str, Any] = {name: named.pop(name, gates.new_empty(0)) for name in FIELDS}
        return self.fairnet.correct(Selected(gates, **fields, inputs=named))


def to_onnx(fairnet: FairNet, weights: str = "float32", sample: Inputs | None = None) -> onnx.ModelProto:
    """Export both pieces and join them.

    Args:
        fairnet: The trained model.
        weights: ``float32``, or ``float16`` to store weights in half the bytes.
        sample: A batch of at least two rows as the base takes it; by default a batch of tokens.

    Raises:
        ExportError: ONNX lacks an operator of the base, or its code cannot be traced.
    """
    fairnet.eval()
    if sample is None:
        sample = {"input_ids": torch.full((3, 7), 5), "attention_mask": torch.ones(3, 7, dtype=torch.int64)}
    batch, seq = torch.export.Dim("batch", min=1, max=65536), torch.export.Dim("seq", min=2, max=8192)
    ragged = "attention_mask" in sample
    rows = {0: batch, 1: seq} if ragged else {0: batch}
    reads = _names(fairnet.reads, sample)
    outputs = ["base_logits", "hidden", "risk", *(["representation"] if "representation" in reads else [])]
    # All arrays arrive as one variadic argument, so their shapes are one nested entry.
    if isinstance(fairnet.split, BoxSplit):
        prefix = _box_prefix(fairnet, fairnet.split.box, sample, rows)
    else:
        prefix = _export(_Prefix(fairnet, list(sample)), sample, (tuple([rows] * len(sample)),), outputs)
    inputs = _selected(fairnet, sample, reads)
    by_position = ("hidden", "mask", *(sample if ragged else ()))
    shapes = tuple(rows if name in by_position else {0: batch} for name in reads)
    suffix = _export(_Suffix(fairnet, reads), inputs, ({0: batch}, shapes), ["corrected"])
    own = isinstance(fairnet.split, BoxSplit)
    joined = join(prefix, suffix, len(fairnet.attributes), fairnet.split.classes, narrows=not own)
    return store_float16(joined) if weights == "float16" else joined


def _names(reads: Sequence[Field], sample: Inputs) -> list[str]:
    """Arrays that a corrector gets of a row: fields, and of those that are not there by name the inputs."""
    names: list[str] = []
    for name in reads:
        names += list(sample) if name == "inputs" else [name]
    return names if "attention_mask" in sample else [name for name in names if name != "mask"]


@torch.no_grad()
def _box_prefix(fairnet: FairNet, box: BlackBox, sample: Inputs, rows: Mapping[int, Any]) -> onnx.ModelProto:
    """The user's own graph, and behind it the detectors; ``rows`` are the free axes of a row's arrays."""
    read: Inputs = {name: sample[name] for name in box.vector.reads if name in sample}
    shapes = (tuple([*([rows] * len(read)), {0: rows[0]}]),)
    read["base_logits"] = box.logits(sample)
    reading = _Reading(fairnet, box, list(read))
    outputs = ["risk", *(["representation"] if reading.representation else [])]
    return in_front(onnx.load_model_from_string(box.graph), _export(reading, read, shapes, outputs))


@torch.no_grad()
def _selected(fairnet: FairNet, sample: Inputs, reads: Sequence[str]) -> Inputs:
    """What a corrector gets of a batch whose every gate is open, by the name of the graph's input."""
    logits, hidden, heads = fairnet.split.base(sample)
    mask = fairnet.split.mask(sample, hidden)
    risk = fairnet.risk(hidden, mask)
    fields = {"hidden": hidden, "mask": mask, "logits": logits, "risk": risk, "representation": heads}
    fields |= sample
    gates = torch.ones(len(hidden), len(fairnet.attributes), dtype=torch.bool)
    return {"rows_gates": gates, **{f"rows_{name}": fields[name].clone() for name in reads}}


@torch.no_grad()
def round_to_float16(model: nn.Module) -> None:
    """Round weights to float16 values, still stored as float32, before anything is learnt on the base."""
    for parameter in model.parameters():
        parameter.copy_(parameter.half().float())


@dataclass(frozen=True)
class Parity:
    """How well torch and ONNX agree over some rows."""

    rows: int
    max_logit_difference: float
    max_risk_difference: float
    decisions_outside_band: int
    """Decisions that differ although no logit margin and no risk is within the tolerance of its limit."""

    def check(self) -> None:
        """Refuse a graph that differs from the model.

        Raises:
            ParityError: a difference beyond the tolerance.
        """
        worst = max(self.max_logit_difference, self.max_risk_difference)
        if not worst <= PARITY_TOLERANCE or self.decisions_outside_band:
            raise ParityError(
                f"what was written and the model differ by {worst:.2e} (limit {PARITY_TOLERANCE:.0e}) and in "
                f"{self.decisions_outside_band} decisions over {self.rows} rows"
            )


def compare(torch_out: Outputs, onnx_out: GraphOutputs, thresholds: Tensor) -> Parity:
    """Compare the outputs for one batch.

    Rows whose risk is within the tolerance of a threshold may be gated differently, so they are left out.
    """
    risk = torch_out.risk.numpy()
    clear = (np.abs(risk - thresholds.numpy()) > PARITY_TOLERANCE).all(axis=1)
    differences, wrong = [0.0], 0
    for name in ("logits", "base_logits", "shadow_logits"):
        ours, theirs = getattr(torch_out, name).numpy()[clear], getattr(onnx_out, name)[clear]
        differences.append(float(np.abs(ours - theirs).max(initial=0.0)))
        top = np.sort(ours, axis=1)
        decided = top[:, -1] - top[:, -2] > PARITY_TOLERANCE
        wrong += int((ours.argmax(1) != theirs.argmax(1))[decided].sum())
    wrong += int((torch_out.flagged.numpy() != onnx_out.flagged)[clear].sum())
    return Parity(len(risk), max(differences), float(np.abs(risk - onnx_out.risk).max()), wrong)


def _export(
    module: nn.Module, inputs: Inputs, shapes: tuple[Any, ...], outputs: list[str]
) -> onnx.ModelProto:
    """Run the exporter without its log lines and warnings."""
    try:
        with _quiet():
            program = torch.onnx.export(
                module.eval(),
                tuple(inputs.values()),
                dynamo=True,
                dynamic_shapes=shapes,
                opset_version=OPSET,
                input_names=list(inputs),
                output_names=outputs,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise ExportError(_reason(error)) from error
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    return model


def _reason(error: BaseException) -> str:
    """The first line of the root cause; the exporter's own message is advice to its developers."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip().partition("\n")[0]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter reports progress and internal deprecations that no user can act on."""
    for library in ("torch.onnx", "onnxscript"):
        logging.getLogger(library).setLevel(logging.ERROR)
    with warnings.catch_warnings(), open(os.devnull, "w") as void, contextlib.redirect_stdout(void):
        warnings.simplefilter("ignore")
        yield
