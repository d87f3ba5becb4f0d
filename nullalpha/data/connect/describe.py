"""An instrument that nobody has described yet: what the service says of it, with cautious stand-ins for what it does not say.

Costs are for one side of a small order in a liquid market of the kind, taken on the high side; the instruments file is where a person
puts their own. A published figure costs nothing because it is never traded.
"""

from __future__ import annotations

from nullalpha.data.connect.received import Facts
from nullalpha.data.instruments import Costs, Distributions, Instrument, Kind

COSTS: dict[Kind, Costs] = {
    "equity": Costs(commission=0.0001, half_spread_bps=2.0, slippage_bps=2.0, borrow=0.005),
    "etf": Costs(commission=0.0001, half_spread_bps=1.0, slippage_bps=1.0, borrow=0.005),
    "index": Costs(commission=0.00005, half_spread_bps=0.5, slippage_bps=1.0),
    "future": Costs(commission=0.00005, half_spread_bps=1.0, slippage_bps=1.0),
    "forex": Costs(commission=0.00003, half_spread_bps=1.0, slippage_bps=0.5),
    "crypto": Costs(commission=0.0026, half_spread_bps=2.0, slippage_bps=3.0),
    "series": Costs(commission=0.0, half_spread_bps=0.0, slippage_bps=0.0),
}
_SESSIONS = {"24/7": 365, "24/5": 260}


def instrument_of(facts: Facts, origin: str) -> Instrument:
    """Return the description that a first fetch goes into the catalogue with.

    Args:
        origin: the source's name, which the instrument carries as its `source`.
    """
    return Instrument(
        symbol=facts.symbol,
        name=facts.name,
        calendar=facts.calendar,
        currency=facts.currency,
        fill_basis="close" if facts.kind in ("index", "series") else "open",
        sessions_per_year=_SESSIONS.get(facts.calendar, 252),
        costs=COSTS[facts.kind],
        source=origin,
        kind=facts.kind,
        distributions=_distributions(facts),
    )


def _distributions(facts: Facts) -> Distributions:
    if facts.kind not in ("equity", "etf"):
        return "none"
    return "adjusted" if facts.distributions_in_prices else "excluded"
