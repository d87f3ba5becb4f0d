"""From fills to trades: a trade is a round trip, from flat (or a reversal) to flat.

A position that was resized is one trade: its entry and exit prices are the averages paid and received, its units all units entered.
Profit is net of every cost; money in the instrument's currency. Prices and units are those of the adjusted bars, unless a name says `as
traded`: then each fill is at the price and in the units of its own day (price / factor, units x factor), and money is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nullalpha.data.bars import FloatArray
from nullalpha.engines.backtest.excursions import excursions_nb
from nullalpha.engines.backtest.kernel import (
    CARRY,
    COMMISSION,
    HELD,
    INCOME,
    PRICE,
    REASON,
    REASONS,
    ROW,
    SLIPPAGE,
    UNITS,
    compiled_form,
)

Reason = Literal["signal", "stop", "target", "time", "edge", "ruin", "trailing"]

TRADE_DTYPE = np.dtype(
    [
        ("instrument", np.int64),
        ("entry_row", np.int64),
        ("exit_row", np.int64),
        ("side", np.int64),
        ("units", np.float64),
        ("exit_units", np.float64),
        ("entry_price", np.float64),
        ("exit_price", np.float64),
        ("pnl", np.float64),
        ("fees", np.float64),
        ("income", np.float64),
        ("mae", np.float64),
        ("mfe", np.float64),
        ("mae_money", np.float64),
        ("mfe_money", np.float64),
        ("reason", np.int64),
    ]
)
"""Trades as columns. `instrument` counts into the result's instruments, `reason` into `kernel.REASONS`; see `Trade` for the rest."""

TradeArray = NDArray[np.void]

_EXCURSIONS = ("mae", "mfe", "mae_money", "mfe_money")
_MONEY = ("units", "exit_units", "pnl", "fees", "income", "mae_money", "mfe_money")

_ENTRY_ROW, _EXIT_ROW, _SIDE, _UNITS_IN, _PAID_IN, _UNITS_OUT, _PAID_OUT, _TRADE_COMMISSION, _TRADE_SLIPPAGE, _TRADE_CARRY = range(10)
_EXIT_REASON, _TRADE_INCOME = 10, 11
_N_TRADE_COLUMNS = 12


@dataclass(frozen=True)
class Trade:
    """One round trip.

    Attributes:
        entry_row, exit_row: rows of the instrument's bars in which the first entry and the last exit filled.
        side: +1 long, -1 short.
        units: units entered in all, > 0.
        exit_units: units left in all: as many, or more or fewer if the instrument was split (or rolled) meanwhile.
        entry_price, exit_price: average prices paid and received, half spread and slippage included, commission not.
        pnl: profit net of all costs, commissions of entry and exit, carry and dividends included.
        fees: commission plus half spread and slippage of all its fills, plus the carry charged while it was held.
        income: dividends received while it was held; a short position pays them.
        mae, mfe: how far prices went against it and in its favour at most, fractions of the entry price, <= 0 and >= 0; see `excursions`.
        mae_money, mfe_money: its worst and best open profit, in currency, <= 0 and >= 0.
        bars_held: exit_row - entry_row; 0 for a trade within one bar.
    """

    instrument: str
    entry_row: int
    exit_row: int
    side: Literal[-1, 1]
    units: float
    exit_units: float
    entry_price: float
    exit_price: float
    pnl: float
    fees: float
    income: float
    mae: float
    mfe: float
    mae_money: float
    mfe_money: float
    bars_held: int
    exit_reason: Reason


@dataclass(frozen=True)
class Fill:
    """One fill: signed units, the price paid or received, and what it cost (commission; half spread and slippage).

    `carry` is what was charged for holding the position since the fill before, `income` the dividends it received.
    """

    row: int
    units: float
    price: float
    commission: float
    slippage: float
    reason: Reason
    carry: float
    income: float


def trade_array(fills: FloatArray, prices: Sequence[FloatArray], split: FloatArray | None, start_row: int = 0) -> TradeArray:
    """Return the trades that a run's fills make, oldest exit first.

    Args:
        fills: (n_fills, kernel.N_COLUMNS) of a run that ends flat.
        prices: open, high, low and close (n_rows,) as the kernel traded them, from `start_row` on.
        split: (n_rows,) units that one unit becomes at a bar's start; None for no splits.
        start_row: the fills' row of the first price.
    Returns:
        (n_trades,) of `TRADE_DTYPE`, all of instrument 0.
    """
    trades = _as_array(_pair_nb(fills))
    splits = np.empty(0) if split is None else compiled_form(split)
    open_, high, low, close = (compiled_form(column) for column in prices)
    excursions = excursions_nb(fills, open_, high, low, close, splits, start_row)
    for name, column in zip(_EXCURSIONS, excursions.T, strict=True):
        trades[name] = column
    return trades


