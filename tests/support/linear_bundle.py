"""A bundle of a table whose model is written down, not learnt: what it answers to a row is known by heart."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from tiny_model import write_tiny_bundle

from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.encoders.table import Categorical, Numeric, TableFeatures
from evenhand.models.bundle.manifest import PREPROCESS, Attribute, TableInput
from evenhand.models.bundle.runtime_onnx import GATE_INPUTS, OUTPUTS, ROW_INPUTS

SEX = ("M", "F")
JOBS = ("clerk", "smith")

ROWS = {name: ROW_INPUTS["table"][name] for name in ("numeric", "absent", "codes")}
"""What the graph takes of a row."""


def write_linear_bundle(
    folder: Path, on_sex: float, on_hours: float, on_job: float, corrected_on_sex: float
) -> Path:
    """Pays "yes" where ``on_sex * (sex is F) + on_hours * hours + on_job * (job is smith) > 0``.

    Args:
        folder: Where to write it.
        on_sex: Weight of sex in the base.
        on_hours: Weight of hours.
        on_job: Weight of the job.
        corrected_on_sex: Weight of sex in the served answer.
    """
    write_tiny_bundle(folder)
    features = TableFeatures(
        numeric=[Numeric(name="hours", mean=0, scale=1)],
        categorical=[
            Categorical(name="sex", categories=list(SEX)),
            Categorical(name="job", categories=list(JOBS)),
        ],
    )
    (folder / PREPROCESS["text"]).unlink()
    (folder / PREPROCESS["table"]).write_text(features.model_dump_json())
    (folder / bundles.GRAPH).write_bytes(_graph(on_hours, (on_sex, on_job), (corrected_on_sex, on_job)))
    manifest, _ = bundles.read_manifest(folder)
    sex = Attribute(name="sex", groups=list(SEX), reference="M", threshold=0.5, mode="apply", why="test")
    inputs = [*ROWS, *GATE_INPUTS]
    changed = manifest.model_copy(
        update={
            "task": "table",
            "input": TableInput(),
            "labels": ["no", "yes"],
            "favourable": ["yes"],
            "attributes": [
                sex,
                sex.model_copy(update={"name": "team", "groups": ["none", "some"], "reference": "none"}),
            ],
            "graph": manifest.graph.model_copy(update={"inputs": inputs}),
            "files": bundles.hash_files(folder),
        }
    )
    bundles.write_manifest(folder, changed)
    return folder


def _graph(on_hours: float, base: tuple[float, float], final: tuple[float, float]) -> bytes:
    """Codes are 2 and 3 for the first and second category: weights stand at 3."""

    def constant(name: str, values: object) -> object:
        return numpy_helper.from_array(np.array(values, dtype=np.float32), name)

    nodes = [
        helper.make_node("Equal", ["codes", "second"], ["is_second"]),
        helper.make_node("Cast", ["is_second"], ["flags"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["numeric", "on_hours"], ["hours"]),
        helper.make_node("Cast", ["absent"], ["gone"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["gone", "nothing"], ["none"]),
    ]
    for name, weights in (("base_logits", "base"), ("logits", "final")):
        nodes += [
            helper.make_node("MatMul", ["flags", weights], [f"{name}_codes"]),
            helper.make_node("Sum", [f"{name}_codes", "hours", "none"], [name]),
        ]
    nodes += [
        helper.make_node("Identity", ["logits"], ["shadow_logits"]),
        helper.make_node("Cast", ["modes"], ["modes_float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["modes_float", "thresholds"], ["weighed"]),
        helper.make_node("Mul", ["weighed", "zero"], ["risk"]),
        helper.make_node("Greater", ["risk", "one"], ["flagged"]),
    ]
    constants = [
        numpy_helper.from_array(np.array(3, dtype=np.int64), "second"),
        constant("on_hours", [[0.0, on_hours]]),
        constant("nothing", [[0.0, 0.0]]),
        constant("base", [[0.0, weight] for weight in base]),
        constant("final", [[0.0, weight] for weight in final]),
        constant("zero", 0.0),
        constant("one", 1.0),
    ]
    kinds = {
        "tensor(float)": TensorProto.FLOAT,
        "tensor(int64)": TensorProto.INT64,
        "tensor(bool)": TensorProto.BOOL,
    }
    widths = {"numeric": 1, "absent": 1, "codes": 2, "modes": 2, "thresholds": 2}
    put_in = [
        helper.make_tensor_value_info(name, kinds[kind], [*(["rows"] if rank == 2 else []), widths[name]])
        for name, (kind, rank) in {**ROWS, **GATE_INPUTS}.items()
    ]
    out = [
        helper.make_tensor_value_info(name, kinds[kind], ["rows", 2]) for name, (kind, _) in OUTPUTS.items()
    ]
    graph = helper.make_graph(nodes, "linear", put_in, out, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return model.SerializeToString()
