"""Pooling ignores padding; attributes are independent; calibration moves logits and keeps ranks."""

import pytest
import torch

from evenhand.models.network.detector import BiasDetectors, Pooling

POOLINGS: tuple[Pooling, ...] = ("attention", "mean", "first")


@pytest.mark.parametrize("pooling", POOLINGS)
def test_padding_weighs_nothing(pooling: Pooling) -> None:
    torch.manual_seed(0)
    detectors = BiasDetectors(3, 16, pooling)
    hidden, mask = torch.randn(4, 9, 16), torch.ones(4, 9, dtype=torch.long)
    mask[:, 5:] = 0
    other = hidden.clone()
    other[:, 5:] = 1e4
    assert torch.allclose(detectors(hidden, mask), detectors(other, mask), atol=1e-5)
    assert torch.allclose(detectors(hidden, mask), detectors(hidden[:, :5], mask[:, :5]), atol=1e-5)
    other[:, 0] += 1.0
    assert not torch.allclose(detectors(hidden, mask), detectors(other, mask), atol=1e-3)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_each_attribute_has_its_own_weights(pooling: Pooling) -> None:
    torch.manual_seed(0)
    detectors = BiasDetectors(2, 16, pooling)
    hidden, mask = torch.randn(5, 4, 16), torch.ones(5, 4, dtype=torch.long)
    detectors(hidden, mask)[:, 1].sum().backward()
    for weight in detectors.weights:
        assert not weight.grad[0].any()
        assert weight.grad[1].any()


def test_calibration_is_folded_in_exactly() -> None:
    torch.manual_seed(0)
    detectors = BiasDetectors(2, 16)
    hidden, mask = torch.randn(6, 4, 16), torch.ones(6, 4, dtype=torch.long)
    before = detectors(hidden, mask)
    slopes, intercepts = torch.tensor([0.5, 2.0]), torch.tensor([-1.0, 3.0])
    detectors.calibrate(slopes, intercepts)
    assert torch.allclose(detectors(hidden, mask), before * slopes + intercepts, atol=1e-5)
