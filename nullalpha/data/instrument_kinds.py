"""What an instrument of each kind is unless it is said otherwise: calendar, currency, costs of one side, and how it fills.

Costs are those of a small order in a liquid instrument of the kind, on the careful side; they belong in the instruments file for anything
that is really traded. What holding costs, where a kind by itself says it, a year:

- borrow of a share: 0.005. Large shares are lent for about 0.0017, by value all shares for 0.0025 (D'Avolio 2002, Journal of Financial
  Economics 66, The market for borrowing stock); brokers ask 0.0025 to 0.005 of the easiest. Shares hard to borrow cost many times as much.
- swap of a CFD: 0.025 on either side. Brokers charge a long position a benchmark rate plus that much, and pay a short one the rate less
  that much (IG, CMC: overnight funding of cash CFDs); the rate itself, which changes, belongs in the instruments file: added to swap_long,
  taken from swap_short.
- of a currency pair, none: its swap is the difference of two currencies' rates, of either sign. Of crypto, none: it is spot; a perpetual
  future's funding belongs in the file. Of a future, none: carry is in its prices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from nullalpha.data.instruments import Costs, Instrument, Kind

_LISTED = Instrument("X", "", "XNYS", "USD", "open", 252, Costs(0.0001, 1.0, 1.0), "file")
_SHARE = replace(_LISTED, costs=replace(_LISTED.costs, borrow=0.005))

DEFAULTS: Mapping[Kind, Instrument] = MappingProxyType(
    {
        "equity": _SHARE,
        "etf": replace(_SHARE, kind="etf"),
        "index": replace(_LISTED, kind="index", fill_basis="close", distributions="excluded", costs=Costs(0.00005, 0.5, 1.0)),
        "future": replace(_LISTED, kind="future", calendar="CMES", lot=1.0, costs=Costs(0.00002, 0.5, 0.5)),
        "forex": replace(_LISTED, kind="forex", calendar="24/5", sessions_per_year=260, costs=Costs(0.00002, 0.5, 0.2)),
        "cfd": replace(
            _LISTED, kind="cfd", calendar="24/5", sessions_per_year=260, costs=Costs(0.0, 1.0, 0.5, swap_long=0.025, swap_short=0.025)
        ),
        "crypto": replace(_LISTED, kind="crypto", calendar="24/7", sessions_per_year=365, costs=Costs(0.001, 1.0, 2.0)),
        "commodity": replace(_LISTED, kind="commodity", fill_basis="close", costs=Costs(0.00005, 1.0, 1.0)),
        "synthetic": replace(_LISTED, kind="synthetic"),
        "series": replace(_LISTED, kind="series", calendar="24/7", fill_basis="close", sessions_per_year=365, costs=Costs(0.0, 0.0, 0.0)),
    }
)
"""What an instrument of a kind is unless said otherwise; of these `symbol` and `name` are the instrument's own."""
