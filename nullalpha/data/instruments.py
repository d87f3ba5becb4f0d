"""Instruments: what a bar's price belongs to, what trading it costs, and at which price an order can fill."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from nullalpha.core.errors import UsageError, nearest

MAX_COMMISSION = 0.2
MAX_BPS = 1000.0
_SYMBOL = re.compile(r"[A-Z0-9^][A-Z0-9.^=_-]{0,19}")

FillBasis = Literal["open", "close"]
Spread = Literal["fixed", "quoted"]
Kind = Literal["index", "equity", "etf", "future", "forex", "cfd", "crypto", "commodity", "synthetic", "series"]
Distributions = Literal["none", "adjusted", "excluded"]
COST_RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "commission": (0.0, MAX_COMMISSION),
        "half_spread_bps": (0.0, MAX_BPS),
        "slippage_bps": (0.0, MAX_BPS),
        "commission_per_unit": (0.0, 1e6),
        "commission_minimum": (0.0, 1e6),
        "volatility_slippage": (0.0, 10.0),
        "impact": (0.0, 10.0),
        "volume_cap": (0.0, 1.0),
        "borrow": (0.0, 5.0),
        "swap_long": (-1.0, 1.0),
        "swap_short": (-1.0, 1.0),
        "funding": (-5.0, 5.0),
    }
)
_RATE = "a fraction of notional (0.0001 is one basis point)"
_BPS = "basis points of price (1 is 0.0001)"
_CURRENCY = "currency of the instrument, e.g. 0.005 a share or 2 a contract"
_VOLATILITY = "a multiple of the volatility of a bar, e.g. 0.05"
_YEARLY = "a fraction of the notional a year (0.01 is one percent)"
COST_HINTS: Mapping[str, str] = MappingProxyType(
    {
        "commission": _RATE,
        "half_spread_bps": _BPS,
        "slippage_bps": _BPS,
        "commission_per_unit": _CURRENCY,
        "commission_minimum": "currency a fill, e.g. 1",
        "volatility_slippage": _VOLATILITY,
        "impact": "Y of the square-root law, 0.5 to 1 in the literature",
        "volume_cap": "a share of the bar's volume (0.05 is five percent); 0 for no cap",
        "borrow": _YEARLY,
        "swap_long": f"{_YEARLY}; below 0 it is received",
        "swap_short": f"{_YEARLY}; below 0 it is received",
        "funding": f"{_YEARLY}; below 0 long positions receive it",
    }
)
"""What the number of each cost is, for people."""
SPREADS = get_args(Spread)
KINDS = get_args(Kind)
DISTRIBUTIONS = get_args(Distributions)


@dataclass(frozen=True)
class Costs:
    """What one side of a trade costs, what holding costs, and how much fills.

    Attributes:
        commission: fraction of notional, e.g. 0.0001.
        half_spread_bps: half of the quoted spread, basis points of price.
        slippage_bps: further adverse price movement, basis points of price.
        commission_per_unit: currency a unit as traded (a share, a contract).
        commission_minimum: least commission of a fill, currency.
        spread: `quoted` charges half of the spread that the bars quote, `half_spread_bps` until there is a quote.
        volatility_slippage: slippage as a multiple of trailing volatility a bar, e.g. 0.05.
        impact: Y of the square-root law: slippage = Y x volatility x sqrt(units / volume of the bar); 0.5 to 1 in the literature.
        volume_cap: largest share of a bar's volume that fills in it; 0 for no cap.
        borrow: a year, fraction of the notional of a short position.
        swap_long, swap_short: a year, fraction of the notional of a long and of a short position; below 0 it is received.
        funding: a year, fraction of the notional that long positions pay to short ones (perpetual futures); below 0 they receive it.
    """

    commission: float
    half_spread_bps: float
    slippage_bps: float
    commission_per_unit: float = 0.0
    commission_minimum: float = 0.0
    spread: Spread = "fixed"
    volatility_slippage: float = 0.0
    impact: float = 0.0
    volume_cap: float = 0.0
    borrow: float = 0.0
    swap_long: float = 0.0
    swap_short: float = 0.0
    funding: float = 0.0

    def __post_init__(self) -> None:
        if self.spread not in SPREADS:
            near = nearest(str(self.spread), SPREADS)
            raise UsageError(
                f"spread is {self.spread!r}", path="spread", value=self.spread, suggestion=f"use {near or ' or '.join(SPREADS)}"
            )
        for name, (least, most) in COST_RANGES.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and least <= value <= most):
                raise UsageError(
                    f"{name} is {value}; it lies between {least:g} and {most:g}", path=name, value=value, suggestion=COST_HINTS[name]
                )


@dataclass(frozen=True)
class Instrument:
    """A tradable series.

    Attributes:
        symbol: upper-case name, unique in a home.
        calendar: an `exchange_calendars` code, e.g. `XNYS`.
        fill_basis: `open`: an order decided at the close of bar t fills at the open of t+1;
            `close`: at the close of t+1 (indices and close-only series, whose open is no price one could trade at).
        sessions_per_year: the annualisation factor of session returns (252, 260 or 365).
        survivorship: True when the series was chosen because it survived.
        kind: what it is; a `series` (a macro figure, positions of traders) is looked at and never traded.
        tick, lot: least step of price and of units; 0 for none.
        multiplier: currency a point of price and unit, e.g. 50 for an E-mini.
        distributions: `none` were paid; `adjusted`: prices contain them; `excluded`: they were paid and prices do not contain them.
    """

    symbol: str
    name: str
    calendar: str
    currency: str
    fill_basis: FillBasis
    sessions_per_year: int
    costs: Costs
    source: str
    survivorship: bool = False
    kind: Kind = "equity"
    tick: float = 0.0
    lot: float = 0.0
    multiplier: float = 1.0
    distributions: Distributions = "none"

    def __post_init__(self) -> None:
        if not _SYMBOL.fullmatch(self.symbol):
            raise UsageError(
                f"{self.symbol!r} is no symbol",
                path="symbol",
                value=self.symbol,
                suggestion="use up to 20 of A-Z, 0-9 and . ^ = _ -, e.g. MYFUND",
            )
        if not 1 <= self.sessions_per_year <= 366:
            raise UsageError(
                f"sessions_per_year is {self.sessions_per_year}",
                path="sessions_per_year",
                value=self.sessions_per_year,
                suggestion="252 for most exchanges, 260 for foreign exchange, 365 for crypto",
            )
        for name, value, allowed in (
            ("fill_basis", self.fill_basis, get_args(FillBasis)),
            ("kind", self.kind, KINDS),
            ("distributions", self.distributions, DISTRIBUTIONS),
        ):
            if value not in allowed:
                raise UsageError(
                    f"{name} is {value!r}", path=name, value=value, suggestion=f"use {nearest(str(value), allowed) or ', '.join(allowed)}"
                )
        for name, number, least in (("tick", self.tick, 0.0), ("lot", self.lot, 0.0), ("multiplier", self.multiplier, 1e-9)):
            if not (math.isfinite(number) and number >= least):
                raise UsageError(f"{name} is {number}", path=name, value=number, suggestion="use a positive number, or leave it out")

    @property
    def tradable(self) -> bool:
        return self.kind != "series"
