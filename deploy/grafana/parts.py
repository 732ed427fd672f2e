"""The parts of the dashboards: queries and panels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from colours import BLUE, GREEN, GREY, PURPLE, VERMILLION
from grafana_foundation_sdk.builders import (
    barchart,
    bargauge,
    common,
    heatmap,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue as Setting
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SHARE, NUMBER, SECONDS, BYTES, PER_SECOND, FROM_NOW = (
    "percentunit",
    "short",
    "s",
    "bytes",
    "ops",
    "dateTimeFromNow",
)
Mapping = models.ValueMap | models.RangeMap | models.RegexMap | models.SpecialValueMap
DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
VERDICTS = {
    "2": ("breach", VERMILLION),
    "1": ("no evidence of breach", GREEN),
    "0": ("insufficient data", GREY),
}


@dataclass(frozen=True)
class About:
    """A panel's title and its description."""

    title: str
    means: str
    """Defines the figure."""
    do: str
    """What to do about it."""
    alert: str | None = None
    """The alert whose runbook page helps."""

    @property
    def description(self) -> str:
        """The text behind the panel's i."""
        return f"{self.means}\n\nWhat to do: {self.do}"

    @property
    def links(self) -> list[Builder[models.DashboardLink]]:
        """The runbook page, where there is one."""
        if self.alert is None:
            return []
        link = (
            builders.DashboardLink(f"Runbook: {self.alert}")
            .type(models.DashboardLinkType.LINK)
            .target_blank(True)
        )
        return [link.url(f"${{runbook}}/{self.alert}.md")]


@dataclass(frozen=True)
class Line:
    """One query and how its series look."""

    ref: str
    expr: str
    name: str
    """Legend; ``{{label}}`` stands for a label's value."""
    colour: str = BLUE
    many: bool = False
    """Several series: shades of the colour."""
    dashed: bool = False
    thin: bool = False
    band_to: str | None = None
    """Name of the series down to which the space is filled."""

    def settings(self) -> list[Setting]:
        """Overrides of this query's series."""
        mode = "shades" if self.many else "fixed"
        settings = [Setting(id_val="color", value={"mode": mode, "fixedColor": self.colour})]
        if self.dashed:
            settings.append(Setting(id_val="custom.lineStyle", value={"fill": "dash", "dash": [8, 6]}))
        if self.thin:
            settings.append(Setting(id_val="custom.lineWidth", value=1))
        if self.band_to:
            settings.append(Setting(id_val="custom.fillBelowTo", value=self.band_to))
            settings.append(Setting(id_val="custom.fillOpacity", value=15))
        return settings


def query(ref: str, expr: str, legend: str = "") -> Dataquery:
    """A query over the time range."""
    made = Dataquery().ref_id(ref).expr(expr).legend_format(legend).datasource(DATASOURCE)
    return made.range().format(PromQueryFormat.TIME_SERIES)


def now(ref: str, expr: str) -> Dataquery:
    """A query for the end of the time range alone, as rows of a table."""
    return query(ref, expr).instant().format(PromQueryFormat.TABLE)


def steps(*pairs: tuple[float | None, str]) -> builders.ThresholdsConfig:
    """Colours from a value on; the first has no value."""
    return builders.ThresholdsConfig().steps([models.Threshold(value, colour) for value, colour in pairs])


def texts(named: dict[str, tuple[str, str]]) -> list[Mapping]:
    """A word and a colour for a value."""
    overrides = {
        value: models.ValueMappingResult(text=text, color=colour) for value, (text, colour) in named.items()
    }
    return [models.ValueMap(overrides)]


_Panel = TypeVar(
    "_Panel",
    timeseries.Panel,
    stat.Panel,
    statetimeline.Panel,
    bargauge.Panel,
    table.Panel,
    barchart.Panel,
    heatmap.Panel,
)


def _begin(builder: _Panel, about: About, no_value: str) -> _Panel:
    made = builder.title(about.title).description(about.description).datasource(DATASOURCE).links(about.links)
    return made.no_value(no_value)


