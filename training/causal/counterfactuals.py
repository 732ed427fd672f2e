"""Counterfactual rows under a structural causal model of a table (dowhy.gcm).

In a counterfactual some columns see another group. Rows keep what the attribute does not change. What it
changes is computed anew in the graph's order. All counterfactuals share one draw of the noise, so that two of
them differ by the group alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

from evenhand.training.data.dataset import DataError
from evenhand.typing import Array


def library() -> Any:  # noqa: ANN401 - a module without types
    """``dowhy.gcm``, quiet and in this thread.

    Raises:
        DataError: it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from dowhy import gcm
    except ImportError as error:
        raise DataError("causal effects need dowhy: install evenhand with its extra `causal`") from error
    gcm.config.disable_progress_bars()
    gcm.config.set_default_n_jobs(1)
    return gcm


class Counterfactuals:
    """A structural causal model, learnt from rows, and their counterfactuals.

    Args:
        graph: What :func:`evenhand.training.causal.graph.relevant` gives.
        attribute: The attribute whose value is set.
        rows: All columns of the graph; numbers as floats, all else as strings, nothing missing.
        model: A fitted model whose kinds of mechanism are used again; by default they are chosen anew.
    """

    def __init__(
        self, graph: nx.DiGraph, attribute: str, rows: pd.DataFrame, model: Counterfactuals | None = None
    ) -> None:
        gcm = library()
        self.graph, self.attribute, self.rows = graph, attribute, rows
        self._order = [node for node in nx.topological_sort(graph) if graph.in_degree(node)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._scm: Any = gcm.StructuralCausalModel(graph.copy()) if model is None else model._scm.clone()
            columns = rows[list(graph)]
            if model is None:
                gcm.auto.assign_causal_mechanisms(self._scm, columns)
            gcm.fit(self._scm, columns)
            self._noise = {
                node: self._scm.causal_mechanism(node).draw_noise_samples(len(rows)) for node in self._order
            }

    def of(self, group: str, seen_by: Collection[str], otherwise: str) -> pd.DataFrame:
        """The rows if some columns saw one group, and all others another.

        Args:
            group: The group that the columns ``seen_by`` see.
            seen_by: Children of the attribute in the graph.
            otherwise: The group that all other columns see.
        """
        groups = {node: group if node in seen_by else otherwise for node in self._order}
        return self.where({node: np.full(len(self.rows), of, dtype=object) for node, of in groups.items()})

    def observed(self) -> pd.DataFrame:
        """The rows as the model simulates them with their own groups, to compare with the observed rows."""
        own = self.rows[self.attribute].to_numpy(dtype=object)
        return self.where(dict.fromkeys(self._order, own))

    def where(self, seen: Mapping[str, Array]) -> pd.DataFrame:
        """The rows if each column saw the groups in ``seen``, ``(rows,)`` per column."""
        counterfactual = self.rows.copy()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for node in self._order:
                # The library's mechanisms take parents in alphabetical order.
                parents = sorted(self.graph.predecessors(node))
                inputs = counterfactual[parents].astype(object)
                if self.attribute in parents:
                    inputs[self.attribute] = seen[node]
                made = self._scm.causal_mechanism(node).evaluate(_plain(inputs), self._noise[node])
                counterfactual[node] = np.asarray(made).reshape(-1)
        return counterfactual

    def mechanisms(self) -> dict[str, str]:
        """The mechanism of each column that the attribute changes."""
        return {node: str(self._scm.causal_mechanism(node)) for node in self._order}


def _plain(inputs: pd.DataFrame) -> Array:
    """Floats where every column is numeric, else objects: the library tells columns apart by the type."""
    try:
        return inputs.to_numpy(dtype=float)
    except ValueError:
        return inputs.to_numpy(dtype=object)
