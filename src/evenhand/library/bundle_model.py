"""A bundle in memory: its files, which can be pickled and written, and its graph, loaded when it answers."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from evenhand.library import hub
from evenhand.library.inputs import features_of, is_frame, items_of
from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.bundle import Bundle
from evenhand.models.bundle.encoders.choose import make_encoder
from evenhand.models.bundle.encoders.table import TableEncoder
from evenhand.models.bundle.inputs import Encoded, Encoder, InputError, collate, pad_of
from evenhand.models.bundle.manifest import Manifest
from evenhand.models.bundle.runner import Runner, make_runner
from evenhand.models.bundle.runtime_onnx import MODE_CODES, GraphOutputs
from evenhand.tables.frame import frame_table
from evenhand.typing import Array, Bools, Float32s, Float64s, Ints

BATCH = 512
"""Rows of one run of the graph."""


@dataclass(frozen=True)
class Served:
    """What a bundle answers under the modes of its manifest, as the service would."""

    scores: Float64s
    """``(rows, labels)`` probabilities, in the order of the manifest's labels."""
    base_scores: Float64s
    """``(rows, labels)`` the base's own."""
    labels: Ints
    """``(rows,)`` places of the labels served."""
    base_labels: Ints
    """``(rows,)`` places of the base's own labels."""
    risk: Float32s
    """``(rows, attributes)``."""
    flagged: Bools
    """``(rows, attributes)``."""


class BundleModel:
    """A verified bundle that answers frames, arrays and lists as the service answers requests.

    Args:
        files: The content of every file by its name in the bundle.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)

    @classmethod
    def of(cls, folder: Path | str) -> BundleModel:
        """Read a bundle and verify it.

        Args:
            folder: Its folder, or ``hub:<owner>/<name>[@<revision>]``.

        Raises:
            BundleError: it cannot be fetched, or must not be served; the message says why.
        """
        if hub.is_hub(folder):
            with tempfile.TemporaryDirectory() as place:
                return cls.of(hub.pull(str(folder), Path(place)))
        manifest = bundles.load(folder).manifest
        names = (bundles.MANIFEST, *manifest.files)
        return cls({name: (Path(folder) / name).read_bytes() for name in names})

    def __getstate__(self) -> dict[str, Any]:
        return {"files": self.files}

    @cached_property
    def bundle(self) -> Bundle:
        """What the service holds of it; its path no longer exists."""
        with tempfile.TemporaryDirectory() as folder:
            return bundles.load(self.write(Path(folder) / "bundle"))

    @property
    def manifest(self) -> Manifest:
        """What the bundle says about itself."""
        return self.bundle.manifest

    @cached_property
    def _encoder(self) -> Encoder:
        return make_encoder(self.bundle.preprocess, self.manifest.input)

    @cached_property
    def _runner(self) -> Runner:
        return make_runner(self.bundle)

    def write(self, folder: Path) -> Path:
        """Write all files to a new folder, which appears as a whole.

        Raises:
            FileExistsError: there is something of that name.
        """
        if folder.exists():
            raise FileExistsError(f"{folder} exists; remove it or choose another folder")
        draft = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(draft, ignore_errors=True)
        for name, content in self.files.items():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            (draft / name).write_bytes(content)
        draft.rename(folder)
        return folder

    def push_to_hub(self, repo: str, *, private: bool = True, token: str | None = None) -> str:
        """Put the bundle on the Hugging Face hub; see :func:`evenhand.library.hub.push`.

        Raises:
            BundleError: the hub refuses it.
        """
        with tempfile.TemporaryDirectory() as place:
            return hub.push(self.write(Path(place) / "bundle"), repo, private=private, token=token)

    def predict(self, data: Any) -> Array:  # noqa: ANN401 - see rows_of
        """The labels served, as the manifest writes them: ``(rows,)`` texts.

        Raises:
            ValueError: as :meth:`answer` and :meth:`rows_of`.
        """
        labels: Array = np.array(self.manifest.labels)[self.answer(self.rows_of(data)).labels]
        return labels

    def predict_proba(self, data: Any) -> Float64s:  # noqa: ANN401 - see rows_of
        """``(rows, labels)`` probabilities, in the order of the manifest's labels.

        Raises:
            ValueError: as :meth:`answer` and :meth:`rows_of`.
        """
        return self.answer(self.rows_of(data)).scores

    def rows_of(self, data: Any) -> list[Any]:  # noqa: ANN401
        """Items of a frame, an array or a list.

        Args:
            data: For a model of tables a frame of named features, others left out, or an array of all
                features in order; for one of texts a frame of one column (two for pairs), or texts.

        Raises:
            ValueError: a feature is missing.
        """
        kind = self.manifest.input.kind
        if kind == "table" and (is_frame(data) or isinstance(data, np.ndarray)):
            return self._table_items(data)
        if not is_frame(data):
            return list(data)
        columns = list(frame_table(data).cells.values())
        if len(columns) != (2 if kind == "pair" else 1):
            raise ValueError(f"a model of the kind {kind} takes one column per text, not {len(columns)}")
        if kind == "pair":
            return [{"text": first, "text_pair": second} for first, second in zip(*columns, strict=True)]
        return list(columns[0])

    def _table_items(self, data: Any) -> list[Any]:  # noqa: ANN401
        encoder = self._encoder
        assert isinstance(encoder, TableEncoder)
        cells, names = features_of(data).cells, encoder.features.names
        absent = [name for name in names if name not in cells]
        if absent:
            raise ValueError(
                f"the frame has no column {', '.join(absent)}; the model reads {', '.join(names)}"
            )
        return items_of({name: cells[name] for name in names})

    def answer(self, items: Sequence[Any]) -> Served:
        """Answer rows.

        Args:
            items: What a client would send: a text, two texts, the bytes of an image, or named features.

        Raises:
            ValueError: a row cannot be read; the message names it.
        """
        encoded = [self._encode(place, item) for place, item in enumerate(items)]
        runs = [self._run(encoded[start : start + BATCH]) for start in range(0, len(encoded), BATCH)]
        logits, base = (
            np.concatenate([getattr(run, of) for run in runs]) for of in ("logits", "base_logits")
        )
        # The service answers with the base where a correction overflows.
        logits = np.where(np.isfinite(logits).all(axis=1, keepdims=True), logits, base)
        return Served(
            _softmax(logits),
            _softmax(base),
            logits.argmax(axis=1),
            base.argmax(axis=1),
            np.concatenate([run.risk for run in runs]),
            np.concatenate([run.flagged for run in runs]),
        )

    def _encode(self, place: int, item: Any) -> Encoded:  # noqa: ANN401 - whatever the bundle reads
        try:
            return self._encoder.encode(item)
        except InputError as error:
            raise ValueError(f"row {place} (counted from 0): {error}") from error

    def _run(self, rows: Sequence[Encoded]) -> GraphOutputs:
        modes = np.array([MODE_CODES[of.mode] for of in self.manifest.attributes], dtype=np.int64)
        batch = collate(rows, pad_of(self.manifest.input))
        return self._runner.run(batch, np.repeat(modes[None], len(rows), axis=0))


def _softmax(logits: Float32s) -> Float64s:
    """In double precision, as the service does."""
    exponents = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    scores: Float64s = exponents / exponents.sum(axis=1, keepdims=True)
    return scores