def lines(about: About, drawn: Sequence[Line], unit: str = SHARE, decimals: int = 1) -> timeseries.Panel:
    """Values over time; a gap in the data stays a gap."""
    made = _begin(timeseries.Panel(), about, "no data").unit(unit).decimals(decimals).line_width(2)
    made.legend(
        common.VizLegendOptions()
        .display_mode(looks.LegendDisplayMode.TABLE)
        .placement(looks.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(["lastNotNull"])
    )
    made.tooltip(
        common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI).sort(looks.SortOrder.DESCENDING)
    )
    made.show_points(looks.VisibilityMode.NEVER).axis_soft_min(0)
    for line in drawn:
        made.with_target(query(line.ref, line.expr, line.name)).override_by_query(line.ref, line.settings())
    return made


def value(about: About, drawn: Sequence[Line], unit: str = SHARE, decimals: int = 1) -> stat.Panel:
    """The latest value, large."""
    made = (
        _begin(stat.Panel(), about, "no data").unit(unit).decimals(decimals).thresholds(steps((None, GREY)))
    )
    made.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields(""))
    made.graph_mode(looks.BigValueGraphMode.NONE).color_mode(looks.BigValueColorMode.VALUE)
    for line in drawn:
        made.with_target(query(line.ref, line.expr, line.name))
    return made


def by_label(about: About, line: Line, unit: str = SHARE, decimals: int = 1) -> timeseries.Panel:
    """One query over time, a series per value of its label in shades of one colour."""
    return lines(about, [replace(line, many=True)], unit, decimals)


def count(about: About, ref: str, expr: str, legend: str) -> stat.Panel:
    """The latest count, large."""
    return value(about, [Line(ref, expr, legend)], NUMBER, 0)


def per_result(expr: str, colours: dict[str, str], legend: str = "") -> list[Line]:
    """A line per value of the label ``result``, which stands as ``RESULT`` in ``expr``."""
    return [
        Line(result, expr.replace("RESULT", result), legend + result, colour)
        for result, colour in colours.items()
    ]


def state(about: About, line: Line) -> stat.Panel:
    """The latest verdict, as a word on its colour."""
    return (
        value(about, [line], NUMBER, 0)
        .mappings(texts(VERDICTS))
        .color_mode(looks.BigValueColorMode.BACKGROUND)
    )


def states(about: About, drawn: Sequence[Line]) -> statetimeline.Panel:
    """Verdicts over time."""
    made = (
        _begin(statetimeline.Panel(), about, "no data")
        .mappings(texts(VERDICTS))
        .thresholds(steps((None, GREY)))
    )
    made.color_scheme(builders.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
    made.merge_values(True).show_value(looks.VisibilityMode.AUTO).row_height(0.8).line_width(1).fill_opacity(
        90
    )
    made.legend(common.VizLegendOptions().show_legend(True).display_mode(looks.LegendDisplayMode.LIST))
    for line in drawn:
        made.with_target(query(line.ref, line.expr, line.name))
    return made


def bars(about: About, drawn: Sequence[Line], unit: str = SHARE, decimals: int = 0) -> bargauge.Panel:
    """The latest values as bars with their names."""
    made = (
        _begin(bargauge.Panel(), about, "no data")
        .unit(unit)
        .decimals(decimals)
        .min(0)
        .thresholds(steps((None, BLUE)))
    )
    made.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields(""))
    made.orientation(looks.VizOrientation.HORIZONTAL).display_mode(
        looks.BarGaugeDisplayMode.BASIC
    ).min_viz_height(16)
    for line in drawn:
        fixed = [Setting(id_val="color", value={"mode": "fixed", "fixedColor": line.colour})]
        made.with_target(query(line.ref, line.expr, line.name)).override_by_query(line.ref, fixed)
    return made


def parts_of_limit(about: About, drawn: Sequence[Line], reached: str = VERMILLION) -> bargauge.Panel:
    """Values as a share of what they are compared with: 100 % is the limit."""
    made = _begin(bargauge.Panel(), about, "no data").unit(SHARE).decimals(0).min(0).max(1)
    made.thresholds(steps((None, GREY), (1, reached)))
    made.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields(""))
    made.orientation(looks.VizOrientation.HORIZONTAL).display_mode(
        looks.BarGaugeDisplayMode.BASIC
    ).min_viz_height(16)
    for line in drawn:
        made.with_target(query(line.ref, line.expr, line.name))
    return made


