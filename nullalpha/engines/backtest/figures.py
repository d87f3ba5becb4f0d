"""Figures of an account, gathered bar by bar: what the population keeps of a strategy instead of its equity.

`marked_nb`, `dealt_nb` and `charged_nb` are the one definition of each figure. The population calls them while it trades, `figures_of` on
what the single kernel left behind, so both agree to the bit. Returns are per bar; nothing is annualised, and no riskless rate is taken off.
`metrics` has figures per session, from whole arrays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nullalpha.core.errors import InsufficientBarsError
from nullalpha.data.bars import FloatArray, IntArray
from nullalpha.engines.backtest.kernel import compiled_form
from nullalpha.engines.backtest.result import BacktestResult

BoolArray = NDArray[np.bool_]

TOTAL_RETURN, SHARPE, MAX_DRAWDOWN, MEAN_EXPOSURE, TURNOVER, FEES, N_TRADES, RUINED = range(8)
N_FIGURES = 8


@dataclass(frozen=True)
class Figures:
    """Figures of many accounts over the same bars.

    Attributes:
        total_return: (n,) last equity over capital, minus 1.
        sharpe: (n,) mean over standard deviation (n - 1) of returns per bar; NaN when they do not vary. Times the root of the bars a
            year it is annual.
        max_drawdown: (n,) deepest fall of equity at any close from its running peak (capital included), <= 0.
        mean_exposure: (n,) mean over bars of signed position value over equity.
        turnover: (n,) notional traded over equity before the bar, summed; buying and selling both count.
        fees: (n,) commission, half spread, slippage and carry over equity before the bar, summed.
        n_trades: (n,) round trips.
        ruined: (n,) whether equity fell to 0 or below.
    """

    total_return: FloatArray
    sharpe: FloatArray
    max_drawdown: FloatArray
    mean_exposure: FloatArray
    turnover: FloatArray
    fees: FloatArray
    n_trades: IntArray
    ruined: BoolArray

    def __len__(self) -> int:
        return len(self.total_return)


class Curve(NamedTuple):
    """What marking has gathered.

    Attributes:
        equity: at the last close.
        first: the first bar's return; sums are taken of distances from it, so that returns that do not vary sum to exactly 0.
        total, squares: sums of those distances and of their squares.
        peak, trough: highest equity, and lowest since then; capital counts.
        deepest: drawdown.
        exposure: sum.
        ruined: whether equity was 0 or below at a close.
    """

    equity: float
    first: float
    total: float
    squares: float
    peak: float
    trough: float
    deepest: float
    exposure: float
    ruined: bool


class Dealt(NamedTuple):
    """What trading has gathered: turnover and fees as in `Figures`, and round trips."""

    turnover: float
    fees: float
    n_trades: int


@njit(cache=True, inline="always")
def unmarked_nb(capital: float) -> Any:
    """Return what is gathered before the first bar."""
    return Curve(capital, 0.0, 0.0, 0.0, capital, capital, 0.0, 0.0, False), Dealt(0.0, 0.0, 0)


@njit(cache=True, inline="always")
def marked_nb(curve: Any, equity: float, value: float, row: int) -> Any:
    """Gather a bar's close.

    Args:
        equity: at the close, after all fills.
        value: signed, of the position held then.
        row: of the bar, from 0.
    """
    change = equity / curve.equity - 1.0 if curve.equity > 0.0 else 0.0
    first = change if row == 0 else curve.first
    away = change - first
    peak, trough, deepest = curve.peak, curve.trough, curve.deepest
    if equity > peak:
        peak, trough = equity, equity
    elif equity < trough:
        trough = equity
        deepest = min(deepest, equity / peak - 1.0)
    exposure = curve.exposure + (value / equity if value != 0.0 else 0.0)
    return Curve(
        equity, first, curve.total + away, curve.squares + away * away, peak, trough, deepest, exposure, curve.ruined or equity <= 0.0
    )


@njit(cache=True, inline="always")
def dealt_nb(dealt: Any, before: float, notional: float, n_trades: int) -> Any:
    """Gather what a bar traded.

    Args:
        before: equity at the close before; while it is not above 0, nothing counts but round trips.
        notional: of the bar, at the prices paid.
        n_trades: round trips that ended in it.
    """
    share = notional / before if before > 0.0 else 0.0
    return Dealt(dealt.turnover + share, dealt.fees, dealt.n_trades + n_trades)


@njit(cache=True, inline="always")
def charged_nb(dealt: Any, before: float, fees: float) -> Any:
    """Gather the fees of a bar; `before` as of `dealt_nb`."""
    share = fees / before if before > 0.0 else 0.0
    return Dealt(dealt.turnover, dealt.fees + share, dealt.n_trades)


@njit(cache=True)
def write_nb(curve: Any, dealt: Any, capital: float, n_bars: int, figures: FloatArray) -> None:
    """Write the figures to (N_FIGURES,)."""
    variance = (curve.squares - curve.total * curve.total / n_bars) / (n_bars - 1) if n_bars > 1 else np.nan
    figures[TOTAL_RETURN] = curve.equity / capital - 1.0
    figures[SHARPE] = (curve.first + curve.total / n_bars) / math.sqrt(variance) if variance > 0.0 else np.nan
    figures[MAX_DRAWDOWN] = curve.deepest
    figures[MEAN_EXPOSURE] = curve.exposure / n_bars
    figures[TURNOVER] = dealt.turnover
    figures[FEES] = dealt.fees
    figures[N_TRADES] = dealt.n_trades
    figures[RUINED] = curve.ruined


@njit(cache=True)
def _gather_nb(
    equity: FloatArray, value: FloatArray, notional: FloatArray, fees: FloatArray, n_trades: int, capital: float, figures: FloatArray
) -> None:
    curve, dealt = unmarked_nb(capital)
    for row in range(len(equity)):
        if notional[row] != 0.0:
            dealt = dealt_nb(dealt, curve.equity, notional[row], 0)
        if fees[row] != 0.0:
            dealt = charged_nb(dealt, curve.equity, fees[row])
        curve = marked_nb(curve, equity[row], value[row], row)
    write_nb(curve, Dealt(dealt.turnover, dealt.fees, n_trades), capital, len(equity), figures)


def figures_of(results: Sequence[BacktestResult]) -> Figures:
    """Return the figures of single backtests, in their order.

    Raises:
        InsufficientBarsError: if there is no backtest.
    """
    if not results:
        raise InsufficientBarsError("figures of no backtest", path="figures_of")
    figures = np.empty((len(results), N_FIGURES))
    for result, row in zip(results, figures, strict=True):
        _gather_nb(
            compiled_form(result.equity),
            compiled_form(result.position * result.close),
            compiled_form(result.turnover_notional),
            compiled_form(result.fees),
            len(result.trade_array),
            result.capital,
            row,
        )
    return as_figures(figures)


def as_figures(figures: FloatArray) -> Figures:
    """Name the columns of (n, N_FIGURES)."""
    return Figures(
        total_return=figures[:, TOTAL_RETURN].copy(),
        sharpe=figures[:, SHARPE].copy(),
        max_drawdown=figures[:, MAX_DRAWDOWN].copy(),
        mean_exposure=figures[:, MEAN_EXPOSURE].copy(),
        turnover=figures[:, TURNOVER].copy(),
        fees=figures[:, FEES].copy(),
        n_trades=figures[:, N_TRADES].astype(np.int64),
        ruined=figures[:, RUINED] > 0.0,
    )
