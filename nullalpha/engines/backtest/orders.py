"""The order log: every fill of an account as one row of a table, enough to rebuild the account from bars (see `replay`).

Money in the instrument's currency; prices and units are those of the adjusted bars, as in `BacktestResult.fill_array`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from nullalpha.core.errors import DataError, nearest
from nullalpha.data.bars import FloatArray
from nullalpha.engines.backtest.kernel import CARRY, COMMISSION, HELD, INCOME, PRICE, REASON, REASONS, ROW, SLIPPAGE, UNITS
from nullalpha.engines.backtest.result import BacktestResult

ORDER_DTYPE = np.dtype(
    [
        ("instrument", np.int64),
        ("fold", np.int64),
        ("time", "datetime64[ns]"),
        ("row", np.int64),
        ("units", np.float64),
        ("price", np.float64),
        ("commission", np.float64),
        ("slippage", np.float64),
        ("carry", np.float64),
        ("income", np.float64),
        ("reason", np.int64),
        ("held", np.float64),
    ]
)
"""Fills as columns, in order of time within an instrument.

`instrument` counts into the account's instruments, `fold` is 0, 1, ... in order of time, `time` the bar's and `row` its number among the
instrument's bars; signed `units` at the `price` paid; `commission`, and `slippage` that the price contains; `carry` charged and `income`
received since the fill before; `reason` counts into `kernel.REASONS`; `held` the units after it.
"""

OrderArray = NDArray[np.void]

_MONEY = ("units", "commission", "slippage", "carry", "income", "held")
_FLOATS = {"units": UNITS, "price": PRICE, "commission": COMMISSION, "slippage": SLIPPAGE, "carry": CARRY, "income": INCOME, "held": HELD}


def orders_of(result: BacktestResult, fold: int = 0) -> OrderArray:
    """Return a backtest's fills as an order log, all of instrument 0."""
    fills: FloatArray = result.fill_array
    orders = np.zeros(len(fills), dtype=ORDER_DTYPE)
    orders["fold"] = fold
    orders["row"] = fills[:, ROW]
    orders["time"] = result.time[orders["row"] - result.start_row]
    orders["reason"] = fills[:, REASON]
    for name, column in _FLOATS.items():
        orders[name] = fills[:, column]
    return orders


def scaled_orders(orders: OrderArray, factor: float) -> OrderArray:
    """Return the same orders made with `factor` times the money."""
    scaled = orders.copy()
    for name in _MONEY:
        scaled[name] *= factor
    return scaled


def order_table(orders: OrderArray, instruments: Sequence[str]) -> dict[str, NDArray[np.generic]]:
    """Return an order log as named columns for a file that people read: instruments and reasons by name."""
    table: dict[str, NDArray[np.generic]] = {name: orders[name] for name in ORDER_DTYPE.names or ()}
    table["instrument"] = np.array(instruments, dtype=np.str_)[orders["instrument"]]
    table["reason"] = np.array(REASONS, dtype=np.str_)[orders["reason"]]
    return table


def orders_from(table: Mapping[str, NDArray[np.generic]], instruments: Sequence[str]) -> OrderArray:
    """Return the order log that `order_table` made a table of.

    Raises:
        DataError: if a column is missing, or an instrument or a reason is unknown.
    """
    missing = [name for name in ORDER_DTYPE.names or () if name not in table]
    if missing:
        raise DataError(f"an order log has a column {missing[0]!r}, and this table has none", path=missing[0], value=sorted(table))
    orders = np.zeros(len(table["row"]), dtype=ORDER_DTYPE)
    for name in ORDER_DTYPE.names or ():
        orders[name] = _counted(name, table[name], {"instrument": instruments, "reason": REASONS}.get(name))
    return orders


def _counted(name: str, column: NDArray[np.generic], words: Sequence[str] | None) -> NDArray[np.generic]:
    """Return each word's place among `words`; the column as it is where there are none."""
    if words is None:
        return column
    unknown = sorted({str(word) for word in column} - set(words))
    if unknown:
        raise DataError(
            f"{unknown[0]!r} is no {name} of this account",
            path=name,
            value=unknown[0],
            suggestion=nearest(unknown[0], words) or ", ".join(words),
        )
    return np.array([words.index(str(word)) for word in column], dtype=np.int64)
