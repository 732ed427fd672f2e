"""What learns a head over the base's representation, or erases from it.

A method that trains the whole base anew is held against the library by what is its own (weights, drawn rows,
the adversary and its step), on a linear head.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import ClassVar

import numpy as np
import torch
from concept_erasure import LeaceEraser
from fairlearn.adversarial import AdversarialFairnessClassifier
from fairlearn.reductions import EqualizedOdds, ExponentiatedGradient
from imblearn.over_sampling import RandomOverSampler
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_sample_weight
from torch import nn
from torch.nn import functional

from bench.references.pair import Drawn, Floats, Ints, Learning, answered
from evenhand.console import LINE_EVERY_S, say
from evenhand.training.baselines.adversarial import RATE as ADVERSARY_RATE
from evenhand.training.baselines.adversarial import WIDTH, Adversary, against
from evenhand.training.baselines.base import Context
from evenhand.training.baselines.group_labels import LEFT_OUT, Groups
from evenhand.training.baselines.heads import LEACE, Constrained, group_columns
from evenhand.training.baselines.resampling import balanced
from evenhand.training.baselines.retrain import inverse_frequency, weighted_cross_entropy

BOUND = 0.02
STRENGTH = 0.1
"""Inverse regularisation of every head, the constrained one's."""
EPOCHS, BATCH, RATE, ALPHA = 10, 256, 1e-3, 1.0
"""Of the heads with an adversary."""


def our_constrained(context: Context) -> Drawn:
    """As compared, on all training rows and with one bound: the guide chooses neither."""
    all_rows = replace(context)
    all_rows.__dict__.update(features=context.features, sources={"all training rows": context.train})
    (mixture,) = Constrained(bounds=(BOUND,)).learn(all_rows).values()
    scored = context.features.representation[context.scored]
    return lambda seed: answered(context, mixture.selected(scored, seed))


class CountedHeads(LogisticRegression):
    """Says now and then how many heads there are, and since when; a fit of fairlearn's clones it for each."""

    begun_s: ClassVar = 0.0
    said_s: ClassVar = 0.0
    fits: ClassVar = 0

    @classmethod
    def begin(cls) -> None:
        """Count anew."""
        cls.begun_s = cls.said_s = time.monotonic()
        cls.fits = 0

    def fit(self, x: Floats, y: Ints, sample_weight: Floats | None = None) -> CountedHeads:
        """Fit, and count."""
        super().fit(x, y, sample_weight)
        CountedHeads.fits += 1
        if time.monotonic() - CountedHeads.said_s > LINE_EVERY_S:
            CountedHeads.said_s = time.monotonic()
            say(f"{CountedHeads.fits} heads in {CountedHeads.said_s - CountedHeads.begun_s:.0f} s")
        return self


def fairlearns_constrained(context: Context) -> Drawn:
    """Fairlearn's guide: exponentiated gradient over scikit-learn's logistic regression."""
    data = Learning.of(context, grouped=True)
    head = CountedHeads(C=STRENGTH, max_iter=300)
    head.begin()
    model = ExponentiatedGradient(head, EqualizedOdds(difference_bound=BOUND), eps=BOUND)
    model.fit(data.x, data.truth, sensitive_features=data.groups.codes[data.rows])
    return lambda seed: answered(context, model.predict(data.scored, random_state=seed) == 1)


def our_leace(context: Context) -> Drawn:
    """As compared."""
    predicted = LEACE[0].answer(context).predicted
    return lambda _: predicted


def concept_erasures_leace(context: Context) -> Drawn:
    """concept-erasure's guide: ``LeaceEraser.fit(X, Z)`` with its defaults, then the base's last layer."""
    train, groups = context.train, context.rows.groups
    labelled = train[np.all([groups[name][train] >= 0 for name in context.schema.gated], axis=0)]
    x = torch.from_numpy(context.features.representation.astype(np.float64))
    z = torch.from_numpy(group_columns(context.rows, context.schema, labelled))
    erased = LeaceEraser.fit(x[torch.from_numpy(labelled)], z)(x).numpy().astype(np.float32)
    predicted = context.base_head(erased[context.scored]).argmax(axis=1)
    return lambda _: predicted


