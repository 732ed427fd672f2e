"""The provisioned dashboards: current, loadable by Grafana's own types, in order, with the right colours."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from dashboards import BUILT_IN, DEPLOY, FILES, fill, load, panels, queries, used, variables
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

ROOT = DEPLOY.parent
EACH = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
OKABE_ITO = {"#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#CC79A7"}
GREY = "#999999"
PROMETHEUS_ONLY = {"tagKeys", "titleFormat", "textFormat"}
"""Settings of an annotation that Prometheus' data source reads and the SDK does not know."""


def test_the_checked_in_files_are_what_the_code_makes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, DEPLOY / "grafana/make_dashboards.py", tmp_path], check=True)
    made = {file.name: file.read_text() for file in tmp_path.iterdir()}
    stale = "run python deploy/grafana/make_dashboards.py"
    assert made == {file.name: file.read_text() for file in FILES}, stale


@EACH
def test_grafanas_own_types_take_every_field(file: Path) -> None:
    plugins.register_default_plugins()
    board = load(file)
    again = json.loads(JSONEncoder().encode(Dashboard.from_json(board)))
    for note in board["annotations"]["list"]:
        for name in PROMETHEUS_ONLY:
            del note[name]
    assert again == board


@EACH
def test_panels_have_their_own_number_and_place(file: Path) -> None:
    all_panels = list(panels(load(file)))
    assert len({panel["id"] for panel in all_panels}) == len(all_panels)
    taken: set[tuple[int, int]] = set()
    for panel in all_panels:
        place = panel["gridPos"]
        across, down = (range(place[at], place[at] + place[size]) for at, size in (("x", "w"), ("y", "h")))
        cells = {(x, y) for x in across for y in down}
        assert across.stop <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


@EACH
def test_every_query_asks_the_chosen_data_source(file: Path) -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    board = load(file)
    for panel in panels(board):
        targets = panel.get("targets", [])
        assert bool(targets) == (panel["type"] != "row"), panel["title"]
        assert all(target["datasource"] == chosen for target in targets)
        assert not targets or panel["datasource"] == chosen
        assert len({target["refId"] for target in targets}) == len(targets)
        assert all(target["refId"] for target in targets)
    query_variables = [each for each in variables(board).values() if each["type"] == "query"]
    assert all(each["datasource"] == chosen for each in [*query_variables, *board["annotations"]["list"]])


@EACH
def test_no_variable_is_unknown_and_none_is_idle(file: Path) -> None:
    board = load(file)
    board_variables = variables(board)
    variable_queries = [each["query"] for each in board_variables.values()]
    assert (
        used(json.dumps([variable_queries, board["panels"], board["annotations"]]))
        <= set(board_variables) | BUILT_IN
    )
    repeated = {panel["repeat"] for panel in panels(board) if panel.get("repeat")}
    assert repeated <= {name for name, each in board_variables.items() if each.get("multi")}
    assert (
        set(board_variables) - used(json.dumps([board["panels"], board["annotations"]])) - repeated == set()
    )


@EACH
def test_a_variable_with_several_values_is_matched_and_not_compared(file: Path) -> None:
    """Grafana escapes such values for a pattern, so that a comparison would miss some of them."""
    board = load(file)
    several = {name for name, each in variables(board).items() if each.get("multi")}
    for query in queries(board):
        for name in several:
            assert f'="${name}"' not in query.expr, query


@EACH
def test_every_panel_defines_its_figure_and_says_what_to_do(file: Path) -> None:
    for panel in panels(load(file)):
        if panel["type"] != "row":
            means, _, do = panel["description"].partition("\n\nWhat to do: ")
            assert len(means) > 20, panel["title"]
            assert len(do) > 20, panel["title"]
            assert panel["fieldConfig"]["defaults"].get("noValue"), panel["title"]


@EACH
def test_a_band_is_filled_down_to_a_series_of_its_panel(file: Path) -> None:
    bands = 0
    for panel in panels(load(file)):
        legends = [target["legendFormat"] for target in panel.get("targets", ())]
        settings = [
            each
            for override in panel.get("fieldConfig", {}).get("overrides", ())
            for each in override["properties"]
        ]
        for filled in [each["value"] for each in settings if each["id"] == "custom.fillBelowTo"]:
            assert filled in legends, panel["title"]
            bands += 1
    assert (bands > 0) == (file.stem != "service")


def test_every_runbook_page_exists() -> None:
    runbooks = {name for file in FILES for name in re.findall(r"\$\{runbook\}/(\w+)\.md", file.read_text())}
    assert runbooks
    pages = {page.stem for page in (ROOT / "docs/runbook").glob("*.md")}
    assert runbooks <= pages


def test_dashboards_link_to_each_other_and_keep_what_is_chosen() -> None:
    boards = [load(file) for file in FILES]
    for board in boards:
        others = {f"/d/{other['uid']}" for other in boards if other is not board}
        assert {link["url"] for link in board["links"]} == others
        assert all(link["includeVars"] and link["keepTime"] for link in board["links"])


@EACH
def test_colours_are_told_apart_by_everybody(file: Path) -> None:
    assert set(re.findall(r"#[0-9A-Fa-f]{6}", file.read_text())) <= OKABE_ITO | {GREY}
    named = re.findall(r'"(?:fixedColor|color)": "([^"#]+)"', file.read_text())
    assert named == []


def test_silence_is_never_green() -> None:
    shown = [
        panel["fieldConfig"]["defaults"]
        for panel in panels(load(DEPLOY / "grafana/dashboards/fairness.json"))
        if panel["type"] != "row"
    ]
    verdicts = [each["mappings"][0]["options"] for each in shown if each.get("mappings")]
    assert len(verdicts) == 2
    for options in verdicts:
        assert {value: each["text"] for value, each in options.items()} == {
            "0": "insufficient data",
            "1": "no evidence of breach",
            "2": "breach",
        }
        assert options["0"]["color"] == GREY
    bases = [each["thresholds"]["steps"][0]["color"] for each in shown if each.get("mappings")]
    assert bases == [GREY, GREY]


def test_every_recorded_series_has_a_rule() -> None:
    files = (DEPLOY / "prometheus/rules").glob("*.yml")
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    recorded = {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}
    for file in FILES:
        for query in queries(load(file)):
            for name in recorded_names(query.expr):
                assert name in recorded, query


def recorded_names(expr: str) -> set[str]:
    """Names of recorded series in every window; of a pattern of names, those that it stands for."""
    names: set[str] = set()
    for window in ("1h", "1d", "7d", "30d"):
        text = fill(expr, {name: window if name == "window" else "" for name in used(expr)})
        for before, choices, after in re.findall(r"(evenhand:\w*)(?:\(([\w|]+)\))?([\w:]*)", text):
            names |= {before + choice + after for choice in choices.split("|")}
    return names


def test_what_is_provisioned_is_what_compose_mounts() -> None:
    provider = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/evenhand.yml").read_text())[
        "providers"
    ][0]
    volumes = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["grafana"]["volumes"]
    mounted: dict[str, Any] = {volume.split(":")[1]: volume.split(":")[0] for volume in volumes}
    assert (ROOT / mounted[provider["options"]["path"]]).resolve() == FILES[0].parent
    runbook = {variables(load(file))["runbook"]["query"] for file in FILES}
    assert {f"/usr/share/grafana{path}" for path in runbook} <= set(mounted)
