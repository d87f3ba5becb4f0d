"""Markov regime switching: a calm and a wild state, each with its volatility and drift; the state is hidden.

With both drifts 0 no rule has an edge in direction; otherwise whoever tells the state apart has one.

Source: Hamilton (1989), Econometrica 57(2).
"""

from __future__ import annotations

import numpy as np

from nullalpha.data.bars import IntArray
from nullalpha.data.synthetic.recipe import Drawn, Recipe
from nullalpha.data.synthetic.shapes import shaped, split_returns

CALM, WILD = 0, 1
NAMES = ("calm_volatility", "wild_volatility", "calm_drift", "wild_drift", "calm_bars", "wild_bars")


def regime(recipe: Recipe) -> Drawn:
    """Draw a market and its states."""
    values = {name: recipe.number(name) for name in NAMES}
    year = recipe.clock.bars_per_year
    state = simulate_states(values["calm_bars"], values["wild_bars"], recipe.n_bars, recipe.rng)
    volatility = np.array([values["calm_volatility"], values["wild_volatility"]])[state] / np.sqrt(year)
    mean = np.log1p(np.array([values["calm_drift"], values["wild_drift"]])[state] / year)
    returns = mean - volatility**2 / 2 + volatility * recipe.rng.standard_normal(recipe.n_bars)
    gap, inside = split_returns(returns, volatility, recipe.rng)
    return Drawn(shaped(gap, inside, volatility, recipe.rng), values, state=state)


def simulate_states(calm_bars: float, wild_bars: float, n_bars: int, rng: np.random.Generator) -> IntArray:
    """Return (n_bars,) states of a two-state chain whose visits last so many bars on average, from its stationary law on."""
    leave = (1 / calm_bars, 1 / wild_bars)
    state = int(rng.random() * (calm_bars + wild_bars) >= calm_bars)
    states = []
    for draw in rng.random(n_bars).tolist():
        states.append(state)
        state = 1 - state if draw < leave[state] else state
    return np.array(states, dtype=np.int64)
