"""The runner that a bundle's engine asks for."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from models.bundle import Bundle, BundleError
from models.manifest import Engine
from models.runtime import Floats, GraphOutputs, GraphRunner, Ints, Session

NEEDED: dict[Engine, tuple[str, ...]] = {"onnx": (), "torch": ("torch", "transformers", "peft", "safetensors")}
"""What an engine needs beyond what serving always has."""


class Runner(Protocol):
    """Runs a bundle; any number of threads may do so at once."""

    providers: list[str]
    """What runs it."""
    thresholds: Floats
    """``(attributes,)`` the bundle's own."""

    def run(self, rows: Mapping[str, NDArray[Any]], modes: Ints, thresholds: Floats | None = None) -> GraphOutputs:
        """Score one padded batch; see :meth:`models.runtime.GraphRunner.run`."""


def make_runner(bundle: Bundle, session: Session = Session()) -> Runner:
    """Make it.

    Raises:
        BundleError: the bundle does not run here; the message says why.
    """
    require_engine(bundle)
    if bundle.manifest.graph.engine == "onnx":
        return GraphRunner(bundle, session)
    # The one place where serving reaches torch, and only for a bundle that needs it.
    from models.torch_runtime import TorchRunner

    return TorchRunner(bundle, session)


def require_engine(bundle: Bundle) -> None:
    """Look whether the bundle's engine is installed, without loading it.

    Raises:
        BundleError: it is not.
    """
    missing = [name for name in NEEDED[bundle.manifest.graph.engine] if importlib.util.find_spec(name) is None]
    if missing:
        raise BundleError(
            f"{bundle.path}: this bundle needs the torch engine, and {', '.join(missing)} is not here: "
            "install evenhand with its extra `torch`"
        )
