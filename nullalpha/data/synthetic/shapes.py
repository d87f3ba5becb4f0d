"""Bars as moves from the close before, in logarithms: how returns become open, high, low, close and volume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nullalpha.data.bars import Bars, FloatArray
from nullalpha.data.synthetic.clock import Clock
from nullalpha.data.synthetic.market import Venue

GAP_SHARE = 0.2
"""The share of a bar's variance that falls between its open and the close before."""
MEAN_VOLUME = 1e6
_VOLUME_MEMORY, _VOLUME_NOISE, _VOLUME_OF_MOVES = 0.9, 0.15, 0.3


@dataclass(frozen=True)
class Moves:
    """Attributes:
    open, high, low, close: (n_bars,) log of the price over the close before; low <= open, close <= high.
    volume: (n_bars,) units; NaN where the bars they were made of had none.
    """

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray


def split_returns(returns: FloatArray, volatility: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return the gap and the rest of (n_bars,) log returns of conditional volatility (n_bars,), as Gaussian noise would divide them."""
    bridge = np.sqrt(GAP_SHARE * (1 - GAP_SHARE)) * volatility * rng.standard_normal(len(returns))
    gap = GAP_SHARE * returns + bridge
    return gap, returns - gap


def shaped(gap: FloatArray, inside: FloatArray, volatility: FloatArray, rng: np.random.Generator) -> Moves:
    """Return whole bars around given opens and closes.

    High and low are extremes of a Brownian bridge from open to close (each from its exact distribution); volumes are log-normal,
    persistent, and larger when prices moved more.

    Args:
        gap: (n_bars,) log of the open over the close before.
        inside: (n_bars,) log of the close over the open.
        volatility: (n_bars,) of a whole bar.
    Source: Shreve (2004), Stochastic Calculus for Finance II, 3.7: the reflection principle.
    """
    count = len(gap)
    variance = (1 - GAP_SHARE) * volatility**2
    up, down = (np.sqrt(inside**2 - 2 * variance * np.log(1 - rng.random(count))) for _ in range(2))
    size = np.abs(gap + inside) / volatility
    return Moves(gap, gap + (inside + up) / 2, gap + (inside - down) / 2, gap + inside, _volumes(size, rng))


def moves_of(bars: Bars) -> Moves:
    """Return the moves of real bars, from their second on."""
    before = bars.close[:-1]
    open_, high, low, close = (np.log(price[1:] / before) for price in (bars.open, bars.high, bars.low, bars.close))
    return Moves(open_, high, low, close, bars.volume[1:])


def assembled(moves: Moves, venue: Venue, clock: Clock, start_price: float) -> Bars:
    """Return the bars that moves make, one after the other, from the close before the first."""
    close = start_price * np.exp(np.cumsum(moves.close))
    before = np.concatenate(([start_price], close[:-1]))
    open_, high, low = (before * np.exp(move) for move in (moves.open, moves.high, moves.low))
    return Bars(
        venue.symbol,
        venue.timeframe,
        clock.time,
        open_,
        np.maximum.reduce([open_, high, low, close]),
        np.minimum.reduce([open_, high, low, close]),
        close,
        moves.volume,
    )


def _volumes(size: FloatArray, rng: np.random.Generator) -> FloatArray:
    noise = (rng.standard_normal(len(size)) * _VOLUME_NOISE).tolist()
    level, levels = 0.0, []
    for shock in noise:
        level = _VOLUME_MEMORY * level + shock
        levels.append(level)
    return np.maximum(np.round(MEAN_VOLUME * np.exp(np.array(levels) + _VOLUME_OF_MOVES * (size - 1))), 1.0)
