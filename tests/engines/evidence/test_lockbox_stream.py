"""The lockbox stream against its paper, published reference results and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from online_fdr.p_values import LordDependent

from nullalpha.core.errors import ArtifactError, DataError
from nullalpha.engines.evidence.lockbox_stream import LockboxStream, next_level


def lord_by_the_paper(p_values: list[float], q: float) -> tuple[list[float], list[bool]]:
    """Levels xi_t W(tau_t), tau_t the last discovery before t, xi_t of example 3.8; wealth and reward q / 2."""
    wealth = at_discovery = q / 2
    levels, rejected = [], []
    for t, p in enumerate(p_values, start=1):
        level = 0.139307 * q / (q / 2) / (t * math.log(max(t, 2)) ** 3) * at_discovery
        levels.append(level)
        rejected.append(p <= level)
        wealth += (q / 2 if rejected[-1] else 0.0) - level
        at_discovery = wealth if rejected[-1] else at_discovery
    return levels, rejected


def replay(p_values: list[float], q: float) -> tuple[list[float], list[bool], LockboxStream]:
    stream, levels, rejected = LockboxStream(q), [], []
    for p in p_values:
        assert stream.next_level == next_level(stream.previous, q)
        decision = stream.test(p)
        levels.append(decision.level)
        rejected.append(decision.rejected)
        stream = stream.after(decision)
    return levels, rejected, stream


def test_the_library_rejects_as_the_published_reference_does() -> None:
    # Bioconductor onlineFDR, tests/testthat/test_LORD.R, version "dep": alpha 0.05, w0 alpha / 10, b0 alpha - w0
    procedure = LordDependent(alpha=0.05, wealth=0.005, reward=0.045)
    assert [procedure.test_one(p) for p in (1e-07, 0.1, 0.00025, 0.07)] == [True, False, True, False]


def test_the_spending_sequence_meets_the_condition_for_dependence() -> None:
    # Javanmard & Montanari (2018), theorem 3.7: sum of xi_j (1 + log j) <= alpha / b0; the sum to N and the integral beyond
    j = np.arange(1, 200_001)
    partial = ((1 + np.log(j)) / (j * np.log(np.maximum(j, 2)) ** 3)).sum()
    log_n = math.log(j[-1])
    assert 0.139307 * (partial + 1 / log_n + 1 / (2 * log_n**2)) <= 1.0 + 1e-4


def test_levels_are_those_of_the_paper() -> None:
    p_values = [0.2, 0.001, 0.5, 0.0001, 0.04, 0.9]
    levels, rejected, stream = replay(p_values, 0.1)
    by_paper = lord_by_the_paper(p_values, 0.1)
    np.testing.assert_allclose(levels, by_paper[0], rtol=1e-12)
    assert rejected == by_paper[1] == [False, True, False, True, False, False]
    assert stream.n_openings == 6


def test_the_first_openings_are_useful_and_the_budget_runs_out() -> None:
    stream = LockboxStream(0.1)
    ahead = stream.levels_ahead(8)
    assert ahead[0] == stream.next_level > 0.04
    assert ahead == tuple(sorted(ahead, reverse=True))
    assert ahead[7] < 0.0005
    levels, _, spent = replay([1.0] * 8, 0.1)
    assert tuple(levels) == ahead
    assert spent.wealth == pytest.approx(stream.wealth - sum(ahead))


def test_wealth_is_the_sum_of_all_levels_still_to_come() -> None:
    _, _, stream = replay([0.3, 0.001, 0.4], 0.1)
    n = 3000
    beyond = stream.levels_ahead(n)[-1] * (n + 3) * math.log(n + 3) ** 3 / (2 * math.log(n + 3.5) ** 2)
    assert stream.wealth == pytest.approx(sum(stream.levels_ahead(n)) + beyond, rel=1e-6)
    assert replay([0.001], 0.1)[2].wealth > replay([0.5], 0.1)[2].wealth  # a first discovery earns budget back


def test_false_discoveries_stay_below_the_rate_under_strong_dependence() -> None:
    q, proportions, found = 0.2, [], 0
    for seed in range(250):
        rng = np.random.default_rng(seed)
        real = rng.random(8) < 0.3
        z = 0.9 * rng.normal() + math.sqrt(1 - 0.81) * rng.normal(size=8) + 3.5 * real
        p_values = [0.5 * math.erfc(value / math.sqrt(2)) for value in z]
        _, rejected, _ = replay(p_values, q)
        proportions.append((np.array(rejected) & ~real).sum() / max(1, sum(rejected)))
        found += int((np.array(rejected) & real).sum())
    assert np.mean(proportions) <= q + 3 * np.std(proportions) / math.sqrt(250)
    assert found > 100


def test_a_record_that_contradicts_the_procedure_is_refused() -> None:
    with pytest.raises(ArtifactError, match=r"opening 0 has p = 0\.5 and is recorded as significant"):
        LockboxStream(0.1, ((0.5, True),))


@pytest.mark.parametrize("p", [math.nan, -0.1, 1.5])
def test_a_p_value_outside_its_range_is_an_error(p: float) -> None:
    with pytest.raises(DataError, match="p-value"):
        LockboxStream(0.1).test(p)
    with pytest.raises(DataError, match="q is 1"):
        LockboxStream(1.0)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=8), st.sampled_from([0.05, 0.1, 0.2]))
def test_levels_keep_the_bound_that_the_rate_rests_on_and_testing_changes_nothing(p_values: list[float], q: float) -> None:
    levels, rejected, stream = replay(p_values, q)
    assert stream.wealth > 0
    for t, level in enumerate(levels, start=1):
        xi = 0.139307 * 2 / (t * math.log(max(t, 2)) ** 3)
        assert 0 <= level <= xi * q / 2 * (1 + sum(rejected[: t - 1])) + 1e-15
    assert stream.test(0.3) == stream.test(0.3)
    assert stream.previous == tuple(zip(p_values, rejected, strict=True))
