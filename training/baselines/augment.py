"""More training rows: each text that names a group once more, with another group in its place and the same label."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from evenhand.models.bundle.encoders.choose import make_encoder
from evenhand.models.bundle.terms import Swapper, TermSwapper
from evenhand.training.baselines.context import Context
from evenhand.training.baselines.method import Method, NotApplicableError, Sees
from evenhand.training.baselines.retrain import Learning, RetrainedBase, Retraining, retrain
from evenhand.training.counterfactual.term_lists import PACKAGED, load_terms
from evenhand.training.learning.config import fingerprint
from evenhand.training.learning.finetune import cross_entropy
from evenhand.typing import Ints


def counterfactuals(swapper: Swapper, items: list[Any], chosen: Ints, seed: int) -> tuple[list[Any], Ints]:
    """One swap, drawn evenly, of every chosen row that has any.

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

    No row's attribute is asked for: the terms in a text decide. Only attributes that the data and the list of
    terms both name are swapped.
    """

    name: str = "counterfactual-augmentation"
    title: str = "Counterfactual augmentation"
    source: str = "Lu et al. 2020, Garg et al. 2019"
    sees: Sees = Sees("none", "all", test=False)
    terms: str = ""
    """The user's own list of terms; the packaged English one where not given."""

    @property
    def key(self) -> str:
        """Of the list, what it says decides, not where it lies."""
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
    """The same methods, those that swap terms with the user's list.

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
