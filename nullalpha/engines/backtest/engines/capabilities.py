"""What a backtest asks of the engine that runs it, in words that engines declare.

A request needs what its rates, entry orders and exits hold in the rows that are traded; an engine that has not declared it refuses the
request by name. Nothing is approximated, and no engine stands in for another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np

from nullalpha.data.bars import FloatArray
from nullalpha.engines.backtest.decision import EntryKind, EntryOrders, ExitDistances
from nullalpha.engines.backtest.execution import Execution
from nullalpha.engines.backtest.kernel import (
    CAP,
    CARRY_LONG,
    CARRY_SHORT,
    DEBIT,
    FRICTION,
    IMPACT,
    INTEREST,
    LOT,
    PAYOUT,
    PER_UNIT,
    SPLIT,
    TICK,
)

Capability = Literal[
    "fills at the open",
    "fills at the close",
    "limit entries",
    "stop entries",
    "stop-limit entries",
    "stops",
    "targets",
    "trailing stops",
    "exits by time",
    "commission by rate",
    "commission by unit",
    "least commission",
    "spread and slippage",
    "impact",
    "ticks",
    "lots",
    "volume caps",
    "carry",
    "cash interest",
    "dividends",
    "splits",
    "portfolios",
    "populations",
]
"""Carry is borrow, swap, funding and the rolls of futures; a portfolio shares cash among instruments; a population is many accounts."""

CAPABILITIES: tuple[Capability, ...] = get_args(Capability)

_COLUMNS: dict[Capability, list[int]] = {
    "commission by unit": [PER_UNIT],
    "spread and slippage": [FRICTION],
    "impact": [IMPACT],
    "ticks": [TICK],
    "lots": [LOT],
    "cash interest": [INTEREST, DEBIT],
    "dividends": [PAYOUT],
}
_ENTRIES: dict[EntryKind, Capability] = {"limit": "limit entries", "stop": "stop entries", "stop_limit": "stop-limit entries"}


def needs(
    execution: Execution, entry: EntryOrders | None, exits: ExitDistances | None, rows: slice, *, sides: tuple[bool, bool] = (True, True)
) -> tuple[Capability, ...]:
    """Return what a backtest over `rows` asks of its engine; arguments as of `run.run_backtest`.

    `sides` is whether it may be long and whether it may be short: what only the other side would be charged is not asked for.
    """
    asked = {*_needs_of_execution(execution, execution.rates[rows], sides), *_needs_of_exits(exits, rows)}
    if entry is not None and entry.kind in _ENTRIES:
        asked.add(_ENTRIES[entry.kind])
    return tuple(capability for capability in CAPABILITIES if capability in asked)


def _needs_of_execution(execution: Execution, rates: FloatArray, sides: tuple[bool, bool]) -> Iterator[Capability]:
    yield "fills at the open" if execution.fill_basis == "open" else "fills at the close"
    if execution.commission != 0.0:
        yield "commission by rate"
    if execution.least_commission != 0.0:
        yield "least commission"
    if np.isfinite(rates[:, CAP]).any():
        yield "volume caps"
    if (rates[:, SPLIT] != 1.0).any():
        yield "splits"
    carried = [column for column, held in zip((CARRY_LONG, CARRY_SHORT), sides, strict=True) if held]
    if rates[:, carried].any():
        yield "carry"
    for capability, columns in _COLUMNS.items():
        if rates[:, columns].any():
            yield capability


def _needs_of_exits(exits: ExitDistances | None, rows: slice) -> Iterator[Capability]:
    if exits is None:
        return
    if (exits.stop[rows] > 0.0).any():
        yield "stops"
    if (exits.target[rows] > 0.0).any():
        yield "targets"
    if exits.trailing is not None and (exits.trailing[rows] > 0.0).any():
        yield "trailing stops"
    if exits.max_bars > 0:
        yield "exits by time"
