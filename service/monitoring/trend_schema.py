"""The reply of ``GET /fairness/trend`` as OpenAPI describes it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from evenhand.models.bundle.target import Measure
from evenhand.service.monitoring.schema import RecordOut, WindowOut
from evenhand.service.monitoring.trend import LEAST_ROWS


class _TrendPart(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TrendFigureOut(_TrendPart):
    """The target's figure with its 95 % limits; `null` where too few rows support it."""

    value: float | None
    low: float | None
    high: float | None
    groups: list[str] = Field(description="The two groups of a gap, or the worst cell.")


class TrendEntryOut(_TrendPart):
    """The figure over a part of the window."""

    from_: str = Field(alias="from")
    to: str
    rows: int = Field(description="Rows of listed groups; with a true label if the measure needs one.")
    n: int = Field(description="Those of them that the figure rests on.")
    base: TrendFigureOut
    final: TrendFigureOut


class StretchOut(TrendEntryOut):
    """The same between two switches of the correction."""

    after: str | None = Field(description="The switch that it follows; `null` if none in the window.")


class TrendAttributeOut(_TrendPart):
    """The trend of one attribute that the correction aims at."""

    attribute: str
    measure: Measure
    figure: str
    limit: float | None
    why: str | None = Field(description="Why there is no figure.")
    whole: TrendEntryOut | None
    buckets: list[TrendEntryOut] = Field(description="Those with rows, in the order of time.")
    stretches: list[StretchOut]


class MarkOut(_TrendPart):
    """An operation in the window."""

    at: str
    kind: Literal["mode", "promote", "reload", "shadow", "override"]
    words: str
    attributes: list[str] | None = Field(description="`null` where it is about all.")
    is_switch: bool = Field(description="Whether answers may differ from here on.")


class TrendReply(_TrendPart):
    """The figure that the correction aims at, over time, before and after correction."""

    model: str
    version: str
    window: WindowOut
    record: RecordOut
    source: Literal["decisions", "hourly counts"] = Field(
        description="What buckets are made from: decisions in windows of up to 6 hours."
    )
    bucket_s: int
    least_rows: int = Field(
        description=f"A group or cell with fewer rows in a bucket, {LEAST_ROWS}, is not in its figure."
    )
    cut: str | None = Field(description="What was left out because it is too much to read at once.")
    attributes: list[TrendAttributeOut]
    marks: list[MarkOut]
