"""The manifest of a bundle, as one versioned pydantic model. No torch.

Whatever serving needs to know from training is a field of it.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from evenhand.models.bundle.intersections import UNKNOWN_GROUP as UNKNOWN_GROUP
from evenhand.models.bundle.intersections import Grouped, Intersection, not_watched, watched_intersections
from evenhand.models.bundle.target import Target
from evenhand.tables.ranges import ranges_of

SCHEMA_VERSION = 1
MAX_ATTRIBUTES = 5
MAX_GROUPS = 16

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
    """A text."""
    max_tokens: int = Field(ge=4, le=8192)
    """Longer texts are cut."""
    pad_id: int = Field(ge=0)
    """Token that fills up shorter rows of a batch."""
    truncation_side: Literal["left", "right"] = "right"
    """Where longer texts are cut."""
    type_ids: bool = False
    """Whether the base is told the kind of each token, which XLNet's last one has its own of."""


class PairInput(_Frozen):
    """How two texts become arrays."""

    kind: Literal["pair"] = "pair"
    """Two texts."""
    max_tokens: int = Field(ge=4, le=8192)
    """Longer pairs are cut."""
    pad_id: int = Field(ge=0)
    """Token that fills up shorter rows of a batch."""
    truncation_side: Literal["left", "right"] = "right"
    """Where longer pairs are cut."""
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
    """As callers, counters and the record name it."""
    groups: list[Value] = Field(min_length=2, max_length=MAX_GROUPS)
    """Its values, the reference among them."""
    reference: Value
    """The group that is never corrected; the detector's risk is the probability of not belonging to it."""
    threshold: float = Field(ge=0.0, le=1.0)
    """Risk from which on a row is flagged."""
    mode: Mode
    """How the correction is switched when the bundle is loaded."""
    why: str
    """One sentence: why this mode."""
    corrects: bool = True
    """Whether a correction comes with it; if not, flagged rows are counted and the mode stays ``off``."""
    abstain_below: float | None = Field(default=None, gt=0.0, le=1.0)
    """A flagged row whose answer is less probable gets no decision: the reply says that it abstains."""
    ranges: list[Value] = []
    """Where the attribute is a number: its ranges in ascending order, whose texts are the groups."""

    @model_validator(mode="after")
    def _nothing_to_switch_on(self) -> Attribute:
        if not self.corrects and self.mode != "off":
            raise ValueError(
                f"no correction comes with {self.name!r}, so its mode is 'off', not {self.mode!r}"
            )
        return self

    @model_validator(mode="after")
    def _reference_is_a_group(self) -> Attribute:
        if self.reference not in self.groups:
            raise ValueError(f"reference {self.reference!r} is not one of the groups of {self.name!r}")
        if len(set(self.groups)) != len(self.groups) or UNKNOWN_GROUP in self.groups:
            raise ValueError(f"groups of {self.name!r} must be distinct, and not {UNKNOWN_GROUP!r}")
        if self.ranges and not set(self.groups) <= set(ranges_of(tuple(self.ranges)).names):
            raise ValueError(f"groups of {self.name!r} must be among its ranges")
        return self


class Correction(_Frozen):
    """Where the detector reads and what answers for flagged rows."""

    method: Name = "lora"
    """What was learnt; ``lora`` is FairNet's conditional LoRA."""

    layer: int = Field(ge=0)
    """Index of the first corrected block; the detector reads this block's input."""
    layers: int = Field(ge=1)
    """Blocks that the base has."""
    pooling: Literal["attention", "mean", "first"]
    """How the detector makes one vector of a row's tokens."""
    rank: int = Field(ge=0)
    """Rank of the LoRA weights; 0 for another method."""
    alpha: int = Field(ge=0)
    """Their scale is this over the rank."""
    targets: list[str]
    """Projections that they change; none for another method."""
    soft: bool = False
    """Whether the change is multiplied by the risk; earlier versions applied it whole to flagged rows."""
    offsets: dict[str, dict[str, float]] | None = None
    """The decision stage: per attribute and label what is added to a flagged row's score, times its risk."""

    @property
    def changes_answers(self) -> bool:
        """Whether an open gate can change an answer; counting rows and abstaining do not."""
        return self.method not in ("none", "abstain")


