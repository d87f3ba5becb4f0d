"""One contract for every indicator of the registry: a newcomer is held to it by being registered.

What it cannot know of a newcomer is in two tables: its independent reference (references.py), and what it says of prices that stand still
(FLAT).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.core.errors import DataError, UsageError
from nullalpha.data.bars import Bars, FloatArray
from nullalpha.engines.features.fields import bar_field
from nullalpha.engines.features.indicators import INDICATORS, VOCABULARY
from nullalpha.strategy.vocabulary import BAR_FIELD_UNITS, BAR_FIELD_WARMUP, Parameter, ParameterValue, Unit
from tests.engines.features.references import REFERENCES, TALIB, frame_of

Params = Mapping[str, ParameterValue]
NAMES = sorted(INDICATORS)
BOUNDS: dict[Unit, tuple[float, float]] = {"bounded_0_1": (0, 1), "bounded_-1_1": (-1, 1), "bounded_0_100": (0, 100)}
WINDOWED = [name for name in NAMES if VOCABULARY[name].stability == "windowed"]
FADING = [name for name in NAMES if VOCABULARY[name].stability == "fading"]
CONVERGING = [name for name in NAMES if VOCABULARY[name].stability == "converging"]
SETS = ("defaults", "lowest", "highest")


def _params(name: str, which: str) -> dict[str, ParameterValue]:
    """Return an indicator's parameters at their defaults or at an end of their ranges, with those that must ascend a step apart."""
    signature = VOCABULARY[name]
    if which == "defaults":
        return {parameter.name: parameter.default for parameter in signature.parameters}
    low = which == "lowest"
    params = {parameter.name: parameter.low if low else parameter.high for parameter in signature.parameters}
    order = signature.rising if low else signature.rising[::-1]
    for before, after in pairwise(order):
        step = 1 if isinstance(params[before], int) else 0.001
        params[after] = max(params[after], params[before] + step) if low else min(params[after], params[before] - step)
    return params


def _warmup(name: str, params: Params) -> int:
    signature = VOCABULARY[name]
    return signature.warmup_bars(params) + max((BAR_FIELD_WARMUP[field] for field in signature.series), default=0)


def _unit(name: str, output: str) -> Unit:
    unit = VOCABULARY[name].unit_of(output)
    return BAR_FIELD_UNITS[VOCABULARY[name].series[0]] if unit == "input" else unit


def _close(found: FloatArray, expected: FloatArray, rtol: float) -> None:
    """Compare two columns, NaN in the same places, to a share of the largest value."""
    scale = float(np.nanmax(np.abs(expected), initial=0.0))
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * scale)


def _made(prices: FloatArray, volume: FloatArray, spread: float = 0.001) -> Bars:
    n = len(prices)
    time = np.datetime64("2020-01-01T21", "ns") + np.arange(n) * np.timedelta64(1, "D")
    opened = np.concatenate([prices[:1], prices[:-1]])
    high, low = np.maximum(opened, prices) * (1 + spread), np.minimum(opened, prices) * (1 - spread)
    return Bars("MADE", "1d", time, opened, high, low, prices, volume, np.full(n, spread) * prices)


def _flat(n: int = 1500) -> Bars:
    return _made(np.full(n, 17.3), np.full(n, 1000.0), spread=0.0)


