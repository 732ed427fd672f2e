"""Cross-entropy with a penalty on group differences: in rates, or in representations within a label."""

from __future__ import annotations

import contextlib
import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from evenhand.models.network.backbones import family_of, pooled
from evenhand.training.baselines.base import Context, Sees
from evenhand.training.baselines.group_labels import LEFT_OUT, Groups
from evenhand.training.baselines.retrain import Learning, RetrainedBase, Retraining, fresh, grouped, retrain
from evenhand.training.data.dataset import Schema
from evenhand.typing import Ints

BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Of the kernels, in multiples of the mean squared distance."""


class RunningMeans:
    """Means per cell: the value is a running mean over batches, the gradient is the current batch's.

    A batch holds few rows of a rare group. The squared gap between means of a few rows is mostly noise, and
    so is its gradient; the gradient of the running gap points at the real gap.

    Args:
        cells: How many there are.
        step: Weight of a new batch.
    """

    def __init__(self, cells: int, step: float = 0.1) -> None:
        self._cells, self._step = cells, step
        self._value: Tensor | None = None
        self.seen = torch.zeros(cells, dtype=torch.bool)
        """``(cells,)`` whether a cell has had a row yet."""

    def __call__(self, sums: Tensor, counts: Tensor) -> Tensor:
        """Take a batch in: sums ``(cells, ...)`` over ``counts (cells,)`` rows to means ``(cells, ...)``."""
        wide = (-1, *[1] * (sums.dim() - 1))
        batch = sums / counts.clamp(min=1).reshape(wide)
        here = counts > 0
        kept = batch.detach() if self._value is None else self._value
        step = torch.where(self.seen, self._step, 1.0).to(sums.dtype) * here
        self._value = kept + step.reshape(wide) * (batch.detach() - kept)
        self.seen |= here
        return self._value + (batch - batch.detach())


class RateGap:
    r"""Mean over groups of the squared gap to the rate of all rows, summed over strata.

    .. math:: \sum_s \frac{1}{|G|} \sum_g (\bar p_{s,g} - \bar p_s)^2

    with :math:`\bar p` the mean probability of a favourable label: differentiable, where a selection rate is
    not. One stratum is demographic parity; with the true label as strata it is equalized odds.

    Args:
        favourable: ``(classes,)`` which labels are good for the person.
        groups: How many groups there are.
        strata: How many strata there are.
    """

    def __init__(self, favourable: Tensor, groups: int, strata: int) -> None:
        self._favourable, self._groups, self._strata = favourable, groups, strata
        self._each, self._all = RunningMeans(groups * strata), RunningMeans(strata)

    def __call__(self, logits: Tensor, groups: Tensor, strata: Tensor) -> Tensor:
        """Penalty of a batch whose rows all have a group: ``(rows, classes)``, ``(rows,)``, ``(rows,)``."""
        probability = torch.softmax(logits, dim=1)[:, self._favourable].sum(dim=1)
        cells, shape = strata * self._groups + groups, (self._strata, self._groups)
        counts = torch.bincount(cells, minlength=self._strata * self._groups)
        sums = probability.new_zeros(len(counts)).index_add(0, cells, probability)
        each = self._each(sums, counts).reshape(shape)
        whole = self._all(sums.reshape(shape).sum(dim=1), counts.reshape(shape).sum(dim=1))
        gaps = (each - whole.unsqueeze(1)).square()
        return (gaps * self._each.seen.reshape(shape)).sum() / self._groups


class Coral:
    r"""CORAL (Sun and Saenko 2016): squared differences of covariances, and as in DomainBed of means.

    .. math:: \frac{1}{|C|} \sum_{y,g} \overline{(\mu_{y,g} - \mu_y)^2} + \overline{(\Sigma_{y,g} -
    \Sigma_y)^2}

    over cells (label x group), a bar for the mean over entries.

    Args:
        groups: How many groups there are.
        classes: How many labels there are.
    """

    def __init__(self, groups: int, classes: int) -> None:
        self._groups, self._classes = groups, classes
        self._means, self._squares = RunningMeans(groups * classes), RunningMeans(groups * classes)
        self._all_means, self._all_squares = RunningMeans(classes), RunningMeans(classes)

    def __call__(self, representation: Tensor, groups: Tensor, labels: Tensor) -> Tensor:
        """Penalty of a batch whose rows all have a group: ``(rows, width)``, ``(rows,)``, ``(rows,)``."""
        cells = labels * self._groups + groups
        parts = [representation[cells == cell] for cell in range(self._groups * self._classes)]
        sums, squares = torch.stack([x.sum(dim=0) for x in parts]), torch.stack([x.T @ x for x in parts])
        counts = torch.tensor([len(x) for x in parts])
        means = self._means(sums, counts)
        spread = self._squares(squares, counts) - outer(means)
        all_counts = self._by_label(counts)
        all_means = self._all_means(self._by_label(sums), all_counts)
        all_spread = self._all_squares(self._by_label(squares), all_counts) - outer(all_means)
        differences = self._apart(means, all_means) + self._apart(spread, all_spread)
        return (differences * self._means.seen).sum() / self._means.seen.sum().clamp(min=1)

    def _by_label(self, sums: Tensor) -> Tensor:
        """``(cells, ...)`` to ``(classes, ...)``."""
        return sums.reshape(self._classes, self._groups, *sums.shape[1:]).sum(dim=1)

    def _apart(self, each: Tensor, whole: Tensor) -> Tensor:
        """Mean squared difference of every cell's entries from its label's, ``(cells,)``."""
        return (each - whole.repeat_interleave(self._groups, dim=0)).square().flatten(1).mean(dim=1)


def outer(means: Tensor) -> Tensor:
    """``(cells, width)`` to ``(cells, width, width)``."""
    return means.unsqueeze(2) * means.unsqueeze(1)


class Mmd:
    r"""Maximum mean discrepancy (Gretton et al. 2012) between a group and everybody else of its label.

    The U-statistic, in which no row meets itself, so that few rows do not look like a difference; mean over
    the cells with two rows on both sides. Gaussian kernels of several widths, multiples of the batch's mean
    squared distance.
    """

    def __call__(self, representation: Tensor, groups: Tensor, labels: Tensor) -> Tensor:
        """Penalty of a batch whose rows all have a group: ``(rows, width)``, ``(rows,)``, ``(rows,)``."""
        kernel = kernels(representation)
        discrepancies = []
        for label in torch.unique(labels):
            for group in torch.unique(groups[labels == label]):
                inside, outside = (labels == label) & (groups == group), (labels == label) & (groups != group)
                if min(int(inside.sum()), int(outside.sum())) > 1:
                    discrepancies.append(
                        _within(kernel, inside)
                        + _within(kernel, outside)
                        - 2 * kernel[inside][:, outside].mean()
                    )
        return torch.stack(discrepancies).mean() if discrepancies else representation.sum() * 0.0


def kernels(representation: Tensor) -> Tensor:
    """Mean of the Gaussian kernels between all rows of ``representation (rows, width)``: ``(rows, rows)``."""
    products = representation @ representation.T
    lengths = products.diagonal()
    squared = (lengths.unsqueeze(0) + lengths.unsqueeze(1) - 2 * products).clamp(min=0.0)
    usual = squared.detach().sum() / max(1, len(squared) * (len(squared) - 1))
    scaled = squared / usual.clamp(min=1e-12)
    return torch.stack([torch.exp(-scaled / width) for width in BANDWIDTHS]).mean(dim=0)


def _within(kernel: Tensor, chosen: Tensor) -> Tensor:
    """Mean of a kernel over different rows of a group."""
    part = kernel[chosen][:, chosen]
    return (part.sum() - part.diagonal().sum()) / (len(part) * (len(part) - 1))


def has_group(groups: Tensor) -> Tensor:
    """Which rows a penalty looks at: those whose group is not left out."""
    return groups != LEFT_OUT


Penalty = Callable[[Tensor, Tensor, Tensor], Tensor]
"""What it looks at ``(rows, ...)``, groups ``(rows,)`` and labels ``(rows,)`` to one value."""


class Rising:
    """A strength that rises evenly from nothing to its value in the last step.

    The comparison's criterion keeps the best epoch on validation rows, and so chooses the strength too, at
    the cost of one retraining. The early epochs, with little penalty, let the model learn the task first.
    """

    def __init__(self, context: Context, rows: int, strength: float) -> None:
        stage = context.config.base_stage
        self._steps, self._done, self._strength = (
            stage.epochs * math.ceil(rows / stage.batch_rows),
            0,
            strength,
        )

    def __call__(self) -> float:
        """The strength of the next step."""
        self._done += 1
        return self._strength * min(1.0, self._done / self._steps)


class HeadInput:
    """Keeps the head's input, the representation, while a model learns."""

    def __init__(self, model: nn.Module) -> None:
        self._model, self._head = model, model.get_submodule(family_of(model).head)
        self._ids: Tensor | None = None
        self.caught: Tensor = torch.empty(0)
        """``(rows, width)`` of the batch that was run last."""

    @contextlib.contextmanager
    def around(self, _: Ints) -> Iterator[None]:
        """Keep the head's input of each pass while the context is open."""
        handles = (
            self._model.register_forward_pre_hook(self._enter, with_kwargs=True),
            self._head.register_forward_pre_hook(self._catch),
        )
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, _: nn.Module, __: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._ids = kwargs.get("input_ids")

    def _catch(self, _: nn.Module, args: tuple[Any, ...]) -> None:
        self.caught = pooled(self._model, args[0], self._ids).float().cpu()


