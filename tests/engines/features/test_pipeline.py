from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from nullalpha.core.errors import InsufficientBarsError, NotFoundError, UsageError
from nullalpha.data.bars import Bars
from nullalpha.engines.features.indicators import INDICATORS
from nullalpha.engines.features.pipeline import compute_features, zscore
from nullalpha.engines.features.quantiles import feature_quantiles
from nullalpha.engines.features.timeframes import align
from nullalpha.engines.features.volatility import atr, trailing_volatility
from nullalpha.strategy.plan import FeaturePlan

RSI = FeaturePlan("rsi", "rsi", (("period", 14),), "rsi", "1d")
TREND = FeaturePlan("trend", "distance_from_sma", (("period", 50),), "distance_from_sma", "1d")
MACD = FeaturePlan("macd", "macd", (("fast", 12), ("signal", 9), ("slow", 26)), "macd", "1d", 100)
SIGNAL = replace(MACD, name="signal", output="signal", zscore_bars=0)
WEEKLY = FeaturePlan("slow", "roc", (("period", 4),), "roc", "1w")
WEEKLY_Z = replace(WEEKLY, name="slow_z", zscore_bars=250)
FEATURES = (RSI, TREND, MACD, SIGNAL, WEEKLY, WEEKLY_Z)


def _daily(days: list[str], hour: int = 21) -> Bars:
    n = len(days)
    time = np.array(days, "datetime64[ns]") + np.timedelta64(hour, "h")
    close = np.arange(1.0, n + 1)
    return Bars("TEST", "1d", time, close - 0.5, close + 1, close - 1, close, np.full(n, 10.0))


def test_columns_come_in_the_order_asked_and_match_their_indicators(bars: Bars) -> None:
    matrix = compute_features(FEATURES, bars)
    assert matrix.shape == (len(bars), len(FEATURES))
    np.testing.assert_array_equal(matrix[:, 0], INDICATORS["rsi"].compute(bars, {"period": 14})[0])
    macd, signal, _ = INDICATORS["macd"].compute(bars, {})
    np.testing.assert_array_equal(matrix[:, 3], signal)
    rolling = pd.Series(macd).rolling(100)
    np.testing.assert_allclose(matrix[:, 2], (macd - rolling.mean()) / rolling.std(), rtol=1e-8, atol=1e-8)


def test_no_column_reads_the_future(bars: Bars) -> None:
    full = compute_features(FEATURES, bars)
    for stop in range(1490, 1500):  # every weekday
        np.testing.assert_allclose(compute_features(FEATURES, bars.slice(0, stop)), full[:stop], rtol=1e-10, atol=1e-12)


def test_a_z_score_includes_its_own_row_and_is_missing_where_nothing_moved() -> None:
    np.testing.assert_allclose(
        zscore(np.array([1.0, 2.0, 6.0, 6.0, 6.0]), 3), [np.nan, np.nan, 3 / np.sqrt(7), 4 / 3 / np.sqrt(16 / 3), np.nan]
    )


def test_weekly_values_equal_an_independent_resampling(bars: Bars) -> None:
    found = compute_features((WEEKLY,), bars)[:, 0]
    closes = pd.Series(bars.close, index=pd.DatetimeIndex(bars.time)).resample("W-FRI").last()
    roc = closes.pct_change(4)
    friday = pd.DatetimeIndex(bars.time).dayofweek == 4
    days = pd.DatetimeIndex(bars.time).normalize()
    for row in np.flatnonzero(~np.isnan(found)):
        week_end = days[row] if friday[row] else days[row] - pd.offsets.Week(weekday=4)
        assert found[row] == pytest.approx(roc[week_end], rel=1e-12)
    assert np.isnan(found).sum() < 5 * 7


