"""Accounts of several instruments as arrays of records: `kernel.Terms`, `kernel.Holding` and `kernel.Order`, one each.

Records, because the elements of a list of tuples are reference-counted at every look.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nullalpha.engines.backtest.kernel import Holding, Order, Terms

TERMS_DTYPE = np.dtype(
    [
        ("at_open", np.bool_),
        ("plain", np.bool_),
        ("accrues", np.bool_),
        ("commission", np.float64),
        ("least", np.float64),
        ("max_bars", np.int64),
        ("entry", np.int64),
        ("valid_bars", np.int64),
    ],
    align=True,
)
"""`kernel.Terms` of each instrument."""

HOLDING_DTYPE = np.dtype(
    [
        ("cash", np.float64),
        ("units", np.float64),
        ("entry_row", np.int64),
        ("stop_level", np.float64),
        ("stop_reason", np.int64),
        ("target_level", np.float64),
        ("trailing_distance", np.float64),
    ],
    align=True,
)
"""`kernel.Holding` of each instrument."""

ORDER_DTYPE = np.dtype(
    [
        ("ordered", np.float64),
        ("waiting", np.bool_),
        ("target", np.float64),
        ("reason", np.int64),
        ("stop_distance", np.float64),
        ("target_distance", np.float64),
        ("trailing_distance", np.float64),
        ("kind", np.int64),
        ("level", np.float64),
        ("limit", np.float64),
        ("until", np.int64),
    ],
    align=True,
)
"""`kernel.Order` of each instrument."""

Records = NDArray[np.void]


@njit(nogil=True)
def terms_nb(member: Any) -> Any:
    """Return an instrument's terms."""
    return Terms(
        member.at_open, member.plain, member.accrues, member.commission, member.least, member.max_bars, member.entry, member.valid_bars
    )


@njit(nogil=True)
def holding_nb(record: Any, cash: float) -> Any:
    """Return a holding with the cash that the account has now."""
    return Holding(
        cash, record.units, record.entry_row, record.stop_level, record.stop_reason, record.target_level, record.trailing_distance
    )


@njit(nogil=True)
def write_holding_nb(holding: Any, record: Any) -> None:
    """Keep a holding."""
    record.cash = holding.cash
    record.units = holding.units
    record.entry_row = holding.entry_row
    record.stop_level = holding.stop_level
    record.stop_reason = holding.stop_reason
    record.target_level = holding.target_level
    record.trailing_distance = holding.trailing_distance


@njit(nogil=True)
def order_nb(record: Any) -> Any:
    """Return an instrument's order."""
    return Order(
        record.ordered, record.waiting, record.target, record.reason, record.stop_distance, record.target_distance,
        record.trailing_distance, record.kind, record.level, record.limit, record.until,
    )  # fmt: skip


@njit(nogil=True)
def write_order_nb(order: Any, record: Any) -> None:
    """Keep an order."""
    record.ordered = order.ordered
    record.waiting = order.waiting
    record.target = order.target
    record.reason = order.reason
    record.stop_distance = order.stop_distance
    record.target_distance = order.target_distance
    record.trailing_distance = order.trailing_distance
    record.kind = order.kind
    record.level = order.level
    record.limit = order.limit
    record.until = order.until
