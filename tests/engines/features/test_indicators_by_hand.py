"""Values of indicators worked by hand, and what the contract cannot say: the cloud comes from the past, sessions begin anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nullalpha.data.bars import Bars, SessionTable
from nullalpha.engines.features.indicators import INDICATORS
from nullalpha.engines.features.indicators.contract import Recursion
from tests.engines.features.references import frame_of

FOUR = Bars(
    "FOUR",
    "1d",
    np.datetime64("2024-01-01T21", "ns") + np.arange(4) * np.timedelta64(1, "D"),
    open=np.array([10.0, 11.0, 12.0, 10.0]),
    high=np.array([12.0, 13.0, 12.0, 14.0]),
    low=np.array([9.0, 10.0, 8.0, 10.0]),
    close=np.array([11.0, 12.0, 9.0, 10.0]),
    volume=np.array([100.0, 300.0, 200.0, 400.0]),
)


@pytest.fixture(scope="session")
def minutes() -> Bars:
    """Four sessions of 390 minute bars, the first cut by 100 bars at its start."""
    rng = np.random.default_rng(3)
    opens = np.datetime64("2024-03-04T14:30", "ns") + np.arange(4) * np.timedelta64(1, "D")
    row = np.arange(4 * 390)
    close = 100 * np.exp(np.cumsum(4e-4 * rng.standard_normal(len(row))))
    time = opens[row // 390] + (row % 390 + 1) * np.timedelta64(1, "m")
    sessions = SessionTable(opens, opens + np.timedelta64(390, "m"))
    volume = rng.integers(1, 900, len(row)).astype(float)
    return Bars("MADE", "1m", time, close, close * 1.001, close * 0.999, close, volume, sessions=sessions).slice(100, len(row))


def test_accumulation_by_hand() -> None:
    # shares of the range: (2 - 1) / 3, (2 - 1) / 3, (1 - 3) / 4, (0 - 4) / 4; volumes so weighed: 33.33, 100, -100, -400
    np.testing.assert_allclose(INDICATORS["ad_line"].compute(FOUR, {"period": 3})[0][2:], [100 / 3, -400.0])
    np.testing.assert_allclose(INDICATORS["cmf"].compute(FOUR, {"period": 3})[0][2:], [100 / 1800, -400 / 900])


def test_average_prices_by_hand() -> None:
    # typical prices 32/3, 35/3, 29/3, 34/3
    np.testing.assert_allclose(
        INDICATORS["vwap"].compute(FOUR, {"period": 2})[0][1:], [13700 / 1200, 16300 / 1500, 19400 / 1800], rtol=1e-12
    )
    np.testing.assert_allclose(INDICATORS["wma"].compute(FOUR, {"period": 3})[0][2:], [(11 + 24 + 27) / 6, (12 + 18 + 30) / 6])


def test_channels_and_recency_by_hand() -> None:
    upper, middle, lower = INDICATORS["donchian"].compute(FOUR, {"period": 2})
    assert upper[1:].tolist() == [13.0, 13.0, 14.0]
    assert middle[1:].tolist() == [11.0, 10.5, 11.0]
    assert lower[1:].tolist() == [9.0, 8.0, 8.0]
    up, down = INDICATORS["aroon"].compute(FOUR, {"period": 2})
    assert up[2:].tolist() == [0.5, 1.0]
    assert down[2:].tolist() == [1.0, 0.5]


def test_the_shape_of_a_bar_by_hand() -> None:
    found = [column[2] for column in INDICATORS["candle"].compute(FOUR, {})]  # open and high 12, low 8, close 9
    np.testing.assert_allclose(found, [4 / 12, -3 / 12, 0.0, 1 / 12, -2 / 12, -3 / 4, 0.0, 1 / 4, -2 / 4])


def test_the_parabolic_stop_by_hand() -> None:
    # It starts long with the stop at the first low, 9, which moves to 9 + 0.02 x (13 - 9) = 9.08. The third low, 8, takes it: the stop
    # becomes the extreme, 13, and would move to 13 + 0.02 x (8 - 13) = 12.9, but not below the highs 13 and 12. The fourth high, 14,
    # takes that: the stop becomes the extreme, 8.
    recursion = INDICATORS["psar"].computation
    assert isinstance(recursion, Recursion)
    value, direction = recursion.step((FOUR.high, FOUR.low), {"acceleration": 0.02, "maximum": 0.2}, np.zeros(recursion.n_state))
    np.testing.assert_allclose(value[1:], [9.0, 13.0, 8.0])
    assert direction[1:].tolist() == [1.0, -1.0, 1.0]


def test_the_cloud_is_what_was_computed_before_and_never_what_comes(bars: Bars) -> None:
    tenkan, kijun, ahead_a, ahead_b = INDICATORS["ichimoku"].compute(bars, {})
    np.testing.assert_allclose(ahead_a[200:], (tenkan[174:-26] + kijun[174:-26]) / 2, rtol=1e-12)
    highest, lowest = frame_of(bars).h.rolling(52).max(), frame_of(bars).l.rolling(52).min()
    np.testing.assert_allclose(ahead_b[200:], ((highest + lowest) / 2).to_numpy()[174:-26], rtol=1e-12)


def test_the_session_average_begins_anew_with_each_session_and_leaves_the_cut_one_out(minutes: Bars) -> None:
    (found,) = INDICATORS["session_vwap"].compute(minutes, {})
    assert np.isnan(found[:290]).all()
    typical = (minutes.high + minutes.low + minutes.close) / 3
    for first in (290, 680, 1070):
        session = np.s_[first : first + 390]
        expected = np.cumsum(typical[session] * minutes.volume[session]) / np.cumsum(minutes.volume[session])
        np.testing.assert_allclose(found[session], expected, rtol=1e-12)
    utc_days = replace(minutes, sessions=None)
    np.testing.assert_array_equal(INDICATORS["session_vwap"].compute(utc_days, {})[0], found)
