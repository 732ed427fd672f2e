"""The runner that a bundle's engine asks for."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from typing import Protocol

from evenhand.models.bundle.bundle import Bundle, BundleError
from evenhand.models.bundle.manifest import Engine
from evenhand.models.bundle.runtime_onnx import GraphOutputs, GraphRunner, Session
from evenhand.typing import Array, Float32s, Ints

TORCH_RUNTIME = "evenhand.models.network.runtime_torch"
NEEDED: dict[Engine, tuple[str, ...]] = {
    "onnx": (),
    "torch": ("torch", "transformers", "peft", "safetensors"),
}
"""What an engine needs beyond what serving always has."""


class Runner(Protocol):
    """Runs a bundle; any number of threads may do so at once."""

    providers: list[str]
    """What runs it."""
    thresholds: Float32s
    """``(attributes,)`` the bundle's own."""

    def run(self, rows: Mapping[str, Array], modes: Ints, thresholds: Float32s | None = None) -> GraphOutputs:
        """Score one padded batch; see :meth:`evenhand.models.bundle.runtime_onnx.GraphRunner.run`."""


def make_runner(bundle: Bundle, session: Session = Session()) -> Runner:
    """Make the runner of a bundle.

    Raises:
        BundleError: the bundle does not run here; the message says why.
    """
    require_engine(bundle)
    if bundle.manifest.graph.engine == "onnx":
        return GraphRunner(bundle, session)
    # Imported by name, only for a bundle that needs torch: serving an ONNX graph never imports torch.
    runner: Runner = importlib.import_module(TORCH_RUNTIME).TorchRunner(bundle, session)
    return runner


def require_engine(bundle: Bundle) -> None:
    """Check that the bundle's engine is installed, without loading it.

    Raises:
        BundleError: the engine is not installed.
    """
    missing = [
        name for name in NEEDED[bundle.manifest.graph.engine] if importlib.util.find_spec(name) is None
    ]
    if missing:
        raise BundleError(
            f"{bundle.path}: this bundle needs the torch engine, and {', '.join(missing)} is not here: "
            "install evenhand with its extra `torch`"
        )
