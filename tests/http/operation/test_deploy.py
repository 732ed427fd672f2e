"""Dashboards and rules ask for series that the service has."""

import re

import yaml
from dashboards import DEPLOY, FILES, load, queries, variables
from fastapi.testclient import TestClient

RULES = sorted((DEPLOY / "prometheus/rules").glob("*.yml"))
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
    "alertstate",
    "state",
    "flagged",
    "kind",
    "loss",
    "measure",
    "metric",
    "process",
    "truth",
}


def expressions() -> list[str]:
    """Every query of the rules, and of the dashboards' panels, annotations and variables."""
    groups = [group for file in RULES for group in yaml.safe_load(file.read_text())["groups"]]
    boards = [load(file) for file in FILES]
    panels = [query.expr for board in boards for query in queries(board)]
    chosen = [
        each["query"]["query"]
        for board in boards
        for each in variables(board).values()
        if each["type"] == "query"
    ]
    return [*panels, *chosen, *(rule["expr"] for group in groups for rule in group["rules"])]


def test_every_series_in_a_query_exists(client: TestClient) -> None:
    client.post("/predict", json={"inputs": "a"})
    exposed = set(re.findall(r"^(?:# HELP )?([a-z_]+)", client.get("/metrics").text, flags=re.MULTILINE))
    for query in expressions():
        for name in re.findall(r"\b((?:evenhand|process)_[a-z_]+)\b", query):
            assert name in exposed, query
        for label in re.findall(r"[{,]\s*([a-z_]+)\s*[=!]", query):
            assert label in LABELS, query