class TestedClaim(_Frozen):
    """One claim about a setting, tested on rows that nothing else saw."""

    kind: Literal["target", "accuracy", "cells"]
    """The target gets better; overall accuracy, or no cell, falls by more than its limit."""
    said: str
    """The claim in words."""
    p: float
    """Of the exact test that the claim is false."""
    margin: float | None = None
    """By how much it holds on these rows, a share; earlier versions do not say it."""
    rows_needed: int | None = None
    """Rows with which the same margin would pass; ``None`` where no number would, or it is not known."""


class Trial(_Frozen):
    """One setting that was put to the test."""

    strength: float
    """Factor of the first stage."""
    levels: list[float | Literal["always"]]
    """Per attribute the flagged share of rows, in multiples of the share outside the reference group.

    0 flags no row, and ``always`` opens the gate for every row.
    """
    offsets: list[list[float]] = Field(default_factory=list)
    """Per attribute and label what the decision stage adds, times the risk."""
    claims: list[TestedClaim]
    """All have to pass."""
    certified: bool
    """Whether they did, at the level of this setting."""


class _EarlierTrial(BaseModel):
    strength: float
    levels: list[float | Literal["always"]]
    p_accuracy_loss: float
    p_worst_cell_gain: float
    certified: bool


class _EarlierCertificate(BaseModel):
    """The form before targets: an accuracy limit, and the gain of one worst cell."""

    epsilon: float
    alpha: float
    rows: int
    worst_cell: tuple[str, str, str] | None = None
    trials: list[_EarlierTrial]

    def in_todays_form(self) -> dict[str, Any]:
        """Its tests as claims."""
        cell = "" if self.worst_cell is None else "the cell {} = {}, {}".format(*self.worst_cell)
        lost = f"overall accuracy falls by less than {100 * self.epsilon:g} points"
        trials = [
            {
                **trial.model_dump(include={"strength", "levels", "certified"}),
                "claims": [
                    {
                        "kind": "target",
                        "said": f"{cell or 'the worst cell'} gains",
                        "p": trial.p_worst_cell_gain,
                    },
                    {"kind": "accuracy", "said": lost, "p": trial.p_accuracy_loss},
                ],
            }
            for trial in self.trials
        ]
        return {"alpha": self.alpha, "rows": self.rows, "named": cell or None, "trials": trials}


class Certificate(_Frozen):
    """What was tested on validation rows (Learn-then-Test, arXiv 2110.01052), whatever came of it."""

    alpha: float
    """Family-wise level: how often a certificate may be wrong."""
    rows: int
    """Validation rows of the test."""
    named: str | None
    """The base's worst figure, named on other rows, that has to become better."""
    trials: list[Trial]
    """Settings that were tested, in the order that other rows decided; the first aims highest."""
    refusal: list[str] = Field(default_factory=list)
    """Why nothing is certified: no effect, too costly, or too few rows and how many would do."""

    @model_validator(mode="before")
    @classmethod
    def _of_earlier_versions(cls, content: Any) -> Any:  # noqa: ANN401 - what JSON holds
        """Read the form before targets."""
        if not isinstance(content, dict) or "epsilon" not in content:
            return content
        try:
            return _EarlierCertificate.model_validate(content).in_todays_form()
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ValueError(f"{where}: {first['msg']}") from error


class Graph(_Frozen):
    """What runs: one ONNX graph, or torch's own modules for a base that ONNX cannot take."""

    engine: Engine = "onnx"
    """What runs it."""
    opset: int | None
    """Of the ONNX graph; torch has none."""
    weights: Literal["float32", "float16", "int8", "int4"]
    """How most weights are stored; float16 is computed with in float32, int8 and int4 in integers."""
    inputs: list[str]
    """Names of what goes in."""
    outputs: list[str]
    """Names of what comes out."""

    @model_validator(mode="after")
    def _opset_is_of_onnx(self) -> Graph:
        if (self.opset is None) != (self.engine == "torch"):
            raise ValueError("an ONNX graph has an opset, and nothing else has")
        return self


