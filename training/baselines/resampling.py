"""Baselines that change the training rows and retrain: draws, labels, swapped terms, blended embeddings."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from imblearn.over_sampling import RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from torch import Tensor, nn

from evenhand.models.bundle.encoders.choose import make_encoder
from evenhand.models.bundle.inputs import Encoded
from evenhand.models.bundle.terms import Swapper, TermSwapper
from evenhand.models.network.backbones import block_paths, family_of
from evenhand.training.baselines.base import Context, Method, Sees
from evenhand.training.baselines.group_labels import LEFT_OUT, Groups, merge
from evenhand.training.baselines.postprocess import favourable_class
from evenhand.training.baselines.retrain import Learning, RetrainedBase, Retraining, fresh, grouped, retrain
from evenhand.training.correctors.interface import NotApplicableError
from evenhand.training.counterfactual.term_lists import PACKAGED, load_terms
from evenhand.training.learning.config import fingerprint
from evenhand.training.learning.finetune import cross_entropy
from evenhand.typing import Bools, Floats, Ints


def balanced(groups: Groups, chosen: Ints, seed: int) -> Ints:
    """Draw rows so that every cell has equally many, and the total stays about the same.

    imbalanced-learn's RandomUnderSampler draws from cells above the mean, RandomOverSampler repeats rows of
    those below, so an epoch costs what the base's costs. Oversampling every cell to the largest would repeat
    rare rows hundreds of times at several times the cost; undersampling to the smallest would leave a few
    hundred rows. Rows that are left out of the groups stay in once.
    """
    cells = groups.cells[chosen]
    inside, outside = chosen[cells != LEFT_OUT], chosen[cells == LEFT_OUT]
    kinds, counts = np.unique(groups.cells[inside], return_counts=True)
    target = round(float(counts.mean()))
    down = {int(kind): target for kind, count in zip(kinds, counts, strict=True) if count > target}
    up = {int(kind): target for kind in kinds}
    drawn, cells_drawn = inside[:, None], groups.cells[inside]
    drawn, cells_drawn = RandomUnderSampler(sampling_strategy=down, random_state=seed).fit_resample(
        drawn, cells_drawn
    )
    drawn, _ = RandomOverSampler(sampling_strategy=up, random_state=seed).fit_resample(drawn, cells_drawn)
    return np.concatenate([drawn[:, 0], outside])


@dataclass(frozen=True)
class Resampling(Retraining):
    """Cross-entropy on rows drawn so that all cells (label x group) are equally many."""

    name: str = "resampling"
    title: str = "Resampling"
    source: str = "imbalanced-learn, label x group"
    sees: Sees = Sees("all", "all", test=False)

    def learn(self, context: Context) -> RetrainedBase:
        """Retrain."""
        groups = merge(context.rows, context.schema, context.train)
        drawn = balanced(groups, context.train, context.seed)
        loss = cross_entropy(context.rows.labels)
        model = retrain(context, Learning(self.name, loss, drawn, context.criterion.value))
        return RetrainedBase(model, {"groups": list(groups.names), "rows": len(drawn)})


def counterfactuals(swapper: Swapper, items: list[Any], chosen: Ints, seed: int) -> tuple[list[Any], Ints]:
    """For every chosen row that has a counterfactual, one of them, drawn evenly.

    Args:
        swapper: Makes swaps.
        items: All rows.
        chosen: Which of them.
        seed: Decides what is drawn.

    Returns:
        The swapped items, and the row that each was made of.
    """
    rng = np.random.default_rng(seed)
    made, origins = [], []
    for row in chosen.tolist():
        swaps = swapper.swaps(items[row])
        if swaps:
            made.append(swaps[rng.integers(len(swaps))].item)
            origins.append(row)
    return made, np.array(origins, dtype=np.int64)


@dataclass(frozen=True)
class CounterfactualAugmentation(Retraining):
    """Counterfactual data augmentation (Lu et al. 2020; Garg et al. 2019) by exchanging identity terms.

    It needs no row's attribute: the terms in a text decide. It swaps only attributes that the data and the
    list of terms both name.
    """

    name: str = "counterfactual-augmentation"
    title: str = "Counterfactual augmentation"
    source: str = "Lu et al. 2020, Garg et al. 2019"
    sees: Sees = Sees("none", "all", test=False)
    terms: str = ""
    """The user's own list of terms; the packaged English one where not given."""

    @property
    def key(self) -> str:
        """Hash of the name and the content of the list, whatever its path."""
        settings = {**asdict(self), "terms": load_terms(self._file)}
        return fingerprint(type(self).__name__, {name: settings[name] for name in ("name", "terms")})

    @property
    def _file(self) -> Path:
        return Path(self.terms) if self.terms else PACKAGED

    def learn(self, context: Context) -> RetrainedBase:
        """Add the swapped rows, retrain."""
        swapper = self._swapper(context)
        items, origins = counterfactuals(swapper, context.rows.items, context.train, context.seed)
        if not items:
            raise NotApplicableError(f"no training text names a term of {', '.join(swapper.attributes)}")
        encoder = make_encoder(context.base.preprocess, context.base.spec)
        more = [encoder.encode(item) for item in items]
        labels = np.concatenate([context.rows.labels, context.rows.labels[origins]])
        chosen = np.concatenate([context.train, len(context.rows) + np.arange(len(more))])
        learning = Learning(self.name, cross_entropy(labels), chosen, context.criterion.value, more=more)
        return RetrainedBase(
            retrain(context, learning), {"attributes": list(swapper.attributes), "added": len(more)}
        )

    def _swapper(self, context: Context) -> Swapper:
        if context.config.columns.task not in ("text", "pair"):
            raise NotApplicableError("terms are swapped in texts; this data has none")
        listed = load_terms(self._file)
        shared = {name: groups for name, groups in listed.items() if name in context.schema.groups}
        if not shared:
            raise NotApplicableError(
                f"the list of terms has {', '.join(listed)}, the data {', '.join(context.schema.groups)}; "
                "give --terms a list that names its attributes"
            )
        return TermSwapper(shared)


