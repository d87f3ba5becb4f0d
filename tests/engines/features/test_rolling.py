from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.data.bars import FloatArray
from nullalpha.engines.features.rolling import (
    lagged,
    rolling_absolute_deviation,
    rolling_cross,
    rolling_line,
    rolling_max,
    rolling_mean,
    rolling_min,
    rolling_moments,
    rolling_quantile,
    rolling_rank,
    rolling_since_max,
    rolling_since_min,
    rolling_std,
    rolling_sum,
    rolling_weighted_mean,
)

SERIES = st.lists(st.floats(-1e3, 1e3, allow_nan=False).map(lambda x: round(x, 3)) | st.just(float("nan")), max_size=60)


def _line(own: FloatArray) -> tuple[float, float]:
    slope, level = np.polyfit(np.arange(len(own)), own, 1)
    rest = ((own - level - slope * np.arange(len(own))) ** 2).sum()
    spread = ((own - own.mean()) ** 2).sum()
    return slope, 1 - rest / spread if spread > 0 else np.nan


WINDOWS: dict[str, tuple[Callable[[FloatArray, int], FloatArray], Callable[[FloatArray], float]]] = {
    "sum": (rolling_sum, np.sum),
    "mean": (rolling_mean, np.mean),
    "std": (rolling_std, lambda own: np.std(own, ddof=1)),
    "min": (rolling_min, np.min),
    "max": (rolling_max, np.max),
    "rank": (rolling_rank, lambda own: ((own < own[-1]).sum() + 0.5 * ((own == own[-1]).sum() - 1)) / (len(own) - 1)),
    "quantile": (lambda x, window: rolling_quantile(x, window, 0.3), lambda own: np.quantile(own, 0.3)),
    "newest max": (rolling_since_max, lambda own: np.argmax(own[::-1])),
    "oldest max": (lambda x, window: rolling_since_max(x, window, newest=False), lambda own: len(own) - 1 - np.argmax(own)),
    "newest min": (rolling_since_min, lambda own: np.argmin(own[::-1])),
    "oldest min": (lambda x, window: rolling_since_min(x, window, newest=False), lambda own: len(own) - 1 - np.argmin(own)),
    "deviation": (lambda x, window: rolling_absolute_deviation(x, window)[1], lambda own: np.abs(own - own.mean()).mean()),
    "weighted": (rolling_weighted_mean, lambda own: np.average(own, weights=np.arange(1, len(own) + 1))),
    "slope": (lambda x, window: rolling_line(x, window)[1], lambda own: _line(own)[0]),
}


@pytest.mark.parametrize("name", WINDOWS)
@given(values=SERIES, window=st.integers(2, 20))
@settings(max_examples=60, deadline=None)
def test_every_window_agrees_with_a_loop_over_its_own_rows(name: str, values: list[float], window: int) -> None:
    rolling, plain = WINDOWS[name]
    x = np.array(values, dtype=np.float64)
    found = rolling(x, window)
    expected = np.full(len(x), np.nan)
    for t in range(window - 1, len(x)):
        own = x[t - window + 1 : t + 1]
        expected[t] = np.nan if np.isnan(own).any() else plain(own)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@given(values=SERIES, window=st.integers(3, 20), data=st.data())
@settings(max_examples=100, deadline=None)
def test_correlation_and_slope_of_two_series_agree_with_numpy(values: list[float], window: int, data: st.DataObject) -> None:
    x = np.array(values, dtype=np.float64)
    y = np.array(data.draw(st.lists(st.integers(-9, 9).map(float), min_size=len(x), max_size=len(x))))
    correlation, slope = rolling_cross(x, y, window)
    for t in range(len(x)):
        a, b = x[max(0, t - window + 1) : t + 1], y[max(0, t - window + 1) : t + 1]
        if len(a) < window or np.isnan(a).any() or np.ptp(a) == 0:
            assert np.isnan(slope[t])
            assert np.isnan(correlation[t])
        elif np.ptp(a) > 1e-2:
            assert slope[t] == pytest.approx(np.polyfit(a, b, 1)[0], rel=1e-6, abs=1e-7)
            expected = np.corrcoef(a, b)[0, 1] if np.ptp(b) > 0 else np.nan
            assert correlation[t] == pytest.approx(expected, rel=1e-6, abs=1e-7, nan_ok=True)


