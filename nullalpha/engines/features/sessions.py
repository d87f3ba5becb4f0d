"""Which session a bar belongs to, as a number that grows by session: what indicators that begin anew with a session read."""

from __future__ import annotations

import numpy as np

from nullalpha.data.bars import Bars, FloatArray


def session_numbers(bars: Bars) -> FloatArray:
    """Return (n_bars,) a number for each bar's session; it grows from session to session and means nothing else.

    With a session table, a bar belongs to the last session that opened before the bar closed, so that bars after hours belong to the
    session before them; bars before the table begins are NaN. Bars on no known calendar, and daily or longer ones, belong to the UTC date
    just before their close. A session has the same number whatever part of the table is there.
    """
    if bars.sessions is None:
        return (bars.time - np.timedelta64(1, "ns")).astype("datetime64[D]").astype(np.float64)
    opens = bars.sessions.open.astype("datetime64[s]").astype(np.float64)
    index = np.searchsorted(bars.sessions.open, bars.time, side="left")
    return np.concatenate([[np.nan], opens])[index]
