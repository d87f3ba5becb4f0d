"""One contract for every indicator of the registry: a newcomer is held to it by being registered."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from nullalpha.core.errors import DataError, UsageError
from nullalpha.data.bars import Bars, FloatArray
from nullalpha.engines.features.indicators import INDICATORS, VOCABULARY
from nullalpha.strategy.vocabulary import ParameterValue

NAMES = sorted(INDICATORS)
BOUNDS = {"bounded_0_100": (0.0, 100.0), "bounded_-1_1": (-1.0, 1.0)}
FRACTIONS = ("donchian_position", "efficiency_ratio", "return_rank")


def _defaults(name: str) -> dict[str, ParameterValue]:
    return {parameter.name: parameter.default for parameter in VOCABULARY[name].parameters}


def _parameter_sets(name: str) -> list[dict[str, ParameterValue]]:
    short = {parameter.name: parameter.low + 3 * (i == 0) for i, parameter in enumerate(VOCABULARY[name].parameters)}
    return [_defaults(name), short]


def _constant(n: int, price: float = 17.3) -> Bars:
    time = np.datetime64("2020-01-01T21", "ns") + np.arange(n) * np.timedelta64(1, "D")
    flat = np.full(n, price)
    return Bars("FLAT", "1d", time, flat, flat, flat, flat, np.full(n, 1000.0))


def _extreme(n: int, scale: float) -> Bars:
    """Jumps of a factor 1,000 up and down, stretches without any move, bars without volume."""
    rng = np.random.default_rng(5)
    close = scale * np.exp(np.cumsum(0.01 * rng.standard_normal(n)) + np.where(np.arange(n) // 400 % 2, 6.9, 0.0))
    close[n // 3 : n // 3 + 300] = close[n // 3]
    volume = rng.integers(0, 3, n).astype(float)
    volume[n // 2 : n // 2 + 300] = 0.0
    time = np.datetime64("2020-01-01T21", "ns") + np.arange(n) * np.timedelta64(1, "D")
    return Bars("WILD", "1d", time, close, close * 1.001, close * 0.999, close, volume)


def test_the_registry_names_each_signature_and_loads_no_heavy_library() -> None:
    assert len(NAMES) >= 18
    assert all(VOCABULARY[name].name == name for name in NAMES)
    code = (
        "import sys, nullalpha.engines.features.indicators, nullalpha.engines.features.pipeline; "
        "sys.exit(any(m in sys.modules for m in ('talib', 'pandas', 'torch', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", NAMES)
def test_the_signature_is_complete(name: str) -> None:
    signature = VOCABULARY[name]
    first = signature.parameters[0]
    assert first.integer
    assert 2 <= first.low <= first.default <= first.high <= 250
    assert signature.summary.endswith(".")
    assert signature.source
    assert signature.inputs
    assert len(set(signature.outputs)) == len(signature.outputs) >= 1
    for parameter in signature.parameters:
        assert parameter.low <= parameter.default <= parameter.high
    assert signature.warmup_bars({p.name: p.high for p in signature.parameters}) <= 1200


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("at", [0, 1], ids=["defaults", "short"])
def test_the_warm_up_is_nan_for_exactly_the_declared_bars(name: str, at: int, bars: Bars) -> None:
    params = _parameter_sets(name)[at]
    columns = INDICATORS[name].compute(bars, params)
    assert len(columns) == len(VOCABULARY[name].outputs)
    for column in columns:
        assert column.shape == (len(bars),)
        assert column.dtype == np.float64
        assert int(np.isnan(column).sum()) == int(np.argmax(~np.isnan(column))) == VOCABULARY[name].warmup_bars(params)


@pytest.mark.parametrize("name", NAMES)
def test_cutting_the_future_off_changes_nothing(name: str, bars: Bars) -> None:
    full = INDICATORS[name].compute(bars, _defaults(name))
    for stop in (0, 1, 5, 50, 601, 1207):
        part = INDICATORS[name].compute(bars.slice(0, stop), _defaults(name))
        for cut, whole in zip(part, full, strict=True):
            np.testing.assert_allclose(cut, whole[:stop], rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_replacing_the_future_changes_nothing_before_it(name: str, bars: Bars) -> None:
    full = INDICATORS[name].compute(bars, _defaults(name))
    row = 1300
    future = {
        field: np.concatenate([getattr(bars, field)[:row], getattr(bars, field)[row:] * factor])
        for field, factor in (("open", 3.0), ("high", 3.3), ("low", 2.7), ("close", 3.1), ("volume", 0.0))
    }
    other = INDICATORS[name].compute(replace(bars, **future), _defaults(name))
    for changed, whole in zip(other, full, strict=True):
        np.testing.assert_allclose(changed[:row], whole[:row], rtol=1e-12, atol=0)
        assert not np.array_equal(changed[row:], whole[row:], equal_nan=True)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("start", [100, 300])
def test_after_the_warm_up_the_start_of_history_does_not_matter(name: str, start: int, bars: Bars) -> None:
    for params in [_defaults(name), {p.name: p.high if i == 0 else p.default for i, p in enumerate(VOCABULARY[name].parameters)}]:
        whole = INDICATORS[name].compute(bars, params)
        late = INDICATORS[name].compute(bars.slice(start, len(bars)), params)
        warmup = VOCABULARY[name].warmup_bars(params)
        for full, part in zip(whole, late, strict=True):
            known = full[start + warmup :]
            assert np.abs(part[warmup:] - known).max() < 1e-6 * np.abs(known).max()


@pytest.mark.parametrize("name", [n for n in NAMES if VOCABULARY[n].unit in BOUNDS or n in FRACTIONS])
@pytest.mark.parametrize("source", ["real", "extreme"])
def test_bounded_units_hold(name: str, source: str, bars: Bars) -> None:
    low, high = BOUNDS.get(VOCABULARY[name].unit, (0.0, 1.0))
    for column in INDICATORS[name].compute(bars if source == "real" else _extreme(2000, 1.0), _defaults(name)):
        assert np.nanmin(column) >= low - 1e-9
        assert np.nanmax(column) <= high + 1e-9


@pytest.mark.parametrize("name", [n for n in NAMES if VOCABULARY[n].unit not in ("price", "volume", "signed_volume")])
def test_units_without_price_or_volume_do_not_depend_on_the_currency(name: str, bars: Bars) -> None:
    scaled = replace(bars, open=bars.open * 1e-9, high=bars.high * 1e-9, low=bars.low * 1e-9, close=bars.close * 1e-9)
    for column, other in zip(INDICATORS[name].compute(bars, {}), INDICATORS[name].compute(scaled, {}), strict=True):
        np.testing.assert_allclose(other, column, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_flat_prices_give_no_infinity_and_no_made_up_reading(name: str) -> None:
    columns = INDICATORS[name].compute(_constant(700), _defaults(name))
    undefined = {"rsi", "cci", "williams_r", "stochastic", "adx", "bollinger_position", "donchian_position", "mfi", "efficiency_ratio"}
    level = {"sma": 17.3, "ema": 17.3, "return_rank": 0.5, "volume_ratio": 1.0}
    for column in columns:
        known = column[VOCABULARY[name].warmup_bars(_defaults(name)) :]
        if name in undefined:
            assert np.isnan(known).all()
        else:
            np.testing.assert_allclose(known, level.get(name, 0.0), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9])
def test_extreme_prices_give_no_infinity(name: str, scale: float) -> None:
    for column in INDICATORS[name].compute(_extreme(2000, scale), _defaults(name)):
        assert not np.isinf(column).any()
        assert np.isfinite(column[-100:]).all()


@pytest.mark.parametrize("name", [n for n in NAMES if "volume" in VOCABULARY[n].inputs])
def test_volume_that_is_missing_is_an_error(name: str, bars: Bars) -> None:
    with pytest.raises(DataError, match="SPX has no volume, which"):
        INDICATORS[name].compute(replace(bars, volume=np.full(len(bars), np.nan)), {})
    one_missing = bars.volume.copy()
    one_missing[7] = np.nan
    with pytest.raises(DataError, match="no volume at 1 of 2000 bars"):
        INDICATORS[name].compute(replace(bars, volume=one_missing), {})


def test_parameters_out_of_range_or_unknown_are_errors_that_name_the_fix(bars: Bars) -> None:
    with pytest.raises(UsageError, match="from 2 to 50"):
        INDICATORS["rsi"].compute(bars, {"period": 51})
    with pytest.raises(UsageError, match="whole number"):
        INDICATORS["rsi"].compute(bars, {"period": 14.5})
    with pytest.raises(UsageError) as caught:
        INDICATORS["rsi"].compute(bars, {"perod": 14})
    assert caught.value.suggestion == "did you mean 'period'?"


# Independent readings: pandas, or loops straight from the definition.


def _wilder(values: FloatArray, period: int) -> FloatArray:
    """Wilder's average seeded with a plain mean; `values` starts with one NaN."""
    out = np.full(len(values), np.nan)
    out[period] = values[1 : period + 1].mean()
    for t in range(period + 1, len(values)):
        out[t] = out[t - 1] + (values[t] - out[t - 1]) / period
    return out


