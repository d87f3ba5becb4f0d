"""What an instrument of each kind is unless it is said otherwise: calendar, currency, costs of one side, and how it fills.

Costs are those of a small order in a liquid instrument of the kind, on the careful side; they belong in the instruments file for anything
that is really traded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from nullalpha.data.instruments import Costs, Instrument, Kind

_LISTED = Instrument("X", "", "XNYS", "USD", "open", 252, Costs(0.0001, 1.0, 1.0), "file")

DEFAULTS: Mapping[Kind, Instrument] = MappingProxyType(
    {
        "equity": _LISTED,
        "etf": replace(_LISTED, kind="etf"),
        "index": replace(_LISTED, kind="index", fill_basis="close", distributions="excluded", costs=Costs(0.00005, 0.5, 1.0)),
        "future": replace(_LISTED, kind="future", calendar="CMES", lot=1.0, costs=Costs(0.00002, 0.5, 0.5)),
        "forex": replace(_LISTED, kind="forex", calendar="24/5", sessions_per_year=260, costs=Costs(0.00002, 0.5, 0.2)),
        "cfd": replace(_LISTED, kind="cfd", calendar="24/5", sessions_per_year=260, costs=Costs(0.0, 1.0, 0.5)),
        "crypto": replace(_LISTED, kind="crypto", calendar="24/7", sessions_per_year=365, costs=Costs(0.001, 1.0, 2.0)),
        "commodity": replace(_LISTED, kind="commodity", fill_basis="close", costs=Costs(0.00005, 1.0, 1.0)),
        "synthetic": replace(_LISTED, kind="synthetic"),
        "series": replace(_LISTED, kind="series", calendar="24/7", fill_basis="close", sessions_per_year=365, costs=Costs(0.0, 0.0, 0.0)),
    }
)
"""What an instrument of a kind is unless said otherwise; of these `symbol` and `name` are the instrument's own."""
