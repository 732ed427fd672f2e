"""Every query of every dashboard, on a real Prometheus over the real service while a scripted drift happens.

It takes the place of looking at the dashboards in Grafana: a query that Grafana would answer with nothing
fails here.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from dashboards import DEPLOY, FILES, Query, fill, load, queries, variables
from monitoring_stack import Prometheus
from rebundle import regrouped, reversion, targeted
from serving import EVENHAND, Server, put
from written_bundle import written

from evenhand.models.bundle.bundle import read_manifest

pytestmark = pytest.mark.slow
MODEL = "hate-speech"
LEAST_ROWS = 20
LATEST_S = 6
"""How old the newest data may be, as somebody looks at it: a few scrapes of the quick Prometheus."""
DRIFTED = "African"
WINDOWS = ("1h", "1d", "7d", "30d")
CHOSEN = {"model": MODEL, "attribute": "race|gender", "source": "declared", "group": DRIFTED}
BUILT_IN = {"__rate_interval": "10m", "__range": "10m"}
# The base model calls the last two hate, and the correction mends that.
HARMLESS = (
    "what a lovely day at the lake",
    "the train was late again",
    "see you at the game",
    "women are not stupid",
    "who says that black people are stupid",
)
NASTY = (
    "you are a stupid idiot",
    "shut up you stupid person",
    "what a stupid pig you are",
    "i hate you stupid scum",
    "go away you stupid idiot",
)
VERDICT = f'evenhand:target_verdict:1d{{model="{MODEL}", attribute="race", source="declared"}}'
LATE = (
    'ALERTS{alertname="FairnessTargetBreach", attribute="race", source="declared"}',
    'ALERTS{alertname="EvenhandReloadRefused"}',
    'evenhand_evidence_ln{attribute="race"}',
    "count_over_time(evenhand_rejected_total[10m]) > 1",
)
"""What comes last; a machine with much else to do takes its time."""


class Stack(NamedTuple):
    """The service, the Prometheus that scrapes it, and when the drift began."""

    server: Server
    prometheus: Prometheus
    began_s: float
    drifted_s: float


@pytest.fixture(scope="module")
def stack(altered: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    aimed = {"race": "demographic-parity", "gender": "demographic-parity"}
    groups = {"race": ("none", DRIFTED, "Arab", "Asian", "Hispanic"), "gender": ("none", "Women", "Men")}
    first, second = (regrouped(written(altered(limit, "apply")), **groups) for limit in (0.1, 0.0))
    bundles = targeted(first, **aimed), reversion(second, "2.0.0")
    command = (str(EVENHAND), "serve", *map(str, bundles), "--port", "PORT")
    settings = {"EVENHAND_MIN_ROWS": str(LEAST_ROWS), "EVENHAND_STATE": str(folder / "state")}
    server = Server(*command, **settings)
    try:
        with Prometheus(folder / "prometheus", [f"127.0.0.1:{server.port}"]) as prometheus:
            began_s = time.time()
            _fair(server, bundles[0])
            prometheus.wait_for(VERDICT, 1)
            drifted_s = time.time()
            _ask(server, list(NASTY) * 20, [{"race": DRIFTED, "gender": "Women"}] * 100)
            prometheus.wait_for(VERDICT, 2)
            _trouble(server, bundles[1])
            for arrived in LATE:
                prometheus.wait_for(f"count({arrived}) > bool 0", 1)
            yield Stack(server, prometheus, began_s, drifted_s)
    finally:
        server.stop()


def _fair(server: Server, bundle: Path) -> None:
    """The same texts for every group, some rows with no group or an unlisted one; a version in shadow."""
    assert put(server, f"/models/{MODEL}/shadow", {"version": "2.0.0"}) == 200
    attributes = {attribute.name: attribute for attribute in read_manifest(bundle)[0].attributes}
    race, gender = attributes["race"], attributes["gender"]
    texts = list(HARMLESS + NASTY) * 7
    for group, other in zip(race.groups, itertools.cycle(gender.groups)):
        _ask(server, texts, [{"race": group, "gender": other}] * len(texts))
    _ask(server, texts, [{"race": "not listed"}] * len(texts))
    _ask(server, texts, [{}] * len(texts))


def _ask(server: Server, texts: list[str], groups: list[dict[str, str]]) -> None:
    """Ask for answers, and send the true labels of most: what is nasty is hate, except for one in eight."""
    status, reply = server.get("/predict", {"inputs": texts, "groups": groups})
    assert status == 200, reply
    feedback = [
        {"id": row["id"], "label": "hate" if (text in NASTY) != (place % 8 == 0) else "not hate"}
        for place, (text, row) in enumerate(zip(texts, reply["predictions"], strict=True))
        if place % 5
    ]
    status, reply = server.get("/feedback", {"feedback": feedback})
    assert status == 200, reply


def _trouble(server: Server, bundle: Path) -> None:
    """A request that is refused, and a new bundle that does not hold."""
    assert server.get("/predict", {"inputs": []})[0] == 422
    manifest = bundle / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"2.0.0"', '"3.0.0"').replace("hate", "toxin", 1))
    (bundle / "model.onnx").write_bytes(b"")


def _series(stack: Stack, expr: str) -> list[tuple[dict[str, str], list[float]]]:
    """Every series of a query over the last seconds: its labels and its values."""
    now = time.time()
    parameters = {"query": expr, "start": str(now - LATEST_S), "end": str(now), "step": "1"}
    results = stack.prometheus.get("/api/v1/query_range", **parameters)["data"]["result"]
    return [(series["metric"], [float(value) for _, value in series["values"]]) for series in results]


def _has_data(stack: Stack, query: Query, window: str) -> bool:
    """Whether there is a number now, under every label that the panel names."""
    points = _series(stack, fill(query.expr, {**CHOSEN, **BUILT_IN, "window": window}))
    return any(
        math.isfinite(value) and query.labels <= labels.keys()
        for labels, values in points
        for value in values
    )


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_query_returns_data(stack: Stack, file: Path, window: str) -> None:
    board_queries = queries(load(file))
    silent = {query[:3] for query in board_queries if not _has_data(stack, query, window)}
    assert not silent


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_variable_has_values(stack: Stack, file: Path) -> None:
    for name, variable in variables(load(file)).items():
        if variable["type"] == "query":
            text = fill(variable["query"]["query"], CHOSEN)
            series, label = text.removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
            values = stack.prometheus.get(f"/api/v1/label/{label}/values", **{"match[]": series})["data"]
            assert set(CHOSEN[name].split("|")) <= set(values), name
            assert "unknown" not in values
            assert _series(stack, series), name


def test_no_rule_fails(stack: Stack) -> None:
    assert stack.prometheus.broken_rules() == []


def _expression(panel: str, ref: str) -> str:
    board = load(DEPLOY / "grafana/dashboards/fairness.json")
    (panel_query,) = [query for query in queries(board) if query[1:3] == (panel, ref)]
    return fill(panel_query.expr, {**CHOSEN, **BUILT_IN, "window": "1d"})


def test_the_first_row_says_what_is_wrong_for_whom_and_since_when(stack: Stack) -> None:
    assert stack.prometheus.value(_expression("Anything wrong?", "verdict")) == 2
    beyond = stack.prometheus.query(_expression("For whom", "excess"))
    assert {labels["attribute"] for labels, value in beyond if value > 0} >= {"race"}
    since = _expression("Since when: verdicts over time", "target")
    before = dict(_at(stack, since, stack.drifted_s))
    assert before["race"] == 1
    assert dict(_at(stack, since, time.time()))["race"] == 2
    for attribute in ("race", "gender"):
        assert (
            dict(_at(stack, _expression("Answers mended and broken", "mended"), time.time()))[attribute] > 50
        )
    fires = stack.prometheus.query(_expression("Alerts", "rows"))
    assert ("FairnessTargetBreach", "race") in {(row["alertname"], row.get("attribute")) for row, _ in fires}


def _at(stack: Stack, expr: str, when_s: float) -> list[tuple[str, float]]:
    return [(labels["attribute"], value) for labels, value in stack.prometheus.query(expr, at=when_s)]
