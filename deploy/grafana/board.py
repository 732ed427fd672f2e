"""A dashboard: its variables, its links, the alerts drawn into it, and where its panels lie."""

from __future__ import annotations

from typing import Any

from colours import VERMILLION
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models
from parts import DATASOURCE, About, listed

WIDTH = 24
BOARDS = {
    "evenhand-fairness": "Evenhand: fairness",
    "evenhand-detectors": "Evenhand: detectors",
    "evenhand-service": "Evenhand: service",
}
WINDOWS = ("1h", "1d", "7d", "30d")
RUNBOOK = "/public/runbook"
"""Where the pages of docs/runbook lie: docker-compose.yml puts them into the folder that Grafana serves."""


class Board:
    """Rows of panels, from left to right and from top to bottom.

    Args:
        uid: One of ``BOARDS``.
        purpose: What it is for.
    """

    def __init__(self, uid: str, purpose: str) -> None:
        made = builders.Dashboard(BOARDS[uid]).uid(uid).description(purpose).tags(["evenhand"]).version(1)
        made.timezone("utc").refresh("30s").time("now-24h", "now").tooltip(
            models.DashboardCursorSync.CROSSHAIR
        )
        for other, title in BOARDS.items():
            if other != uid:
                made.link(_link_to(other, title))
        self._made = made
        self._ids = 0

    def variable(self, made: Any) -> None:  # noqa: ANN401 - the builders share no type
        """A choice at the top of the page."""
        self._made.with_variable(made)

    def alerts(self, matching: str) -> None:
        """Draw firing alerts into every panel."""
        self._made.annotation(_Alerts(f'ALERTS{{alertstate="firing", {matching}}}'))

    def row(self, title: str, repeat: str | None = None) -> None:
        """Begin a row; ``repeat`` names the variable for each of whose values it appears."""
        made = builders.Row(title).id(self._next())
        self._made.with_row(made.repeat(repeat) if repeat else made)

    def line(self, height: int, *panels: tuple[int, Any]) -> None:
        """Panels beside each other, each with its width; together they fill the page."""
        if sum(width for width, _ in panels) != WIDTH:
            raise ValueError(f"the panels of a line must be {WIDTH} columns wide together")
        for width, panel in panels:
            self._made.with_panel(panel.id(self._next()).height(height).span(width))

    def build(self) -> models.Dashboard:
        """What Grafana loads."""
        return self._made.build()

    def _next(self) -> int:
        self._ids += 1
        return self._ids


def add_common(board: Board) -> None:
    """The variables that every dashboard has."""
    board.variable(builders.DatasourceVariable("datasource").label("data source").type("prometheus"))
    where = builders.ConstantVariable("runbook").value(RUNBOOK)
    where.description(
        "Where the pages of docs/runbook are served."
    ).build().hide = models.VariableHide.HIDE_VARIABLE
    board.variable(where)
    board.variable(query_variable("model", "label_values(evenhand_model_info, model)"))


def add_fairness(board: Board) -> None:
    """The variables that choose among groups."""
    add_common(board)
    scope = 'evenhand_decisions_total{model="$model"'
    board.variable(query_variable("attribute", f"label_values({scope}}}, attribute)", several=True))
    source = query_variable("source", f"label_values({scope}}}, source)").description(
        "declared: groups that clients named. inferred: the detector's flag. Never mixed."
    )
    board.variable(source.current(models.VariableOption(text="declared", value="declared")))
    chosen = f'{scope}, attribute=~"$attribute", source="$source", group!="unknown"}}'
    board.variable(query_variable("group", f"label_values({chosen}, group)", several=True))
    windows = (
        builders.CustomVariable("window")
        .values(",".join(WINDOWS))
        .description("How far back each point looks.")
    )
    options = [models.VariableOption(text=name, value=name, selected=name == "1d") for name in WINDOWS]
    board.variable(windows.options(options).current(options[WINDOWS.index("1d")]))


def query_variable(name: str, query: str, several: bool = False) -> builders.QueryVariable:
    """A variable with the values of a label."""
    made = builders.QueryVariable(name).query({"query": query, "refId": name}).datasource(DATASOURCE)
    made.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.ALPHABETICAL_ASC)
    if several:
        made.multi(True).include_all(True).current(models.VariableOption(text="All", value="$__all"))
    return made


def alert_table(about: About, matching: str) -> Any:  # noqa: ANN401 - the builders share no type
    """What fires or is about to, and since when; a name leads to its runbook page."""
    since = (
        f"ALERTS{{{matching}}} * ignoring (alertstate) group_left () (ALERTS_FOR_STATE{{{matching}}} * 1000)"
    )
    titles = {"alertname": "Alert", "alertstate": "State", "attribute": "Attribute", "group": "Group"}
    titles |= {"metric": "Figure", "source": "Source", "severity": "Severity", "Value": "Since"}
    made = listed(about, since, titles, hidden=("model", "job", "instance"))
    made.override_by_name("Since", [models.DynamicConfigValue(id_val="unit", value="dateTimeFromNow")])
    page = {"title": "Runbook", "url": "${runbook}/${__value.text}.md", "targetBlank": True}
    return made.override_by_name("Alert", [models.DynamicConfigValue(id_val="links", value=[page])])


class _Alerts(models.AnnotationQuery, Builder[models.AnnotationQuery]):
    """Alerts as annotations, with three settings of Prometheus' data source that the SDK lacks."""

    def __init__(self, expr: str) -> None:
        models.AnnotationQuery.__init__(
            self, "alerts", DATASOURCE, enable=True, icon_color=VERMILLION, expr=expr
        )

    def build(self) -> models.AnnotationQuery:
        """Itself."""
        return self

    def to_json(self) -> dict[str, object]:
        named = {
            "tagKeys": "severity",
            "titleFormat": "{{alertname}}",
            "textFormat": "{{attribute}} {{group}}",
        }
        return {**models.AnnotationQuery.to_json(self), **named}


def _link_to(uid: str, title: str) -> builders.DashboardLink:
    made = builders.DashboardLink(title).type(models.DashboardLinkType.LINK).url(f"/d/{uid}")
    return made.include_vars(True).keep_time(True).icon("dashboard")
