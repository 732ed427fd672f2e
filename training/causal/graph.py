"""The user's causal graph: read it, check it against the table, and find which arrows carry an effect."""

from __future__ import annotations

import json
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path

import networkx as nx

from evenhand.training.data.dataset import DataError

Edges = list[tuple[str, str]]


class RecantingWitness(Exception):
    """The effect is not identified: a column is on a path through the mediators and on one around them."""


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
    """The part of the graph between the attribute and the model, with all causes of its columns.

    Args:
        graph: The user's graph.
        attribute: The attribute whose effect is estimated.
        columns: Columns of the table.
        features: Columns that the model reads.

    Returns:
        The arrows into columns that the attribute changes and that reach a feature; all other columns keep
        their observed values.

    Raises:
        DataError: a node is no column, or the attribute is not in the graph.
    """
    strange = sorted(set(graph.nodes) - set(columns))
    if strange:
        raise DataError(
            f"the graph names {', '.join(strange[:5])}, which the table does not have; leave out causes that "
            "were not measured, and read the figures as if they had no effect"
        )
    if attribute not in graph:
        raise DataError(f"the graph does not name {attribute}; draw what it changes")
    read = [name for name in features if name in graph]
    leading = set(read).union(*(nx.ancestors(graph, name) for name in read))
    changed = nx.descendants(graph, attribute) & leading
    subgraph = nx.DiGraph([(cause, effect) for cause, effect in graph.edges if effect in changed])
    subgraph.add_node(attribute)
    return subgraph


def carriers(
    graph: nx.DiGraph, attribute: str, features: Collection[str], through: Collection[str]
) -> set[str]:
    """Columns that must see the other group for the effect along all paths through some mediators.

    The effect is identified only if, for each arrow from the attribute, all paths that begin with it go
    through the mediators, or none does (Avin, Shpitser and Pearl 2005).

    Args:
        graph: The graph of :func:`relevant`.
        attribute: Where the paths begin.
        features: Where the paths end; the model reads these columns.
        through: The mediators.

    Returns:
        Children of the attribute whose arrows carry the effect.

    Raises:
        RecantingWitness: a column is on a path through them and on one around them.
        DataError: a mediator is on no path from the attribute to the model.
    """
    for name in through:
        if name not in graph or name not in nx.descendants(graph, attribute):
            raise DataError(f"--through {name}: on no path from {attribute} to the model in this graph")
    around = graph.subgraph(set(graph) - set(through))
    children = set()
    for child in graph.successors(attribute):
        if child in through:
            children.add(child)
            continue
        via = bool(nx.descendants(graph, child) & set(through))
        past = bool(({child} | nx.descendants(around, child)) & set(features))
        if via and past:
            raise RecantingWitness(child)
        if via:
            children.add(child)
    return children


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
