"""Baselines on the base's frozen representations: DFR, LEACE and an equalized-odds constrained head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from fairlearn.reductions import EqualizedOdds, ExponentiatedGradient
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from evenhand.console import track
from evenhand.training.baselines.base import Context, Method, MethodAnswer, Sees, Served
from evenhand.training.baselines.group_labels import LEFT_OUT, Groups, merge
from evenhand.training.baselines.postprocess import favourable_class
from evenhand.training.correctors.erasure import leace
from evenhand.training.correctors.interface import NotApplicableError
from evenhand.training.data.dataset import Rows, Schema
from evenhand.typing import Bools, Floats, Ints

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
    decision: Floats = head.decision_function(representation)
    return decision if decision.ndim == 2 else np.stack([np.zeros_like(decision), decision], axis=1)


@dataclass(frozen=True)
class _Heads:
    """Candidates and their logits on the scored rows."""

    names: list[dict[str, object]]
    logits: list[Floats]

    def best(self, context: Context) -> MethodAnswer:
        """The one that the criterion likes best on validation rows."""
        index = context.criterion.choose(
            range(len(self.names)), lambda i: context.on_validation(self.logits[i].argmax(axis=1))
        )
        return MethodAnswer.of_logits(self.logits[index], **self.names[index])


def balanced_draw(cells: Ints, candidates: Ints, rng: np.random.Generator) -> Ints:
    """Draw as many candidate rows of every cell as the smallest has; never rows that are left out."""
    inside = candidates[cells[candidates] != LEFT_OUT]
    present = np.unique(cells[inside])
    if not len(present):
        raise NotApplicableError("no group has enough rows of every label to balance")
    parts = [inside[cells[inside] == cell] for cell in present]
    size = min(len(part) for part in parts)
    return np.concatenate([rng.choice(part, size, replace=False) for part in parts])


@dataclass(frozen=True)
class DeepFeatureReweighting(Method):
    """DFR (Kirichenko et al. 2023): the last layer learnt anew on group-balanced rows.

    A logistic head with L1 regularisation on a balanced draw, its coefficients averaged over several draws.
    The paper prefers rows that the encoder has not seen. So the head is fitted on held-out rows and on all
    training rows; validation rows choose between both, and choose the regularisation.
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
        candidates = _Heads([], [])
        merged = {
            source: merge(context.rows, context.schema, rows) for source, rows in context.sources.items()
        }
        choices = [(source, strength) for source in merged for strength in STRENGTHS]
        for source, strength in track(choices, len(choices), "heads on balanced rows"):
            groups = merged[source]
            head = self.fit(representation, groups, context.sources[source], strength, context.seed)
            candidates.names.append({"rows": source, "C": strength, "groups": list(groups.names)})
            candidates.logits.append(logits_of(head, representation[context.scored]))
        return candidates.best(context)

    def fit(self, representation: Floats, groups: Groups, rows: Ints, strength: float, seed: int) -> Pipeline:
        """Average the heads of several balanced draws from ``rows``, all under one standardisation."""
        rng = np.random.default_rng(seed)
        scaler = StandardScaler().fit(representation[rows])
        heads = []
        for _ in range(self.draws):
            drawn = balanced_draw(groups.cells, rows, rng)
            # saga is the only solver for L1 and any number of classes.
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
    members = np.stack(columns, axis=1)
    members = members[:, members.std(axis=0) > 0]
    standardised: Floats = (members - members.mean(axis=0)) / members.std(axis=0)
    return standardised


def erase(representation: Floats, rows: Rows, schema: Schema, fitted_on: Ints) -> Floats:
    """LEACE (Belrose et al. 2023) of all attributes at once.

    On the rows it is fitted on, no linear classifier can predict any group afterwards.

    Args:
        representation: ``(rows, width)``.
        rows: All rows.
        schema: What their values mean.
        fitted_on: Rows to fit the erasure on; those with an unknown attribute are left out.

    Returns:
        ``(rows, width)``.
    """
    labelled = fitted_on[np.all([rows.groups[name][fitted_on] >= 0 for name in schema.gated], axis=0)]
    columns = group_columns(rows, schema, labelled) if len(labelled) else np.zeros((0, 0))
    if not columns.size:
        raise NotApplicableError("no training row has all attributes known and a group beside the reference")
    x, z = torch.from_numpy(representation.astype(np.float64)), torch.from_numpy(columns)
    erased: Floats = leace(x[torch.from_numpy(labelled)], z)(x).numpy().astype(np.float32)
    return erased


