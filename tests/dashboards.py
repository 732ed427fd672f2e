"""The provisioned dashboards as tests read them: their panels and queries, with values put in for the variables."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

DEPLOY = Path(__file__).parents[1] / "deploy"
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
    asked = [
        Query(title, panel["title"], target["refId"], target["expr"])
        for panel in panels(board)
        for target in panel.get("targets", ())
    ]
    noted = [Query(title, "annotations", note["name"], note["expr"]) for note in board["annotations"]["list"]]
    return [*asked, *noted]


def used(text: str) -> set[str]:
    """Names of the variables in a text."""
    return {braced or bare for braced, bare in USED.findall(text)}


def fill(text: str, chosen: Mapping[str, str]) -> str:
    """Put values in for the variables, as Grafana does."""
    return USED.sub(lambda found: chosen[found[1] or found[2]], text)
