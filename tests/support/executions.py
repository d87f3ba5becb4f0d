"""Executions of the hand-worked examples."""

from __future__ import annotations

from nullalpha.data.bars import Bars, FloatArray
from nullalpha.data.instruments import Costs, FillBasis
from nullalpha.engines.backtest.execution import CashRates, Execution, priced


def execution(bars: Bars, costs: Costs, basis: FillBasis, carry: FloatArray | None = None, cash: CashRates | None = None) -> Execution:
    """Return what `costs` say of the bars, with carry of both sides where it is given."""
    made = priced(bars, costs, basis, cash)
    return made if carry is None else made.with_carry(carry, carry)