def our_reweighting(context: Context) -> Drawn:
    """Our weights in our loss, by torch; the penalty is scikit-learn's."""
    data = Learning.of(context)
    weights = inverse_frequency(data.groups, context.train)[data.rows]
    loss = weighted_cross_entropy(data.truth, weights)
    x, every = torch.from_numpy(data.x), np.arange(len(data.rows))
    head = nn.Linear(x.shape[1], 1)
    optimiser = torch.optim.LBFGS(
        head.parameters(), max_iter=500, tolerance_grad=1e-5, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        value = loss(_two(head(x)), every) + head.weight.square().sum() / (2 * STRENGTH * len(x))
        value.backward()
        return value

    optimiser.step(closure)
    with torch.no_grad():
        selected = head(torch.from_numpy(data.scored))[:, 0].numpy() > 0
    return lambda _: answered(context, selected)


def _two(favourable: torch.Tensor) -> torch.Tensor:
    """One logit as two, of which the other class's is 0."""
    return torch.cat([torch.zeros_like(favourable), favourable], dim=1)


def scikit_learns_reweighting(context: Context) -> Drawn:
    """``compute_sample_weight("balanced", ...)`` of label x group, and ``LogisticRegression``."""
    data = Learning.of(context)
    cells = data.groups.cells[data.rows]
    weights = np.ones(len(cells))
    weights[cells != LEFT_OUT] = compute_sample_weight("balanced", cells[cells != LEFT_OUT])
    head = LogisticRegression(C=STRENGTH, max_iter=1000).fit(data.x, data.truth, weights)
    return lambda _: answered(context, head.predict(data.scored) == 1)


def our_resampling(context: Context) -> Drawn:
    """Our draw of rows that have a group: about as many as before, every cell as many."""
    data = Learning.of(context, grouped=True)
    place = np.full(len(context.rows), -1)
    place[data.rows] = np.arange(len(data.rows))
    return lambda seed: _on_rows(context, data, place[balanced(data.groups, data.rows, seed)])


def imbalanced_learns_resampling(context: Context) -> Drawn:
    """``RandomOverSampler`` with its defaults, over label x group: every cell as many as the largest has."""
    data = Learning.of(context, grouped=True)
    cells, every = data.groups.cells[data.rows], np.arange(len(data.rows))[:, None]

    def drawn(seed: int) -> Ints:
        rows, _ = RandomOverSampler(random_state=seed).fit_resample(every, cells)
        return _on_rows(context, data, rows[:, 0])

    return drawn


def _on_rows(context: Context, data: Learning, rows: Ints) -> Ints:
    """A logistic head on some rows, named as often as they count; the penalty is that of all rows once."""
    strength = STRENGTH * len(data.rows) / len(rows)
    head = LogisticRegression(C=strength, solver="newton-cholesky").fit(data.x[rows], data.truth[rows])
    return answered(context, head.predict(data.scored) == 1)


def our_adversarial(context: Context) -> Drawn:
    """Our adversary and our direction, by Adam."""
    data = Learning.of(context, grouped=True)
    codes = data.groups.codes[data.rows]

    def drawn(seed: int) -> Ints:
        torch.manual_seed(seed)
        adversary = Adversary(Groups(data.groups.names, codes, data.truth, 2))
        head = nn.Linear(data.x.shape[1], 1)
        optimiser = torch.optim.Adam(head.parameters(), lr=RATE)
        for _ in range(EPOCHS):
            for batch in torch.randperm(len(codes)).split(BATCH):
                _step(head, adversary, data, batch.numpy())
                optimiser.step()
        with torch.no_grad():
            selected = head(torch.from_numpy(data.scored))[:, 0].numpy() > 0
        return answered(context, selected)

    return drawn


def _step(head: nn.Linear, adversary: Adversary, data: Learning, batch: Ints) -> None:
    """Teach the adversary, and leave the head's direction in its gradients."""
    logits, weights = _two(head(torch.from_numpy(data.x[batch]))), list(head.parameters())
    adversary.step(logits, batch)
    task = functional.cross_entropy(logits, torch.from_numpy(data.truth[batch]))
    of_task = torch.autograd.grad(task, weights, retain_graph=True)
    of_other = torch.autograd.grad(adversary.loss(logits, batch), weights)
    for weight, direction in zip(weights, against(of_task, of_other, ALPHA), strict=True):
        weight.grad = direction


def fairlearns_adversarial(context: Context) -> Drawn:
    """Fairlearn's guide, with a linear predictor and an adversary of our width and rate.

    Its ``random_state`` seeds torch with a share of one, which torch takes for 0 (0.15): weights and the
    order of rows are drawn here.
    """
    data = Learning.of(context, grouped=True)
    codes, groups = data.groups.codes[data.rows], len(data.groups.names)

    def drawn(seed: int) -> Ints:
        torch.manual_seed(seed)
        last = [nn.Linear(WIDTH, 1), nn.Sigmoid()] if groups == 2 else [nn.Linear(WIDTH, groups)]
        model = AdversarialFairnessClassifier(
            backend="torch",
            predictor_model=nn.Sequential(nn.Linear(data.x.shape[1], 1), nn.Sigmoid()),
            adversary_model=nn.Sequential(nn.Linear(2, WIDTH), nn.ReLU(), *last),
            adversary_optimizer=lambda net: torch.optim.Adam(net.parameters(), lr=ADVERSARY_RATE),
            constraints="equalized_odds",
            learning_rate=RATE,
            alpha=ALPHA,
            epochs=EPOCHS,
            batch_size=BATCH,
            shuffle=True,
        )
        order = torch.randperm(len(codes)).numpy()
        model.fit(data.x[order], data.truth[order], sensitive_features=codes[order])
        return answered(context, model.predict(data.scored) == 1)

    return drawn
