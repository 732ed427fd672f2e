"""A served risk, and so a flag and an answer, depends on its row alone."""

import numpy as np
import onnxruntime as ort
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples
from tiny_model import ragged, tiny_graph

ROWS = 12
IDS, MASK = (tensor.numpy() for tensor in ragged(ROWS))
SESSION = ort.InferenceSession(tiny_graph().SerializeToString())


def answer(rows: list[int]) -> list[np.ndarray]:
    """Logits, risk and flags of some rows in one batch, without padding that none of them needs."""
    width = int(MASK[rows].sum(axis=1).max())
    feed = {"input_ids": IDS[rows, :width], "attention_mask": MASK[rows, :width]}
    modes = np.full((len(rows), 2), 2, dtype=np.int64)
    feed |= {"thresholds": np.array([0.5, 0.5], np.float32), "modes": modes}
    return list(SESSION.run(["logits", "risk", "flagged"], feed))


WHOLE = answer(list(range(ROWS)))


@given(st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=ROWS, unique=True))
@settings(max_examples=examples(60), deadline=None)
def test_permuting_or_subsetting_the_batch_changes_nothing(rows: list[int]) -> None:
    logits, risk, flagged = answer(rows)
    assert np.allclose(logits, WHOLE[0][rows], atol=1e-5)
    assert np.allclose(risk, WHOLE[1][rows], atol=1e-6)
    clear = np.abs(WHOLE[1][rows] - 0.5) > 1e-5
    assert (flagged == WHOLE[2][rows])[clear].all()
