"""Labels: what a model learns to predict, from which bars, and the last row whose price each label used (for purging).

A signal known at the close of bar t fills at t + 1, so that is where a label begins: at the open or the close of t + 1 by the instrument's
fill basis. Returns are log returns over (trailing volatility at t x sqrt(horizon)), so without unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nullalpha.data.bars import Bars, FloatArray, IntArray
from nullalpha.data.instruments import FillBasis
from nullalpha.engines.features.rolling import lagged
from nullalpha.engines.features.volatility import trailing_volatility
from nullalpha.engines.training.sampling import cusum_events
from nullalpha.strategy.plan import LabelPlan

RETURN_CLIP = 3.0
BARRIER_CLIP = 1.0


@dataclass(frozen=True)
class LabelSeries:
    """Labels of every bar.

    Attributes:
        value: (n_bars,) NaN where unknown: no volatility yet, a flat past, or a horizon that reaches past the last bar.
        start_row: (n_bars,) first row whose return the label is made of: t + 1 for a fill at its open, t + 2 for one at its close.
        end_row: (n_bars,) last row whose price the label used; n_bars (past every row) where the label is unknown.
        horizon_row: (n_bars,) last row whose price it could have used: the end of its horizon; n_bars where the label is unknown.
        event: (n_bars,) whether the bar is one to learn from; known at its close.
        scale: (n_bars,) log return that a label of 1 stands for: trailing volatility x sqrt(horizon), times the barrier where one was
            touched. NaN where there is no label, and of a regime, whose labels are no returns.
    """

    value: FloatArray
    start_row: IntArray
    end_row: IntArray
    horizon_row: IntArray
    event: NDArray[np.bool_]
    scale: FloatArray


@dataclass(frozen=True)
class _Ahead:
    """What lies ahead of every bar whose horizon is known; n such bars.

    Attributes:
        price: (n_bars,) at which fills happen.
        entry: (n,) price of the fill.
        exit_row: (n,) where the horizon ends.
        scale: (n,) trailing volatility x sqrt(horizon); NaN or 0 where there is none.
        volatility: (n,) trailing volatility per bar.
        close: (n_bars,) closes, which barriers and legs are judged by.
        first: rows from t to the first close judged: 1 for a fill at the open of t + 1, 2 for one at its close.
        horizon: closes judged, and bars from the fill to the exit.
    """

    price: FloatArray
    entry: FloatArray
    exit_row: IntArray
    scale: FloatArray
    volatility: FloatArray
    close: FloatArray
    first: int
    horizon: int

    @property
    def scaled_return(self) -> FloatArray:
        """(n,) log return from the fill to the end of the horizon, scaled."""
        scaled: FloatArray = np.log(self.price[self.exit_row] / self.entry) / self.scale
        return scaled

    @property
    def steps(self) -> FloatArray:
        """(n, horizon) log returns of the fill price, bar by bar from the fill."""
        if not len(self.entry):
            return np.zeros((0, self.horizon))
        returns = np.log(self.price[1:] / self.price[:-1])  # [row - 1] ends at `row`
        windows: FloatArray = np.lib.stride_tricks.sliding_window_view(returns, self.horizon)[1 : len(self.entry) + 1]
        return windows


def make_labels(plan: LabelPlan, bars: Bars, fill_basis: FillBasis) -> LabelSeries:
    """Return the label of every bar.

    Bars whose horizon reaches past the end have no label even if a barrier was touched or a leg turned, for otherwise the last labels would
    be those of fast moves only.

    forward_return: from the fill at t + 1 to the same price `horizon_bars` later, clipped to +-3.
    triple_barrier: +1 or -1 where a close of the holding time is first `barrier` scaled returns above or below the fill; where none is, the
    scaled return to the horizon, clipped to +-1.
    zigzag: the fill is where a first leg begins, up or down as the barrier says that a close touches first. The leg's furthest close is its
    pivot once a later close is `barrier` scaled returns back from it; the label is the scaled return to the pivot, or to the furthest close
    within the horizon if the leg has not turned there, or to the horizon if no leg began; clipped to +-3.
    regime, trend: the return of the fill price to the horizon over the sum of its absolute returns bar by bar, -1..1; 0 if it never moves.
    regime, volatility: the log of the root mean square of these returns over trailing volatility, clipped to +-3.

    Source: López de Prado (2018), Advances in Financial Machine Learning, ch. 3, for the barriers, and ch. 2.5.2 for the sampling; Kaufman
    (1995), Smarter Trading, for the efficiency ratio.
    """
    n = len(bars)
    ahead = _ahead(plan, bars, fill_basis)
    n_known, unit = len(ahead.entry), ahead.scale if plan.kind != "regime" else np.full(len(ahead.entry), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        if plan.kind == "forward_return":
            label, last = np.clip(ahead.scaled_return, -RETURN_CLIP, RETURN_CLIP), ahead.exit_row
        elif plan.kind == "triple_barrier":
            label, last, unit = _triple_barrier(ahead, plan.barrier)
        elif plan.kind == "zigzag":
            label, last = _zigzag(ahead, plan.barrier)
        elif plan.regime_of == "trend":
            label, last = _trend(ahead), ahead.exit_row
        else:
            label, last = _volatility(ahead), ahead.exit_row
    value, scale, end_row = np.full(n, np.nan), np.full(n, np.nan), np.full(n, n, dtype=np.int64)
    value[:n_known] = np.where(ahead.scale > 0, label, np.nan)
    scale[:n_known] = np.where(ahead.scale > 0, unit, np.nan)
    end_row[:n_known] = np.where(np.isnan(value[:n_known]), n, last)
    rows = np.arange(n, dtype=np.int64)
    horizon_row = np.where(np.isnan(value), n, np.maximum(end_row, rows + 1 + plan.horizon_bars))
    return LabelSeries(value, rows + ahead.first, end_row, horizon_row, _events(plan, bars), scale)


def _ahead(plan: LabelPlan, bars: Bars, fill_basis: FillBasis) -> _Ahead:
    horizon = plan.horizon_bars
    n_known = max(len(bars) - horizon - 1, 0)
    price = bars.open if fill_basis == "open" else bars.close
    volatility = trailing_volatility(bars, plan.volatility_bars)[:n_known]
    rows = np.arange(n_known)
    return _Ahead(
        price=price,
        entry=price[rows + 1],
        exit_row=rows + 1 + horizon,
        scale=volatility * np.sqrt(horizon),
        volatility=volatility,
        close=bars.close,
        first=1 if fill_basis == "open" else 2,
        horizon=horizon,
    )


def _events(plan: LabelPlan, bars: Bars) -> NDArray[np.bool_]:
    if plan.cusum == 0:
        return np.ones(len(bars), dtype=np.bool_)
    log_returns = np.log(bars.close / lagged(bars.close, 1))
    return cusum_events(log_returns, plan.cusum * trailing_volatility(bars, plan.volatility_bars))


def _triple_barrier(ahead: _Ahead, barrier: float) -> tuple[FloatArray, IntArray, FloatArray]:
    """Return (n,) labels, their last rows, and the log returns that labels of 1 stand for."""
    rows, distance = np.arange(len(ahead.entry)), ahead.scale * barrier
    touch, touch_row = np.zeros(len(rows)), np.full(len(rows), -1, dtype=np.int64)
    for step in range(ahead.first, ahead.first + ahead.horizon):
        side = _side(np.log(ahead.close[rows + step] / ahead.entry), distance)
        new = (touch == 0) & (side != 0)
        touch[new], touch_row[new] = side[new], rows[new] + step
    touched = touch != 0
    label: FloatArray = np.where(touched, touch, np.clip(ahead.scaled_return, -BARRIER_CLIP, BARRIER_CLIP))
    return label, np.where(touched, touch_row, ahead.exit_row), np.where(touched, distance, ahead.scale)


def _zigzag(ahead: _Ahead, barrier: float) -> tuple[FloatArray, IntArray]:
    """Return (n,) labels and their last rows: where the leg's turn was certain, or else the last row looked at."""
    rows, distance = np.arange(len(ahead.entry)), ahead.scale * barrier
    leg, furthest = np.zeros(len(rows)), np.zeros(len(rows))  # +1 up, -1 down, 0 none yet; log move of the leg's furthest close
    turn_row = np.full(len(rows), -1, dtype=np.int64)
    for step in range(ahead.first, ahead.first + ahead.horizon):
        move = np.log(ahead.close[rows + step] / ahead.entry)
        leg = np.where(leg == 0, _side(move, distance), leg)
        open_leg = (leg != 0) & (turn_row < 0)
        turned = open_leg & (leg * (furthest - move) >= distance)
        turn_row[turned] = rows[turned] + step
        further = open_leg & (leg * (move - furthest) > 0)
        furthest[further] = move[further]
    last_judged = rows + ahead.first + ahead.horizon - 1
    label: FloatArray = np.clip(np.where(leg != 0, furthest / ahead.scale, ahead.scaled_return), -RETURN_CLIP, RETURN_CLIP)
    return label, np.where(leg == 0, ahead.exit_row, np.where(turn_row < 0, last_judged, turn_row))


def _trend(ahead: _Ahead) -> FloatArray:
    steps = ahead.steps
    path = np.abs(steps).sum(axis=1)
    label: FloatArray = np.divide(steps.sum(axis=1), path, out=np.zeros(len(path)), where=path > 0)
    return label


def _volatility(ahead: _Ahead) -> FloatArray:
    realised = np.sqrt(np.square(ahead.steps).mean(axis=1))
    label: FloatArray = np.clip(np.log(realised / ahead.volatility), -RETURN_CLIP, RETURN_CLIP)
    return label


def _side(move: FloatArray, distance: FloatArray) -> FloatArray:
    """Return +1 or -1 where a move is at or past the distance above or below; NaN distances are never reached."""
    return np.where(move >= distance, 1.0, np.where(move <= -distance, -1.0, 0.0))