def test_a_week_is_known_at_its_friday_or_when_a_later_week_begins() -> None:
    # Good Friday 2020-04-10 has no bar; Easter Monday trades.
    days = [str(day) for day in np.arange("2020-03-30", "2020-04-22", dtype="datetime64[D]") if date.fromisoformat(str(day)).weekday() < 5]
    days.remove("2020-04-10")
    bars = _daily(days)
    week = align(bars, "1w")
    known = dict(zip(days, (int(k) for k in week.known), strict=True))  # type: ignore[union-attr]
    assert [known[d] for d in ("2020-03-30", "2020-04-02", "2020-04-03", "2020-04-06")] == [-1, -1, 0, 0]
    assert [known[d] for d in ("2020-04-09", "2020-04-13", "2020-04-16", "2020-04-17", "2020-04-20")] == [0, 1, 1, 2, 2]
    thursday = days.index("2020-04-09")
    assert week.bars.close[1] == bars.close[thursday]
    assert week.bars.open[1] == bars.open[days.index("2020-04-06")]
    assert week.bars.high[1] == bars.high[thursday]
    assert week.bars.low[1] == bars.low[days.index("2020-04-06")]
    assert week.bars.volume[1] == 40.0


def test_a_week_that_history_enters_in_the_middle_is_left_out() -> None:
    week = align(_daily(["2020-04-01", "2020-04-02", "2020-04-03", "2020-04-06", "2020-04-09", "2020-04-17"]), "1w")
    assert week.known is not None
    assert week.known.tolist() == [-1, -1, -1, -1, -1, 1]


def test_a_bar_that_closes_at_midnight_belongs_to_the_day_it_covers() -> None:
    # A market that never closes: Friday's bar closes on Saturday at 00:00.
    days = [str(day) for day in np.arange("2020-03-31", "2020-04-14", dtype="datetime64[D]")]
    week = align(_daily(days, hour=0), "1w")
    assert week.known is not None
    assert dict(zip(days, week.known.tolist(), strict=True))["2020-04-04"] == 0
    assert week.bars.close[1] - week.bars.close[0] == 7.0


def test_an_unknown_timeframe_indicator_or_output_is_a_typed_error(bars: Bars) -> None:
    with pytest.raises(UsageError, match="'1h' cannot be made from '1d' bars"):
        compute_features((replace(RSI, timeframe="1h"),), bars)
    with pytest.raises(NotFoundError, match="unknown indicator 'rsii'") as caught:
        compute_features((replace(RSI, indicator="rsii"),), bars)
    assert caught.value.suggestion == "did you mean 'rsi'?"
    with pytest.raises(NotFoundError, match="no output 'k'"):
        compute_features((replace(RSI, output="k"),), bars)


def test_no_bars_and_few_bars_give_empty_columns(bars: Bars) -> None:
    assert compute_features(FEATURES, bars.slice(0, 0)).shape == (0, len(FEATURES))
    assert np.isnan(compute_features(FEATURES, bars.slice(0, 3))).all()


def test_volatility_per_bar_agrees_with_pandas_and_atr_with_its_indicator(bars: Bars) -> None:
    expected = np.log(pd.Series(bars.close)).diff().rolling(20).std()
    np.testing.assert_allclose(trailing_volatility(bars, 20), expected, rtol=1e-9)
    np.testing.assert_array_equal(atr(bars), INDICATORS["atr"].compute(bars, {"period": 14})[0])


def test_quantiles_use_only_rows_before_the_stop_and_ignore_the_warm_up(bars: Bars) -> None:
    found = feature_quantiles(RSI, bars, 900)
    column = compute_features((RSI,), bars)[:900, 0]
    np.testing.assert_allclose(found, np.nanquantile(column, [0.1, 0.3, 0.5, 0.7, 0.9]), rtol=1e-12)
    assert feature_quantiles(RSI, bars.slice(0, 900), 900) == found
    with pytest.raises(InsufficientBarsError, match="needs 50"):
        feature_quantiles(RSI, bars, INDICATORS["rsi"].signature.warmup_bars({"period": 14}) + 49)
