"""Baselines that work on the base checkpoint's frozen representations: DFR, LEACE, a constrained linear head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from evenhand.console import track
from evenhand.training.baselines.context import Context
from evenhand.training.baselines.group_labels import LEFT_OUT, Groups, merge
from evenhand.training.baselines.method import Method, MethodAnswer, NotApplicableError, Sees, Served
from evenhand.training.correctors.erasure import leace
from evenhand.training.data.dataset import Rows, Schema
from evenhand.typing import Floats, Ints

STRENGTHS = (1.0, 0.3, 0.1, 0.03, 0.01)
"""Inverse regularisation of a logistic head, chosen on validation rows."""
NEW_HEAD = Served("no", "No command writes its head into a bundle yet.", 1.0)
ERASED = Served("corrector", "`evenhand fit --method leace --gate always`, which also chooses a strength.")


def logistic(representation: Floats, labels: Ints, strength: float) -> Pipeline:
    """A logistic head over standardised ``representation (rows, width)``."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000)).fit(
        representation, labels
    )


def logits_of(head: Pipeline, representation: Floats) -> Floats:
    """Logits ``(rows, classes)`` of a logistic head; with two classes the first one's are 0."""
    found: Floats = head.decision_function(representation)
    return found if found.ndim == 2 else np.stack([np.zeros_like(found), found], axis=1)


@dataclass(frozen=True)
class _Heads:
    """Candidates and their logits on the judged rows."""

    names: list[dict[str, object]]
    logits: list[Floats]

    def best(self, context: Context) -> MethodAnswer:
        """The one that the criterion likes best on validation rows."""
        index = context.criterion.choose(
            range(len(self.names)), lambda i: context.on_validation(self.logits[i].argmax(axis=1))
        )
        return MethodAnswer.of_logits(self.logits[index], **self.names[index])


def balanced_draw(cells: Ints, candidates: Ints, rng: np.random.Generator) -> Ints:
    """As many of the candidate rows of every cell as the smallest has; rows that are left out are never drawn."""
    inside = candidates[cells[candidates] != LEFT_OUT]
    found = np.unique(cells[inside])
    if not len(found):
        raise NotApplicableError("no group has enough rows of every label to balance")
    parts = [inside[cells[inside] == cell] for cell in found]
    size = min(len(part) for part in parts)
    return np.concatenate([rng.choice(part, size, replace=False) for part in parts])


@dataclass(frozen=True)
class DeepFeatureReweighting(Method):
    """DFR (Kirichenko et al. 2023): the last layer learnt anew on group-balanced rows.

    A logistic head with L1 regularisation on a balanced draw, the coefficients averaged over several draws.
    The paper
    fits it on rows that the encoder has not seen where it can: so the held-out rows are one choice and all
        training
    rows the other; that and the regularisation are chosen on validation rows.
    """

    name: str = "dfr"
    title: str = "DFR"
    source: str = "Kirichenko et al. 2023"
    sees: Sees = Sees("all", "all", test=False)
    served: Served = NEW_HEAD
    draws: int = 10

    def answer(self, context: Context) -> MethodAnswer:
        """Fit every choice, take the best."""
        representation = context.features.representation
        found = _Heads([], [])
        merged = {
            source: merge(context.rows, context.schema, rows) for source, rows in context.sources.items()
        }
        choices = [(source, strength) for source in merged for strength in STRENGTHS]
        for source, strength in track(choices, len(choices), "heads on balanced rows"):
            groups = merged[source]
            head = self.fit(representation, groups, context.sources[source], strength, context.seed)
            found.names.append({"rows": source, "C": strength, "groups": list(groups.names)})
            found.logits.append(logits_of(head, representation[context.judged]))
        return found.best(context)

    def fit(self, representation: Floats, groups: Groups, rows: Ints, strength: float, seed: int) -> Pipeline:
        """Average the heads of several balanced draws from ``rows``, all under one standardisation."""
        rng = np.random.default_rng(seed)
        scaler = StandardScaler().fit(representation[rows])
        heads = []
        for _ in range(self.draws):
            drawn = balanced_draw(groups.cells, rows, rng)
            # saga is the solver that knows L1 and any number of classes.
            model = LogisticRegression(
                C=strength, l1_ratio=1.0, solver="saga", tol=1e-3, max_iter=1000, random_state=seed
            )
            heads.append(model.fit(scaler.transform(representation[drawn]), groups.labels[drawn]))
        averaged = heads[-1]
        averaged.coef_ = np.mean([head.coef_ for head in heads], axis=0)
        averaged.intercept_ = np.mean([head.intercept_ for head in heads], axis=0)
        return make_pipeline(scaler, averaged)