def test_golden_windows_by_hand() -> None:
    mean, std = rolling_moments(np.array([1.0, 3.0, 5.0, 1.0]), 3)
    np.testing.assert_allclose(mean, [np.nan, np.nan, 3.0, 3.0])
    np.testing.assert_allclose(std, [np.nan, np.nan, 2.0, 2.0])
    np.testing.assert_allclose(rolling_rank(np.array([2.0, 1.0, 3.0, 3.0]), 3), [np.nan, np.nan, 1.0, 0.75])
    np.testing.assert_allclose(lagged(np.array([1.0, 2.0, 3.0]), 2), [np.nan, np.nan, 1.0])
    np.testing.assert_allclose(rolling_quantile(np.array([1.0, 4.0, 2.0]), 3, 0.75), [np.nan, np.nan, 3.0])
    np.testing.assert_allclose(rolling_since_max(np.array([5.0, 7.0, 7.0, 1.0]), 3), [np.nan, np.nan, 0.0, 1.0])
    np.testing.assert_allclose(rolling_since_max(np.array([5.0, 7.0, 7.0, 1.0]), 3, newest=False), [np.nan, np.nan, 1.0, 2.0])
    # The line through 1, 2, 6: mean 3, slope 5/2; it misses by 1/2, -1, 1/2, so 1.5 of a sum of squares of 14 is unexplained.
    line = rolling_line(np.array([1.0, 2.0, 6.0]), 3)
    np.testing.assert_allclose([part[2] for part in line], [3.0, 2.5, 12.5 / 14])
    assert rolling_weighted_mean(np.array([1.0, 2.0, 6.0]), 3)[2] == pytest.approx((1 + 4 + 18) / 6)


def test_the_line_agrees_with_numpy_and_a_steady_trend_is_explained_whole() -> None:
    x = np.random.default_rng(4).standard_normal(400).cumsum() + 50
    _, slope, rsquare = rolling_line(x, 60)
    for t in range(59, 400, 7):
        assert (slope[t], rsquare[t]) == pytest.approx(_line(x[t - 59 : t + 1]), rel=1e-9)
    steady = rolling_line(1e6 + 0.25 * np.arange(200.0), 30)
    np.testing.assert_allclose(steady[1][29:], 0.25, rtol=1e-12)
    np.testing.assert_allclose(steady[2][29:], 1.0, rtol=1e-12)
    assert steady[2][29:].max() <= 1.0


@pytest.mark.parametrize("level", [1e6, 1e9])
def test_small_moves_at_a_high_level_keep_their_deviation_and_slope(level: float) -> None:
    small = np.round(np.random.default_rng(0).standard_normal(3000) * 2**16) / 2**16  # exact at either level
    for plain, high in zip(rolling_line(small, 250)[1:], rolling_line(small + level, 250)[1:], strict=True):
        np.testing.assert_allclose(high[249:], plain[249:], rtol=1e-8, atol=1e-13)
    np.testing.assert_allclose(rolling_std(small + level, 250)[249:], rolling_std(small, 250)[249:], rtol=1e-11)
    other = small[::-1].copy()
    for plain, high in zip(rolling_cross(small, other, 250), rolling_cross(small + level, other + level, 250), strict=True):
        np.testing.assert_allclose(high[249:], plain[249:], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("level", [0.1, 17.3, 1e9])
def test_a_flat_window_after_turmoil_deviates_by_exactly_nothing(level: float) -> None:
    x = np.concatenate([np.random.default_rng(1).standard_normal(500) * 1e6, np.full(100, level)])
    mean, std = rolling_moments(x, 40)
    assert (std[540:] == 0).all()
    assert (mean[540:] == level).all()
    assert (rolling_absolute_deviation(x, 40)[1][540:] == 0).all()
    assert np.isnan(rolling_line(x, 40)[2][540:]).all()
    assert (rolling_line(x, 40)[1][540:] == 0).all()
    assert np.isnan(rolling_cross(x, np.arange(600.0), 40)[0][540:]).all()


def test_an_outlier_leaves_no_trace_once_it_has_left_the_window() -> None:
    x = np.random.default_rng(3).standard_normal(300)
    wild = x.copy()
    wild[100] = 1e15
    for rolling, _ in WINDOWS.values():
        np.testing.assert_array_equal(rolling(wild, 20)[140:], rolling(x, 20)[140:])


def test_long_series_agree_with_pandas() -> None:
    x = np.random.default_rng(2).standard_normal(10_000).cumsum()
    y = np.random.default_rng(3).standard_normal(10_000).cumsum()
    frame = pd.Series(x).rolling(250)
    np.testing.assert_allclose(rolling_sum(x, 250), frame.sum(), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(rolling_std(x, 250), frame.std(), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(rolling_rank(x, 250), (frame.rank() - 1) / 249, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(rolling_quantile(x, 250, 0.8), frame.quantile(0.8), rtol=1e-12)
    np.testing.assert_allclose(rolling_cross(x, y, 250)[0], frame.corr(pd.Series(y)), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(rolling_cross(x, y, 250)[1], frame.cov(pd.Series(y)) / frame.var(), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", WINDOWS)
def test_fewer_rows_than_a_window_give_nothing(name: str) -> None:
    for n in range(5):
        assert np.isnan(WINDOWS[name][0](np.arange(float(n)), 5)).all()
