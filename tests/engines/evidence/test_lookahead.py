"""The attack finds every planted leak and leaves every honest signal alone."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from nullalpha.core.errors import InsufficientBarsError
from nullalpha.data.bars import Bars
from nullalpha.engines.evidence.lookahead import attack, with_replaced_future, with_shifted_future

Signal = Callable[[Bars], np.ndarray]
FIRST_ROW = 60


def alone(signal: Signal) -> Callable[[Bars, Mapping[str, Bars]], np.ndarray]:
    """A signal that reads no other instrument."""
    return lambda bars, _: signal(bars)


@pytest.fixture(scope="module")
def bars() -> Bars:
    rng = np.random.default_rng(11)
    n = 400
    close = 100 * np.exp(np.cumsum(rng.normal(0.0002, 0.01, n)))
    opening = np.concatenate([[100.0], close[:-1]])
    high, low = np.maximum(opening, close) * 1.004, np.minimum(opening, close) * 0.996
    time = np.datetime64("2001-01-01", "ns") + np.arange(n) * np.timedelta64(1, "D")
    return Bars("TEST", "1d", time, opening, high, low, close, rng.uniform(1e5, 2e5, n))


def series(bars: Bars) -> pd.Series:
    return pd.Series(bars.close)


def changes(bars: Bars) -> pd.Series:
    return np.log(series(bars)).diff()


def low_pass(bars: Bars) -> np.ndarray:
    spectrum = np.fft.rfft(np.log(bars.close))
    spectrum[20:] = 0
    return np.fft.irfft(spectrum, len(bars))


def weekly_left_label(bars: Bars) -> np.ndarray:
    weekly = pd.Series(bars.close, index=pd.DatetimeIndex(bars.time)).resample("7D", label="left").last()
    return weekly.reindex(pd.DatetimeIndex(bars.time), method="ffill").to_numpy()


def swing_points(bars: Bars) -> np.ndarray:
    highs = series(bars).rolling(9, center=True).max()
    return (series(bars) == highs).to_numpy(dtype=float)


LEAKS: dict[str, Signal] = {
    "tomorrow's return": lambda b: changes(b).shift(-1).to_numpy(),
    "tomorrow's sign": lambda b: np.sign(changes(b).shift(-1)).fillna(0.0).to_numpy(),
    "z-score over the whole sample": lambda b: ((series(b) - series(b).mean()) / series(b).std()).to_numpy(),
    "centred moving average": lambda b: series(b).rolling(5, center=True).mean().to_numpy(),
    "Fourier filter": low_pass,
    "min-max over the whole sample": lambda b: ((series(b) - series(b).min()) / (series(b).max() - series(b).min())).to_numpy(),
    "backward fill": lambda b: series(b).where(np.arange(len(b)) % 10 == 0).bfill().to_numpy(),
    "threshold from the whole sample": lambda b: (changes(b) > changes(b).quantile(0.9)).to_numpy(dtype=float),
    "rank over the whole sample": lambda b: series(b).rank(pct=True).to_numpy(),
    "weekly value under the week's first day": weekly_left_label,
    "swing points confirmed later": swing_points,
    "linear detrending": lambda b: b.close - np.polyval(np.polyfit(np.arange(len(b)), b.close, 1), np.arange(len(b))),
    "volume relative to the final bar": lambda b: b.volume / b.volume[-1],
}

HONEST: dict[str, Signal] = {
    "today's return": lambda b: changes(b).to_numpy(),
    "trailing average": lambda b: series(b).rolling(20).mean().to_numpy(),
    "trailing z-score": lambda b: ((series(b) - series(b).rolling(50).mean()) / series(b).rolling(50).std()).to_numpy(),
    "exponential average": lambda b: series(b).ewm(span=12, adjust=False).mean().to_numpy(),
    "expanding maximum": lambda b: series(b).cummax().to_numpy(),
    "expanding rank": lambda b: series(b).expanding().rank(pct=True).to_numpy(),
    "range over close": lambda b: (b.high - b.low) / b.close,
    "forward fill": lambda b: series(b).where(np.arange(len(b)) % 10 == 0).ffill().to_numpy(),
    "sign of yesterday": lambda b: np.sign(changes(b).shift(1)).to_numpy(),
    "volume over its trailing mean": lambda b: b.volume / pd.Series(b.volume).rolling(10).mean().to_numpy(),
    "constant": lambda b: np.zeros(len(b)),
}


@pytest.mark.parametrize("name", sorted(LEAKS))
def test_every_planted_leak_is_found(name: str, bars: Bars) -> None:
    report = attack(alone(LEAKS[name]), bars, {}, n_cuts=8, seed=3, first_row=FIRST_ROW)
    assert not report.clean
    assert all(finding.row < finding.cut_row for finding in report.findings)
    assert "unstable" not in {finding.kind for finding in report.findings}


@pytest.mark.parametrize("name", sorted(HONEST))
def test_no_honest_signal_is_accused(name: str, bars: Bars) -> None:
    report = attack(alone(HONEST[name]), bars, {}, n_cuts=8, seed=3, first_row=FIRST_ROW)
    assert report.clean, report.findings
    assert report.n_cuts == 8


def test_a_finding_says_where_and_how_much(bars: Bars) -> None:
    report = attack(alone(lambda b: np.append(b.close[1:], b.close[-1])), bars, {}, n_cuts=1, seed=0, first_row=FIRST_ROW)
    truncated, replaced, shifted = report.findings
    assert (truncated.kind, replaced.kind, shifted.kind) == ("truncated", "replaced", "shifted")
    assert truncated.row == truncated.cut_row - 1
    assert truncated.difference == pytest.approx(abs(bars.close[truncated.cut_row] - bars.close[truncated.cut_row - 1]))


def test_a_value_that_appears_or_vanishes_is_a_finding(bars: Bars) -> None:
    report = attack(alone(lambda b: changes(b).shift(-1).to_numpy()), bars, {}, n_cuts=2, seed=0, first_row=FIRST_ROW)
    assert math.isnan(report.findings[0].difference)


def test_cuts_are_spread_and_repeatable(bars: Bars) -> None:
    def cuts(seed: int) -> list[int]:
        findings = attack(alone(LEAKS["Fourier filter"]), bars, {}, n_cuts=8, seed=seed, first_row=FIRST_ROW).findings
        return sorted({finding.cut_row for finding in findings})

    stretches = np.linspace(FIRST_ROW, len(bars) - 1, 9)
    assert all(low - 1 <= cut < high for cut, low, high in zip(cuts(3), stretches[:-1], stretches[1:], strict=True))
    assert cuts(3) == cuts(3) != cuts(4)


def test_a_signal_that_differs_from_run_to_run_is_not_clean(bars: Bars) -> None:
    rng = np.random.default_rng(0)
    report = attack(alone(lambda b: rng.normal(size=len(b))), bars, {}, n_cuts=1, seed=0, first_row=FIRST_ROW)
    assert report.findings[0].kind == "unstable"


def test_a_signal_of_the_wrong_length_is_not_clean(bars: Bars) -> None:
    assert not attack(alone(lambda b: b.close[5:]), bars, {}, n_cuts=1, seed=0, first_row=FIRST_ROW).clean


@pytest.mark.parametrize("future", [with_replaced_future, with_shifted_future])
def test_an_invented_future_keeps_the_past_and_is_a_possible_market(future: Callable[..., Bars], bars: Bars) -> None:
    other = future(bars, 200, np.random.default_rng(1))
    for column in ("open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(getattr(other, column)[:200], getattr(bars, column)[:200])
        assert np.isclose(getattr(other, column)[200:], getattr(bars, column)[200:], rtol=1e-3).mean() < 0.05
    assert (other.low <= np.minimum(other.open, other.close)).all()
    assert (other.high >= np.maximum(other.open, other.close)).all()
    assert (other.low > 0).all()
    np.testing.assert_array_equal(other.time, bars.time)


def test_too_few_bars_are_an_error(bars: Bars) -> None:
    with pytest.raises(InsufficientBarsError, match="no room for 8 cuts"):
        attack(alone(HONEST["constant"]), bars.slice(0, 65), {}, n_cuts=8, seed=0, first_row=FIRST_ROW)


def test_a_leak_from_another_instruments_future_is_found(bars: Bars) -> None:
    other = replace(bars, instrument="VIX", close=bars.close[::-1].copy(), time=bars.time - np.timedelta64(6, "h"))

    def honest(own: Bars, others: Mapping[str, Bars]) -> np.ndarray:
        rows = np.searchsorted(others["VIX"].time, own.time, side="right") - 1
        return np.where(rows >= 0, others["VIX"].close[np.maximum(rows, 0)], np.nan)

    def leaking(own: Bars, others: Mapping[str, Bars]) -> np.ndarray:
        rows = np.searchsorted(others["VIX"].time, own.time + np.timedelta64(20, "h"), side="right") - 1  # the next day's value
        return np.where(rows >= 0, others["VIX"].close[np.maximum(rows, 0)], np.nan)

    assert attack(honest, bars, {"VIX": other}, n_cuts=8, seed=3, first_row=FIRST_ROW).clean
    assert not attack(leaking, bars, {"VIX": other}, n_cuts=8, seed=3, first_row=FIRST_ROW).clean


def test_an_outside_series_may_have_any_sign(bars: Bars) -> None:
    value = np.cumsum(np.random.default_rng(2).normal(size=len(bars)))
    other = replace(bars, instrument="CPI", timeframe="published", open=value, high=value, low=value, close=value)
    replaced = with_replaced_future(other, 100, np.random.default_rng(0))
    assert np.array_equal(replaced.close[:100], value[:100])
    assert np.isfinite(replaced.close).all()
    assert not np.array_equal(replaced.close[100:], value[100:])
