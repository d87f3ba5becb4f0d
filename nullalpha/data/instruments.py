"""Instruments: what a bar's price belongs to, what trading it costs, and at which price an order can fill."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, get_args

from nullalpha.core.errors import UsageError, nearest

MAX_COMMISSION = 0.2
MAX_BPS = 1000.0
_SYMBOL = re.compile(r"[A-Z0-9^][A-Z0-9.^=_-]{0,19}")

FillBasis = Literal["open", "close"]
Kind = Literal["index", "equity", "etf", "future", "forex", "cfd", "crypto", "commodity", "synthetic", "series"]
Distributions = Literal["none", "adjusted", "excluded"]
KINDS = get_args(Kind)
DISTRIBUTIONS = get_args(Distributions)


@dataclass(frozen=True)
class Costs:
    """What one side of a trade costs, as fractions of notional.

    Attributes:
        commission: fraction of notional, e.g. 0.0001.
        half_spread_bps: half of the quoted spread, basis points of price.
        slippage_bps: further adverse price movement, basis points of price.
    """

    commission: float
    half_spread_bps: float
    slippage_bps: float

    def __post_init__(self) -> None:
        for name, value, most in (
            ("commission", self.commission, MAX_COMMISSION),
            ("half_spread_bps", self.half_spread_bps, MAX_BPS),
            ("slippage_bps", self.slippage_bps, MAX_BPS),
        ):
            if not (math.isfinite(value) and 0.0 <= value <= most):
                raise UsageError(
                    f"{name} is {value}; a cost lies between 0 and {most:g}",
                    path=name,
                    value=value,
                    suggestion="commission is a fraction of notional (0.0001 is one basis point); spread and slippage are basis points",
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