class Column(_Frozen):
    """A column of the table that a bundle was fitted on; never a value of it."""

    name: str
    """As the table has it."""
    role: str
    """What it was for, such as ``label``, ``attribute``, ``feature`` or ``dropped``."""
    kind: Literal["number", "category", "text", "date", "id", "empty"]
    """What its values look like; ``id`` names rows."""
    missing: float
    """Share of rows without a value."""
    why: str
    """Why it was dropped; empty otherwise."""
    note: str = ""
    """What was guessed in reading it; earlier versions do not say it."""

    @property
    def said(self) -> str:
        """Why it was dropped and what was guessed, in one cell of a table."""
        return "; ".join(filter(None, (self.why, self.note)))


class Provenance(_Frozen):
    """Where the bundle comes from."""

    evenhand: str
    """Version that made the bundle."""
    base: str
    """Name of the base model."""
    base_license: str | None
    """Its license, where known."""
    base_sha256: Sha256
    """Of its weights."""
    data_sha256: Sha256
    """Of the table that it was fitted on."""
    rows: dict[str, int]
    """How many rows each split had."""
    left_out: dict[str, int] = {}
    """How many rows of the table are in no split, by reason."""
    columns: list[Column] = []
    """Every column of the table; bundles of earlier versions do not say it."""
    notes: list[str] = []
    """What was guessed about the table as a whole, such as its splits."""
    seed: int
    """Of all that was drawn."""
    settings: dict[str, Any]
    """Every setting of the fit."""
    libraries: dict[str, str]
    """Versions that it ran with."""


class Manifest(_Frozen):
    """``manifest.json``."""

    schema_version: Literal[1]
    """Of this form; another one is refused."""
    name: Name
    """Of the model, in URLs and counters."""
    version: Name
    """Of the model; two that are served together differ."""
    created_utc: str
    """When it was made."""
    task: Literal["text", "pair", "image", "table"]
    """What a row is."""
    description: str
    """What it is, for readers."""
    intended_use: str
    """What it is made for."""
    out_of_scope: str
    """What it is not."""
    labels: list[Value] = Field(min_length=2)
    """In the order of the graph's outputs."""
    favourable: list[Value] = Field(min_length=1)
    """Those that are good for the person."""
    input: Input
    """How a row becomes arrays."""
    attributes: list[Attribute] = Field(min_length=1, max_length=MAX_ATTRIBUTES)
    """In the order of the graph's columns."""
    correction: Correction
    """Where it reads and what it changes."""
    target: Target | None = None
    """What the correction is for; bundles of earlier versions do not say it, and aimed at the worst cell."""
    graph: Graph
    """What runs."""
    certified: bool
    """Whether a statistical certificate (Learn-then-Test) covers the thresholds."""
    certificate: Certificate | None = None
    """What was tested, where something was."""
    provenance: Provenance
    """Where it comes from."""
    evaluation: dict[str, Any]
    """Figures per split, base and corrected."""
    files: dict[str, Sha256]
    """SHA-256 of every file of the bundle but this one."""

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

    @property
    def intersections(self) -> tuple[Intersection, ...]:
        """Intersections that the target names and that are counted in service."""
        return watched_intersections(self.target, self.attributes)

    @property
    def counted(self) -> list[Grouped]:
        """What rows are counted by in service: every attribute, then the intersections."""
        return [*self.attributes, *self.intersections]

    @property
    def not_counted(self) -> dict[str, str]:
        """Why something that the target names is not counted in service, by its name."""
        return not_watched(self.target, self.attributes)


def check_path(path: str) -> None:
    """Refuse a file name that could leave the bundle's folder.

    Raises:
        ValueError: the path is absolute, climbs, or is not plain POSIX.
    """
    pure = PurePosixPath(path)
    plain = re.fullmatch(r"[A-Za-z0-9._+/ -]+", path) is not None
    if not plain or pure.is_absolute() or ".." in pure.parts or str(pure) != path or path == "manifest.json":
        raise ValueError(f"file name {path!r} is not a plain path inside the bundle")
