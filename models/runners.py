"""The runner that a bundle's engine asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from models.bundle import Bundle, BundleError
from models.runtime import Floats, GraphOutputs, GraphRunner, Ints, Session


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
    if bundle.manifest.graph.engine == "onnx":
        return GraphRunner(bundle, session)
    try:
        # The one place where serving reaches torch, and only for a bundle that needs it.
        from models.torch_runtime import TorchRunner
    except ImportError as error:
        raise BundleError(
            f"{bundle.path}: this bundle needs the torch engine ({error}): install evenhand with its extra `torch`"
        ) from error
    return TorchRunner(bundle, session)
