"""Geometric Brownian motion: independent Gaussian log returns of one volatility. No rule has an edge beyond the drift.

The mean simple return of a bar is the drift over the number of bars a year, so with drift 0 prices are a martingale.
"""

from __future__ import annotations

import numpy as np

from nullalpha.data.bars import Bars
from nullalpha.data.synthetic.recipe import Drawn, Recipe
from nullalpha.data.synthetic.shapes import GAP_SHARE, shaped

DEFAULT_VOLATILITY = 0.16


def gbm(recipe: Recipe) -> Drawn:
    """Draw a market; its volatility is the given one, else that of the real bars, else 0.16 a year."""
    given = recipe.options["volatility"]
    annual = given if given is not None else volatility_of(recipe.like, recipe.clock.bars_per_year)
    drift = recipe.number("drift")
    volatility = np.full(recipe.n_bars, annual / np.sqrt(recipe.clock.bars_per_year))
    mean = np.log1p(drift / recipe.clock.bars_per_year)
    gap, inside = (
        share * (mean - volatility**2 / 2) + np.sqrt(share) * volatility * recipe.rng.standard_normal(recipe.n_bars)
        for share in (GAP_SHARE, 1 - GAP_SHARE)
    )
    return Drawn(shaped(gap, inside, volatility, recipe.rng), {"volatility": annual, "drift": drift})


def volatility_of(like: Bars | None, bars_per_year: float) -> float:
    """Return the annual volatility of real bars' log returns; the default without bars."""
    return DEFAULT_VOLATILITY if like is None else float(np.std(np.diff(np.log(like.close)))) * float(np.sqrt(bars_per_year))
