"""Cost of every corrector in the graph: its graph over the base's own, same rows, alternating, medians.

``python bench/corrector_cost.py``. The base is MiniLM (6 blocks of width 384, cut
before block 3, four attributes) with random weights, correctors have random values of the right
shapes, and the decision stage follows where it may: what a row costs is decided by shapes alone, so that
nothing needs to be learnt and no data is read.
The first attribute's threshold is set so that a given share of rows is flagged. A lone row is flagged or is
not: its cost at a share is between the two. Graphs run in one thread, and it is that thread's processor time
that counts: what else runs hardly matters.
"""

import argparse
import statistics
import time
from functools import partial

import numpy as np
import onnxruntime as ort
import torch
from graph_cost import rows, seconds, session
from transformers import BertConfig, BertForSequenceClassification

from evenhand.models.bundle.runtime_onnx import MODE_CODES, OUTPUTS
from evenhand.models.network.backbones import SplitModel
from evenhand.models.network.fairnet import FairNet
from evenhand.models.onnx.join import base_only
from evenhand.models.onnx.torch_export import to_onnx
from evenhand.training.correctors import correctors
from evenhand.training.learning.config import CorrectionConfig

LAYER, TOKENS = 3, 32
ATTRIBUTES = ("race", "religion", "gender", "orientation")
PLACES = ((1, 0.0), (1, 1.0), *((batch, share) for batch in (16, 64) for share in (0.0, 0.1, 0.5)))
"""Rows in a batch, and the share of them that is flagged."""


def graph_of(name: str) -> tuple[bytes, bytes]:
    """A corrector's graph, and its base's own."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
    base = BertForSequenceClassification(BertConfig(**sizes, attn_implementation="eager")).eval()
    method = correctors()[name]
    make = partial(method.make, config=CorrectionConfig())
    fairnet = FairNet(SplitModel(base, LAYER), ATTRIBUTES, make=make)
    for own, tensor in fairnet.correction.state_dict().items():
        # Nothing may stay zero or one, or a graph's optimiser would take it out.
        if "lora_B" in own or not (own.startswith("split.") or name == "lora"):
            tensor.normal_(0.0, 0.02)
    fairnet.soft = method.soft
    if method.decides:
        fairnet.decision.set([(-0.5, 0.5)] * len(ATTRIBUTES))
    model = to_onnx(fairnet)
    return model.SerializeToString(), base_only(model).SerializeToString()


def ratio(
    full: ort.InferenceSession, base: ort.InferenceSession, place: tuple[int, float], rounds: int
) -> list[float]:
    """Time of the whole graph over the base's, once per round."""
    batch, share = place
    plain = rows(batch, TOKENS, seed=batch)
    limits = np.full(len(ATTRIBUTES), 2.0, dtype=np.float32)
    feed = {**plain, "modes": np.full((batch, len(ATTRIBUTES)), MODE_CODES["apply"]), "thresholds": limits}
    flagged = round(share * batch)
    if flagged:
        limits[0] = np.sort(full.run(["risk"], feed)[0][:, 0])[::-1][flagged - 1]
        assert full.run(["flagged"], feed)[0][:, 0].sum() == flagged
    repeats = max(1, 8 // batch)
    ratios = []
    for _ in range(rounds):
        base_s = seconds(lambda: base.run(None, plain), repeats, time.thread_time)
        full_s = seconds(lambda: full.run(list(OUTPUTS), feed), repeats, time.thread_time)
        ratios.append(full_s / base_s)
    return ratios


def main() -> None:
    """Print a table of ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    print("over the base's own graph; median of rounds (lowest to highest)")
    print(
        "corrector".ljust(18) + "".join(f"{batch} rows, {share:.0%}".rjust(22) for batch, share in PLACES),
        flush=True,
    )
    for name in correctors():
        full, base = (session(content, 1) for content in graph_of(name))
        cells = [ratio(full, base, place, options.rounds) for place in PLACES]
        texts = [f"{statistics.median(cell):.3f} ({min(cell):.2f} to {max(cell):.2f})" for cell in cells]
        print(name.ljust(18) + "".join(text.rjust(22) for text in texts), flush=True)


if __name__ == "__main__":
    main()
