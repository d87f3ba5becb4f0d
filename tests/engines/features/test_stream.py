"""The live path: rows that come in one by one give what the batch pipeline gives, to 1e-9, for every indicator and for graphs of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.core.errors import DataError, NotFoundError, UsageError
from nullalpha.data.bars import Bars, FloatArray
from nullalpha.engines.features.indicators import INDICATORS, VOCABULARY
from nullalpha.engines.features.pipeline import compute_features
from nullalpha.engines.features.stream import FeatureStream
from nullalpha.strategy.plan import FeaturePlan
from nullalpha.strategy.vocabulary import BarField, ParameterValue

NAMES = sorted(INDICATORS)


def _node(
    indicator: str,
    *inputs: FeaturePlan | BarField,
    timeframe: str = "1d",
    of: str = "",
    output: str | None = None,
    **params: ParameterValue,
) -> FeaturePlan:
    signature = VOCABULARY[indicator]
    complete = {parameter.name: params.get(parameter.name, parameter.default) for parameter in signature.parameters}
    given_inputs = inputs or signature.series
    output = output or signature.outputs[0]
    return FeaturePlan(indicator, indicator, tuple(sorted(complete.items())), output, timeframe, of, tuple(given_inputs))


def _outputs(indicator: str, timeframe: str, **params: ParameterValue) -> list[FeaturePlan]:
    return [_node(indicator, timeframe=timeframe, output=output, **params) for output in VOCABULARY[indicator].outputs]


def _same(found: FloatArray, expected: FloatArray) -> None:
    scale = np.nanmax(np.abs(expected), axis=0, initial=0.0)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    error = np.where(np.isnan(expected), 0.0, np.abs(found - expected))
    assert (error <= 1e-9 * np.maximum(np.abs(np.nan_to_num(expected)), 1e-3 * scale)).all()


def _between(rows: Bars, after: np.datetime64 | None, until: np.datetime64) -> Bars:
    start = 0 if after is None else int(np.searchsorted(rows.time, after, side="right"))
    return rows.slice(start, int(np.searchsorted(rows.time, until, side="right")))


def _streamed(features: list[FeaturePlan], bars: Bars, cuts: list[int], **others: Bars) -> FloatArray:
    """Return the rows of a stream that is handed bars up to each cut at once, and what others have published by then."""
    stream = FeatureStream(features, bars.timeframe, {symbol: other.timeframe for symbol, other in others.items()})
    rows, row, seen = [], 0, None
    for stop in [*cuts, len(bars)]:
        until = bars.time[stop - 1]
        new = {symbol: _between(other, seen, until) for symbol, other in others.items()}
        part = bars.slice(row, stop)
        rows.append(stream.push(part, new)[None] if len(part) == 1 else stream.extend(part, new))
        row, seen = stop, until
    return np.concatenate(rows)


def _bar_by_bar(features: list[FeaturePlan], bars: Bars, history: int, **others: Bars) -> FloatArray:
    return _streamed(features, bars, list(range(history, len(bars))), **others)


@pytest.mark.parametrize("name", NAMES)
def test_every_indicator_bar_by_bar_is_the_batch(name: str, bars: Bars) -> None:
    some = bars.slice(0, 500)
    features = _outputs(name, "1d")
    _same(_bar_by_bar(features, some, 1), compute_features(features, some))


@pytest.mark.parametrize("name", NAMES)
def test_every_indicator_at_its_widest_goes_on_from_a_history_as_the_batch(name: str, bars: Bars) -> None:
    widest = {parameter.name: parameter.high for parameter in VOCABULARY[name].parameters}
    features = _outputs(name, "1d", **widest)
    some = bars.slice(0, 1500)
    _same(_bar_by_bar(features, some, 1400), compute_features(features, some))


@pytest.mark.parametrize("name", NAMES)
def test_every_indicator_on_hours_made_of_quarters_bar_by_bar_is_the_batch(name: str, quarter_hours: Bars) -> None:
    features = _outputs(name, "1h")
    some = quarter_hours.slice(900, 2600)
    _same(_bar_by_bar(features, some, 1300), compute_features(features, some))


def test_a_graph_over_five_timeframes_bar_by_bar_is_the_batch(quarter_hours: Bars) -> None:
    hourly = _node("rsi", timeframe="1h", period=5)
    features = [
        *(_node("roc", timeframe=frame, period=2) for frame in ("15m", "30m", "4h", "1d", "1w")),
        _node("zscore", hourly, timeframe="15m", period=20),
        _node("ema", hourly, timeframe="1h", period=4),
        _node("clip", _node("zscore", _node("std", "log_returns", timeframe="1h", period=8), timeframe="15m"), timeframe="15m", limit=1.5),
        _node("difference", _node("sma", timeframe="1d", period=3), "close", timeframe="15m"),
        _node("sma", "spread", timeframe="4h", period=2),
        _node("sump", "volume", timeframe="1d", period=4),
        _node("session_vwap", timeframe="30m"),
    ]
    some = quarter_hours.slice(30, 4400)
    expected = compute_features(features, some)
    assert np.isfinite(expected[-1]).all()
    _same(_bar_by_bar(features, some, 3300), expected)


def _with_others() -> list[FeaturePlan]:
    fear, rate = _node("level", of="VIX"), _node("level", of="RATES")
    return [
        _node("rsi", of="VIX", period=5),
        _node("roc", timeframe="1w", of="VIX", period=2),
        _node("zscore", _node("ema", of="VIX", period=4), period=30),
        _node("sma", _node("ref", of="VIX", lag=3), of="VIX", period=5),
        _node("corr", "returns", _node("roc", fear, period=1), period=20),
        _node("momentum", of="RATES", period=2),
        _node("difference", rate, _node("ref", rate, lag=20)),
        _node("beta", "close", fear, period=25),
    ]


def test_a_graph_over_other_instruments_bar_by_bar_is_the_batch(bars: Bars, vix: Bars, rates: Bars) -> None:
    some = bars.slice(0, 900)
    expected = compute_features(_with_others(), some, {"VIX": vix, "RATES": rates})
    assert np.isfinite(expected[-1]).all()
    _same(_bar_by_bar(_with_others(), some, 1, VIX=vix, RATES=rates), expected)


@given(cuts=st.sets(st.integers(1, 399), max_size=25))
@settings(max_examples=15, deadline=None)
def test_rows_may_come_in_any_parts(cuts: set[int], bars: Bars, vix: Bars, rates: Bars) -> None:
    some = bars.slice(0, 400)
    features = [*_with_others(), _node("macd", output="signal"), _node("roc", timeframe="1w", period=2)]
    expected = compute_features(features, some, {"VIX": vix, "RATES": rates})
    _same(_streamed(features, some, sorted(cuts), VIX=vix, RATES=rates), expected)


def test_another_instruments_row_that_is_ahead_waits_and_one_that_is_late_counts_from_the_next_bar(bars: Bars, vix: Bars) -> None:
    stream = FeatureStream([_node("level", of="VIX")], "1d", {"VIX": "1d"})
    day = np.timedelta64(1, "D")

    def other(price: float, time: np.datetime64) -> Bars:
        value = np.array([price])
        return Bars("VIX", "1d", np.array([time]), value, value, value, value, value)

    first, second, third, fourth = (bars.slice(row, row + 1) for row in range(4))
    assert np.isnan(stream.push(first, {"VIX": other(1.0, first.time[0] + np.timedelta64(1, "h"))})).all()
    assert stream.push(second).tolist() == [1.0]
    assert stream.push(third, {"VIX": other(2.0, fourth.time[0])}).tolist() == [1.0]
    assert stream.push(fourth).tolist() == [2.0]
    late = stream.push(bars.slice(4, 5), {"VIX": other(3.0, fourth.time[0])})
    assert late.tolist() == [3.0]
    with pytest.raises(DataError, match=r"the VIX row of .* does not follow"):
        stream.push(bars.slice(5, 6), {"VIX": other(3.0, fourth.time[0] - day)})


def test_what_does_not_follow_or_was_not_said_to_come_is_refused(bars: Bars, vix: Bars) -> None:
    with pytest.raises(NotFoundError, match="computed on VIX, of which there are no bars"):
        FeatureStream([_node("rsi", of="VIX")], "1d")
    with pytest.raises(UsageError, match=r"rsi\.period is 999"):
        FeatureStream([_node("rsi", period=999)], "1d")
    stream = FeatureStream([_node("rsi")], "1d")
    stream.push(bars.slice(3, 4))
    for again in (2, 3):
        with pytest.raises(DataError, match="does not follow the one before it"):
            stream.push(bars.slice(again, again + 1))
    with pytest.raises(DataError, match="'1w' bars, said to be '1d'"):
        stream.push(replace(bars.slice(4, 5), timeframe="1w"))
    with pytest.raises(DataError, match="rows of VIX are '1d' bars, not said to come"):
        stream.push(bars.slice(4, 5), {"VIX": vix.slice(0, 1)})
    with pytest.raises(UsageError, match="push was handed 2 bars"):
        stream.push(bars.slice(4, 6))
    assert stream.extend(bars.slice(4, 4)).shape == (0, 1)
    assert stream.push(bars.slice(4, 5)).shape == (1,)


@pytest.mark.parametrize("name", [name for name in NAMES if VOCABULARY[name].series])
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_a_series_with_gaps_gives_the_same_in_any_parts(name: str, data: st.DataObject) -> None:
    n = 60
    rng = np.random.default_rng(data.draw(st.integers(0, 5)))
    series = tuple(100 * np.exp(0.02 * rng.standard_normal(n).cumsum()) for _ in VOCABULARY[name].series)
    for row in data.draw(st.lists(st.integers(0, n - 1), max_size=4)):
        series[row % len(series)][row] = np.nan
    lowest = {parameter.name: parameter.low for parameter in VOCABULARY[name].parameters}
    lowest |= {upper: max(lowest[upper], lowest[lower] + 1) for lower, upper in pairwise(VOCABULARY[name].rising)}
    expected = np.column_stack(INDICATORS[name].compute_series(series, lowest))
    stream = INDICATORS[name].stream(lowest)
    edges = [0, *sorted(data.draw(st.sets(st.integers(1, n - 1), max_size=6))), n]
    parts = [np.column_stack(stream.extend(tuple(one[a:b] for one in series))) for a, b in pairwise(edges)]
    _same(np.concatenate(parts), expected)
    one_by_one = INDICATORS[name].stream(lowest)
    _same(np.array([one_by_one.push(*(float(one[t]) for one in series)) for t in range(n)]), expected)


def test_an_average_begins_anew_after_a_gap_and_a_window_waits_until_it_has_left() -> None:
    values = np.random.default_rng(0).standard_normal(400).cumsum() + 50
    broken = values.copy()
    broken[200] = np.nan
    warmup = VOCABULARY["ema"].warmup_bars({"period": 5})
    (average,) = INDICATORS["ema"].compute_series((broken,), {"period": 5})
    (fresh,) = INDICATORS["ema"].compute_series((values[201:],), {"period": 5})
    assert np.isnan(average[200 : 201 + warmup]).all()
    np.testing.assert_array_equal(average[201:], fresh)
    (window,) = INDICATORS["sma"].compute_series((broken,), {"period": 5})
    assert np.flatnonzero(np.isnan(window)).tolist() == [0, 1, 2, 3, 200, 201, 202, 203, 204]
    (earlier,) = INDICATORS["ref"].compute_series((broken,), {"lag": 3})
    assert np.flatnonzero(np.isnan(earlier)).tolist() == [0, 1, 2, 203]


def test_series_of_unequal_length_are_refused() -> None:
    with pytest.raises(UsageError, match=r"rows") as caught:
        INDICATORS["corr"].compute_series((np.ones(3), np.ones(4)), {})
    assert caught.value.suggestion == "it takes 2 of equal length"
