"""How much money a strategy can trade before its own orders are a given share of the market's volume.

An account of size E trades target x E, so the share of a bar's volume that its fills take grows with E in proportion. The capacity at a
share is the account at which the 95th percentile of those shares, over the bars in which it traded, is that share. Assumed: orders and
volumes stay what they were (no price answers to a larger order), and units can be scaled (lots, least commissions and caps are not looked
at again).

Source: Vangelisti (2006), Journal of Portfolio Management 32(2), for capacity from the volume that trades take up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nullalpha.core.errors import DataError
from nullalpha.data.bars import Bars, FloatArray
from nullalpha.engines.backtest.kernel import ROW, UNITS
from nullalpha.engines.backtest.result import BacktestResult

LARGEST = 0.95
SHARES = (0.01, 0.05)


@dataclass(frozen=True)
class Capacity:
    """Accounts, in the instrument's currency, whose largest fills take 1 % and 5 % of a bar's volume; NaN where volumes are not known.

    Infinite for a strategy that never traded.
    """

    at_1_percent: float
    at_5_percent: float


def capacity(results: Sequence[BacktestResult], bars: Bars, multiplier: float = 1.0) -> Capacity:
    """Return the capacity of a strategy on one instrument.

    Args:
        results: its folds on these bars; a single backtest is one fold.
        bars: with volumes as traded.
        multiplier: the instrument's.
    Raises:
        DataError: if a result is not of these bars.
    """
    taken = np.concatenate([volume_shares(result, bars, multiplier) for result in results])
    return Capacity(*(capacity_at(share, taken) for share in SHARES))


def volume_shares(result: BacktestResult, bars: Bars, multiplier: float = 1.0) -> FloatArray:
    """Return (n_traded_bars,) the share of its bar's volume that one unit of currency of account traded.

    All fills of a bar take from the same volume. The account is the equity at the close before, which the orders were sized by.

    Returns:
        NaN where the volume is not known, infinite where it was 0.
    Raises:
        DataError: as of `capacity`.
    """
    _check_bars(result, bars)
    fills = result.fill_array
    rows, which = np.unique(fills[:, ROW].astype(np.int64), return_inverse=True)
    units = np.bincount(which, weights=np.abs(fills[:, UNITS]), minlength=len(rows))
    traded = units * (1.0 if bars.factor is None else bars.factor[rows]) / multiplier
    before = np.concatenate(([result.capital], result.equity))[rows - result.start_row]
    volume = bars.volume[rows]
    share = np.full(len(rows), np.inf)
    np.divide(traded, volume, out=share, where=volume != 0.0)
    return share / before


def capacity_at(share: float, taken: FloatArray) -> float:
    """Return the account whose 95th percentile fill is `share` of its bar's volume; arguments as `volume_shares` returns them."""
    if not len(taken):
        return float("inf")
    return float(share / np.quantile(taken, LARGEST, method="higher"))


def _check_bars(result: BacktestResult, bars: Bars) -> None:
    time = bars.time[result.start_row : result.stop_row]
    if result.instrument != bars.instrument or not np.array_equal(time, result.time):
        raise DataError(
            f"the backtest is of rows [{result.start_row}, {result.stop_row}) of {result.instrument}, and these bars are not",
            path="capacity.bars",
            value=bars.instrument,
            suggestion="hand over the bars that were backtested",
        )
