"""Run a bundle with torch, for bases that ONNX cannot take.

Interface and numbers are those of :mod:`evenhand.models.bundle.runtime_onnx`. It is slower than the graph and
needs torch at serving time. Only :mod:`evenhand.models.bundle.runner` imports it.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping

import numpy as np
import torch

from evenhand.models.bundle.bundle import Bundle, BundleError
from evenhand.models.bundle.runtime_onnx import GraphOutputs, Session
from evenhand.models.network.fairnet import FairNet
from evenhand.models.network.parts import rebuild
from evenhand.typing import Array, Float32s, Ints

DEVICES = {"CPUExecutionProvider": "cpu", "CUDAExecutionProvider": "cuda"}


class TorchRunner:
    """The model of one bundle; any number of threads may run it at once.

    A forward pass puts hooks and gates into the modules, so two passes may not share them. Each run borrows a
    copy of the modules; all copies share one set of weights.

    Args:
        bundle: A verified bundle for the torch engine.
        session: How to run it. The number of threads is torch's, for the whole process; 0 leaves it as it is.

    Raises:
        BundleError: the files do not make the model that the manifest promises, or it would run elsewhere
            than asked.
    """

    def __init__(self, bundle: Bundle, session: Session) -> None:
        self._device = _device(bundle, session.providers[0])
        if session.threads:
            torch.set_num_threads(session.threads)
        try:
            self._model = rebuild(bundle).to(self._device)
        except Exception as error:  # JSON, safetensors, PEFT and transformers share no base class
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise BundleError(f"{bundle.path}: the torch engine cannot make the model ({reason})") from error
        self._idle: list[FairNet] = []
        self.providers = [f"torch:{self._device.type}"]
        self.thresholds = np.array([a.threshold for a in bundle.manifest.attributes], dtype=np.float32)

    def run(self, rows: Mapping[str, Array], modes: Ints, thresholds: Float32s | None = None) -> GraphOutputs:
        """Score one padded batch; see :meth:`evenhand.models.bundle.runtime_onnx.GraphRunner.run`."""
        used = self.thresholds if thresholds is None else thresholds
        inputs = {name: self._tensor(array) for name, array in rows.items()}
        with torch.inference_mode(), self._borrowed() as model:
            out = model(inputs, self._tensor(used), self._tensor(modes))
        return GraphOutputs(*(part.cpu().numpy() for part in out))

    def _tensor(self, array: Array) -> torch.Tensor:
        return torch.from_numpy(array).to(self._device)

    @contextlib.contextmanager
    def _borrowed(self) -> Iterator[FairNet]:
        """A copy of the modules for one run; the pool grows to the number of runs at the same time."""
        try:
            copied = self._idle.pop()
        except IndexError:
            shared = {id(tensor): tensor for tensor in (*self._model.parameters(), *self._model.buffers())}
            copied = copy.deepcopy(self._model, memo=dict(shared))
        try:
            yield copied
        finally:
            self._idle.append(copied)


def _device(bundle: Bundle, provider: str) -> torch.device:
    if provider not in DEVICES:
        raise BundleError(
            f"{bundle.path}: {provider} runs ONNX graphs only; serve this bundle with provider cuda or cpu"
        )
    device = torch.device(DEVICES[provider])
    if device.type == "cuda" and not torch.cuda.is_available():
        raise BundleError(
            f"{bundle.path}: torch finds no CUDA device; "
            "install a torch build with CUDA, or serve with provider cpu"
        )
    return device
