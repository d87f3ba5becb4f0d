"""The null of random entry: the same trades, laid out at random.

Trade count, holding times, sides, sizes and costs stay, fold by fold; only the places change. What is left of a strategy's
Sharpe ratio above this null is its timing. The actual trades are scored with the same simplified accounting as the draws
(constant exposure within a trade, no compounding), so their Sharpe ratio differs a little from the backtest's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from nullalpha.core.errors import DataError
from nullalpha.data.bars import FloatArray, IntArray
from nullalpha.engines.evidence.sharpe import finite_returns

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class TradeSpans:
    """Closed round trips, in order of entry, none overlapping another.

    Attributes:
        entry_row: (n_trades,) the bar at whose fill price the position opened.
        exit_row: (n_trades,) >= entry_row, the bar at whose fill price it closed; it earns rows entry_row + 1 to exit_row.
        exposure: (n_trades,) signed mean exposure as a fraction of equity; negative for short.
    """

    entry_row: IntArray
    exit_row: IntArray
    exposure: FloatArray

    def __len__(self) -> int:
        return len(self.entry_row)


@dataclass(frozen=True)
class RandomEntry:
    """Where the actual trades stand among random ones.

    Attributes:
        p: (1 + draws at least as good) / (1 + draws); NaN without trades or without variation.
        n_draws: random layouts.
        actual_sharpe: annual, of the actual trades in the same accounting.
        quantiles: annual Sharpe ratios of the draws at 5, 25, 50, 75 and 95 %.
    """

    p: float
    n_draws: int
    actual_sharpe: float
    quantiles: tuple[float, ...]


def random_entry(
    returns: FloatArray,
    folds: IntArray,
    trades: TradeSpans,
    *,
    cost_per_round_trip: float,
    bars_per_year: float,
    seed: int,
    n_draws: int = 1000,
) -> RandomEntry:
    """Compare the trades' Sharpe ratio with that of random trades of the same number, length, side and size in each fold.

    All layouts in which a fold's trades do not overlap are equally likely, in any order of the trades. A signal known at the close of
    bar t fills at t + 1 or later: `entry_row` is the bar of the fill, never that of the signal.

    Args:
        returns: (n_bars,) simple return from the fill price of the bar before to this bar's (fill price: open or close, by the
            instrument's fill basis); those outside the folds do not matter.
        folds: (n_folds, 2) first row and row after the last, disjoint; each trade lies inside one.
        trades: the round trips to be matched.
        cost_per_round_trip: fraction of the position, half charged at entry and half at exit.
        bars_per_year: annualisation factor of `returns`.
        seed: of the draws.
        n_draws: random layouts.
    Raises:
        DataError: if a trade lies outside the folds, trades overlap, or a return inside a fold is missing.
    Source: Aronson (2006), Evidence-Based Technical Analysis, ch. 6; Phipson & Smyth (2010) for the p-value's + 1.
    """
    bounds = np.asarray(folds, dtype=np.int64).reshape(-1, 2)
    fold_of_trade = _fold_of_trades(bounds, trades, len(returns))
    local, starts = _inside_folds(returns, bounds)
    if not len(trades):
        return RandomEntry(float("nan"), n_draws, float("nan"), (float("nan"),) * len(QUANTILES))
    offset = starts[fold_of_trade] - bounds[fold_of_trade, 0]
    entry = trades.entry_row + offset
    length = trades.exit_row - trades.entry_row
    exposure = np.asarray(trades.exposure, dtype=np.float64)
    actual = _sharpe_of_layout_nb(local, entry, length, exposure, cost_per_round_trip, np.empty_like(local))
    first_trade = np.searchsorted(fold_of_trade, np.arange(len(bounds) + 1))
    draws = _random_layouts_nb(local, starts, first_trade, length, exposure, cost_per_round_trip, n_draws, np.random.default_rng(seed))
    if not math.isfinite(actual) or not np.isfinite(draws).any():
        return RandomEntry(float("nan"), n_draws, float("nan"), (float("nan"),) * len(QUANTILES))
    # a layout that came out exactly equal (a fold with room for one only) must not lose by rounding
    at_least = int((draws >= actual - 1e-12).sum())
    factor = math.sqrt(bars_per_year)
    quantiles = tuple(float(q) * factor for q in np.nanquantile(draws, QUANTILES))
    return RandomEntry((1 + at_least) / (1 + n_draws), n_draws, actual * factor, quantiles)


def _fold_of_trades(bounds: IntArray, trades: TradeSpans, n_bars: int) -> IntArray:
    """Return (n_trades,) each trade's fold, after checking folds and trades."""
    if not len(bounds) or (bounds[:, 0] >= bounds[:, 1]).any() or bounds[0, 0] < 0 or bounds[-1, 1] > n_bars:
        raise DataError(f"folds {bounds.tolist()} must be non-empty spans within the {n_bars} bars", path="folds")
    if (bounds[1:, 0] < bounds[:-1, 1]).any():
        raise DataError(f"folds {bounds.tolist()} must be in order and disjoint", path="folds")
    entry, leave = trades.entry_row, trades.exit_row
    fold = np.searchsorted(bounds[:, 0], entry, side="right") - 1
    outside = (fold < 0) | (leave < entry) | (leave >= bounds[np.maximum(fold, 0), 1])
    if outside.any():
        i = int(np.flatnonzero(outside)[0])
        raise DataError(
            f"trade {i} from row {entry[i]} to {leave[i]} does not lie inside one fold",
            path=f"trades[{i}]",
            suggestion="close positions at the edge of a fold",
        )
    overlapping = np.flatnonzero(entry[1:] < leave[:-1])
    if len(overlapping):
        i = int(overlapping[0])
        raise DataError(f"trade {i + 1} enters at row {entry[i + 1]}, before trade {i} left at row {leave[i]}", path=f"trades[{i + 1}]")
    return np.asarray(fold, dtype=np.int64)