def with_terms(methods: Iterable[Method], file: Path | None) -> tuple[Method, ...]:
    """The same methods; those that exchange terms use the user's list.

    Raises:
        DataError: it is not such a list.
    """
    if file is None:
        return tuple(methods)
    load_terms(file)
    return tuple(
        replace(method, terms=str(file)) if isinstance(method, CounterfactualAugmentation) else method
        for method in methods
    )


def targets(selected: Bools, codes: Ints) -> dict[int, int]:
    r"""Number of selected rows per group under which all groups have the same rate and the total stays.

    Group :math:`g` of :math:`n_g` rows gets :math:`n_g \bar r`, :math:`\bar r` the rate of all rows. With two
    groups the rows that are moved are Kamiran and Calders's :math:`M = |r_1 - r_2| \, n_1 n_2 / n`. What
    rounding leaves goes to the groups of largest remainder.

    Args:
        selected: ``(rows,)`` whether a row has the favourable label.
        codes: ``(rows,)`` group.
    """
    present, sizes = np.unique(codes, return_counts=True)
    exact = sizes * selected.mean()
    whole = np.floor(exact + 1e-9).astype(int)
    left = int(selected.sum()) - int(whole.sum())
    whole[np.argsort(whole - exact, kind="stable")[:left]] += 1
    return dict(zip(present.tolist(), whole.tolist(), strict=True))


def massaged(selected: Bools, codes: Ints, score: Floats) -> Bools:
    """Promote each group's best unselected rows or demote its worst selected ones, as many as it needs.

    Args:
        selected: ``(rows,)`` whether a row has the favourable label.
        codes: ``(rows,)`` group; rows that are left out stay as they are.
        score: ``(rows,)`` how far a ranker believes in the favourable label.

    Returns:
        ``(rows,)`` whether a row has it now; as many rows as before have it.
    """
    changed = selected.copy()
    grouped_rows = codes != LEFT_OUT
    for code, target in targets(selected[grouped_rows], codes[grouped_rows]).items():
        inside = np.flatnonzero(codes == code)
        have = int(selected[inside].sum())
        if target > have:
            candidates = inside[~selected[inside]]
            changed[candidates[np.argsort(-score[candidates], kind="stable")[: target - have]]] = True
        else:
            candidates = inside[selected[inside]]
            changed[candidates[np.argsort(score[candidates], kind="stable")[: have - target]]] = False
    return changed


@dataclass(frozen=True)
class Massaging(Retraining):
    """Massaging (Kamiran and Calders 2012), ranked by the base's scores, then a retraining on the new labels.

    Labels nearest to the boundary change until all groups are selected at the same rate. Validation and test
    rows keep their labels.
    """

    name: str = "massaging"
    title: str = "Massaging"
    source: str = "Kamiran and Calders 2012"
    sees: Sees = Sees("all", "all", test=False)

    def learn(self, context: Context) -> RetrainedBase:
        """Change labels, retrain."""
        favourable = favourable_class(context)
        train, labels = context.train, context.rows.labels
        groups = grouped(context)
        logits = context.features.base_logits[train]
        score = logits[:, favourable] - logits[:, 1 - favourable]
        selected = labels[train] == favourable
        changed = massaged(selected, groups.codes[train], score)
        new = labels.copy()
        new[train] = np.where(changed, favourable, 1 - favourable)
        model = retrain(context, Learning(self.name, cross_entropy(new), train, context.criterion.value))
        return RetrainedBase(
            model, {"groups": list(groups.names), "relabelled": int((changed != selected).sum())}
        )


