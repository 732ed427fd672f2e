"""The provisioned dashboards as tests read them: their panels and queries, with values for the variables."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from places import DEPLOY

FILES = sorted((DEPLOY / "grafana/dashboards").glob("*.json"))
USED = re.compile(r"\$\{([A-Za-z_]\w*)[^}]*\}|\$([A-Za-z_]\w*)")
BUILT_IN = {"__rate_interval", "__range", "__interval", "__value"}
"""Variables that Grafana itself gives a value."""


class Query(NamedTuple):
    """One query of a dashboard."""

    board: str
    panel: str
    ref: str
    expr: str
    labels: frozenset[str]
    """Labels that the legend or the panel's table names."""


def load(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text())


def panels(board: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every panel, rows and what is folded away in them too."""
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", ())


def variables(board: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {variable["name"]: variable for variable in board["templating"]["list"]}


def queries(board: Mapping[str, Any]) -> list[Query]:
    """What the panels and the annotations ask."""
    title = board["title"]
    panel_queries = [
        Query(title, panel["title"], target["refId"], target["expr"], _named(panel, target))
        for panel in panels(board)
        for target in panel.get("targets", ())
    ]
    notes = board["annotations"]["list"]
    noted = [
        Query(title, "annotations", note["name"], note["expr"], frozenset({"alertname"})) for note in notes
    ]
    return [*panel_queries, *noted]


def _named(panel: Mapping[str, Any], target: Mapping[str, Any]) -> frozenset[str]:
    joined = [each["options"]["byField"] for each in panel["transformations"] if each["id"] == "joinByField"]
    return frozenset([*re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]), *joined])


def used(text: str) -> set[str]:
    """Names of the variables in a text."""
    return {braced or bare for braced, bare in USED.findall(text)}


def fill(text: str, chosen: Mapping[str, str]) -> str:
    """Put values in for the variables, as Grafana does."""
    return USED.sub(lambda match: chosen[match[1] or match[2]], text)