def _wild(scale: float, n: int = 2400) -> Bars:
    """Gaps of 90 % down and up again, a stretch without any move and one without volume."""
    rng = np.random.default_rng(5)
    prices = scale * np.exp(np.cumsum(0.01 * rng.standard_normal(n))) * np.where(np.arange(n) // 400 % 2, 0.1, 1.0)
    prices[900:1200] = prices[900]
    volume = rng.integers(1, 1000, n).astype(float)
    volume[1300:1600] = 0.0
    return _made(prices, volume)


def test_the_registry_names_each_signature_and_loads_no_heavy_library() -> None:
    assert len(NAMES) >= 70
    assert all(VOCABULARY[name].name == name for name in NAMES)
    code = (
        "import sys, nullalpha.engines.features.indicators, nullalpha.engines.features.pipeline; "
        "sys.exit(any(m in sys.modules for m in ('talib', 'pandas', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


PROMISED = {
    **{name: (name,) for name in ("rsi", "roc", "momentum", "cci", "williams_r", "atr", "sma", "ema", "wma", "obv", "vwap", "mfi", "cmf")},
    **{name: (name,) for name in ("ad_line", "volume_ratio", "squeeze_intensity", "distance_from_sma", "distance_from_ema")},
    **dict.fromkeys(("bollinger", "keltner", "donchian"), ("upper", "middle", "lower")),
    **{f"{name}_{what}": (f"{name}_{what}",) for name in ("bollinger", "keltner", "donchian") for what in ("position", "width")},
    **{name: (name, "signal") for name in ("rvi", "fisher")},
    "stochastic": ("k", "d"),
    "aroon": ("up", "down"),
    "aroon_oscillator": ("aroon_oscillator",),
    "supertrend": ("line", "direction"),
    "macd": ("macd", "signal", "histogram"),
    "adx": ("adx", "plus_di", "minus_di"),
    "psar": ("value", "direction"),
    "ichimoku": ("tenkan", "kijun", "senkou_a", "senkou_b"),
    "session_vwap": ("session_vwap",),
}
ALPHA158 = "ref std slope rsquare resi max min quantile rank imax imin imxd corr cord cntp cntn cntd sump sumn sumd wvma ratio log1p candle"


def test_everything_that_the_language_promises_is_there_and_nothing_that_repaints() -> None:
    assert {name: VOCABULARY[name].outputs for name in PROMISED} == PROMISED
    assert set(ALPHA158.split()) <= set(VOCABULARY)
    assert not {"zigzag", "chikou"} & {*VOCABULARY, *(output for one in VOCABULARY.values() for output in one.outputs)}


@pytest.mark.parametrize("name", NAMES)
def test_the_signature_is_complete(name: str) -> None:
    signature = VOCABULARY[name]
    assert signature.summary.endswith(".")
    assert signature.source
    assert bool(signature.inputs) != bool(signature.series)
    assert len(signature.series) <= 2
    assert len(set(signature.outputs)) == len(signature.outputs) >= 1
    assert {output for output, _ in signature.output_units} <= set(signature.outputs)
    assert set(signature.rising) <= {parameter.name for parameter in signature.parameters}
    for parameter in signature.parameters:
        assert parameter.low <= parameter.default <= parameter.high
        assert isinstance(parameter.default, int) == parameter.integer
    for which in SETS:
        assert 0 <= signature.warmup_bars(_params(name, which)) <= 1300


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("which", SETS)
def test_the_warm_up_is_nan_and_what_follows_is_not(name: str, which: str, bars: Bars) -> None:
    params = _params(name, which)
    columns = INDICATORS[name].compute(bars, params)
    assert len(columns) == len(VOCABULARY[name].outputs)
    for column in columns:
        assert column.shape == (len(bars),)
        assert column.dtype == np.float64
        first = int(np.argmax(~np.isnan(column)))
        undefined = int(np.isnan(column[first:]).sum())
        assert undefined <= (3 if which == "lowest" else 0)  # two equal closes in a row are a flat window of 2
        if name in CONVERGING and which != "defaults":
            assert first >= _warmup(name, params)  # a state machine may wait for its first turn
        else:
            assert first == _warmup(name, params)


@pytest.mark.parametrize("name", NAMES)
def test_too_few_bars_are_all_warm_up_and_computing_changes_no_input(name: str, bars: Bars) -> None:
    params = _params(name, "defaults")
    few = bars.slice(0, _warmup(name, params))
    before = [few.open.copy(), few.high.copy(), few.low.copy(), few.close.copy(), few.volume.copy()]
    for column in INDICATORS[name].compute(few, params):
        assert column.shape == (len(few),)
        assert np.isnan(column).all()
    for column, was in zip((few.open, few.high, few.low, few.close, few.volume), before, strict=True):
        np.testing.assert_array_equal(column, was)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("which", ["defaults", "lowest"])
def test_cutting_the_future_off_changes_nothing(name: str, which: str, bars: Bars) -> None:
    params = _params(name, which)
    full = INDICATORS[name].compute(bars, params)
    for stop in (0, 1, 5, 50, 601, 1207):
        for cut, whole in zip(INDICATORS[name].compute(bars.slice(0, stop), params), full, strict=True):
            np.testing.assert_array_equal(cut, whole[:stop])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("row", [350, 1001, 1300])
def test_replacing_the_future_changes_nothing_before_it(name: str, row: int, bars: Bars) -> None:
    factors = {"open": 3.0, "high": 3.3, "low": 2.7, "close": 3.1, "volume": 7.0}
    later = {field: getattr(bars, field)[row:][::-1] * factor for field, factor in factors.items()}
    future = {field: np.concatenate([getattr(bars, field)[:row], values]) for field, values in later.items()}
    full = INDICATORS[name].compute(bars, _params(name, "defaults"))
    other = INDICATORS[name].compute(replace(bars, **future), _params(name, "defaults"))
    for changed, whole in zip(other, full, strict=True):
        np.testing.assert_array_equal(changed[:row], whole[:row])
        assert not np.array_equal(changed[row:], whole[row:], equal_nan=True)


@pytest.mark.parametrize("name", WINDOWED)
@pytest.mark.parametrize("which", SETS)
def test_a_windowed_value_comes_from_its_window_alone(name: str, which: str, bars: Bars) -> None:
    params = _params(name, which)
    warmup = _warmup(name, params)
    full = INDICATORS[name].compute(bars, params)
    for row in (warmup, warmup + 1, 1303, 1777):
        for alone, whole in zip(INDICATORS[name].compute(bars.slice(row - warmup, row + 1), params), full, strict=True):
            scale = np.nanmax(np.abs(whole))
            np.testing.assert_allclose(alone[-1], whole[row], rtol=1e-9, atol=1e-9 * scale)


@pytest.mark.parametrize("name", FADING)
@pytest.mark.parametrize("which", SETS)
@pytest.mark.parametrize("start", [100, 300])
def test_a_fading_value_forgets_where_history_starts_within_its_warm_up(name: str, which: str, start: int, bars: Bars) -> None:
    params = _params(name, which)
    warmup = _warmup(name, params)
    late = INDICATORS[name].compute(bars.slice(start, len(bars)), params)
    for whole, part in zip(INDICATORS[name].compute(bars, params), late, strict=True):
        known = whole[start + warmup :]
        assert len(known) > 50
        scale = max(float(np.abs(known).max()), BOUNDS.get(_unit(name, VOCABULARY[name].outputs[0]), (0.0, 0.0))[1])
        assert np.abs(part[warmup:] - known).max() < 1e-6 * scale


@pytest.mark.parametrize("name", CONVERGING)
@pytest.mark.parametrize("start", [1, 77, 300, 640])
def test_two_histories_of_a_converging_value_come_together_and_stay(name: str, start: int, bars: Bars) -> None:
    late = INDICATORS[name].compute(bars.slice(start, len(bars)), {})
    for whole, part in zip(INDICATORS[name].compute(bars, {}), late, strict=True):
        apart = np.flatnonzero(np.abs(part - whole[start:]) > 1e-6 * np.nanmax(np.abs(whole)))
        assert apart.max(initial=0) < 800


@pytest.mark.parametrize("name", [name for name in NAMES if {_unit(name, output) for output in VOCABULARY[name].outputs} & set(BOUNDS)])
@pytest.mark.parametrize("which", SETS)
def test_bounded_units_hold_on_ordinary_and_wild_bars(name: str, which: str, bars: Bars) -> None:
    for source in (bars, _wild(1.0), _flat()):
        columns = INDICATORS[name].compute(source, _params(name, which))
        for output, column in zip(VOCABULARY[name].outputs, columns, strict=True):
            low, high = BOUNDS.get(_unit(name, output), (-np.inf, np.inf))
            assert np.nanmin(column, initial=low) >= low - 1e-9
            assert np.nanmax(column, initial=high) <= high + 1e-9


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("factor", [1000.0, 1e-6])
def test_units_follow_the_currency_and_the_lot(name: str, factor: float, bars: Bars) -> None:
    columns = INDICATORS[name].compute(bars, {})
    dearer = replace(bars, open=bars.open * factor, high=bars.high * factor, low=bars.low * factor, close=bars.close * factor)
    for output, column, other in zip(VOCABULARY[name].outputs, columns, INDICATORS[name].compute(dearer, {}), strict=True):
        if _unit(name, output) != "value":
            _close(other, column * (factor if _unit(name, output) == "price" else 1.0), 1e-8)
    split = replace(bars, volume=bars.volume * factor)
    for output, column, other in zip(VOCABULARY[name].outputs, columns, INDICATORS[name].compute(split, {}), strict=True):
        if _unit(name, output) != "value":
            _close(other, column * (factor if _unit(name, output) in ("volume", "signed_volume") else 1.0), 1e-8)


NOTHING = float("nan")
FLAT: dict[str, tuple[float, ...]] = {
    "rsi": (NOTHING,),
    "cci": (NOTHING,),
    "williams_r": (NOTHING,),
    "stochastic": (NOTHING, NOTHING),
    "rvi": (NOTHING, NOTHING),
    "fisher": (NOTHING, NOTHING),
    "aroon": (1.0, 1.0),
    "return_rank": (0.5,),
    "bollinger": (17.3, 17.3, 17.3),
    "bollinger_position": (NOTHING,),
    "keltner": (17.3, 17.3, 17.3),
    "keltner_position": (NOTHING,),
    "squeeze_intensity": (NOTHING,),
    "donchian": (17.3, 17.3, 17.3),
    "donchian_position": (NOTHING,),
    "sma": (17.3,),
    "ema": (17.3,),
    "wma": (17.3,),
    "adx": (NOTHING, NOTHING, NOTHING),
    "ichimoku": (17.3, 17.3, 17.3, 17.3),
    "supertrend": (NOTHING, NOTHING),
    "psar": (17.3, NOTHING),
    "efficiency_ratio": (NOTHING,),
    "candle": (0.0, 0.0, 0.0, 0.0, 0.0, NOTHING, NOTHING, NOTHING, NOTHING),
    "mfi": (NOTHING,),
    "vwap": (17.3,),
    "session_vwap": (17.3,),
    "volume_ratio": (1.0,),
    "ref": (17.3,),
    "sump": (NOTHING,),
    "sumn": (NOTHING,),
    "sumd": (NOTHING,),
    "zscore": (NOTHING,),
    "max": (17.3,),
    "min": (17.3,),
    "quantile": (17.3,),
    "rank": (0.5,),
    "imax": (0.05, 19.0),
    "imin": (0.05, 19.0),
    "rsquare": (NOTHING,),
    "ratio": (1.0,),
    "corr": (NOTHING,),
    "cord": (NOTHING,),
    "beta": (NOTHING,),
    "wvma": (NOTHING,),
    "level": (17.3,),
    "log": (np.log(17.3),),
    "log1p": (np.log(1001.0),),
}
"""What each output says where every bar has the price 17.3 and the volume 1,000; those not named say 0."""


@pytest.mark.parametrize("name", NAMES)
def test_flat_prices_give_no_infinity_and_no_made_up_reading(name: str) -> None:
    params = _params(name, "defaults")
    columns = INDICATORS[name].compute(_flat(), params)
    for column, level in zip(columns, FLAT.get(name, (0.0,) * len(columns)), strict=True):
        np.testing.assert_allclose(column[_warmup(name, params) :], level, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e9])
def test_wild_prices_give_no_infinity_and_leave_no_trace(name: str, scale: float) -> None:
    for which in SETS:
        columns = INDICATORS[name].compute(_wild(scale), _params(name, which))
        for column in columns:
            assert not np.isinf(column).any()
            assert np.isfinite(column[-100:]).all()


@pytest.mark.parametrize("name", [name for name in NAMES if "volume" in INDICATORS[name].fields])
def test_bars_without_any_volume_traded_give_no_average_and_no_flow(name: str, bars: Bars) -> None:
    none = {"ad_line": 0.0, "obv": 0.0, "log1p": 0.0}.get(name, np.nan)
    for column in INDICATORS[name].compute(replace(bars, volume=np.zeros(len(bars))), {}):
        np.testing.assert_array_equal(column[_warmup(name, _params(name, "defaults")) :], none)


@pytest.mark.parametrize("name", [name for name in NAMES if "volume" in INDICATORS[name].fields])
def test_volume_that_is_missing_is_an_error(name: str, bars: Bars) -> None:
    with pytest.raises(DataError, match="SPX has no volume, which"):
        INDICATORS[name].compute(replace(bars, volume=np.full(len(bars), np.nan)), {})
    one_missing = bars.volume.copy()
    one_missing[7] = np.nan
    with pytest.raises(DataError, match="no volume at 1 of 2000 bars"):
        INDICATORS[name].compute(replace(bars, volume=one_missing), {})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("which", ["defaults", "lowest"])
def test_a_missing_row_is_missing_in_what_reads_it_and_forgotten_after_the_warm_up(name: str, which: str, bars: Bars) -> None:
    params, row = _params(name, which), 1000
    series = [bar_field(bars, field, name) for field in INDICATORS[name].fields]
    holed = [column.copy() for column in series]
    for column in holed:
        column[row] = np.nan
    warmup = VOCABULARY[name].warmup_bars(params)
    whole = INDICATORS[name].compute_series(tuple(series), params)
    for found, full in zip(INDICATORS[name].compute_series(tuple(holed), params), whole, strict=True):
        np.testing.assert_array_equal(found[:row], full[:row])
        assert np.isnan(found[row : row + warmup + 1]).any()
        if name not in CONVERGING:
            later = np.s_[row + warmup + 1 :]
            np.testing.assert_allclose(found[later], full[later], rtol=0, atol=1e-6 * np.nanmax(np.abs(full)))
        else:
            assert np.isfinite(found[-1])


@st.composite
def _drawn(draw: st.DrawFn) -> Bars:
    """Bars on a coarse grid, so that ties, bars without range, gaps and zero volumes are common."""
    steps = draw(st.lists(st.sampled_from([0, 0, 0, 1, -1, 2, -2, 30, -30]), min_size=2, max_size=90))
    prices = 50.0 + np.abs(np.cumsum(np.array(steps, dtype=np.float64)))
    opened = np.concatenate([prices[:1], prices[:-1]])
    up = np.array(draw(st.lists(st.sampled_from([0.0, 0.0, 1.0, 4.0]), min_size=len(steps), max_size=len(steps))))
    down = np.array(draw(st.lists(st.sampled_from([0.0, 0.0, 1.0, 4.0]), min_size=len(steps), max_size=len(steps))))
    volume = np.array(draw(st.lists(st.sampled_from([0.0, 1.0, 50.0]), min_size=len(steps), max_size=len(steps))))
    made = _made(prices, volume)
    return replace(made, open=opened, high=np.maximum(opened, prices) + up, low=np.minimum(opened, prices) - down)


@pytest.mark.parametrize("name", NAMES)
@given(drawn=_drawn(), data=st.data())
@settings(max_examples=12, deadline=None)
def test_whatever_the_bars_values_are_finite_or_nan_bounded_and_causal(name: str, drawn: Bars, data: st.DataObject) -> None:
    params = _params(name, "lowest")
    stop = data.draw(st.integers(0, len(drawn)))
    whole = INDICATORS[name].compute(drawn, params)
    for output, column, cut in zip(VOCABULARY[name].outputs, whole, INDICATORS[name].compute(drawn.slice(0, stop), params), strict=True):
        low, high = BOUNDS.get(_unit(name, output), (-np.inf, np.inf))
        assert not np.isinf(column).any()
        assert np.isnan(column[: _warmup(name, params)]).all()
        assert np.nanmin(column, initial=low) >= low - 1e-9
        assert np.nanmax(column, initial=high) <= high + 1e-9
        np.testing.assert_array_equal(cut, column[:stop])


def test_every_indicator_has_an_independent_reference() -> None:
    assert set(REFERENCES) == set(INDICATORS)
    assert set(TALIB) <= set(INDICATORS)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("which", SETS)
def test_values_agree_with_an_independent_implementation(name: str, which: str, bars: Bars) -> None:
    params = _params(name, which)
    expected = REFERENCES[name](frame_of(bars), params)
    rtol = 1e-8 if name in WINDOWED else 2e-6  # pandas seeds its exponential averages with the first value
    for column, other in zip(INDICATORS[name].compute(bars, params), expected, strict=True):
        known = ~np.isnan(column)
        assert known.sum() > 500
        _close(column[known], np.asarray(other, dtype=np.float64)[known], rtol)


@pytest.mark.parametrize("name", sorted(TALIB))
@pytest.mark.parametrize("which", SETS)
def test_values_agree_with_talib(name: str, which: str, bars: Bars) -> None:
    arrays = {"h": bars.high, "l": bars.low, "c": bars.close, "v": bars.volume}
    params = _params(name, which)
    for column, other in zip(INDICATORS[name].compute(bars, params), TALIB[name](arrays, params), strict=False):
        known = ~np.isnan(column)
        _close(column[known], np.asarray(other)[known], 1e-8)


def test_parameters_out_of_range_unknown_or_out_of_order_are_errors_that_name_the_fix(bars: Bars) -> None:
    with pytest.raises(UsageError, match="from 2 to 50"):
        INDICATORS["rsi"].compute(bars, {"period": 51})
    with pytest.raises(UsageError, match="whole number"):
        INDICATORS["rsi"].compute(bars, {"period": 14.5})
    with pytest.raises(UsageError) as caught:
        INDICATORS["rsi"].compute(bars, {"perod": 14})
    assert caught.value.suggestion == "did you mean 'period'?"
    with pytest.raises(UsageError) as caught:
        INDICATORS["candle"].compute(bars, {"period": 14})
    assert caught.value.suggestion == "it has none"
    with pytest.raises(UsageError, match="must be below kijun, which is 9"):
        INDICATORS["ichimoku"].compute(bars, {"tenkan": 9, "kijun": 9})
    with pytest.raises(UsageError, match="must be below maximum"):
        INDICATORS["psar"].compute(bars, {"acceleration": 0.1, "maximum": 0.1})


@pytest.mark.parametrize("name", NAMES)
def test_each_parameter_is_held_to_its_own_range(name: str, bars: Bars) -> None:
    def refused(parameter: Parameter, value: ParameterValue) -> None:
        with pytest.raises(UsageError, match=f"from {parameter.low} to {parameter.high}"):
            INDICATORS[name].compute(bars, {parameter.name: value})

    for parameter in VOCABULARY[name].parameters:
        step = 1 if parameter.integer else 0.001
        refused(parameter, parameter.low - step)
        refused(parameter, parameter.high + step)
        refused(parameter, float("nan"))
