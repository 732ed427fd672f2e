"""Dashboards and rules ask for series that the service has."""

import json
import re
from pathlib import Path

import yaml
from fastapi.testclient import TestClient

DEPLOY = Path(__file__).parents[2] / "deploy"
LABELS = {
    "model",
    "attribute",
    "group",
    "source",
    "base",
    "final",
    "result",
    "route",
    "status",
    "le",
    "live",
    "candidate",
    "label",
    "limit",
    "reference",
    "type",
    "job",
    "alertname",
    "__name__",
}


def queries() -> list[str]:
    dashboard = json.loads((DEPLOY / "grafana/dashboards/evenhand.json").read_text())
    files = (DEPLOY / "prometheus/rules").glob("*.yml")
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    panels = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    variables = [v["query"]["query"] for v in dashboard["templating"]["list"] if v["type"] == "query"]
    return [*panels, *variables, *(rule["expr"] for group in groups for rule in group["rules"])]


def test_every_series_in_a_query_exists(client: TestClient) -> None:
    client.post("/predict", json={"inputs": "a"})
    exposed = set(re.findall(r"^(?:# HELP )?([a-z_]+)", client.get("/metrics").text, flags=re.MULTILINE))
    for query in queries():
        for name in re.findall(r"\b((?:evenhand|process)_[a-z_]+)\b", query):
            assert name in exposed, query
        for label in re.findall(r"[{,]\s*([a-z_]+)\s*[=!]", query):
            assert label in LABELS, query


def test_panels_have_their_own_place_on_the_grid() -> None:
    panels = json.loads((DEPLOY / "grafana/dashboards/evenhand.json").read_text())["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)
