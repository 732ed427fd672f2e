"""The reply of ``GET /fairness`` as OpenAPI describes it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

State = Literal["breach", "no evidence of breach", "insufficient data"]


ABSTAINED = "Decisions that were not given, as a share of these; `null` where the model never abstains."


class _ReplyPart(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RateOut(_ReplyPart):
    """A share with its count and 95 % limits; all `null` where there is no row."""

    n: int
    value: float | None
    low: float | None
    high: float | None


class SidesOut(_ReplyPart):
    """A rate of the base model's answers and of the served ones, over the same rows."""

    base: RateOut
    final: RateOut


class SpanOut(_ReplyPart):
    """A figure with its 95 % limits."""

    value: float | None
    low: float | None
    high: float | None


class JudgedOut(SpanOut):
    """A disparity over all groups that have rows, as Fairlearn computes it."""

    state: State
    among: SpanOut = Field(
        description="The same over the groups with enough rows, which the verdict is about."
    )


class MetricOut(_ReplyPart):
    """One disparity, base and served, and the verdict on the served answers."""

    metric: str = Field(
        description="Fairlearn's name; equalized odds is the larger of the two gaps. "
        "`abstention_rate_difference` is ours, where a model may abstain: the largest share of a group's "
        "decisions that abstained less the smallest."
    )
    base: JudgedOut
    final: JudgedOut
    limit: float | None
    verdict: State
    why: str
    groups: list[str] = Field(description="The two groups that it is between, or the worst one.")


class FlipsOut(_ReplyPart):
    """Answers that the correction changed."""

    to_favourable: int
    to_unfavourable: int


class ExpectedOut(_ReplyPart):
    """An estimate of what the rates will be once every label is known; `null` where `why` says so."""

    estimate: Literal[True]
    rows: int
    labels: int
    true_positive_rate: SidesOut | None
    false_positive_rate: SidesOut | None
    accuracy: SidesOut | None
    why: str


class GroupOut(_ReplyPart):
    """One group's rates; those that need labels are over the labelled rows."""

    group: str
    reference: bool
    rows: int
    labels: int
    label_coverage: float | None
    selection_rate: SidesOut
    true_positive_rate: SidesOut
    false_positive_rate: SidesOut
    accuracy: SidesOut
    flips: FlipsOut
    abstained: RateOut | None = Field(description=ABSTAINED)
    expected: ExpectedOut | None


class CorrectionOut(_ReplyPart):
    """What the correction does; a breach where errors, or a gap, have surely grown."""

    changed: int
    rows: int
    labels: int
    mended: int
    broken: int
    accuracy_change: SpanOut
    state: State
    why: str


class SourceOut(_ReplyPart):
    """Declared groups, or groups that the detector inferred (`flagged`, `unflagged`); never mixed."""

    rows: int
    unknown_rows: int
    abstained: RateOut | None = Field(description=ABSTAINED)
    groups: list[GroupOut]
    metrics: list[MetricOut]
    correction: CorrectionOut


class DifferencesOut(_ReplyPart):
    """Selection rate of the reference group minus that of the others."""

    base: SpanOut
    final: SpanOut


class SoftOut(_ReplyPart):
    """An estimate: every row is weighted by its risk. `n` of its rates is an effective count."""

    estimate: Literal[True]
    source: Literal["inferred"]
    rows: int
    reference: SidesOut
    other: SidesOut
    difference: DifferencesOut
    why: str


class LimitsOut(_ReplyPart):
    """Between what a difference can lie."""

    low: float
    high: float


class BoundsOut(_ReplyPart):
    """Between what the selection rate of the reference group minus that of the others can lie at all."""

    estimate: Literal[True]
    source: Literal["inferred"]
    rows: int
    base: LimitsOut
    final: LimitsOut
    why: str


class EvidenceOut(_ReplyPart):
    """What a sequential test says of one group; valid however often it is looked at."""

    group: str
    metric: str
    process: str
    ln: float
    limit_ln: float
    rows: int
    state: State
    sentence: str


class AttributeOut(_ReplyPart):
    """All that is known of one attribute."""

    attribute: str
    reference: str
    mode: Literal["off", "shadow", "apply"]
    threshold: float
    sources: dict[Literal["declared", "inferred"], SourceOut]
    soft: SoftOut | None
    bounds: BoundsOut | None
    evidence: list[EvidenceOut]


class WindowOut(_ReplyPart):
    """Whole hours, in UTC."""

    from_: str = Field(alias="from")
    to: str
    hours: int


class RecordOut(_ReplyPart):
    """Whether rows are being recorded; while they are spooled, counts lag behind."""

    state: Literal["on", "spooling", "off"]
    spooled: int


class AbstentionOut(_ReplyPart):
    """Decisions that the service did not give: a flagged row whose answer was less probable than a bound."""

    abstained: RateOut = Field(description="Of all decisions, whatever their groups.")
    attributes: dict[str, int] = Field(
        description="The same, by the attribute on whose account none was given."
    )
    counted: str = Field(description="How they count in the other figures.")


class FairnessReply(_ReplyPart):
    """The state of fairness of one model over one window."""

    model: str
    version: str
    window: WindowOut
    limits: dict[str, float]
    record: RecordOut
    abstention: AbstentionOut | None = Field(description="`null` where the model never abstains.")
    attributes: list[AttributeOut]
