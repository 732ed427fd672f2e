"""Penalties on how groups differ: in their rates (demographic parity, equalized odds) or their representations."""

from __future__ import annotations

import torch
from torch import Tensor

from evenhand.training.baselines.group_labels import LEFT_OUT

BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Of the kernels, in multiples of the mean squared distance."""


class RunningMeans:
    """Means per cell over batches: their value remembers, their gradient is the batch's.

    A batch holds few rows of a rare group. The square of a gap between means of a few rows is mostly noise,
    and its gradient punishes the noise; that of the remembered gap points where the gap is.

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
        """Penalty of one batch, whose rows all have a group: ``(rows, classes)``, ``(rows,)`` and ``(rows,)``."""
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
        """Penalty of one batch, whose rows all have a group: ``(rows, width)``, ``(rows,)`` and ``(rows,)``."""
        cells = labels * self._groups + groups
        parts = [representation[cells == cell] for cell in range(self._groups * self._classes)]
        sums, squares = torch.stack([x.sum(dim=0) for x in parts]), torch.stack([x.T @ x for x in parts])
        counts = torch.tensor([len(x) for x in parts])
        means = self._means(sums, counts)
        spread = self._squares(squares, counts) - outer(means)
        all_counts = self._by_label(counts)
        all_means = self._all_means(self._by_label(sums), all_counts)
        all_spread = self._all_squares(self._by_label(squares), all_counts) - outer(all_means)
        found = self._apart(means, all_means) + self._apart(spread, all_spread)
        return (found * self._means.seen).sum() / self._means.seen.sum().clamp(min=1)

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
        """Penalty of one batch, whose rows all have a group: ``(rows, width)``, ``(rows,)`` and ``(rows,)``."""
        kernel = kernels(representation)
        found = []
        for label in torch.unique(labels):
            for group in torch.unique(groups[labels == label]):
                inside, outside = (labels == label) & (groups == group), (labels == label) & (groups != group)
                if min(int(inside.sum()), int(outside.sum())) > 1:
                    found.append(
                        _within(kernel, inside)
                        + _within(kernel, outside)
                        - 2 * kernel[inside][:, outside].mean()
                    )
        return torch.stack(found).mean() if found else representation.sum() * 0.0


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


def known(groups: Tensor) -> Tensor:
    """Which rows a penalty looks at: those whose group is not left out."""
    return groups != LEFT_OUT
