"""The manifest: what a bundle says about itself, as one versioned pydantic model.

Everything that training knows and serving needs passes through here. No torch.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

SCHEMA_VERSION = 1
MAX_ATTRIBUTES = 5
MAX_GROUPS = 16
UNKNOWN_GROUP = "unknown"

Mode = Literal["off", "shadow", "apply"]
Engine = Literal["onnx", "torch"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# These become metric names, file names and JSON keys: keep them plain.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._+-]{0,63}$")]
# Labels and groups are a table's own values, such as "<=50K": anything printable on one line.
Value = Annotated[str, Field(pattern=r"^[^\s\p{C}|](?:[^\p{C}|]{0,62}[^\s\p{C}|])?$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TextInput(_Frozen):
    """How one text becomes arrays."""

    kind: Literal["text"] = "text"
    max_tokens: int = Field(ge=4, le=8192)
    pad_id: int = Field(ge=0)


class PairInput(_Frozen):
    """How two texts become arrays."""

    kind: Literal["pair"] = "pair"
    max_tokens: int = Field(ge=4, le=8192)
    pad_id: int = Field(ge=0)
    type_ids: bool
    """Whether the base is told which text a token is from."""


class ImageInput(_Frozen):
    """An image; ``preprocess/image.json`` says how it becomes pixels."""

    kind: Literal["image"] = "image"


class TableInput(_Frozen):
    """Named features; ``preprocess/features.json`` says what they are."""

    kind: Literal["table"] = "table"


Input = Annotated[TextInput | PairInput | ImageInput | TableInput, Field(discriminator="kind")]
PREPROCESS = {
    "text": "preprocess/tokenizer.json",
    "pair": "preprocess/tokenizer.json",
    "image": "preprocess/image.json",
    "table": "preprocess/features.json",
}
"""The preprocessing file of each kind of input."""


class Attribute(_Frozen):
    """One sensitive attribute: its groups, and how its correction is switched."""

    name: Name
    groups: list[Value] = Field(min_length=2, max_length=MAX_GROUPS)
    reference: Value
    """The group that is never corrected; the detector's risk is the probability of not belonging to it."""
    threshold: float = Field(ge=0.0, le=1.0)
    mode: Mode
    why: str
    """One sentence: why this mode."""

    @model_validator(mode="after")
    def _reference_is_a_group(self) -> Attribute:
        if self.reference not in self.groups:
            raise ValueError(f"reference {self.reference!r} is not one of the groups of {self.name!r}")
        if len(set(self.groups)) != len(self.groups) or UNKNOWN_GROUP in self.groups:
            raise ValueError(f"groups of {self.name!r} must be distinct, and not {UNKNOWN_GROUP!r}")
        return self


class Correction(_Frozen):
    """Where the detector reads and what the adapter changes."""

    layer: int = Field(ge=0)
    """Index of the first corrected block; the detector reads this block's input."""
    layers: int = Field(ge=1)
    pooling: Literal["attention", "mean", "first"]
    rank: int = Field(ge=1)
    alpha: int = Field(ge=1)
    targets: list[str] = Field(min_length=1)


class Trial(_Frozen):
    """One setting of strength and thresholds that was put to the test."""

    strength: float
    levels: list[float]
    """Per attribute the flagged share of rows, in multiples of the share outside the reference group; 0 is never."""
    p_accuracy_loss: float
    p_worst_cell_gain: float
    certified: bool


class Certificate(_Frozen):
    """What was tested on validation rows (Learn-then-Test, arXiv 2110.01052), whatever came of it."""

    epsilon: float
    """Loss of overall accuracy that is tolerated, as a share."""
    alpha: float
    """Family-wise level: how often a certificate may be wrong."""
    rows: int
    worst_cell: tuple[str, str, str] | None
    """Attribute, group and label of the cell whose gain was tested; named on other rows."""
    settings_in_order: int
    trials: list[Trial]


class Graph(_Frozen):
    """What runs, and its contract: one ONNX graph, or torch's own modules for a base that ONNX cannot take."""

    engine: Engine = "onnx"
    opset: int | None
    """Of the ONNX graph; torch has none."""
    weights: Literal["float32", "float16", "int8", "int4"]
    """How most weights are stored; float16 is computed with in float32, int8 and int4 in integers."""
    inputs: list[str]
    outputs: list[str]

    @model_validator(mode="after")
    def _opset_is_of_onnx(self) -> Graph:
        if (self.opset is None) != (self.engine == "torch"):
            raise ValueError("an ONNX graph has an opset, and nothing else has")
        return self


class Provenance(_Frozen):
    """Where the bundle comes from."""

    evenhand: str
    base: str
    base_license: str | None
    base_sha256: Sha256
    data_sha256: Sha256
    rows: dict[str, int]
    seed: int
    settings: dict[str, Any]
    libraries: dict[str, str]


class Manifest(_Frozen):
    """``manifest.json``."""

    schema_version: Literal[1]
    name: Name
    version: Name
    created_utc: str
    task: Literal["text", "pair", "image", "table"]
    description: str
    intended_use: str
    out_of_scope: str
    labels: list[Value] = Field(min_length=2)
    favourable: list[Value] = Field(min_length=1)
    input: Input
    attributes: list[Attribute] = Field(min_length=1, max_length=MAX_ATTRIBUTES)
    correction: Correction
    graph: Graph
    certified: bool
    """Whether thresholds carry a statistical certificate (Learn-then-Test), not just a good validation figure."""
    certificate: Certificate | None = None
    provenance: Provenance
    evaluation: dict[str, Any]
    files: dict[str, Sha256]

    @field_validator("files")
    @classmethod
    def _paths_stay_inside(cls, files: dict[str, str]) -> dict[str, str]:
        for path in files:
            check_path(path)
        return files

    @model_validator(mode="after")
    def _labels_hold(self) -> Manifest:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels must be distinct")
        favourable = set(self.favourable)
        if not favourable < set(self.labels):
            raise ValueError("favourable labels must be some, not all, of the labels")
        if self.task != self.input.kind:
            raise ValueError(f"the task is {self.task!r}, the input {self.input.kind!r}")
        names = [attribute.name for attribute in self.attributes]
        if len(set(names)) != len(names):
            raise ValueError("attribute names must be distinct")
        return self

    @property
    def attribute_names(self) -> list[str]:
        """Attribute names in the order of the graph's columns."""
        return [attribute.name for attribute in self.attributes]


def check_path(path: str) -> None:
    """Refuse a file name that could leave the bundle's folder.

    Raises:
        ValueError: the path is absolute, climbs, or is not plain POSIX.
    """
    pure = PurePosixPath(path)
    plain = re.fullmatch(r"[A-Za-z0-9._+/ -]+", path) is not None
    if not plain or pure.is_absolute() or ".." in pure.parts or str(pure) != path or path == "manifest.json":
        raise ValueError(f"file name {path!r} is not a plain path inside the bundle")