def group_columns(rows: Rows, schema: Schema, chosen: Ints) -> Floats:
    """One-hot columns of all attributes' groups but their references, standardised, ``(chosen, columns)``.

    Standardised, because LEACE drops directions by the size of their covariance, and a rare group's would be
    small only because it is rare. A group without rows has no column.
    """
    columns = [
        (rows.groups[name][chosen] == index).astype(np.float64)
        for name in schema.gated
        for index in range(1, len(schema.gated[name]))
    ]
    found = np.stack(columns, axis=1)
    found = found[:, found.std(axis=0) > 0]
    standardised: Floats = (found - found.mean(axis=0)) / found.std(axis=0)
    return standardised


def erase(representation: Floats, rows: Rows, schema: Schema, fitted_on: Ints) -> Floats:
    """LEACE (Belrose et al. 2023): on the rows it was fitted on, no linear classifier can tell any group any more.

    All attributes are erased at once.

    Args:
        representation: ``(rows, width)``.
        rows: All rows.
        schema: What their values mean.
        fitted_on: Rows to fit the erasure on; those with an unknown attribute are left out.

    Returns:
        ``(rows, width)``.
    """
    known = fitted_on[np.all([rows.groups[name][fitted_on] >= 0 for name in schema.gated], axis=0)]
    columns = group_columns(rows, schema, known) if len(known) else np.zeros((0, 0))
    if not columns.size:
        raise NotApplicableError("no training row has all attributes known and a group beside the reference")
    x, z = torch.from_numpy(representation.astype(np.float64)), torch.from_numpy(columns)
    erased: Floats = leace(x[torch.from_numpy(known)], z)(x).numpy().astype(np.float32)
    return erased


@dataclass(frozen=True)
class ErasedHead(Method):
    """LEACE: the attributes are erased from the representation, linearly and in closed form, then a linear head.

    The head is the base's own, or a logistic one refitted on the erased representation of all training rows.
    The erasure is fitted on all training rows with known attributes. It needs no attribute at test, as the
    projection is the same for every row.
    """

    name: str = "leace"
    title: str = "LEACE, base's head"
    source: str = "concept-erasure"
    sees: Sees = Sees("all", "none", test=False)
    served: Served = ERASED
    head: Literal["base", "refitted"] = "base"

    def answer(self, context: Context) -> MethodAnswer:
        """Erase, then apply the head."""
        erased = erase(context.features.representation, context.rows, context.schema, context.train)
        if self.head == "base":
            return MethodAnswer.of_logits(context.base_head(erased[context.judged]))
        found = _Heads([], [])
        for strength in STRENGTHS:
            head = logistic(erased[context.train], context.rows.labels[context.train], strength)
            found.names.append({"C": strength})
            found.logits.append(logits_of(head, erased[context.judged]))
        return found.best(context)


LEACE: Sequence[ErasedHead] = (
    ErasedHead(),
    ErasedHead(
        name="leace-refit",
        title="LEACE, refitted head",
        sees=Sees("all", "all", test=False),
        served=NEW_HEAD,
        head="refitted",
    ),
)
