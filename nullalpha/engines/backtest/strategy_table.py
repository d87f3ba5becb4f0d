"""A population's strategies as a table of numbers, one row each: what a decision plan says, in the form that compiled code reads.

A sweep makes its table from one row: `strategy_table([plan]).repeat(n)`, then sets columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nullalpha.data.bars import IntArray
from nullalpha.engines.backtest.decision import rule_of
from nullalpha.engines.backtest.kernel import AT_LIMIT, AT_STOP, AT_STOP_LIMIT, MARKET
from nullalpha.strategy.plan import DecisionPlan, ExitPlan

ENTRY_KINDS = {"market": MARKET, "limit": AT_LIMIT, "stop": AT_STOP, "stop_limit": AT_STOP_LIMIT}

STRATEGY_DTYPE = np.dtype(
    [
        ("signal", np.int64),
        ("direct", np.bool_),
        ("volatility", np.int64),
        ("long_above", np.float64),
        ("long_exit", np.float64),
        ("short_below", np.float64),
        ("short_exit", np.float64),
        ("separation", np.int64),
        ("constant", np.bool_),
        ("by_output", np.bool_),
        ("risk", np.float64),
        ("scale", np.float64),
        ("most", np.float64),
        ("stop_atr", np.float64),
        ("stop_fraction", np.float64),
        ("target_atr", np.float64),
        ("target_fraction", np.float64),
        ("trailing_atr", np.float64),
        ("trailing_fraction", np.float64),
        ("max_bars", np.int64),
        ("entry", np.int64),
        ("distance_atr", np.float64),
        ("distance_fraction", np.float64),
        ("limit_atr", np.float64),
        ("limit_fraction", np.float64),
        ("valid_bars", np.int64),
    ],
    align=True,
)
"""A strategy. `signal` and `volatility` count into the rows of the signals and volatilities that it is run on; a `direct` one's row of the
signals holds its target positions themselves. From `long_above` to `most`: see `positions.Rule`. The rest: see `plan.ExitPlan`,
`plan.EntryPlan`; `entry` is MARKET, AT_LIMIT, AT_STOP or AT_STOP_LIMIT of `kernel`."""

StrategyTable = NDArray[np.void]


def strategy_table(
    decisions: Sequence[DecisionPlan], sessions_per_year: float, signals: IntArray | None = None, volatilities: IntArray | None = None
) -> StrategyTable:
    """Return the strategies that these plans decide, one row a plan.

    Args:
        decisions: (n_strategies,) plans.
        sessions_per_year: bars a year, as of `decision.target_positions`.
        signals: (n_strategies,) whose signal each decides on; None: the first's row is 0, the next's 1, and so on.
        volatilities: (n_strategies,) by which volatility each sizes; None: all by row 0.
    Returns:
        (n_strategies,) of `STRATEGY_DTYPE`.
    Raises:
        UsageError: if a sizing is kelly and has no horizon.
    """
    table = np.zeros(len(decisions), dtype=STRATEGY_DTYPE)
    for row, decision in zip(table, decisions, strict=True):
        for name, value in rule_of(decision, sessions_per_year)._asdict().items():
            row[name] = value
        _write_exits(row, decision.exits)
        entry = decision.entry
        if entry is not None:
            row["entry"], row["valid_bars"] = ENTRY_KINDS[entry.order], entry.valid_bars
            row["distance_atr"], row["distance_fraction"] = entry.distance_atr, entry.distance_fraction
            row["limit_atr"], row["limit_fraction"] = entry.limit_atr, entry.limit_fraction
    table["signal"] = np.arange(len(decisions)) if signals is None else signals
    table["volatility"] = 0 if volatilities is None else volatilities
    return table


def target_table(n_strategies: int, exits: ExitPlan | None = None) -> StrategyTable:
    """Return strategies whose signals are their target positions: row i trades row i of the signals.

    Args:
        exits: protective exits of all; None for none.
    """
    table = np.zeros(n_strategies, dtype=STRATEGY_DTYPE)
    table["signal"], table["direct"] = np.arange(n_strategies), True
    if exits is not None:
        _write_exits(table, exits)
    return table


def _write_exits(rows: Any, exits: ExitPlan) -> None:
    for name in ("stop_atr", "stop_fraction", "target_atr", "target_fraction", "trailing_atr", "trailing_fraction", "max_bars"):
        rows[name] = getattr(exits, name)
