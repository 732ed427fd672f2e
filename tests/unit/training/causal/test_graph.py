"""Graphs from files, what of them matters, and which effects the data can tell."""

from pathlib import Path

import networkx as nx
import pytest

from evenhand.training.causal.graph import RecantingWitness, carriers, read_graph, relevant
from evenhand.training.data.dataset import DataError

GML = """graph [ directed 1
  node [ id 0 label "sex" ] node [ id 1 label "job" ] node [ id 2 label "pay" ]
  edge [ source 0 target 1 ] edge [ source 1 target 2 ] ]"""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("g.gml", GML),
        ("g.dot", 'digraph { sex -> "job"; job -> pay; }'),
        ("g.json", '{"edges": [["sex", "job"], ["job", "pay"]]}'),
    ],
)
def test_every_form_says_the_same(tmp_path: Path, name: str, content: str) -> None:
    if name.endswith("dot"):
        pytest.importorskip("pydot", reason="the extra `causal` is not installed")
    (tmp_path / name).write_text(content)
    assert set(read_graph(tmp_path / name).edges) == {("sex", "job"), ("job", "pay")}


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("g.json", '{"edges": [["a", "b"], ["b", "a"]]}', "has a cycle"),
        ("g.json", '{"edges": [["a"]]}', "expected"),
        ("g.json", "[", "no graph can be read"),
        ("g.json", "[]", "no graph can be read"),
        ("g.gml", GML.replace("directed 1", ""), "not directed"),
        ("g.txt", "", "ending in"),
    ],
)
def test_what_is_no_such_graph_is_refused(tmp_path: Path, name: str, content: str, reason: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=reason):
        read_graph(tmp_path / name)


def test_only_arrows_into_what_the_attribute_changes_matter() -> None:
    drawn = nx.DiGraph([("sex", "job"), ("age", "job"), ("town", "age"), ("sex", "height"), ("job", "pay")])
    subgraph = relevant(drawn, "sex", ["sex", "job", "age", "town", "height", "pay"], ["job", "age"])
    assert set(subgraph.edges) == {("sex", "job"), ("age", "job")}
    with pytest.raises(DataError, match="which the table does not have"):
        relevant(drawn, "sex", ["sex", "job"], ["job"])
    with pytest.raises(DataError, match="does not name race"):
        relevant(drawn, "race", ["sex", "job", "age", "town", "height", "pay"], ["job"])


def test_the_arrows_that_carry_an_effect_or_the_witness_that_it_cannot_be_told() -> None:
    graph = nx.DiGraph([("sex", "job"), ("sex", "school"), ("job", "pay"), ("school", "job")])
    read = ["job", "pay"]
    assert carriers(graph, "sex", read, ["job"]) == {"job", "school"}
    assert carriers(graph, "sex", ["pay"], ["job"]) == {"job", "school"}
    assert carriers(graph, "sex", read, ["school"]) == {"school"}
    with pytest.raises(RecantingWitness, match="job"):
        carriers(graph, "sex", read, ["pay"])  # the model reads the job as well
    with pytest.raises(DataError, match="on no path"):
        carriers(graph, "sex", read, ["town"])