def _frame(bars: Bars) -> pd.DataFrame:
    return pd.DataFrame({"o": bars.open, "h": bars.high, "l": bars.low, "c": bars.close, "v": bars.volume})


def _true_range(f: pd.DataFrame) -> FloatArray:
    previous = f.c.shift()
    return pd.concat([f.h - f.l, (f.h - previous).abs(), (f.l - previous).abs()], axis=1).max(axis=1, skipna=False).to_numpy()


def _expected_rsi(f: pd.DataFrame) -> list[FloatArray]:
    change = f.c.diff().to_numpy()
    up, down = _wilder(np.maximum(change, 0), 14), _wilder(np.maximum(-change, 0), 14)
    return [100 - 100 / (1 + up / down)]


def _expected_adx(f: pd.DataFrame) -> list[FloatArray]:
    up, down = f.h.diff().to_numpy(), -f.l.diff().to_numpy()
    plus = _wilder(np.where((up > down) & (up > 0), up, 0.0), 14)
    minus = _wilder(np.where((down > up) & (down > 0), down, 0.0), 14)
    span = _wilder(_true_range(f), 14)
    plus, minus = 100 * plus / span, 100 * minus / span
    index = 100 * np.abs(plus - minus) / (plus + minus)
    return [np.concatenate([np.full(13, np.nan), _wilder(index[13:], 14)]), plus, minus]


