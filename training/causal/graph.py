"""The user's causal graph: read from a file, held against the table, and which arrows carry which effect."""

from __future__ import annotations

import json
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path

import networkx as nx

from evenhand.training.data.dataset import DataError

Edges = list[tuple[str, str]]


class RecantingWitness(Exception):
    """An effect that no data of this kind can tell: a column carries it and also carries what is left out."""


def read_graph(path: Path) -> nx.DiGraph:
    """Read a directed graph: ``.gml``, ``.dot`` or ``.json`` (``{"edges": [["cause", "effect"], ...]}``).

    Raises:
        DataError: it is not one, or has a cycle.
    """
    readers = {".gml": _gml, ".dot": _dot, ".json": _json}
    if path.suffix not in readers:
        raise DataError(f"{path}: expected a graph in a file ending in {', '.join(readers)}")
    try:
        edges = readers[path.suffix](path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError, nx.NetworkXError) as error:
        said = str(error).splitlines() or [type(error).__name__]
        raise DataError(f"{path}: no graph can be read from it ({said[0]})") from error
    graph = nx.DiGraph(edges)
    if not nx.is_directed_acyclic_graph(graph):
        cycle = " -> ".join(cause for cause, _ in nx.find_cycle(graph))
        raise DataError(f"{path}: the graph has a cycle ({cycle}); a cause cannot be its own effect")
    return graph


def relevant(
    graph: nx.DiGraph, attribute: str, columns: Sequence[str], features: Collection[str]
) -> nx.DiGraph:
    """What the attribute changes on the way to the model, and what else changes that.

    Args:
        graph: The user's.
        attribute: Whose effect is wanted.
        columns: Of the table.
        features: That the model reads.

    Returns:
        Arrows into columns that the attribute changes and that reach a feature; all others are observed as
        they are.

    Raises:
        DataError: a node is no column, or the attribute is not in the graph.
    """
    strange = sorted(set(graph.nodes) - set(columns))
    if strange:
        raise DataError(
            f"the graph names {', '.join(strange[:5])}, which the table does not have; a cause that nobody "
            "measured cannot be reckoned with: leave it out, and read the figures as if it had no part"
        )
    if attribute not in graph:
        raise DataError(f"the graph does not name {attribute}; draw what it changes")
    read = [name for name in features if name in graph]
    leading = set(read).union(*(nx.ancestors(graph, name) for name in read))
    changed = nx.descendants(graph, attribute) & leading
    found = nx.DiGraph([(cause, effect) for cause, effect in graph.edges if effect in changed])
    found.add_node(attribute)
    return found


def carriers(
    graph: nx.DiGraph, attribute: str, features: Collection[str], through: Collection[str]
) -> set[str]:
    """Columns that must see the other group for the effect along all paths through some mediators.

    The effect is told by the data only if of the paths that begin with one arrow all go through them, or none
    does (Avin, Shpitser and Pearl 2005).

    Args:
        graph: What :func:`relevant` gives.
        attribute: Where paths begin.
        features: Where they end: the model reads these.
        through: The mediators.

    Returns:
        Effects of the attribute's own arrows that carry it.

    Raises:
        RecantingWitness: a column is on a path through them and on one around them.
        DataError: a mediator is none.
    """
    for name in through:
        if name not in graph or name not in nx.descendants(graph, attribute):
            raise DataError(f"--through {name}: on no path from {attribute} to the model in this graph")
    around = graph.subgraph(set(graph) - set(through))
    found = set()
    for child in graph.successors(attribute):
        if child in through:
            found.add(child)
            continue
        via = bool(nx.descendants(graph, child) & set(through))
        past = bool(({child} | nx.descendants(around, child)) & set(features))
        if via and past:
            raise RecantingWitness(child)
        if via:
            found.add(child)
    return found


def _gml(text: str) -> Edges:
    graph = nx.parse_gml(text.splitlines())
    if not graph.is_directed():
        raise ValueError("it is not directed; write directed 1")
    return [(str(cause), str(effect)) for cause, effect in graph.edges()]


def _dot(text: str) -> Edges:
    try:
        import pydot
    except ImportError as error:
        raise DataError("a .dot file needs pydot: install evenhand with its extra `causal`") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its parser uses old names of another library
        graphs = pydot.graph_from_dot_data(text)
    if not graphs or graphs[0].get_type() != "digraph":
        raise ValueError("no digraph")
    ends = [(edge.get_source(), edge.get_destination()) for edge in graphs[0].get_edges()]
    if not all(isinstance(end, str) for pair in ends for end in pair):
        raise ValueError("write each arrow from one node to one node")
    return [(str(cause).strip('"'), str(effect).strip('"')) for cause, effect in ends]


def _json(text: str) -> Edges:
    edges = json.loads(text)["edges"]
    if not isinstance(edges, list) or not all(isinstance(edge, list) and len(edge) == 2 for edge in edges):
        raise ValueError('expected {"edges": [["cause", "effect"], ...]}')
    return [(str(cause), str(effect)) for cause, effect in edges]
