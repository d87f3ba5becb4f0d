from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from nullalpha.core.errors import DataError, InsufficientBarsError, NotFoundError, UsageError
from nullalpha.data.bars import Bars, FloatArray
from nullalpha.engines.features.indicators import INDICATORS, VOCABULARY
from nullalpha.engines.features.pipeline import compute_features
from nullalpha.engines.features.quantiles import feature_quantiles
from nullalpha.engines.features.volatility import atr, trailing_volatility
from nullalpha.strategy.plan import FeaturePlan
from nullalpha.strategy.vocabulary import BarField, ParameterValue

Input = FeaturePlan | BarField


def node(
    indicator: str, *inputs: Input, timeframe: str = "1d", of: str = "", output: str | None = None, **params: ParameterValue
) -> FeaturePlan:
    """Return a node with its defaults, as the compiler makes them."""
    signature = VOCABULARY[indicator]
    complete = {parameter.name: params.get(parameter.name, parameter.default) for parameter in signature.parameters}
    plan_inputs = inputs or signature.series
    return FeaturePlan(
        indicator, indicator, tuple(sorted(complete.items())), output or signature.outputs[0], timeframe, of, tuple(plan_inputs)
    )


RSI = node("rsi", period=14)
WEEKLY = node("roc", timeframe="1w", period=4)
FEATURES = (
    RSI,
    node("distance_from_sma", period=50),
    node("zscore", node("macd"), period=100),
    node("macd", output="signal"),
    WEEKLY,
    node("zscore", WEEKLY, period=250),
    node("std", node("ref", "log_returns", lag=2), period=10),
)


def column(feature: FeaturePlan, bars: Bars, **others: Bars) -> FloatArray:
    found: FloatArray = compute_features((feature,), bars, others)[:, 0]
    return found


def test_columns_come_in_the_order_asked_and_match_their_indicators(bars: Bars) -> None:
    matrix = compute_features(FEATURES, bars)
    assert matrix.shape == (len(bars), len(FEATURES))
    np.testing.assert_array_equal(matrix[:, 0], INDICATORS["rsi"].compute(bars, {"period": 14})[0])
    macd, signal, _ = INDICATORS["macd"].compute(bars, {})
    np.testing.assert_array_equal(matrix[:, 3], signal)
    rolling = pd.Series(macd).rolling(100)
    np.testing.assert_allclose(matrix[:, 2], (macd - rolling.mean()) / rolling.std(), rtol=1e-8, atol=1e-8)
    returns = pd.Series(np.log(bars.close)).diff()
    np.testing.assert_allclose(matrix[:, 6], returns.shift(2).rolling(10).std(), rtol=1e-9)


def test_no_column_reads_the_future(bars: Bars) -> None:
    full = compute_features(FEATURES, bars)
    for stop in range(1490, 1500):  # every weekday
        np.testing.assert_allclose(compute_features(FEATURES, bars.slice(0, stop)), full[:stop], rtol=1e-10, atol=1e-12)


def test_weekly_values_equal_an_independent_resampling(bars: Bars) -> None:
    found = column(WEEKLY, bars)
    closes = pd.Series(bars.close, index=pd.DatetimeIndex(bars.time)).resample("W-FRI").last()
    roc = closes.pct_change(4)
    friday = pd.DatetimeIndex(bars.time).dayofweek == 4
    days = pd.DatetimeIndex(bars.time).normalize()
    for row in np.flatnonzero(~np.isnan(found)):
        week_end = days[row] if friday[row] else days[row] - pd.offsets.Week(weekday=4)
        assert found[row] == pytest.approx(roc[week_end], rel=1e-12)
    assert np.isnan(found).sum() < 5 * 7


def test_warm_ups_add_up_along_the_graph_and_the_slowest_input_decides(bars: Bars) -> None:
    for feature, expected in (
        (node("zscore", node("rsi", period=14), period=60), 232 + 59),
        (node("ema", node("std", "returns", period=20), period=10), 1 + 19 + 9 + 81),
        (node("ratio", node("sma", period=50), node("ref", node("sma", period=30), lag=40)), 40 + 29),
        (node("corr", node("rsi", period=10), node("roc", "volume", period=5), period=30), 163 + 29),
    ):
        found = column(feature, bars)
        assert int(np.argmax(~np.isnan(found))) == expected == int(np.isnan(found).sum())