def trade_array_as_traded(trades: TradeArray, fills: FloatArray, factor: FloatArray, start_row: int = 0) -> TradeArray:
    """Return the same trades at the prices and in the units of their own days.

    Args:
        trades: of `trade_array`.
        fills: that they were made of.
        factor: (n_rows,) of the bars from `start_row` on: price as traded = price / factor.
    """
    traded = _as_array(_pair_nb(fill_array_as_traded(fills, factor, start_row)))
    for name in _EXCURSIONS:
        traded[name] = trades[name]
    return traded


def fill_array_as_traded(fills: FloatArray, factor: FloatArray, start_row: int = 0) -> FloatArray:
    """Return the same fills at the prices and in the units of their own days; arguments as of `trade_array_as_traded`."""
    traded = fills.copy()
    own = factor[fills[:, ROW].astype(np.int64) - start_row]
    traded[:, PRICE] /= own
    traded[:, UNITS] *= own
    traded[:, HELD] *= own
    return traded


def _as_array(columns: FloatArray) -> TradeArray:
    trades = np.zeros(len(columns), dtype=TRADE_DTYPE)
    side = columns[:, _SIDE]
    trades["entry_row"], trades["exit_row"], trades["side"] = columns[:, _ENTRY_ROW], columns[:, _EXIT_ROW], side
    trades["units"], trades["exit_units"] = columns[:, _UNITS_IN], columns[:, _UNITS_OUT]
    trades["entry_price"] = columns[:, _PAID_IN] / columns[:, _UNITS_IN]
    trades["exit_price"] = columns[:, _PAID_OUT] / columns[:, _UNITS_OUT]
    trades["income"] = columns[:, _TRADE_INCOME]
    costs = columns[:, _TRADE_COMMISSION] + columns[:, _TRADE_CARRY]
    trades["pnl"] = side * (columns[:, _PAID_OUT] - columns[:, _PAID_IN]) - costs + trades["income"]
    trades["fees"] = columns[:, _TRADE_COMMISSION] + columns[:, _TRADE_SLIPPAGE] + columns[:, _TRADE_CARRY]
    trades["reason"] = columns[:, _EXIT_REASON]
    return trades


def scaled_trades(trades: TradeArray, factor: float) -> TradeArray:
    """Return the same trades made with `factor` times the money."""
    scaled = trades.copy()
    for name in _MONEY:
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
            exit_units=float(row["exit_units"]),
            entry_price=float(row["entry_price"]),
            exit_price=float(row["exit_price"]),
            pnl=float(row["pnl"]),
            fees=float(row["fees"]),
            income=float(row["income"]),
            **{name: float(row[name]) for name in _EXCURSIONS},
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
            carry=float(fill[CARRY]),
            income=float(fill[INCOME]),
        )
        for fill in fills
    )


def _reason(code: Any) -> Reason:
    reason: Reason = REASONS[int(code)]  # type: ignore[assignment]
    return reason


@njit(cache=True)
def _pair_nb(fills: FloatArray) -> FloatArray:
    """Sum the fills between flat and flat; a reversal is two fills, so every trade ends at exactly 0 units held."""
    trades = np.zeros((len(fills), _N_TRADE_COLUMNS))
    n = 0
    held = 0.0
    for i in range(len(fills)):
        units = fills[i, UNITS]
        if held == 0.0:
            trades[n, _ENTRY_ROW] = fills[i, ROW]
            trades[n, _SIDE] = 1.0 if units > 0.0 else -1.0
        if units * trades[n, _SIDE] > 0.0:
            trades[n, _UNITS_IN] += abs(units)
            trades[n, _PAID_IN] += abs(units) * fills[i, PRICE]
        else:
            trades[n, _UNITS_OUT] += abs(units)
            trades[n, _PAID_OUT] += abs(units) * fills[i, PRICE]
        trades[n, _TRADE_COMMISSION] += fills[i, COMMISSION]
        trades[n, _TRADE_SLIPPAGE] += fills[i, SLIPPAGE]
        trades[n, _TRADE_CARRY] += fills[i, CARRY]
        trades[n, _TRADE_INCOME] += fills[i, INCOME]
        held = fills[i, HELD]
        if held == 0.0:
            trades[n, _EXIT_ROW] = fills[i, ROW]
            trades[n, _EXIT_REASON] = fills[i, REASON]
            n += 1
    return trades[:n].copy()
