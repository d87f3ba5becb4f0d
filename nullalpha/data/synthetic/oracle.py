"""The account of an oracle: what wanting a position at each close is exposed to, trades and earns.

Kept as the lab's backtest keeps one: an order only when the wanted position changes, units = position * equity / price at the fill, costs
at the fill on what is traded, units held in between (so that exposure drifts a little).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nullalpha.data.bars import Bars, FloatArray
from nullalpha.data.instruments import FillBasis
from nullalpha.data.synthetic.market import Venue

Grid = NDArray[np.float64]
"""(n_bars, n_paths)."""
Row = Any
"""One bar of all paths: (n_paths,) float64, or a plain float where there is one path, which is ten times as fast."""
LAG: dict[FillBasis, int] = {"open": 1, "close": 2}
"""Bars from the close that decides to the bar whose move is earned."""


@dataclass(frozen=True)
class Account:
    """Attributes:
    exposure: (n_bars, n_paths) position over equity when the bar's move after its open begins.
    traded: what was bought or sold in the bar, over equity.
    net: the account's simple return in the bar.
    """

    exposure: Grid
    traded: Grid
    net: Grid


def keep_account(gap: Grid, inside: Grid, position: Grid, fill_basis: FillBasis, cost_a_side: float) -> Account:
    """Return what an account that wants `position` at each close is exposed to, trades and earns.

    Args:
        gap, inside: (n_bars, n_paths) log moves to the open and from there to the close.
        position: (n_bars, n_paths) fraction of equity.
    """
    at_open = fill_basis == "open"
    gaps, insides, positions = rows_of(np.expm1(gap)), rows_of(np.expm1(inside)), rows_of(position)
    exposure = last = wanted = 0.0 * gaps[0]
    exposures: list[Row] = []
    trades: list[Row] = []
    nets: list[Row] = []
    for t in range(len(gaps)):
        growth = 1.0 + exposure * gaps[t]
        exposure = exposure * (1.0 + gaps[t]) / growth
        held = exposure
        if at_open:
            exposure, traded = _filled(exposure, wanted, last, cost_a_side)
            held = exposure
        moved = 1.0 + held * insides[t]
        exposure = held * (1.0 + insides[t]) / moved
        if not at_open:
            exposure, traded = _filled(exposure, wanted, last, cost_a_side)
        exposures.append(held)
        trades.append(traded)
        nets.append(growth * moved * (1.0 - cost_a_side * traded) - 1.0)
        last, wanted = wanted, positions[t]
    return Account(*(np.array(rows).reshape(gap.shape) for rows in (exposures, trades, nets)))


def _filled(exposure: Row, wanted: Row, last: Row, cost_a_side: float) -> tuple[Row, Row]:
    """Return the exposure after an order, if the wanted position changed, and what was traded as a fraction of equity."""
    changed = wanted != last
    traded = changed * abs(wanted - exposure)
    return changed * (wanted / (1.0 - cost_a_side * traded)) + (1.0 - changed) * exposure, traded


def realised_sharpe(bars: Bars, position: FloatArray, venue: Venue, warmup: int, bars_per_year: float) -> float:
    """Return the annual net Sharpe ratio of holding `position` over these bars after the warm-up; NaN if its returns never differ."""
    before = np.concatenate(([bars.open[0]], bars.close[:-1]))
    gap, inside = np.log(bars.open / before), np.log(bars.close / bars.open)
    single = position.reshape(-1, 1)
    net = keep_account(gap.reshape(-1, 1), inside.reshape(-1, 1), single, venue.fill_basis, venue.cost_a_side).net[warmup + 2 :]
    deviation = float(np.std(net)) if len(net) else 0.0
    return float(np.mean(net)) / deviation * float(np.sqrt(bars_per_year)) if deviation > 0 else float("nan")


def rows_of(grid: Grid) -> list[Row]:
    """Return the bars of a grid, one by one."""
    return grid[:, 0].tolist() if grid.shape[1] == 1 else list(grid)