def test_an_operator_on_longer_bars_reads_them_natively_and_the_same_node_may_also_be_joined(bars: Bars) -> None:
    weekly = node("rsi", timeframe="1w", period=2)
    native = node("sma", weekly, timeframe="1w", period=3)
    joined = node("sma", weekly, period=3)
    matrix = compute_features((weekly, native, joined), bars)
    fridays = (pd.DatetimeIndex(bars.time).dayofweek == 4) & ~np.isnan(matrix[:, 0])
    by_week = matrix[fridays, 0]
    # On Fridays a new value comes in, so the mean of three weeks is the mean over this Friday and the two before (holidays aside).
    gaps = np.diff(bars.time[fridays].astype("datetime64[D]")).astype(int)
    regular = np.flatnonzero((gaps[1:] == 7) & (gaps[:-1] == 7)) + 2
    expected = (by_week[regular] + by_week[regular - 1] + by_week[regular - 2]) / 3
    np.testing.assert_allclose(matrix[fridays, 1][regular], expected, rtol=1e-12)
    np.testing.assert_allclose(matrix[:, 2], pd.Series(matrix[:, 0]).rolling(3).mean(), rtol=1e-12)


def test_another_instrument_is_joined_as_of_the_base_bar_and_never_sooner(bars: Bars, vix: Bars) -> None:
    found = column(node("roc", of="VIX", period=5), bars, VIX=vix)
    own = INDICATORS["roc"].compute(vix, {"period": 5})[0]
    left = pd.DataFrame({"time": bars.time})
    expected = pd.merge_asof(left, pd.DataFrame({"time": vix.time, "value": own}), on="time")["value"]
    np.testing.assert_array_equal(found, expected)
    known_at_once = replace(vix, time=vix.time - np.timedelta64(15, "m"))
    assert column(node("level", of="VIX"), bars, VIX=known_at_once)[10] == known_at_once.close[known_at_once.time <= bars.time[10]][-1]


def test_an_outside_series_is_read_in_its_own_rows_and_operators_on_base_bars_read_it_joined(bars: Bars, rates: Bars) -> None:
    level = node("level", of="RATES")
    matrix = compute_features((level, node("ref", level, lag=1), node("momentum", of="RATES", period=1)), bars, {"RATES": rates})
    expected = pd.merge_asof(pd.DataFrame({"time": bars.time}), pd.DataFrame({"time": rates.time, "x": rates.close}), on="time")["x"]
    np.testing.assert_array_equal(matrix[:, 0], expected)
    np.testing.assert_array_equal(matrix[:, 1], expected.shift(1))  # a day earlier, not a publication earlier
    change = pd.merge_asof(pd.DataFrame({"time": bars.time}), pd.DataFrame({"time": rates.time, "x": np.diff(rates.close, prepend=np.nan)}))
    np.testing.assert_array_equal(matrix[:, 2], change["x"])


def test_a_longer_bar_of_another_instrument_waits_for_its_end_and_then_for_the_base_bar(bars: Bars, vix: Bars) -> None:
    found = column(node("roc", timeframe="1w", of="VIX", period=2), bars, VIX=vix)
    alone = column(node("roc", timeframe="1w", period=2), vix)
    expected = pd.merge_asof(pd.DataFrame({"time": bars.time}), pd.DataFrame({"time": vix.time, "value": alone}), on="time")["value"]
    np.testing.assert_array_equal(found, expected)
    assert np.isfinite(found).sum() > 1900


def test_a_correlation_with_another_market_is_taken_on_base_bars(bars: Bars, vix: Bars) -> None:
    other = node("level", of="VIX")
    found = column(node("corr", "close", other, period=30), bars, VIX=vix)
    joined = pd.Series(column(other, bars, VIX=vix))
    np.testing.assert_allclose(found, pd.Series(bars.close).rolling(30).corr(joined), rtol=1e-7, atol=1e-9)


def test_intraday_features_on_four_timeframes_do_not_read_the_future(quarter_hours: Bars) -> None:
    features = [node("roc", timeframe=frame, period=3) for frame in ("15m", "1h", "4h", "1d", "1w")]
    features.append(node("zscore", node("atr", timeframe="1h", period=5), timeframe="15m", period=40))
    full = compute_features(features, quarter_hours)
    assert (np.isfinite(full).sum(axis=0) > 3000).all()
    for stop in (1500, 2501, 2502, 2503, 2504, 4000, 5003):
        np.testing.assert_allclose(compute_features(features, quarter_hours.slice(0, stop)), full[:stop], rtol=1e-10)


