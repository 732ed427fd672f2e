"""The control is chosen within the target's limits, and the table counts what it says."""

import re

import numpy as np
import pytest

from bench.threshold_control import Answers, chosen_offsets, own_loss, table
from evenhand.models.bundle.target import AttributeTarget, Target
from evenhand.training.data.dataset import Rows, Schema

SCHEMA = Schema(("no", "yes"), ("yes",), {"sex": ("m", "f")})
AIM = AttributeTarget(attribute="sex", measure="worst-cell")


def rows() -> tuple[Rows, np.ndarray]:
    """A base that says "no" too often, by one and the same shift for everybody."""
    rng = np.random.default_rng(0)
    labels, sex = rng.integers(0, 2, 2000), rng.integers(0, 2, 2000)
    margin = 3.0 * (2 * labels - 1) + rng.normal(size=2000) - 3.0
    made = Rows([""] * 2000, labels, {"sex": sex}, np.full(2000, "val"), np.arange(2000))
    return made, np.stack([-margin / 2, margin / 2], axis=1)


def test_the_threshold_undoes_a_shift_of_all_rows() -> None:
    data, logits = rows()
    target = Target(attributes=[AIM], max_loss=0.005, max_cell_loss=0.05)
    offsets = chosen_offsets(data, SCHEMA, data.all(), logits, target)
    moved = (logits + offsets).argmax(axis=1)
    assert (moved == data.labels).mean() > 0.99 > (logits.argmax(axis=1) == data.labels).mean() + 0.2
    none = target.model_copy(update={"max_loss": -1.0})
    assert not chosen_offsets(data, SCHEMA, data.all(), logits, none).any()


def test_the_table_has_accuracy_aims_cells_and_answers_mended_and_broken() -> None:
    data, logits = rows()
    base = logits.argmax(axis=1)
    broken = data.labels.copy()
    broken[:7] = 1 - broken[:7]
    target = Target(attributes=[AIM], max_loss=0.005, max_cell_loss=0.05)
    text = table(data, SCHEMA, data.all(), Answers(base, data.labels, broken, base), target)
    lines = {line.split("|")[1].strip(): line for line in text.splitlines()}
    assert "| 2,000 |" in lines["accuracy, %"]
    assert "| 100.0 (" in lines["accuracy, %"]
    assert {f"sex = {sex}, {label}: right, %" for sex in "mf" for label in ("no", "yes")} <= set(lines)
    aim = lines["worst-cell of sex, points"].split("|")[3:7]
    figures = [[float(number) for number in re.findall(r"[\d.]+", of)] for of in aim]
    assert figures[1] == [100.0, 100.0, 100.0]
    assert figures[2] == pytest.approx(figures[0])
    value, low, high = figures[0]
    worst = min(
        (base == data.labels)[(data.labels == c) & (data.groups["sex"] == s)].mean()
        for c in (0, 1)
        for s in (0, 1)
    )
    assert value == pytest.approx(100 * worst, abs=0.06)
    assert value - 8 < low < value < high < value + 8
    wrong = base != data.labels
    mended = f"| {wrong.sum():,}, 0 | 0, 0 | {wrong[7:].sum():,}, {(~wrong[:7]).sum()} |"
    assert lines["answers mended, broken"].endswith(mended)


def test_the_bundles_own_cost_is_what_it_loses_and_never_below_zero() -> None:
    data, logits = rows()
    perfect = np.eye(2)[data.labels]
    loss = (data.labels == logits.argmax(axis=1)).mean() - 1.0
    assert own_loss(data, data.all(), logits, perfect) == 0.0
    assert own_loss(data, data.all(), perfect, logits) == pytest.approx(-loss)