@dataclass(frozen=True)
class _Penalised(Retraining):
    """Cross-entropy plus a penalty over the rows whose group is not left out."""

    strength: float = 1.0
    on: Literal["logits", "representation"] = "logits"
    """Whether the penalty looks at logits or at the representation."""

    @abstractmethod
    def penalty(self, groups: Groups, schema: Schema) -> Penalty:
        """The penalty, new for every retraining."""

    def learn(self, context: Context) -> RetrainedBase:
        """Retrain."""
        groups, labels = grouped(context), torch.from_numpy(context.rows.labels)
        codes, penalty = torch.from_numpy(groups.codes), self.penalty(groups, context.schema)
        strength = Rising(context, len(context.train), self.strength)
        model = fresh(context)
        head = HeadInput(model)

        def loss(logits: Tensor, batch: Ints) -> Tensor:
            task = functional.cross_entropy(logits, labels[batch])
            at = has_group(codes[batch])
            seen = (logits if self.on == "logits" else head.caught)[at]
            return task + strength() * penalty(seen, codes[batch][at], labels[batch][at])

        learning = Learning(self.name, loss, context.train, context.criterion.value, head.around)
        return RetrainedBase(
            retrain(context, learning, model), {"groups": list(groups.names), "strength": self.strength}
        )


