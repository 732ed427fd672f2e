"""Run a bundle's graph with ONNX Runtime: arrays in, named arrays out. No torch.

Training evaluates and serving answers through this one class, so both see the same numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnxruntime as ort

from evenhand.models.bundle.bundle import Bundle, BundleError
from evenhand.models.bundle.manifest import Manifest, Mode
from evenhand.typing import Array, Bools, Float32s, Ints

TEXT_INPUTS = {
    "input_ids": ("tensor(int64)", 2),
    "attention_mask": ("tensor(int64)", 2),
    "token_type_ids": ("tensor(int64)", 2),
}
ROW_INPUTS = {
    "text": TEXT_INPUTS,
    "pair": TEXT_INPUTS,
    "image": {"pixel_values": ("tensor(float)", 4)},
    "table": {
        "numeric": ("tensor(float)", 2),
        "absent": ("tensor(int64)", 2),
        "codes": ("tensor(int64)", 2),
        "values": ("tensor(double)", 2),
        "texts": ("tensor(string)", 2),
    },
}
"""By kind of input: what a graph may take of a row. The manifest says which of them this one takes."""
GATE_INPUTS = {"thresholds": ("tensor(float)", 1), "modes": ("tensor(int64)", 2)}
OUTPUTS = {
    "logits": ("tensor(float)", 2),
    "base_logits": ("tensor(float)", 2),
    "shadow_logits": ("tensor(float)", 2),
    "risk": ("tensor(float)", 2),
    "flagged": ("tensor(bool)", 2),
}
MODE_CODES: dict[Mode, int] = {"off": 0, "shadow": 1, "apply": 2}


SLOWER = ["SkipLayerNormFusion"]
"""Optimisations that make a processor slower: one fused node takes longer than two (docs/adr/0033)."""


@dataclass(frozen=True, slots=True)
class GraphOutputs:
    """What the graph says about a batch."""

    logits: Float32s
    """``(batch, classes)`` the answer to serve under the given modes."""
    base_logits: Float32s
    """``(batch, classes)`` the base model's own answer."""
    shadow_logits: Float32s
    """``(batch, classes)`` the answer if attributes in shadow mode were applied too."""
    risk: Float32s
    """``(batch, attributes)`` calibrated probability of not belonging to the reference group."""
    flagged: Bools
    """``(batch, attributes)`` whether the risk reaches the threshold, whatever the mode."""


@dataclass(frozen=True, slots=True)
class Session:
    """How a graph is run."""

    threads: int = 0
    """Threads inside one operator; 0 lets ONNX Runtime use every core."""
    providers: tuple[str, ...] = ("CPUExecutionProvider",)
    """Execution providers in order of preference; the first must be there."""
    spin_us: int | None = None
    """Microseconds that threads spin while they wait for the next operator.

    0 disables spinning and ``None`` keeps ONNX Runtime's default. Spinning is faster alone, and slower where
    other work needs the cores.
    """


EXTERNAL = re.compile(rb"(?:\x08|\x88\x80*\x00)location")
"""The key under which a tensor names an external file, as protobuf encodes it with a length of any size."""


class GraphRunner:
    """An ONNX Runtime session over one bundle's graph.

    Args:
        bundle: A verified bundle.
        session: How to run it.

    Raises:
        BundleError: the graph does not load, is not the graph the manifest promises, or would run elsewhere
            than asked.
    """

    def __init__(self, bundle: Bundle, session: Session = Session()) -> None:
        self._refuse_missing_provider(session.providers)
        if EXTERNAL.search(bundle.graph):
            raise BundleError(
                f"{bundle.path}: the graph names files of its own, which nobody hashed; export it as one"
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads = session.threads
        options.log_severity_level = 3
        # Batches have every shape; a memory plan per shape would only cost memory.
        options.enable_mem_pattern = False
        # ONNX Runtime's own format can refer to other files.
        options.add_session_config_entry("session.load_model_format", "ONNX")
        options.add_session_config_entry(
            "session.intra_op.allow_spinning", "0" if session.spin_us == 0 else "1"
        )
        if session.spin_us:
            options.add_session_config_entry("session.intra_op.spin_duration_us", str(session.spin_us))
        try:
            self._session = ort.InferenceSession(
                bundle.graph,
                options,
                providers=list(session.providers),
                disabled_optimizers=_disabled(bundle.manifest, session),
            )
        except Exception as error:  # ONNX Runtime's errors share no public base class
            reason = str(error).splitlines()[0]
            raise BundleError(f"{bundle.path}: ONNX Runtime does not load the graph ({reason})") from error
        self._check_signature(bundle)
        self.providers: list[str] = self._session.get_providers()
        if session.providers[0] not in self.providers:
            raise BundleError(
                f"{bundle.path}: {session.providers[0]} could not start here; its log line above says why"
            )
        self.thresholds = np.array([a.threshold for a in bundle.manifest.attributes], dtype=np.float32)

    def run(self, rows: Mapping[str, Array], modes: Ints, thresholds: Float32s | None = None) -> GraphOutputs:
        """Score one padded batch.

        Args:
            rows: The row inputs by name, the batch axis first.
            modes: ``(batch, attributes)`` codes of :data:`MODE_CODES`.
            thresholds: ``(attributes,)``; the bundle's own when not given.
        """
        used = self.thresholds if thresholds is None else thresholds
        feed = {**rows, "modes": modes, "thresholds": used}
        return GraphOutputs(*self._session.run(list(OUTPUTS), feed))

    @staticmethod
    def _refuse_missing_provider(providers: tuple[str, ...]) -> None:
        """ONNX Runtime itself would only warn and take the processor."""
        available = ort.get_available_providers()
        if providers[0] not in available:
            raise BundleError(
                f"{providers[0]} is not in this build of ONNX Runtime ({', '.join(available)}); "
                "install the extra `gpu` instead of `cpu`, or serve with provider cpu"
            )

    def _check_signature(self, bundle: Bundle) -> None:
        """Refuse a graph whose inputs, outputs or widths differ from the contract."""
        manifest = bundle.manifest
        inputs = {i.name: (i.type, len(i.shape)) for i in self._session.get_inputs()}
        outputs = {o.name: (o.type, len(o.shape)) for o in self._session.get_outputs()}
        expected_in = {
            name: signature
            for name, signature in {**ROW_INPUTS[manifest.input.kind], **GATE_INPUTS}.items()
            if name in manifest.graph.inputs
        }
        for what, actual, expected in (("inputs", inputs, expected_in), ("outputs", outputs, OUTPUTS)):
            if actual != expected:
                raise BundleError(
                    f"{bundle.path}: the graph's {what} are {actual}, this Evenhand runs {expected}"
                )
        widths = {o.name: o.shape[1] for o in self._session.get_outputs()}
        if widths != _expected_widths(manifest):
            raise BundleError(
                f"{bundle.path}: the graph's output widths {widths} do not match the manifest's "
                f"{len(manifest.labels)} labels and {len(manifest.attributes)} attributes"
            )


def _disabled(manifest: Manifest, session: Session) -> list[str]:
    """Optimisations to leave out; none for a model of the user's, whose scores stay what it gives alone."""
    ours = manifest.correction.layer > 0
    return SLOWER if ours and session.providers[0] == "CPUExecutionProvider" else []


def _expected_widths(manifest: Manifest) -> dict[str, int]:
    classes, attributes = len(manifest.labels), len(manifest.attributes)
    return {
        "logits": classes,
        "base_logits": classes,
        "shadow_logits": classes,
        "risk": attributes,
        "flagged": attributes,
    }
