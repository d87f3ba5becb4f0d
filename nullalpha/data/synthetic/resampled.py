"""Real bars drawn again: the stationary block bootstrap, and permutation.

Both work on bars as moves from the close before, so that a bar's own relations (ranges, gaps, volume) stay as they were.
"""

from __future__ import annotations

import numpy as np

from nullalpha.core.errors import DataError
from nullalpha.data.bars import Bars
from nullalpha.data.synthetic.recipe import Drawn, Recipe
from nullalpha.data.synthetic.shapes import Moves, moves_of

MIN_BARS = 100


def bootstrap(recipe: Recipe) -> Drawn:
    """Draw whole real bars in blocks that start anywhere and have geometric lengths; the end wraps around to the beginning.

    What depends on neighbouring bars (clusters of volatility, short trends) survives within blocks, what is longer does not.

    Raises:
        DataError: if there are too few real bars.
    Source: Politis & Romano (1994), Journal of the American Statistical Association 89(428).
    """
    like = _real(recipe)
    moves = moves_of(like)
    available = len(moves.close)
    fresh = recipe.rng.random(recipe.n_bars) < 1 / recipe.number("mean_block")
    fresh[0] = True
    starts = recipe.rng.integers(0, available, recipe.n_bars)
    first = np.maximum.accumulate(np.where(fresh, np.arange(recipe.n_bars), 0))
    rows = (starts[first] + np.arange(recipe.n_bars) - first) % available
    drawn = Moves(moves.open[rows], moves.high[rows], moves.low[rows], moves.close[rows], moves.volume[rows])
    return Drawn(drawn, {"mean_block": recipe.number("mean_block")}, start_price=float(like.close[0]))


def permutation(recipe: Recipe) -> Drawn:
    """Shuffle the last real bars: gaps among themselves, and bars (from their open) among themselves.

    The first and the last close stay as they were, and every gap and every bar occurs once: only their order, and with it whatever
    one bar told of the next, is gone.

    Raises:
        DataError: if there are fewer real bars than are asked for.
    Source: Masters (2018), Testing and Tuning Market Trading Systems, ch. 7.
    """
    like = _real(recipe)
    if recipe.n_bars > len(like) - 1:
        raise DataError(
            f"{recipe.n_bars} bars cannot be permuted out of {len(like)} of {like.instrument}",
            path="n_bars",
            value=recipe.n_bars,
            suggestion=f"ask for at most {len(like) - 1}, or bootstrap them",
        )
    source = like.slice(len(like) - recipe.n_bars - 1, len(like))
    moves = moves_of(source)
    gaps, rows = (recipe.rng.permutation(recipe.n_bars) for _ in range(2))
    gap = moves.open[gaps]
    high, low, close = (gap + (move - moves.open)[rows] for move in (moves.high, moves.low, moves.close))
    return Drawn(Moves(gap, high, low, close, moves.volume[rows]), {}, start_price=float(source.close[0]))


def _real(recipe: Recipe) -> Bars:
    """Return the real bars; `synthesise` has seen to it that there are some."""
    like = recipe.like
    if like is None or len(like) < MIN_BARS:
        count = 0 if like is None else len(like)
        raise DataError(f"{count} real bars are too few to draw from", path="like", value=count, suggestion=f"at least {MIN_BARS}")
    return like