def _inside_folds(returns: FloatArray, bounds: IntArray) -> tuple[FloatArray, IntArray]:
    """Return the returns of all folds end to end, and (n_folds + 1,) where each begins there."""
    local = finite_returns(np.concatenate([returns[start:stop] for start, stop in bounds]))
    starts = np.concatenate([[0], np.cumsum(bounds[:, 1] - bounds[:, 0])])
    return local, np.asarray(starts, dtype=np.int64)


@njit(cache=True)
def _sharpe_of_layout_nb(
    returns: FloatArray, entry: IntArray, length: IntArray, exposure: FloatArray, cost: float, net: FloatArray
) -> float:
    net[:] = 0.0
    for k in range(len(entry)):
        half = 0.5 * cost * abs(exposure[k])
        net[entry[k]] -= half
        for row in range(entry[k] + 1, entry[k] + length[k] + 1):
            net[row] += exposure[k] * returns[row]
        net[entry[k] + length[k]] -= half
    mean = net.mean()
    variance = 0.0
    for value in net:
        variance += (value - mean) ** 2
    if variance < 1e-24 * len(net):
        return np.nan
    return float(mean / np.sqrt(variance / (len(net) - 1)))


@njit(cache=True)
def _random_layouts_nb(
    returns: FloatArray,
    starts: IntArray,
    first_trade: IntArray,
    length: IntArray,
    exposure: FloatArray,
    cost: float,
    n_draws: int,
    rng: np.random.Generator,
) -> FloatArray:
    sharpes = np.empty(n_draws)
    order = np.arange(len(length))
    entry = np.empty(len(length), dtype=np.int64)
    net = np.empty_like(returns)
    for draw in range(n_draws):
        for fold in range(len(starts) - 1):
            low, high = first_trade[fold], first_trade[fold + 1]
            held = 0
            for k in range(low, high):
                order[k] = k
                held += length[k]
            for k in range(high - 1, low, -1):
                other = low + int(rng.random() * (k - low + 1))
                order[k], order[other] = order[other], order[k]
            # trades and free bars in a random sequence: each next cell is a trade with probability trades left / cells left
            trades_left = high - low
            cells_left = trades_left + starts[fold + 1] - starts[fold] - 1 - held
            row = starts[fold]
            for k in range(low, high):
                while rng.random() * cells_left >= trades_left:
                    row += 1
                    cells_left -= 1
                entry[order[k]] = row
                row += length[order[k]]
                cells_left -= 1
                trades_left -= 1
        sharpes[draw] = _sharpe_of_layout_nb(returns, entry, length, exposure, cost, net)
    return sharpes
