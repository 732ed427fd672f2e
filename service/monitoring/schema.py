"""The reply of ``GET /fairness`` as OpenAPI describes it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from evenhand.models.bundle.aims import LimitFrom
from evenhand.models.bundle.target import Measure

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


class FigureOut(SpanOut):
    """A disparity over all groups that have rows, as Fairlearn computes it."""

    state: State | None = Field(description="`null` where the metric is information.")
    among: SpanOut = Field(
        description="The same over the groups with enough rows, which the verdict is about."
    )


class MetricOut(_ReplyPart):
    """One disparity, base and served; the target has a limit and a verdict on the served answers."""

    metric: str = Field(
        description="Fairlearn's name; equalized odds is the larger of the two gaps, and predictive equality "
        "the gap in false positive rates. `worst_cell_accuracy` is the lowest accuracy over label x group. "
        "`abstention_rate_difference` is ours, where a model may abstain: the largest share of a group's "
        "decisions that abstained less the smallest."
    )
    role: Literal["target", "information"] = Field(
        description="Information has no limit, no verdict and no alert."
    )
    base: FigureOut
    final: FigureOut
    limit: float | None
    verdict: State | None
    why: str
    groups: list[str] = Field(description="The two groups that it is between, or the worst one.")


class TargetOut(_ReplyPart):
    """What the correction is for, over the declared groups or cells with enough rows."""

    measure: Measure
    figure: str = Field(description="Name of its figure among the metrics.")
    words: str
    limit: float | None = Field(description="The largest gap, or the least accuracy, that is no breach.")
    limit_from: LimitFrom | None = Field(
        description="`bundle`: the target states it. `operator`: EVENHAND_GAP_LIMIT, as the bundle states "
        "none. `validation`: the worst cell's accuracy there, less EVENHAND_GAP_LIMIT."
    )
    base: SpanOut
    final: SpanOut
    change: SpanOut = Field(description="Final less base, on the same rows.")
    verdict: State
    why: str
    groups: list[str] = Field(description="The two groups that it is between, or that of the worst cell.")
    behind: list[str] = Field(
        description="Groups whose rate is surely below the highest one's by more than the limit; or those "
        "with a cell that is surely below it."
    )


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


class LosingOut(SpanOut):
    """A cell whose accuracy fell: the change with its paired interval."""

    group: str
    label: str = Field(description="The true label; `favourable` or `unfavourable` where one is several.")
    n: int
    surely: bool = Field(description="Whether the interval lies below 0.")


class EffectOut(_ReplyPart):
    """What the correction does; a breach where it surely costs more than the target allows."""

    changed: int
    rows: int
    labels: int
    mended: int
    broken: int
    accuracy_change: SpanOut
    state: State
    why: str


class OverallOut(EffectOut):
    """The same over all rows, whatever their groups."""

    over: str = Field(description="Which rows these are.")


class CorrectionOut(EffectOut):
    """The same over these groups; a target that surely got worse is a breach too."""

    losing: list[LosingOut] = Field(
        description="Cells whose accuracy fell, the largest loss first: from 30 rows on, or from fewer if "
        "they do for a verdict."
    )


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


class RateBoundsOut(_ReplyPart):
    """Between what a rate of the reference group minus that of all others can lie; `null`: not bounded."""

    rate: str
    rows: int
    base: LimitsOut | None
    final: LimitsOut | None


class TargetBoundsOut(_ReplyPart):
    """Between what the target's figure, of the reference group and all others, can lie."""

    measure: Measure
    base: LimitsOut | None
    final: LimitsOut | None


class BoundsOut(_ReplyPart):
    """Between what the selection rate of the reference group minus that of the others can lie at all."""

    estimate: Literal[True]
    source: Literal["inferred"]
    rests_on: Literal["detector", "risk"] = Field(
        description="`detector`: its true and false positive rate in validation, over rows without a "
        "declared group. `risk`: that the risk is calibrated, over all rows, where those rates are not known."
    )
    rows: int
    base: LimitsOut | None
    final: LimitsOut | None
    rates: list[RateBoundsOut]
    target: TargetBoundsOut | None
    why: str


class EvidenceOut(_ReplyPart):
    """What a sequential test says of one group; valid however often it is looked at."""

    group: str
    metric: str
    process: str
    role: Literal["target", "information"]
    ln: float
    limit_ln: float
    rows: int
    state: State | None = Field(description="`null` where the rate is information.")
    sentence: str


class IntersectionOut(_ReplyPart):
    """Two attributes that the target names together."""

    of: list[str]
    left_out: int = Field(description="Decisions of the window that are not counted by both.")
    why: str


class AttributeOut(_ReplyPart):
    """All that is known of one attribute, or of an intersection that the target names."""

    attribute: str = Field(description="`first:second` for an intersection.")
    intersection: IntersectionOut | None = Field(description="`null` for an attribute.")
    reference: str
    mode: Literal["off", "shadow", "apply"] | None = Field(
        description="`null` for an intersection: the correction is switched by attribute."
    )
    threshold: float | None = Field(description="`null` for an intersection, which has no detector.")
    target: TargetOut | None = Field(description="`null` where nothing is aimed at for this attribute.")
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


class NotWatchedOut(_ReplyPart):
    """A part of the target that the service cannot count by."""

    attribute: str
    measure: Measure
    why: str


class TargetsOut(_ReplyPart):
    """What the correction is for, and what it may cost."""

    stated: bool = Field(description="Whether the bundle states it; earlier ones aimed at the worst cell.")
    words: str
    max_loss: float = Field(description="Share of right answers that it may cost over all rows.")
    max_cell_loss: float | None = Field(description="The same in any cell; `null`: no limit.")
    cells: str = Field(description="What a cell is here.")
    not_watched: list[NotWatchedOut]


class FairnessReply(_ReplyPart):
    """The state of fairness of one model over one window."""

    model: str
    version: str
    window: WindowOut
    limits: dict[str, float]
    target: TargetsOut
    record: RecordOut
    abstention: AbstentionOut | None = Field(description="`null` where the model never abstains.")
    correction: OverallOut
    attributes: list[AttributeOut]
