"""The recursive averages against TA-Lib (an independent C library), and that they go on from where they were."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.data.bars import FloatArray
from nullalpha.engines.features import kernels

FOREVER = 10**9
Kernel = Callable[[FloatArray, FloatArray, FloatArray, FloatArray], tuple[FloatArray, ...]]

KERNELS: dict[str, tuple[int, Kernel]] = {
    "ema": (kernels.EMA_STATE, lambda h, lo, c, state: (kernels.ema(c, 10, state),)),
    "wilder": (kernels.WILDER_STATE, lambda h, lo, c, state: (kernels.wilder(c, 7, state),)),
    "rsi": (kernels.RSI_STATE, lambda h, lo, c, state: (kernels.rsi(c, 9, FOREVER, state),)),
    "macd": (kernels.MACD_STATE, lambda h, lo, c, state: kernels.macd(c, 5, 9, 4, state)),
    "atr": (kernels.ATR_STATE, lambda h, lo, c, state: (kernels.atr(h, lo, c, 6, state),)),
    "adx": (kernels.ADX_STATE, lambda h, lo, c, state: kernels.adx(h, lo, c, 5, FOREVER, state)),
}
REFERENCES: dict[str, Callable[[FloatArray, FloatArray, FloatArray], tuple[FloatArray, ...]]] = {
    "ema": lambda h, lo, c: (talib.EMA(c, 10),),
    "rsi": lambda h, lo, c: (talib.RSI(c, 9),),
    "macd": lambda h, lo, c: talib.MACD(c, 5, 9, 4),
    "atr": lambda h, lo, c: (talib.ATR(h, lo, c, 6),),
    "adx": lambda h, lo, c: (talib.ADX(h, lo, c, 5), talib.PLUS_DI(h, lo, c, 5), talib.MINUS_DI(h, lo, c, 5)),
}


def _prices(n: int, seed: int = 0) -> tuple[FloatArray, FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(0.01 * rng.standard_normal(n).cumsum())
    return close * (1 + 0.01 * rng.random(n)), close * (1 - 0.01 * rng.random(n)), close


def _run(name: str, prices: tuple[FloatArray, ...], cuts: list[int] | None = None) -> tuple[FloatArray, ...]:
    size, kernel = KERNELS[name]
    state = np.zeros(size)
    edges = [0, *sorted(cuts or []), len(prices[0])]
    parts = [kernel(*(one[start:stop].copy() for one in prices), state) for start, stop in pairwise(edges)]
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


@pytest.mark.parametrize("name", REFERENCES)
def test_values_and_seeds_are_those_of_ta_lib(name: str) -> None:
    prices = _prices(3000)
    for found, expected in zip(_run(name, prices), REFERENCES[name](*prices), strict=True):
        known = ~np.isnan(expected)
        assert known.sum() > 2900
        np.testing.assert_allclose(found[known], expected[known], rtol=1e-10, atol=1e-11)


def test_wilders_average_by_hand() -> None:
    # Seed: the mean of 1, 3, 8 is 4; then a third of the way to each value.
    found = kernels.wilder(np.array([1.0, 3.0, 8.0, 10.0, 0.0]), 3, np.zeros(kernels.WILDER_STATE))
    np.testing.assert_allclose(found, [np.nan, np.nan, 4.0, 6.0, 4.0])


@pytest.mark.parametrize("name", KERNELS)
@given(cuts=st.lists(st.integers(0, 90), max_size=6), seed=st.integers(0, 9), missing=st.lists(st.integers(0, 89), max_size=3))
@settings(max_examples=40, deadline=None)
def test_rows_in_parts_give_what_all_rows_at_once_give(name: str, cuts: list[int], seed: int, missing: list[int]) -> None:
    prices = _prices(90, seed)
    for i, row in enumerate(missing):
        prices[i % 3][row] = np.nan
    for parts, whole in zip(_run(name, prices, cuts), _run(name, prices), strict=True):
        np.testing.assert_allclose(parts, whole, rtol=1e-13)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("row", [0, 3, 8, 40])
@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_missing_value_is_missing_in_the_output_and_begins_everything_anew(name: str, row: int, column: int) -> None:
    if column < 2 and name not in ("atr", "adx"):
        column = 2
    prices = _prices(90)
    prices[column][row] = np.nan
    fresh = _run(name, tuple(one[row + 1 :] for one in prices))
    for found, expected in zip(_run(name, prices), fresh, strict=True):
        assert np.isnan(found[row])
        np.testing.assert_array_equal(found[row + 1 :], expected)


def test_a_strength_of_moves_that_are_forgotten_is_missing() -> None:
    close = np.concatenate([_prices(50)[2], np.full(30, 90.0), [91.0, 91.0]])
    found = kernels.rsi(close, 5, 10, np.zeros(kernels.RSI_STATE))
    still = np.arange(len(close)) - 50  # row 50 still moved
    assert np.isnan(found[(still >= 10) & (still < 30)]).all()
    assert np.isfinite(found[(still >= 0) & (still < 10)]).all()
    assert found[80] > 95
    high, low, close = _prices(50)
    # Afterwards bars alternate inside one another's range: they have a range, but no direction.
    inside = np.tile([1.0, 0.0], 15)
    high, low = np.concatenate([high, 100 + inside * 0]), np.concatenate([low, 99 + inside * 0])
    close = np.concatenate([close, 99.2 + 0.5 * inside])
    index, plus, minus = kernels.adx(high, low, close, 5, 10, np.zeros(kernels.ADX_STATE))
    assert np.isnan(index[61:]).all()
    assert np.isfinite(plus[61:]).all()
    assert np.isfinite(minus[61:]).all()
