"""What holding a position costs besides trading it: a share of the notional held, charged at closes.

Fractions of notional. Known so far: the rolls of futures. It trades nothing; `run.run_backtest` charges what it is handed.
"""

from __future__ import annotations

import numpy as np

from nullalpha.core.errors import DataError
from nullalpha.data.bars import Bars, FloatArray

_SAME_FACTOR = 1e-9


def roll_carry(bars: Bars, one_side: FloatArray) -> FloatArray:
    """Return what rolling from one contract to the next costs at each close.

    A roll sells the old contract and buys the new one for the same notional (or the other way round), so it costs both sides: at price 1,
    2 x friction in the prices paid, and commission x (1 - friction) + commission x (1 + friction), so twice `one_side`. It is charged at
    the last close of the old contract: the row before the factor of adjustment changes. A roll between contracts of equal price leaves no
    trace in the factor.

    Args:
        bars: of one future, adjusted for rolls alone and by ratio, so that the factor is constant while a contract lasts; without a
            factor nothing was rolled.
        one_side: (n_bars,) or one number: what one side of a trade costs at each close, a fraction of its notional.
    Returns:
        (n_bars,) fraction of the notional held at the close.
    Raises:
        DataError: if the factor changes at two closes in a row: then it is no chain of contracts adjusted by ratio.
    """
    carry = np.zeros(len(bars))
    if bars.factor is None:
        return carry
    changes = np.abs(bars.factor[1:] / bars.factor[:-1] - 1.0) > _SAME_FACTOR
    brief = changes[1:] & changes[:-1]
    if brief.any():
        row = int(np.argmax(brief)) + 1
        raise DataError(
            f"the factor of {bars.instrument} changes before and after row {row}, so its changes are no rolls",
            path="bars.factor",
            value=bars.factor[row],
            suggestion="adjust rolls by a ratio that is constant while a contract lasts, not by a difference or a rounded adjusted close",
        )
    carry[:-1][changes] = 2.0 * np.broadcast_to(one_side, (len(bars),))[:-1][changes]
    return carry