@dataclass(frozen=True)
class ErasedHead(Method):
    """LEACE erases the attributes from the representation in closed form; a linear head answers.

    The head is the base's own, or a logistic one refitted on the erased representation of all training rows.
    The erasure is fitted on all training rows with known attributes. It needs no attribute at test: the
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
            return MethodAnswer.of_logits(context.base_head(erased[context.scored]))
        candidates = _Heads([], [])
        for strength in STRENGTHS:
            head = logistic(erased[context.train], context.rows.labels[context.train], strength)
            candidates.names.append({"C": strength})
            candidates.logits.append(logits_of(head, erased[context.scored]))
        return candidates.best(context)


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


@dataclass(frozen=True)
class Mixture:
    """Several heads with a weight each; every answer is drawn from them."""

    scaler: StandardScaler
    heads: ExponentiatedGradient

    def selected(self, representation: Floats, seed: int) -> Bools:
        """Whether each of ``(rows, width)`` gets the favourable class."""
        favourable: Bools = self.heads.predict(self.scaler.transform(representation), random_state=seed) == 1
        return favourable


@dataclass(frozen=True)
class Constrained(Method):
    """Exponentiated gradient (Agarwal et al. 2018) over logistic heads; randomised, with the seed.

    Learnt on the rows that the base has not learnt from, or on all training rows, without those whose group
    is left out. Which rows, and which of ``bounds`` on the gaps in true and false positive rates, is chosen
    on validation rows.
    """

    name: str = "constrained-head"
    title: str = "Constrained head"
    source: str = "fairlearn's exponentiated gradient, Agarwal et al. 2018"
    sees: Sees = Sees("all", "all", test=False)
    served: Served = Served(
        "no", "It draws one of several heads for each answer: a row sent twice may get two answers."
    )
    bounds: tuple[float, ...] = (0.02, 0.1)

    def answer(self, context: Context) -> MethodAnswer:
        """Fit every choice, take the best on validation rows."""
        favourable = favourable_class(context)
        scored = context.features.representation[context.scored]
        predictions = {
            choice: np.where(mixture.selected(scored, context.seed), favourable, 1 - favourable)
            for choice, mixture in self.learn(context).items()
        }
        best = context.criterion.choose(
            predictions, lambda choice: context.on_validation(predictions[choice])
        )
        return MethodAnswer(predictions[best], None, {"rows": best[0], "bound": best[1]})

    def learn(self, context: Context) -> dict[tuple[str, float], Mixture]:
        """Fit every choice of rows and bound.

        Raises:
            NotApplicableError: more than two classes, or fewer than two groups.
        """
        favourable = favourable_class(context)
        merged = {
            source: merge(context.rows, context.schema, rows) for source, rows in context.sources.items()
        }
        choices = [
            (source, bound) for source, of in merged.items() if len(of.names) > 1 for bound in self.bounds
        ]
        if not choices:
            raise NotApplicableError("fewer than two groups have enough training rows of both labels")
        return {
            (source, bound): _fit(context, merged[source], context.sources[source], bound, favourable)
            for source, bound in track(choices, len(choices), "constrained heads")
        }


def _fit(context: Context, groups: Groups, rows: Ints, bound: float, favourable: int) -> Mixture:
    chosen = rows[groups.codes[rows] != LEFT_OUT]
    representation = context.features.representation[chosen]
    scaler = StandardScaler().fit(representation)
    # The reduction fits up to some hundred heads, under uneven weights: lbfgs takes 150 to 250 steps for
    # each, Newton's method 3 to 5. On HateXplain (15,383 rows, width 384) that is a quarter of the time.
    head = LogisticRegression(C=0.1, solver="newton-cholesky")
    model = ExponentiatedGradient(head, EqualizedOdds(difference_bound=bound), eps=bound)
    truth = (groups.labels[chosen] == favourable).astype(int)
    model.fit(scaler.transform(representation), truth, sensitive_features=groups.codes[chosen])
    return Mixture(scaler, model)
