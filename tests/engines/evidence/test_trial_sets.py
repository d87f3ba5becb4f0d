"""Sets of trials: how many differ, and how often the best in sample disappoints."""

import math
from itertools import combinations

import numpy as np
import pytest

from nullalpha.core.errors import DataError, InsufficientBarsError
from nullalpha.engines.evidence.trials import effective_number_of_trials, overfitting_estimate


def test_copies_count_once_and_independent_trials_count_each() -> None:
    rng = np.random.default_rng(1)
    ideas = rng.normal(size=(800, 4))
    copies = np.repeat(ideas, 5, axis=1) + 0.3 * rng.normal(size=(800, 20))
    assert effective_number_of_trials(ideas) == 4
    assert effective_number_of_trials(copies) == 4
    assert effective_number_of_trials(np.column_stack([ideas, np.zeros(800), -ideas[:, 0]])) == 5
    assert effective_number_of_trials(np.zeros((50, 3))) == 0
    assert effective_number_of_trials(ideas[:, :1]) == 1


def test_overfitting_estimate_equals_the_definition() -> None:
    returns = np.random.default_rng(3).normal(0.02, 1.0, (123, 5))
    blocks = np.array_split(returns[3:], 6)
    overfit = losses = 0
    splits = list(combinations(range(6), 3))
    for chosen in splits:
        inside = np.concatenate([blocks[i] for i in chosen])
        outside = np.concatenate([blocks[i] for i in range(6) if i not in chosen])
        best = int(np.argmax(inside.mean(0) / inside.std(0)))
        score = outside.mean(0) / outside.std(0)
        relative = (score <= score[best]).sum() / (len(score) + 1)
        overfit += math.log(relative / (1 - relative)) <= 1e-12
        losses += score[best] < 0
    estimate = overfitting_estimate(returns, n_blocks=6)
    assert estimate.n_splits == len(splits) == 20
    assert estimate.pbo == pytest.approx(overfit / 20)
    assert estimate.probability_of_loss == pytest.approx(losses / 20)


def test_a_real_edge_generalises_and_luck_does_not() -> None:
    rng = np.random.default_rng(5)
    luck = [overfitting_estimate(np.random.default_rng(seed).normal(size=(400, 10))) for seed in range(30)]
    assert np.mean([e.pbo for e in luck]) == pytest.approx(0.5, abs=0.12)
    assert np.mean([e.probability_of_loss for e in luck]) == pytest.approx(0.5, abs=0.12)
    skilled = rng.normal(size=(400, 10))
    skilled[:, 4] += 0.4
    estimate = overfitting_estimate(skilled)
    assert (estimate.pbo, estimate.probability_of_loss, estimate.n_splits) == (0.0, 0.0, 252)


def test_undefined_estimates_are_nan_and_bad_arguments_are_errors() -> None:
    idle = overfitting_estimate(np.zeros((100, 3)))
    assert math.isnan(idle.pbo)
    assert idle.n_splits == 0
    assert math.isnan(overfitting_estimate(np.random.default_rng(0).normal(size=(100, 1))).pbo)
    with pytest.raises(DataError, match="n_blocks is 5"):
        overfitting_estimate(np.zeros((100, 3)), n_blocks=5)
    with pytest.raises(InsufficientBarsError, match="15 sessions"):
        overfitting_estimate(np.zeros((15, 3)))
    with pytest.raises(DataError, match="missing"):
        effective_number_of_trials(np.full((10, 2), np.nan))