@dataclass(frozen=True)
class Column:
    """One column of a joined table."""

    ref: str
    expr: str
    title: str
    unit: str = SHARE
    decimals: int = 1
    label: str | None = None
    """A further label of the query, shown before its value."""


def joined(about: About, by: str, columns: Sequence[Column]) -> table.Panel:
    """One row per value of a label."""
    made = _begin(table.Panel(), about, "-").unit(SHARE).decimals(1).show_header(True)
    for column in columns:
        made.with_target(now(column.ref, column.expr))
        settings = [
            Setting(id_val="unit", value=column.unit),
            Setting(id_val="decimals", value=column.decimals),
        ]
        made.override_by_name(column.title, settings)
    return _join(made, by, columns)


def listed(about: About, expr: str, titles: dict[str, str], hidden: Sequence[str] = ()) -> table.Panel:
    """One row per series, its labels as columns; ``titles`` name the columns in their order."""
    made = _begin(table.Panel(), about, "-").show_header(True).with_target(now("rows", expr))
    options = {
        "excludeByName": dict.fromkeys(("Time", "__name__", *hidden), True),
        "renameByName": titles,
        "indexByName": {name: place for place, name in enumerate(titles)},
    }
    return made.with_transformation(_change("organize", options))


def compared(about: About, by: str, columns: Sequence[Column], colours: Sequence[str]) -> barchart.Panel:
    """Bars side by side, one place per value of a label."""
    made = _begin(barchart.Panel(), about, "no data").unit(SHARE).decimals(1).x_field(by)
    made.fill_opacity(80).line_width(1).gradient_mode(looks.GraphGradientMode.NONE)
    for column, colour in zip(columns, colours, strict=True):
        made.with_target(now(column.ref, column.expr))
        made.override_by_name(
            column.title, [Setting(id_val="color", value={"mode": "fixed", "fixedColor": colour})]
        )
    made.legend(common.VizLegendOptions().show_legend(True).display_mode(looks.LegendDisplayMode.LIST))
    return _join(made, by, columns)


def histogram(about: About, expr: str) -> heatmap.Panel:
    """How a distribution moves; light is many."""
    made = _begin(heatmap.Panel(), about, "no data")
    made.with_target(query("rows", expr, "{{le}}").format(PromQueryFormat.HEATMAP))
    colour = (
        heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Cividis").steps(64).exponent(0.5)
    )
    made.color(colour.fill(BLUE)).exemplars_color(PURPLE)
    hidden = common.HideSeriesConfig().legend(False).tooltip(False).viz(False)
    return (
        made.hide_from(hidden)
        .cell_gap(1)
        .y_axis(heatmap.YAxisConfig().decimals(1))
        .show_legend()
        .show_tooltip()
    )


_Joined = TypeVar("_Joined", table.Panel, barchart.Panel)


def _join(made: _Joined, by: str, columns: Sequence[Column]) -> _Joined:
    """Join the queries' answers. If only one query has an answer, Grafana names its column ``Value``."""
    named: dict[str, str] = {}
    for column in columns:
        if column.label:
            named[column.label] = f"{column.label.capitalize()} group"
        named[f"Value #{column.ref}"] = column.title
    named["Value"] = columns[0].title
    order = {name: place for place, name in enumerate((by, *named))}
    made.with_transformation(_change("joinByField", {"byField": by, "mode": "outer"}))
    made.with_transformation(_change("filterFieldsByName", {"exclude": {"pattern": "/^Time/"}}))
    made.with_transformation(_change("sortBy", {"fields": {}, "sort": [{"field": by}]}))
    return made.with_transformation(_change("organize", {"renameByName": named, "indexByName": order}))


def _change(kind: str, options: dict[str, Any]) -> models.DataTransformerConfig:
    return models.DataTransformerConfig(id_val=kind, options=options)