@dataclass(frozen=True)
class RegularisedParity(_Penalised):
    """A penalty on gaps in the rate of the favourable label (Kamishima et al. 2012; Buyl et al. 2024)."""

    name: str = "regularised-dp"
    title: str = "Regularised, demographic parity"
    source: str = "Buyl et al. 2024"
    sees: Sees = Sees("all", "all", test=False)
    strength: float = 40.0

    def penalty(self, groups: Groups, schema: Schema) -> Penalty:
        """One stratum: all labels together."""
        gap = RateGap(favourable(schema), len(groups.names), 1)
        return lambda logits, codes, _: gap(logits, codes, torch.zeros_like(codes))


@dataclass(frozen=True)
class RegularisedOdds(_Penalised):
    """The same within every true label: equalized odds."""

    name: str = "regularised-eo"
    title: str = "Regularised, equalized odds"
    source: str = "Buyl et al. 2024"
    sees: Sees = Sees("all", "all", test=False)
    strength: float = 10.0

    def penalty(self, groups: Groups, schema: Schema) -> Penalty:
        """One stratum per true label."""
        return RateGap(favourable(schema), len(groups.names), groups.classes)


@dataclass(frozen=True)
class MmdPenalty(_Penalised):
    """A penalty on the maximum mean discrepancy between the groups of a label, over representations."""

    name: str = "mmd"
    title: str = "MMD within labels"
    source: str = "Gretton et al. 2012, Li et al. 2018"
    sees: Sees = Sees("all", "all", test=False)
    strength: float = 5.0
    on: Literal["logits", "representation"] = "representation"

    def penalty(self, groups: Groups, schema: Schema) -> Penalty:
        """Without state: MMD uses the batch alone."""
        return Mmd()


@dataclass(frozen=True)
class CoralPenalty(_Penalised):
    """A penalty on differences in means and covariances of representations between the groups of a label."""

    name: str = "coral"
    title: str = "CORAL within labels"
    source: str = "Sun and Saenko 2016"
    sees: Sees = Sees("all", "all", test=False)
    strength: float = 30.0
    on: Literal["logits", "representation"] = "representation"

    def penalty(self, groups: Groups, schema: Schema) -> Penalty:
        """Over cells (label x group)."""
        return Coral(len(groups.names), groups.classes)


def favourable(schema: Schema) -> Tensor:
    """``(classes,)`` which labels are good for the person."""
    return torch.tensor([label in schema.favourable for label in schema.labels])
