"""Instruments: what a bar's price belongs to, what trading it costs, and at which price an order can fill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FillBasis = Literal["open", "close"]


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
