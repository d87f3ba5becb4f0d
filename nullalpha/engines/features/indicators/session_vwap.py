"""Volume-weighted average price since the session opened, for intraday bars.

The first session in sight is NaN, since what of it is missing is unknown; a bar as long as a session is a session of its own.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from nullalpha.data.bars import FloatArray
from nullalpha.engines.features.indicators.contract import Columns, Indicator, Parameters, Recursion
from nullalpha.strategy.vocabulary import IndicatorSignature

_STATE = 5


def _session_vwap(columns: Columns, params: Parameters, state: FloatArray) -> Columns:
    high, low, close, volume, session = columns
    out = np.empty(len(close))
    _anchored_nb((high + low + close) / 3, volume, session, state, out)
    return (out,)


@njit(cache=True, error_model="numpy")
def _anchored_nb(price: FloatArray, volume: FloatArray, session: FloatArray, state: FloatArray, out: FloatArray) -> None:
    """Write the average since the session's first bar. State: rows, session, sessions begun, sum of price x volume, of volume."""
    count, current, begun, traded, total = state[0], state[1], state[2], state[3], state[4]
    for t in range(len(price)):
        out[t] = np.nan
        if price[t] != price[t] or volume[t] != volume[t] or session[t] != session[t]:
            count = begun = 0.0
            continue
        if count == 0.0 or session[t] != current:
            begun += 1.0 if count > 0.0 else 0.0
            current = session[t]
            traded = total = 0.0
        traded += price[t] * volume[t]
        total += volume[t]
        if begun > 0.0:
            out[t] = traded / total
        count += 1.0
    state[0], state[1], state[2], state[3], state[4] = count, current, begun, traded, total


SESSION_VWAP = Indicator(
    IndicatorSignature(
        name="session_vwap",
        summary="Average typical price since the session opened (the UTC day where no calendar is known), weighted by volume, in price.",
        inputs=("high", "low", "close", "volume", "session"),
        parameters=(),
        outputs=("session_vwap",),
        unit="price",
        warmup_bars=lambda params: 1,
        stability="converging",
        source="Berkowitz, Logue & Noser (1988), The Journal of Finance 43(1)",
    ),
    Recursion(_session_vwap, _STATE),
)
