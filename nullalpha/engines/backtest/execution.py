"""What trading and holding cost in each bar of an instrument, as the kernel reads it.

Instruments are described as they are traded; bars may be adjusted (price as traded = price / factor, so units as traded = units x factor).
A kernel's unit of a future is a contract times its multiplier. Everything here is turned into the kernel's units and adjusted prices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from nullalpha.core.errors import DataError, UsageError
from nullalpha.data.bars import Bars, FloatArray, TimeArray
from nullalpha.data.instruments import Costs, FillBasis, Instrument
from nullalpha.engines.backtest.carry import roll_carry
from nullalpha.engines.backtest.kernel import (
    CAP,
    CARRY_LONG,
    CARRY_SHORT,
    DEBIT,
    FRICTION,
    IMPACT,
    INTEREST,
    LOT,
    N_RATES,
    PAYOUT,
    PER_UNIT,
    SPLIT,
    TICK,
    compiled_form,
)
from nullalpha.engines.features.volatility import trailing_volatility

VOLATILITY_BARS = 20
MARGINED = ("future", "forex", "cfd")
"""Kinds that are held on margin: cash stays cash beside them, and what financing them costs is their swap or in their price."""
DAYS_PER_YEAR = 365.0
_DAY = np.timedelta64(1, "D").astype("timedelta64[ns]").astype(np.int64)


@dataclass(frozen=True)
class CashRates:
    """What cash earns and what borrowed cash costs, fractions a year (actual days over 365, simple)."""

    interest: float = 0.0
    debit: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("interest", self.interest), ("debit", self.debit)):
            if not -0.5 <= value <= 1.0:
                raise UsageError(f"{name} is {value} a year", path=name, value=value, suggestion="a fraction a year, e.g. 0.03")


@dataclass(frozen=True)
class Execution:
    """How orders fill and what they cost, bar by bar. Its rates are not changed once it is made.

    Attributes:
        fill_basis: the instrument's.
        commission: share of the notional at the price paid.
        least_commission: of a fill, in currency.
        rates: (n_bars, kernel.N_RATES): FRICTION half spread and slippage, a fraction of price; IMPACT a fraction of price by the root of
            units filled; LOT units and TICK price, 0 for none; PER_UNIT commission in currency a unit; CAP units that fill in the bar at
            most, infinite for no cap; CARRY_LONG, CARRY_SHORT fractions of the notional held at the close (below 0: received); INTEREST,
            DEBIT fractions of cash over the bar, PAYOUT currency a unit held at its start; SPLIT units that one unit becomes at its start.
    """

    fill_basis: FillBasis
    commission: float
    least_commission: float
    rates: FloatArray

    def __len__(self) -> int:
        return len(self.rates)

    def compact(self, rows: slice) -> FloatArray:
        """Return the rates of some rows, contiguous; a single row where all bars have the same."""
        return compiled_form(self._distinct if self._same else self.rates[rows])

    @property
    def _same(self) -> bool:
        return bool(self.rates.strides[0] == 0)

    @property
    def _distinct(self) -> FloatArray:
        return self.rates[:1] if self._same else self.rates

    @cached_property
    def plain(self) -> bool:
        """Whether a fill costs a fraction of its notional and nothing else, and all of it fills."""
        rates = self._distinct
        bare = not rates[:, [IMPACT, LOT, TICK, PER_UNIT]].any() and bool(np.isinf(rates[:, CAP]).all())
        return bare and self.least_commission == 0.0

    @cached_property
    def accrues(self) -> bool:
        """Whether some bar pays or charges what no fill does, or splits."""
        rates = self._distinct
        return bool(rates[:, [CARRY_LONG, CARRY_SHORT, INTEREST, DEBIT, PAYOUT]].any() or (rates[:, SPLIT] != 1.0).any())

    @cached_property
    def broken_row(self) -> int | None:
        """The first row with a rate that is no number, if any."""
        wrong = np.isnan(self._distinct.sum(axis=1))  # of infinities only CAP may hold one, so the sum is NaN just where a rate is
        return int(np.argmax(wrong)) if wrong.any() else None

    def round_trip(self, close: FloatArray) -> FloatArray:
        """Return (n_bars,) what entering and leaving at about these closes cost, a fraction of price; without what depends on the size."""
        return 2.0 * (self.commission + self.rates[:, FRICTION] + self.rates[:, PER_UNIT] / close)

    def with_carry(self, long: FloatArray, short: FloatArray) -> Execution:
        """Return the same with carry of its own: (n_bars,) fractions of the notional held at each close; below 0 it is received."""
        return self._with({CARRY_LONG: long, CARRY_SHORT: short})

    def with_events(self, payout: FloatArray | None = None, split: FloatArray | None = None) -> Execution:
        """Return the same with dividends and splits, for bars that are not adjusted for them.

        Args:
            payout: (n_bars,) currency that each unit held at the bar's start receives (after the split); 0 for none.
            split: (n_bars,) units that one unit becomes at the bar's start, > 0; 1 for none.
        """
        columns = {PAYOUT: payout, SPLIT: split}
        return self._with({name: column for name, column in columns.items() if column is not None})

    def _with(self, columns: dict[int, FloatArray]) -> Execution:
        rates = self.rates.copy()
        for index, column in columns.items():
            _check_column(_EVENT_COLUMNS[index], column, len(rates))
            rates[:, index] = column
        return replace(self, rates=rates)


_EVENT_COLUMNS = {CARRY_LONG: "carry", CARRY_SHORT: "carry of short positions", PAYOUT: "payout", SPLIT: "split"}


def _check_column(name: str, column: FloatArray, n_bars: int) -> None:
    if column.shape != (n_bars,):
        raise DataError(f"{name} has shape {column.shape}, the bars ({n_bars},)", path=f"execution.{name}")
    wrong = ~np.isfinite(column) | ((column <= 0.0) if name == "split" else False)
    if wrong.any():
        row = int(np.argmax(wrong))
        least = "a number above 0; 1 means no split" if name == "split" else "a finite number; 0 means none"
        raise DataError(f"{name} of row {row} is {column[row]}", path=f"execution.{name}", value=float(column[row]), suggestion=least)


def execution_of(bars: Bars, instrument: Instrument, cash: CashRates | None = None) -> Execution:
    """Return how an instrument's orders fill on its bars, and what they cost.

    Raises:
        DataError: if costs need volumes or quotes that the bars have not, a future's factor is no chain of rolls, a price is below one
            tick, or a sale would cost more than its price.
    """
    execution = priced(bars, instrument.costs, instrument.fill_basis, cash)
    by_factor = bars.factor is not None and bool(instrument.lot or instrument.tick)
    same = execution.rates.strides[0] == 0 and instrument.kind != "future" and not by_factor
    rates = execution.rates[:1].copy() if same else execution.rates.copy()
    factor = np.ones(len(rates)) if bars.factor is None or same else bars.factor
    rates[:, LOT] = instrument.lot * instrument.multiplier / factor
    rates[:, TICK] = instrument.tick * factor
    if instrument.tick:
        _check_ticks(bars, np.broadcast_to(rates[:, TICK], (len(bars),)))
    rates[:, PER_UNIT] /= instrument.multiplier
    rates[:, CAP] *= instrument.multiplier
    rates[:, IMPACT] /= np.sqrt(instrument.multiplier)
    if instrument.kind in MARGINED:
        _pay_interest_on_equity(bars, rates, cash)
    if instrument.kind == "future":
        rolls = roll_carry(bars, execution.commission + rates[:, FRICTION] + rates[:, PER_UNIT] / bars.close)
        rates[:, CARRY_LONG] += rolls
        rates[:, CARRY_SHORT] += rolls
    return replace(execution, rates=np.broadcast_to(rates, (len(bars), N_RATES)) if same else rates)


def _pay_interest_on_equity(bars: Bars, rates: FloatArray, cash: CashRates | None) -> None:
    """Make interest that of the whole equity: a position on margin is not paid for, so neither does it use up cash nor bring any in.

    The kernel's cash is equity less the position's value; the interest that it misses, or has too much of, is carry.
    """
    if cash is None or not (cash.interest or cash.debit):
        return
    rates[:, DEBIT] = rates[:, INTEREST]
    after = cash.interest * years_between(bars.time)[1]
    rates[:, CARRY_LONG] -= after
    rates[:, CARRY_SHORT] += after


def priced(bars: Bars, costs: Costs, fill_basis: FillBasis, cash: CashRates | None = None) -> Execution:
    """Return the execution of an instrument without lots, ticks, multiplier or rolls; arguments and errors as of `execution_of`."""
    n, cash = len(bars), CashRates() if cash is None else cash
    if _is_constant(bars, costs, cash):
        rates = np.broadcast_to(_constant_rates(costs), (n, N_RATES))
        _check_friction(bars, rates[:1, FRICTION])
        return Execution(fill_basis, float(costs.commission), float(costs.commission_minimum), rates)
    factor = np.ones(n) if bars.factor is None else bars.factor
    rates = np.zeros((n, N_RATES))
    rates[:, SPLIT], rates[:, CAP] = 1.0, np.inf
    volatility = _known_before(trailing_volatility(bars, VOLATILITY_BARS)) if costs.volatility_slippage or costs.impact else np.zeros(n)
    rates[:, FRICTION] = _half_spread(bars, costs, fill_basis) + costs.slippage_bps / 10_000.0 + costs.volatility_slippage * volatility
    _check_friction(bars, rates[:, FRICTION])
    rates[:, PER_UNIT] = costs.commission_per_unit * factor
    if costs.impact or costs.volume_cap:
        volume = _volume(bars) / factor
        rates[:, CAP] = costs.volume_cap * volume if costs.volume_cap else np.where(volume > 0.0, np.inf, 0.0)
        rates[:, IMPACT] = costs.impact * volatility / np.sqrt(np.where(volume > 0.0, volume, 1.0))
    before, after = years_between(bars.time)
    rates[:, INTEREST], rates[:, DEBIT] = cash.interest * before, cash.debit * before
    rates[:, CARRY_LONG] = (costs.swap_long + costs.funding) * after
    rates[:, CARRY_SHORT] = (costs.borrow + costs.swap_short - costs.funding) * after
    return Execution(fill_basis, float(costs.commission), float(costs.commission_minimum), rates)


def _is_constant(bars: Bars, costs: Costs, cash: CashRates) -> bool:
    """Return whether every bar has the same rates: nothing depends on quotes, volatility, volume, the calendar or a factor."""
    by_bar = (costs.volatility_slippage, costs.impact, costs.volume_cap, cash.interest, cash.debit, costs.borrow, costs.funding)
    swaps = (costs.swap_long, costs.swap_short)
    return costs.spread == "fixed" and not any((*by_bar, *swaps)) and (bars.factor is None or not costs.commission_per_unit)


def _constant_rates(costs: Costs) -> FloatArray:
    rates = np.zeros(N_RATES)
    rates[FRICTION] = (costs.half_spread_bps + costs.slippage_bps) / 10_000.0
    rates[PER_UNIT], rates[SPLIT], rates[CAP] = costs.commission_per_unit, 1.0, np.inf
    return rates


def _check_ticks(bars: Bars, tick: FloatArray) -> None:
    below = np.fmin(bars.low, bars.close) < tick * (1.0 - 1e-6)
    if below.any():
        row = int(np.argmax(below))
        raise DataError(
            f"the price of row {row} of {bars.instrument} is below one tick",
            path="instrument.tick",
            value=float(tick[row]),
            suggestion="give the tick of the prices as traded, or leave it out",
        )


def _check_friction(bars: Bars, friction: FloatArray) -> None:
    if friction.max(initial=0.0) >= 1.0:
        row = int(np.argmax(friction))
        raise DataError(
            f"half spread and slippage of row {row} of {bars.instrument} are the whole price",
            path="costs.volatility_slippage",
            value=float(friction[row]),
            suggestion="spread and slippage are fractions of price; look at the bar's spread and at costs.volatility_slippage",
        )


def _half_spread(bars: Bars, costs: Costs, fill_basis: FillBasis) -> FloatArray:
    """Return (n_bars,) half of the spread as a fraction of price: fixed, or quoted last before the fill (fixed until there is a quote)."""
    fixed = np.full(len(bars), costs.half_spread_bps / 10_000.0)
    if costs.spread == "fixed":
        return fixed
    if bars.spread is None:
        raise DataError(
            f"costs of {bars.instrument} ask for quoted spreads, and its bars have no quotes",
            path="costs.spread",
            value=costs.spread,
            suggestion="spread: fixed, with half_spread_bps; or import bars with a spread, or bid and ask",
        )
    half = 0.5 * bars.spread / bars.close
    known = np.isfinite(half)
    last = np.maximum.accumulate(np.where(known, np.arange(len(bars)), -1))
    if fill_basis == "open":
        last = np.concatenate(([-1], last[:-1]))
    return np.where(last >= 0, half[np.maximum(last, 0)], fixed)


def _volume(bars: Bars) -> FloatArray:
    """Return (n_bars,) volumes, which must be known."""
    missing = ~(bars.volume >= 0.0)
    if missing.any():
        row = int(np.argmax(missing))
        raise DataError(
            f"costs of {bars.instrument} depend on volume, and row {row} has none",
            path="bars.volume",
            value=float(bars.volume[row]),
            suggestion="leave out costs.impact and costs.volume_cap, or import bars with volumes",
        )
    return bars.volume


def _known_before(values: FloatArray) -> FloatArray:
    """Return (n_bars,) the value of the bar before; 0 where there is none yet."""
    return np.nan_to_num(np.concatenate(([0.0], values[:-1])), nan=0.0)


def years_between(time: TimeArray) -> tuple[FloatArray, FloatArray]:
    """Return (n_bars,) years from the time before to each, and from each to the next; 0 where there is none."""
    steps = np.diff(time.astype("datetime64[ns]").astype(np.int64)) / (_DAY * DAYS_PER_YEAR)
    return np.concatenate(([0.0], steps)), np.concatenate((steps, [0.0]))
