from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.engines.features.rolling import (
    lagged,
    moved,
    none_within,
    rolling_max,
    rolling_mean,
    rolling_min,
    rolling_moments,
    rolling_rank,
    rolling_std,
    rolling_sum,
)

SERIES = st.lists(st.floats(-1e3, 1e3, allow_nan=False) | st.just(float("nan")), max_size=60)


@given(values=SERIES, window=st.integers(2, 20))
@settings(max_examples=150, deadline=None)
def test_every_window_agrees_with_a_loop_over_its_own_rows(values: list[float], window: int) -> None:
    x = np.array(values, dtype=np.float64)
    found = [f(x, window) for f in (rolling_sum, rolling_mean, rolling_std, rolling_min, rolling_max, rolling_rank)]
    for t in range(len(x)):
        own = x[max(0, t - window + 1) : t + 1]
        if len(own) < window or np.isnan(own).any():
            assert all(np.isnan(series[t]) for series in found)
            continue
        rank = ((own < own[-1]).sum() + 0.5 * ((own == own[-1]).sum() - 1)) / (window - 1)
        expected = [own.sum(), own.mean(), own.std(ddof=1), own.min(), own.max(), rank]
        np.testing.assert_allclose([series[t] for series in found], expected, rtol=1e-9, atol=1e-9)


def test_a_golden_window_by_hand() -> None:
    mean, std = rolling_moments(np.array([1.0, 3.0, 5.0, 1.0]), 3)
    np.testing.assert_allclose(mean, [np.nan, np.nan, 3.0, 3.0])
    np.testing.assert_allclose(std, [np.nan, np.nan, 2.0, 2.0])
    np.testing.assert_allclose(rolling_rank(np.array([2.0, 1.0, 3.0, 3.0]), 3), [np.nan, np.nan, 1.0, 0.75])
    np.testing.assert_allclose(lagged(np.array([1.0, 2.0, 3.0]), 2), [np.nan, np.nan, 1.0])


def test_stillness_is_found_and_forgotten_with_its_window() -> None:
    flags = moved(np.array([5.0, 5.0, 6.0, 6.0, 6.0, 6.0, 5.0]))
    assert flags.tolist() == [False, False, True, False, False, False, True]
    assert none_within(flags, 3).tolist() == [True, True, False, False, False, True, False]
    assert none_within(flags, 9).tolist() == [True, True, False, False, False, False, False]


def test_small_moves_at_a_high_level_keep_their_deviation() -> None:
    rng = np.random.default_rng(0)
    small = rng.standard_normal(3000)
    np.testing.assert_allclose(rolling_std(small + 1e9, 250)[249:], rolling_std(small, 250)[249:], rtol=1e-6)


@pytest.mark.parametrize("level", [0.1, 17.3, 1e9])
def test_a_flat_window_after_turmoil_deviates_by_exactly_nothing(level: float) -> None:
    x = np.concatenate([np.random.default_rng(1).standard_normal(500) * 1e6, np.full(100, level)])
    mean, std = rolling_moments(x, 40)
    assert (std[540:] == 0).all()
    assert (mean[540:] == level).all()


def test_long_series_agree_with_pandas() -> None:
    x = np.random.default_rng(2).standard_normal(10_000).cumsum()
    frame = pd.Series(x).rolling(250)
    np.testing.assert_allclose(rolling_sum(x, 250), frame.sum(), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(rolling_std(x, 250), frame.std(), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(rolling_rank(x, 250), (frame.rank() - 1) / 249, rtol=1e-7, atol=1e-7)
