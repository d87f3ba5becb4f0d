"""Losses of blocks in float32 against those of tensors in float64, and their slopes against autograd."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch

from nullalpha.engines.training.fused.blocks import ROWS
from nullalpha.engines.training.fused.losses import LOSSES, LossNumbers, block_loss_nb, loss_numbers
from nullalpha.engines.training.losses import CLASS_LOSSES, LossTerms, element_loss
from nullalpha.engines.training.targets import MemberLoss
from nullalpha.strategy.plan import Loss, TrainingPlan


def _numbers(kind: Loss, margin: float, gamma: float, aversion: float) -> LossNumbers:
    training = TrainingPlan(1, 1, 0.1, 1, kind, focal_gamma=gamma, risk_aversion=aversion)
    return loss_numbers(MemberLoss(training, margin, np.ones(3)))


def test_every_loss_of_the_language_has_a_place() -> None:
    assert set(LOSSES) == set(get_args(Loss))


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("margin", [1e-4, 0.5, 9.0])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 3.0])
def test_a_blocks_loss_and_slopes_equal_those_of_tensors(kind: Loss, margin: float, gamma: float) -> None:
    rng = np.random.default_rng(3)
    output, label = (scale * rng.standard_normal(ROWS).astype(np.float32) for scale in (np.float32(4), np.float32(1)))
    if kind in CLASS_LOSSES:
        label = np.sign(np.round(label)).astype(np.float32)
    cost, weight = (rng.random(ROWS).astype(np.float32) / np.float32(divisor) for divisor in (10, ROWS))
    weight[-5:] = 0
    slope = np.full(ROWS, np.nan, np.float32)
    found = block_loss_nb(_numbers(kind, margin, gamma, 1.5), output, label, cost, weight, slope)

    wide = [torch.tensor(one[None], dtype=torch.float64) for one in (output, label, cost, weight)]
    wide[0].requires_grad_()
    terms = LossTerms(kind, *(torch.tensor([[number]], dtype=torch.float64) for number in (margin, gamma, 1.5)))
    expected = (element_loss(wide[0], wide[1], terms, wide[2]) * wide[3]).sum()
    expected.backward()
    assert found == pytest.approx(expected.item(), rel=1e-6, abs=1e-6)
    assert wide[0].grad is not None
    np.testing.assert_allclose(slope * ROWS, wide[0].grad[0].numpy() * ROWS, rtol=2e-5, atol=4e-6)
    assert not slope[-5:].any()


def test_a_huber_loss_by_hand() -> None:
    """Errors 0.5, -3 and 0: losses 0.125, 2.5 and 0; with weights 1, 2 and 4 the sum is 5.125, the slopes 0.5, -2 and 0."""
    output, label, weight, slope = (np.zeros(ROWS, np.float32) for _ in range(4))
    output[:3], label[:3], weight[:3] = (1.0, 0.0, 2.0), (0.5, 3.0, 2.0), (1, 2, 4)
    assert block_loss_nb(_numbers("huber", 1.0, 0.0, 0.0), output, label, np.zeros(ROWS, np.float32), weight, slope) == 5.125
    assert slope[:3].tolist() == [0.5, -2.0, 0.0]


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_output_that_is_no_number_makes_the_loss_none(kind: Loss, bad: float) -> None:
    output, label, weight = (np.full(ROWS, value, np.float32) for value in (0.1, 1, 1))
    output[7] = bad if kind in ("huber", "mse") else np.nan  # tanh and chances of classes saturate
    found = block_loss_nb(_numbers(kind, 0.5, 2.0, 1.0), output, label, np.zeros(ROWS, np.float32), weight, np.zeros(ROWS, np.float32))
    assert not np.isfinite(found)
