"""Labels: what a model learns to predict, and the last row whose price each label used (for purging).

A signal known at the close of bar t fills at t + 1, so that is where a label's return begins: at the open or the close of t + 1 by the
instrument's fill basis. Returns are log returns over (trailing volatility at t x sqrt(horizon)), so without unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nullalpha.data.bars import Bars, FloatArray, IntArray
from nullalpha.data.instruments import FillBasis
from nullalpha.engines.features.volatility import trailing_volatility
from nullalpha.strategy.plan import LabelPlan

RETURN_CLIP = 3.0
BARRIER_CLIP = 1.0


@dataclass(frozen=True)
class LabelSeries:
    """Labels of every bar.

    Attributes:
        value: (n_bars,) NaN where unknown: no volatility yet, a flat past, or a horizon that reaches past the last bar.
        end_row: (n_bars,) last row whose price the label used; n_bars (past every row) where the label is unknown.
    """

    value: FloatArray
    end_row: IntArray


def make_labels(plan: LabelPlan, bars: Bars, fill_basis: FillBasis) -> LabelSeries:
    """Return the label of every bar.

    forward_return: from the fill at t + 1 to the same price `horizon_bars` later, clipped to +-3.
    triple_barrier: +1 or -1 where a close of the holding time is first `barrier` scaled returns above or below the fill; where none is, the
    scaled return to the horizon, clipped to +-1. Bars whose horizon reaches past the end have no label even if a barrier was touched, for
    otherwise the last labels would be those of fast moves only.

    Source: López de Prado (2018), Advances in Financial Machine Learning, ch. 3, for the barriers.
    """
    n, horizon = len(bars), plan.horizon_bars
    n_known = max(n - horizon - 1, 0)
    value, end_row = np.full(n, np.nan), np.full(n, n, dtype=np.int64)
    price = bars.open if fill_basis == "open" else bars.close
    scale = trailing_volatility(bars, plan.volatility_bars)[:n_known] * np.sqrt(horizon)
    rows = np.arange(n_known)
    entry = price[rows + 1]
    exit_row = rows + 1 + horizon
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.where(scale > 0, np.log(price[exit_row] / entry) / scale, np.nan)
        if plan.kind == "forward_return":
            label, last = np.clip(scaled, -RETURN_CLIP, RETURN_CLIP), exit_row
        else:
            touch, touch_row = _first_touch(bars.close, entry, scale * plan.barrier, horizon, first=1 if fill_basis == "open" else 2)
            label = np.where(touch != 0, touch, np.clip(scaled, -BARRIER_CLIP, BARRIER_CLIP))
            last = np.where(touch != 0, touch_row, exit_row)
    label = np.where(scale > 0, label, np.nan)
    value[:n_known] = label
    end_row[:n_known] = np.where(np.isnan(label), n, last)
    return LabelSeries(value, end_row)


def _first_touch(close: FloatArray, entry: FloatArray, distance: FloatArray, horizon: int, first: int) -> tuple[FloatArray, IntArray]:
    """Return which barrier (+1, -1; 0 for none) a close touched first, and its row.

    Args:
        close: (n_bars,) closes.
        entry: (n_rows,) fill price of each row.
        distance: (n_rows,) log distance of both barriers; NaN touches nothing.
        horizon: closes judged.
        first: rows from t to the first close judged: 1 for a fill at the open of t + 1, 2 for one at its close.
    """
    rows = np.arange(len(entry))
    touch, touch_row = np.zeros(len(entry)), np.full(len(entry), -1, dtype=np.int64)
    for ahead in range(first, first + horizon):
        move = np.log(close[rows + ahead] / entry)
        side = np.where(move >= distance, 1.0, np.where(move <= -distance, -1.0, 0.0))
        new = (touch == 0) & (side != 0)
        touch[new], touch_row[new] = side[new], rows[new] + ahead
    return touch, touch_row