def _expected_macd(f: pd.DataFrame) -> list[FloatArray]:
    macd = f.c.ewm(span=12, adjust=False).mean() - f.c.ewm(span=26, adjust=False).mean()
    signal = macd.ewm(span=9, adjust=False).mean()
    return [macd, signal, macd - signal]


def _expected_stochastic(f: pd.DataFrame) -> list[FloatArray]:
    low, high = f.l.rolling(14).min(), f.h.rolling(14).max()
    k = (100 * (f.c - low) / (high - low)).rolling(3).mean()
    return [k, k.rolling(3).mean()]


def _expected_mfi(f: pd.DataFrame) -> list[FloatArray]:
    typical = (f.h + f.l + f.c) / 3
    flow = typical * f.v
    rising = flow.where(typical.diff() > 0, 0.0).rolling(14).sum()
    falling = flow.where(typical.diff() < 0, 0.0).rolling(14).sum()
    return [100 - 100 / (1 + rising / falling)]


def _expected_cci(f: pd.DataFrame) -> list[FloatArray]:
    typical = (f.h + f.l + f.c) / 3
    spread = typical.rolling(20).apply(lambda window: np.abs(window - window.mean()).mean(), raw=True)
    return [(typical - typical.rolling(20).mean()) / (0.015 * spread)]


def _expected_aroon(f: pd.DataFrame) -> list[FloatArray]:
    since_high = f.h.rolling(26).apply(lambda window: np.argmax(window[::-1]), raw=True)
    since_low = f.l.rolling(26).apply(lambda window: np.argmin(window[::-1]), raw=True)
    return [(since_low - since_high) / 25]


def _expected_width(f: pd.DataFrame) -> FloatArray:
    return 4 * f.c.rolling(20).std(ddof=0)


EXPECTED = {
    "rsi": _expected_rsi,
    "roc": lambda f: [f.c.pct_change(10)],
    "momentum": lambda f: [f.c.diff(10)],
    "cci": _expected_cci,
    "williams_r": lambda f: [(f.c - f.h.rolling(14).max()) / (f.h.rolling(14).max() - f.l.rolling(14).min())],
    "stochastic": _expected_stochastic,
    "atr": lambda f: [_wilder(_true_range(f), 14)],
    "natr": lambda f: [_wilder(_true_range(f), 14) / f.c],
    "adx": _expected_adx,
    "macd": _expected_macd,
    "bollinger_position": lambda f: [(f.c - f.c.rolling(20).mean()) / _expected_width(f) + 0.5],
    "bollinger_width": lambda f: [_expected_width(f) / f.c.rolling(20).mean()],
    "distance_from_sma": lambda f: [f.c / f.c.rolling(200).mean() - 1],
    "distance_from_ema": lambda f: [f.c / f.c.ewm(span=50, adjust=False).mean() - 1],
    "sma": lambda f: [f.c.rolling(20).mean()],
    "ema": lambda f: [f.c.ewm(span=20, adjust=False).mean()],
    "realised_volatility": lambda f: [np.log(f.c).diff().rolling(20).std()],
    "obv": lambda f: [(np.sign(f.c.diff()) * f.v).fillna(0).cumsum().diff(20)],
    "mfi": _expected_mfi,
    "volume_ratio": lambda f: [f.v / f.v.rolling(20).mean()],
    "donchian_position": lambda f: [(f.c - f.l.rolling(20).min()) / (f.h.rolling(20).max() - f.l.rolling(20).min())],
    "aroon_oscillator": _expected_aroon,
    "return_rank": lambda f: [(f.c.pct_change().rolling(60).rank() - 1) / 59],
    "efficiency_ratio": lambda f: [f.c.diff(10).abs() / f.c.diff().abs().rolling(10).sum()],
}


@pytest.mark.parametrize("name", NAMES)
def test_values_agree_with_an_independent_implementation(name: str, bars: Bars) -> None:
    expected = EXPECTED[name](_frame(bars))
    columns = INDICATORS[name].compute(bars, _defaults(name))
    rtol = 2e-6 if name in ("ema", "distance_from_ema", "macd") else 1e-8  # pandas seeds its averages with the first value
    for column, other in zip(columns, expected, strict=True):
        known = ~np.isnan(column)
        scale = np.nanmax(np.abs(column))
        np.testing.assert_allclose(column[known], np.asarray(other)[known], rtol=rtol, atol=rtol * scale)
