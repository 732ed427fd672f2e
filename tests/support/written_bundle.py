"""The demo with a graph that is written down, not learnt: what it answers to a text is known by heart."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.manifest import PREPROCESS
from evenhand.models.bundle.runtime_onnx import GATE_INPUTS, MODE_CODES, OUTPUTS, ROW_INPUTS

NASTY = "stupid"
"""A text with this word is hate to the base model, at a score of 0.88; no other is, at 0.98."""
GROUPS = {
    "muslims": ("any_group", "religion"),
    "black": ("any_group", "race"),
    "women": ("any_group", "gender"),
    "gay": ("any_group", "orientation"),
}
"""Words that raise the risk of attributes."""
RARE, SURE = 0.05, 0.95
"""Risk without and with such a word."""
KIND, UNKIND = "what a lovely day", "you are stupid"
"""Not hate and hate, whatever the correction does: no group is mentioned."""
FLIPPED = "muslims are stupid"
"""Hate to the base model, not hate where it is corrected."""


def written(folder: Path, corrects: bool = True) -> Path:
    """Give a copy of the demo such a graph.

    Args:
        folder: A copy of the demo.
        corrects: What is corrected is not hate; otherwise it stays as it is, as where a correction abstains.
    """
    manifest, _ = bundles.read_manifest(folder)
    tokenizer = Tokenizer.from_file(str(folder / PREPROCESS["text"]))
    words = {word: tokenizer.token_to_id(word) for word in (NASTY, *GROUPS)}
    assert None not in words.values()
    risks = np.array([[name in names for name in manifest.attribute_names] for names in GROUPS.values()])
    sides = [1.0 if label in manifest.favourable else -1.0 for label in manifest.labels]
    (folder / bundles.GRAPH).write_bytes(
        _graph([*words.values()], risks, sides, "kind" if corrects else "base_logits")
    )
    bundles.write_manifest(folder, manifest.model_copy(update={"files": bundles.hash_files(folder)}))
    return folder


def _graph(words: list[int], risks: np.ndarray, sides: list[float], corrected: str) -> bytes:
    constants = [
        ("words", np.array(words, dtype=np.int64)[None, None, :]),
        ("last", np.array([2], dtype=np.int64)),
        ("nasty", np.eye(len(words), 1, dtype=np.float32)),
        ("groups", np.vstack([np.zeros_like(risks[:1]), risks]).astype(np.float32)),
        ("more", np.array(SURE - RARE, dtype=np.float32)),
        ("rare", np.array(RARE, dtype=np.float32)),
        ("one", np.array(1.0, dtype=np.float32)),
        ("steep", np.array([[3.0 * side for side in sides]], dtype=np.float32)),
        ("kind", np.array([[2.0 * side for side in sides]], dtype=np.float32)),
        *((mode, np.array(code, dtype=np.int64)) for mode, code in MODE_CODES.items()),
    ]
    make = helper.make_node
    nodes = [
        make("Unsqueeze", ["input_ids", "last"], ["column"]),
        make("Equal", ["column", "words"], ["is_word"]),
        make("Cast", ["is_word"], ["each"], to=TensorProto.FLOAT),
        make("ReduceMax", ["each"], ["said"], axes=[1], keepdims=0),
        make("MatMul", ["said", "nasty"], ["is_nasty"]),
        make("Mul", ["is_nasty", "steep"], ["worse"]),
        make("Sub", ["kind", "worse"], ["base_logits"]),
        make("MatMul", ["said", "groups"], ["mentions"]),
        make("Min", ["mentions", "one"], ["mentioned"]),
        make("Mul", ["mentioned", "more"], ["added"]),
        make("Add", ["added", "rare"], ["risk"]),
        make("GreaterOrEqual", ["risk", "thresholds"], ["flagged"]),
        make("Greater", ["modes", "off"], ["is_shadow"]),
        make("Equal", ["modes", "apply"], ["is_applied"]),
    ]
    for answer, gate in (("logits", "is_applied"), ("shadow_logits", "is_shadow")):
        nodes += [
            make("And", ["flagged", gate], [f"{answer}_each"]),
            make("Cast", [f"{answer}_each"], [f"{answer}_flags"], to=TensorProto.FLOAT),
            make("ReduceMax", [f"{answer}_flags"], [f"{answer}_share"], axes=[1], keepdims=1),
            make("Cast", [f"{answer}_share"], [f"{answer}_corrected"], to=TensorProto.BOOL),
            make("Where", [f"{answer}_corrected", corrected, "base_logits"], [answer]),
        ]
    kinds = {
        "tensor(float)": TensorProto.FLOAT,
        "tensor(int64)": TensorProto.INT64,
        "tensor(bool)": TensorProto.BOOL,
    }
    attributes, classes = risks.shape[1], len(sides)
    shapes = {
        **{name: ["batch", "seq"] for name in ("input_ids", "attention_mask")},
        **{name: ["batch", attributes] for name in ("modes", "risk", "flagged")},
        **{name: ["batch", classes] for name in ("logits", "base_logits", "shadow_logits")},
        "thresholds": [attributes],
    }
    row_inputs = {name: ROW_INPUTS["text"][name] for name in ("input_ids", "attention_mask")}
    put_in, out = (
        [helper.make_tensor_value_info(name, kinds[kind], shapes[name]) for name, (kind, _) in of.items()]
        for of in ({**row_inputs, **GATE_INPUTS}, OUTPUTS)
    )
    values = [numpy_helper.from_array(array, name) for name, array in constants]
    graph = helper.make_graph(nodes, "written", put_in, out, values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model.SerializeToString()