def test_unknown_things_are_typed_errors_that_say_where(bars: Bars, vix: Bars) -> None:
    with pytest.raises(UsageError, match="'1h' cannot be made from '1d' bars"):
        column(replace(RSI, timeframe="1h"), bars)
    with pytest.raises(NotFoundError, match="unknown indicator 'rsii'") as caught:
        column(replace(RSI, indicator="rsii"), bars)
    assert caught.value.suggestion == "did you mean 'rsi'?"
    with pytest.raises(NotFoundError, match="no output 'k'"):
        column(replace(RSI, output="k"), bars)
    with pytest.raises(NotFoundError, match="computed on VIX, of which there are no bars") as caught:
        column(node("rsi", of="VIX"), bars, SPY=vix)
    assert (caught.value.path, caught.value.suggestion) == ("features.rsi.of", "there are bars of: SPY")
    with pytest.raises(UsageError, match=r"features\.sma is computed on 1w bars, its input 'rsi' on 1d"):
        column(node("sma", RSI, timeframe="1w"), bars)
    with pytest.raises(UsageError, match=r"sma\.period is 1000"):
        column(node("sma", period=1000), bars)
    with pytest.raises(UsageError, match="was handed series of"):
        column(node("corr", "close", "open", "high"), bars)
    with pytest.raises(DataError, match="VIX has no volume"):
        column(node("sma", "volume", of="VIX"), bars, VIX=vix)
    with pytest.raises(DataError, match="SPX has no quoted spread"):
        column(node("sma", "spread"), bars)


def test_a_split_leaves_no_trace_in_the_volume_that_features_read(bars: Bars) -> None:
    half = len(bars) // 2
    traded = np.where(np.arange(len(bars)) < half, bars.volume / 2, bars.volume)  # two for one: half as many shares before it
    factor = np.where(np.arange(len(bars)) < half, 0.5, 1.0)
    split = replace(bars, volume=traded, factor=factor)
    ratio = (node("volume_ratio", period=20),)
    np.testing.assert_allclose(compute_features(ratio, split), compute_features(ratio, bars))


def test_the_spread_is_a_series_like_another(quarter_hours: Bars) -> None:
    assert quarter_hours.spread is not None
    found = column(node("sma", "spread", timeframe="1h", period=2), quarter_hours)
    hourly = quarter_hours.spread[[3, 7]]  # of a longer bar, the spread at its close
    assert found[7] == pytest.approx(hourly.mean(), rel=1e-12)


def test_no_bars_and_few_bars_give_empty_columns(bars: Bars) -> None:
    assert compute_features(FEATURES, bars.slice(0, 0)).shape == (0, len(FEATURES))
    assert np.isnan(compute_features(FEATURES, bars.slice(0, 3))).all()


def test_volatility_per_bar_agrees_with_pandas_and_atr_with_its_indicator(bars: Bars) -> None:
    expected = np.log(pd.Series(bars.close)).diff().rolling(20).std()
    np.testing.assert_allclose(trailing_volatility(bars, 20), expected, rtol=1e-9)
    np.testing.assert_array_equal(atr(bars), INDICATORS["atr"].compute(bars, {"period": 14})[0])


def test_quantiles_use_only_rows_before_the_stop_and_ignore_the_warm_up(bars: Bars, vix: Bars) -> None:
    found = feature_quantiles(RSI, bars, 900)
    np.testing.assert_allclose(found, np.nanquantile(column(RSI, bars)[:900], [0.1, 0.3, 0.5, 0.7, 0.9]), rtol=1e-12)
    assert feature_quantiles(RSI, bars.slice(0, 900), 900) == found
    with pytest.raises(InsufficientBarsError, match="needs 50"):
        feature_quantiles(RSI, bars, INDICATORS["rsi"].signature.warmup_bars({"period": 14}) + 49)
    joined = node("level", of="VIX")
    cut = feature_quantiles(joined, bars, 900, {"VIX": vix.before(bars.time[899] + np.timedelta64(1, "ns"))})
    assert feature_quantiles(joined, bars, 900, {"VIX": vix}) == cut