def partners(groups: Groups, batch: Ints, rng: np.random.Generator) -> Ints:
    """For every row of a batch, the place of a row with its label and another group, else its own.

    The other group is drawn first, all with equal probability, and then its row. Otherwise nearly all rows
    would be blended with rows of the largest group.

    Args:
        groups: The group of every row; rows that are left out have no partner and are none.
        batch: Rows.
        rng: Draws.
    """
    codes, labels = groups.codes[batch], groups.labels[batch]
    places = np.arange(len(batch))
    for label in np.unique(labels):
        members = {
            code: np.flatnonzero((labels == label) & (codes == code))
            for code in np.unique(codes[labels == label])
            if code != LEFT_OUT
        }
        for code, own in members.items():
            others = [rows for other, rows in members.items() if other != code]
            if others:
                group, place = rng.integers(len(others), size=len(own)), rng.random(len(own))
                places[own] = [others[g][int(p * len(others[g]))] for g, p in zip(group, place, strict=True)]
    return places


class Blend:
    """Blends what enters the first block, with weights drawn from a Beta distribution.

    Args:
        model: The classifier that learns.
        encoded: All rows.
        groups: The group of every row.
        shape: Both parameters of the Beta distribution.
        seed: Decides pairs and weights.
    """

    def __init__(
        self, model: nn.Module, encoded: Sequence[Encoded], groups: Groups, shape: float, seed: int
    ) -> None:
        family = family_of(model)
        model_type = model.config.model_type  # type: ignore[union-attr]
        if family.repeats or family.axis or family.left:
            raise NotApplicableError(
                f"mixup blends what enters the first block, which the base's type {model_type!r} "
                "calls again or lays out otherwise"
            )
        self._block = model.get_submodule(block_paths(model, family)[0])
        self._encoded, self._groups, self._shape = encoded, groups, shape
        self._rng = np.random.default_rng(seed)

    @contextlib.contextmanager
    def around(self, batch: Ints) -> Iterator[None]:
        """Let the model see blended rows while the context is open."""
        order = partners(self._groups, batch, self._rng)
        weights = torch.from_numpy(self._rng.beta(self._shape, self._shape, len(batch))).float()
        shared = self._shared([self._encoded[row] for row in batch], order)

        def enter(
            _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
        ) -> tuple[tuple[Any, ...], dict[str, Any]]:
            if args:
                return (blended(args[0], order, weights, shared), *args[1:]), kwargs
            return args, {**kwargs, "hidden_states": blended(kwargs["hidden_states"], order, weights, shared)}

        handle = self._block.register_forward_pre_hook(enter, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()

    @staticmethod
    def _shared(rows: Sequence[Encoded], order: Ints) -> Ints | None:
        """``(batch,)`` first positions that a text shares with its partner; ``None`` for other kinds: all."""
        if "input_ids" not in rows[0].arrays:
            return None
        lengths = np.array([row.tokens for row in rows])
        common: Ints = np.minimum(lengths, lengths[order])
        return common


def blended(hidden: Tensor, order: Ints, weights: Tensor, shared: Ints | None) -> Tensor:
    """Blend rows of a hidden state with others of the batch.

    Args:
        hidden: ``(batch, positions, ...)``, or feature maps.
        order: ``(batch,)`` the other row's place.
        weights: ``(batch,)`` share of the own row.
        shared: ``(batch,)`` how many first positions are blended; all where not given. Beyond them a text
            that is longer than its partner stays as it is: padding means nothing.
    """
    own = weights.to(hidden.device, hidden.dtype).reshape(-1, *[1] * (hidden.dim() - 1))
    if shared is not None:
        inside = torch.arange(hidden.shape[1])[None] < torch.from_numpy(shared)[:, None]
        own = torch.where(inside.to(hidden.device).unsqueeze(2), own, torch.ones_like(own))
    return own * hidden + (1 - own) * hidden[torch.from_numpy(order).to(hidden.device)]


@dataclass(frozen=True)
class Mixup(Retraining):
    """Mixup of embeddings within a label and across groups (LISA's intra-label mixup, Yao et al. 2022).

    Both rows have the same label, so the label needs no mixing, and features of the group stop predicting it.
    Fair mixup (Chuang and Mroueh 2021) penalises the path between two groups instead; it is defined for two
    groups and one score, and needs a second derivative. Embeddings can be blended for texts, tables and
    images.
    """

    name: str = "mixup"
    title: str = "Mixup across groups"
    source: str = "intra-label mixup, Yao et al. 2022"
    sees: Sees = Sees("all", "all", test=False)
    shape: float = 2.0

    def learn(self, context: Context) -> RetrainedBase:
        """Retrain on blended rows."""
        groups = grouped(context)
        model = fresh(context)
        blend = Blend(model, context.base.encoded, groups, self.shape, context.seed)
        loss = cross_entropy(context.rows.labels)
        learning = Learning(self.name, loss, context.train, context.criterion.value, blend.around)
        return RetrainedBase(retrain(context, learning, model), {"groups": list(groups.names)})
