"""From fills to trades: a trade is a round trip, from flat (or a reversal) to flat.

A position that was resized is one trade: its entry and exit prices are the averages paid and received, its units all units entered.
Profit is net of every cost; money in the instrument's currency.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nullalpha.data.bars import FloatArray
from nullalpha.engines.backtest.kernel import COMMISSION, HELD, PRICE, REASON, REASONS, ROW, SLIPPAGE, UNITS

Reason = Literal["signal", "stop", "target", "time", "edge", "ruin"]

TRADE_DTYPE = np.dtype(
    [
        ("instrument", np.int64),
        ("entry_row", np.int64),
        ("exit_row", np.int64),
        ("side", np.int64),
        ("units", np.float64),
        ("entry_price", np.float64),
        ("exit_price", np.float64),
        ("pnl", np.float64),
        ("fees", np.float64),
        ("reason", np.int64),
    ]
)
"""Trades as columns. `instrument` counts into the result's instruments, `reason` into `kernel.REASONS`; see `Trade` for the rest."""

TradeArray = NDArray[np.void]

_ENTRY_ROW, _EXIT_ROW, _SIDE, _BOUGHT_IN, _PAID_IN, _PAID_OUT, _TRADE_COMMISSION, _TRADE_SLIPPAGE, _EXIT_REASON = range(9)


@dataclass(frozen=True)
class Trade:
    """One round trip.

    Attributes:
        entry_row, exit_row: rows of the instrument's bars in which the first entry and the last exit filled.
        side: +1 long, -1 short.
        units: units entered in all, > 0.
        entry_price, exit_price: average prices paid and received, half spread and slippage included, commission not.
        pnl: profit net of all costs, commissions of entry and exit included.
        fees: commission plus half spread and slippage of all its fills.
        bars_held: exit_row - entry_row; 0 for a trade within one bar.
    """

    instrument: str
    entry_row: int
    exit_row: int
    side: Literal[-1, 1]
    units: float
    entry_price: float
    exit_price: float
    pnl: float
    fees: float
    bars_held: int
    exit_reason: Reason


@dataclass(frozen=True)
class Fill:
    """One fill: signed units, the price paid or received, and what it cost (commission; half spread and slippage)."""

    row: int
    units: float
    price: float
    commission: float
    slippage: float
    reason: Reason


def trade_array(fills: FloatArray) -> TradeArray:
    """Return the trades that a run's fills make, oldest exit first.

    Args:
        fills: (n_fills, kernel.N_COLUMNS) of a run that ends flat.
    Returns:
        (n_trades,) of `TRADE_DTYPE`, all of instrument 0.
    """
    columns = _pair_nb(fills)
    trades = np.zeros(len(columns), dtype=TRADE_DTYPE)
    side, units = columns[:, _SIDE], columns[:, _BOUGHT_IN]
    trades["entry_row"], trades["exit_row"], trades["side"] = columns[:, _ENTRY_ROW], columns[:, _EXIT_ROW], side
    trades["units"] = units
    trades["entry_price"] = columns[:, _PAID_IN] / units
    trades["exit_price"] = columns[:, _PAID_OUT] / units
    trades["pnl"] = side * (columns[:, _PAID_OUT] - columns[:, _PAID_IN]) - columns[:, _TRADE_COMMISSION]
    trades["fees"] = columns[:, _TRADE_COMMISSION] + columns[:, _TRADE_SLIPPAGE]
    trades["reason"] = columns[:, _EXIT_REASON]
    return trades


def scaled_trades(trades: TradeArray, factor: float) -> TradeArray:
    """Return the same trades made with `factor` times the money."""
    scaled = trades.copy()
    for name in ("units", "pnl", "fees"):
        scaled[name] *= factor
    return scaled


def as_trades(trades: TradeArray, instruments: tuple[str, ...]) -> tuple[Trade, ...]:
    """Return trades as objects, for reading."""
    return tuple(
        Trade(
            instrument=instruments[int(row["instrument"])],
            entry_row=int(row["entry_row"]),
            exit_row=int(row["exit_row"]),
            side=1 if row["side"] > 0 else -1,
            units=float(row["units"]),
            entry_price=float(row["entry_price"]),
            exit_price=float(row["exit_price"]),
            pnl=float(row["pnl"]),
            fees=float(row["fees"]),
            bars_held=int(row["exit_row"] - row["entry_row"]),
            exit_reason=_reason(row["reason"]),
        )
        for row in trades
    )


def as_fills(fills: FloatArray) -> tuple[Fill, ...]:
    """Return a run's fills as objects, for reading."""
    return tuple(
        Fill(
            row=int(fill[ROW]),
            units=float(fill[UNITS]),
            price=float(fill[PRICE]),
            commission=float(fill[COMMISSION]),
            slippage=float(fill[SLIPPAGE]),
            reason=_reason(fill[REASON]),
        )
        for fill in fills
    )


def _reason(code: Any) -> Reason:
    reason: Reason = REASONS[int(code)]  # type: ignore[assignment]
    return reason


@njit(cache=True)
def _pair_nb(fills: FloatArray) -> FloatArray:
    """Sum the fills between flat and flat; a reversal is two fills, so every trade ends at exactly 0 units held."""
    trades = np.zeros((len(fills), 9))
    n = 0
    held = 0.0
    for fill in fills:
        trade = trades[n]
        if held == 0.0:
            trade[_ENTRY_ROW] = fill[ROW]
            trade[_SIDE] = 1.0 if fill[UNITS] > 0.0 else -1.0
        if fill[UNITS] * trade[_SIDE] > 0.0:
            trade[_BOUGHT_IN] += abs(fill[UNITS])
            trade[_PAID_IN] += abs(fill[UNITS]) * fill[PRICE]
        else:
            trade[_PAID_OUT] += abs(fill[UNITS]) * fill[PRICE]
        trade[_TRADE_COMMISSION] += fill[COMMISSION]
        trade[_TRADE_SLIPPAGE] += fill[SLIPPAGE]
        held = fill[HELD]
        if held == 0.0:
            trade[_EXIT_ROW] = fill[ROW]
            trade[_EXIT_REASON] = fill[REASON]
            n += 1
    return trades[:n].copy()
