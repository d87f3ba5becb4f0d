"""Whether the engine that was named can run a request, asked before anything is recorded or trained."""

from __future__ import annotations

from nullalpha.data.bars import Bars
from nullalpha.data.instruments import Instrument
from nullalpha.engines.backtest.decision import EntryOrders, ExitDistances, entry_orders, exit_distances
from nullalpha.engines.backtest.engines.capabilities import needs
from nullalpha.engines.backtest.engines.registry import NATIVE, engine_named, load, require
from nullalpha.engines.backtest.execution import CashRates, execution_of
from nullalpha.engines.features.volatility import atr
from nullalpha.engines.protocol import Protocol, Span, walk_forward
from nullalpha.strategy.plan import DecisionPlan


def refuse_engine_of_strategy(decision: DecisionPlan, instrument: Instrument, bars: Bars, protocol: Protocol, span: Span) -> None:
    """Refuse a walk-forward that the protocol's engine cannot trade.

    Raises:
        NotFoundError, UsageError: if there is no such engine, its package is not there, or it has not what is needed; says which has.
        InsufficientBarsError: if the protocol's folds do not fit the bars.
    """
    folds, ranges = walk_forward(protocol, span, bars), atr(bars)
    start = max(0, folds[0].test_start - protocol.exposure_prior_bars)
    entry, exits = entry_orders(decision.entry, bars.close, ranges), exit_distances(decision.exits, bars.close, ranges)
    sides = decision.long_above is not None, decision.short_below is not None
    refuse_engine(instrument, bars, protocol, slice(start, folds[-1].test_stop), entry, exits, sides=sides)


def refuse_engine(
    instrument: Instrument,
    bars: Bars,
    protocol: Protocol,
    rows: slice,
    entry: EntryOrders | None = None,
    exits: ExitDistances | None = None,
    *,
    sides: tuple[bool, bool] = (True, True),
) -> None:
    """Refuse rows of an instrument that the protocol's engine cannot trade; errors as of `refuse_engine_of_strategy`.

    `sides` is whether it may be long and whether it may be short.
    """
    engine = engine_named(protocol.engine)
    if engine.name == NATIVE:
        return
    execution = execution_of(bars, instrument, CashRates(protocol.cash_interest, protocol.cash_debit))
    require(engine, needs(execution, entry, exits, rows, sides=sides))
    load(engine)
