"""Markets with an edge of known size, which an oracle that knows the rule earns net of costs.

At the close of bar t the rule says -1, 0 or 1 from bars up to t alone. The oracle wants that position; by the venue's fill basis it
gets it at the open of t+1 (the edge is then in the move from that open to that close) or at the close of t+1 (the edge is in the return
of t+2). Whatever the oracle does not earn is a martingale: gaps, and all moves while the rule says 0. `edge` is the mean simple return
that the rule's word adds; it is set so that the oracle's annual net Sharpe ratio is, in the long run, the stated one:

    edge = (sharpe / sqrt(bars a year) * deviation + cost a side * turnover) / exposure to the rule

The three quantities on the right depend a little on the edge (a trend that is fed lasts longer), so they are measured on 200,000
simulated bars until they agree. The mean of the returns' noise is no part of the measurement, which is why so few bars suffice.

What the oracle earns is told by `nullalpha.data.synthetic.oracle`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from nullalpha.core.errors import DataError
from nullalpha.data.instruments import FillBasis
from nullalpha.data.synthetic.clock import Clock, clock_of
from nullalpha.data.synthetic.market import Venue
from nullalpha.data.synthetic.oracle import LAG, Grid, Row, keep_account, rows_of
from nullalpha.data.synthetic.recipe import Drawn, Recipe
from nullalpha.data.synthetic.regime import CALM
from nullalpha.data.synthetic.shapes import GAP_SHARE, shaped

CALIBRATION_SEED = 20_240_229
CALIBRATION_BARS, CALIBRATION_PATHS, CALIBRATION_ROUNDS = 1_000, 200, 6
TRAILING_VOLATILITY_BARS = 20
STATE_BARS = 60.0
CALM_LEVEL, WILD_LEVEL = 0.7, 1.6
"""Volatility in the two states of `volatility_conditional`, as multiples of the option; a state lasts STATE_BARS on average."""
MOST_EDGE = 0.2

Rule = Callable[[int, Sequence[Row], Sequence[Row]], Row]
"""At bar t, of log closes and of summed squared log returns up to t: -1, 0 or 1."""


@dataclass(frozen=True)
class Plan:
    """What is planted: a rule, when it first speaks, and the noise around it.

    Attributes:
        kind: momentum, mean_reversion, volatility_conditional or cross_timeframe.
        lookback, weeks: of the rule.
        volatility: per bar, before states.
        fill_basis: when the oracle's orders fill.
        cost_a_side: fraction of notional.
    """

    kind: str
    lookback: int
    weeks: int
    volatility: float
    fill_basis: FillBasis
    cost_a_side: float


@dataclass(frozen=True)
class Simulated:
    """Attributes:
    gap, inside: log moves to the open and from there to the close.
    volatility: of each bar.
    position: what the oracle wants at each close.
    """

    gap: Grid
    inside: Grid
    volatility: Grid
    position: Grid


def planted(kind: str, recipe: Recipe) -> Drawn:
    """Draw a market with an edge of `kind`.

    Raises:
        DataError: if the stated Sharpe ratio would need moves that no market makes, or there are too few bars to warm up.
    """
    venue, clock = recipe.venue, recipe.clock
    annual, sharpe = recipe.number("volatility"), recipe.number("sharpe")
    weeks = recipe.options.get("weeks") or 0
    volatility = annual / float(np.sqrt(clock.bars_per_year))
    plan = Plan(kind, int(recipe.number("lookback")), int(weeks), volatility, venue.fill_basis, venue.cost_a_side)
    warmup = warmup_bars(plan, clock)
    if warmup >= len(clock):
        raise DataError(
            f"{len(clock)} bars are too few: the rule speaks after {warmup}",
            path="n_bars",
            value=len(clock),
            suggestion="ask for more bars",
        )
    edge = calibrated_edge(plan, sharpe, replace(venue, symbol="SYN", start_price=100.0), clock.bars_per_year)
    drawn = simulate(plan, edge, clock, 1, recipe.rng)
    gap, inside, volatilities = drawn.gap[:, 0], drawn.inside[:, 0], drawn.volatility[:, 0]
    parameters = {"volatility": annual, "lookback": float(plan.lookback), "edge": edge} | ({"weeks": float(weeks)} if weeks else {})
    return Drawn(
        shaped(gap, inside, volatilities, recipe.rng),
        parameters,
        position=drawn.position[:, 0],
        warmup_bars=warmup,
        stated_sharpe=sharpe,
    )


@lru_cache(maxsize=64)
def calibrated_edge(plan: Plan, sharpe: float, venue: Venue, bars_per_year: float) -> float:
    """Return the mean gain a held bar that gives the oracle an annual net Sharpe ratio of `sharpe`.

    Raises:
        DataError: if it would have to be larger than 0.2 a bar.
    """
    clock = clock_of(venue, CALIBRATION_BARS)
    start = warmup_bars(plan, clock) + 2
    edge = 0.0
    for _ in range(CALIBRATION_ROUNDS):
        run = simulate(plan, edge, clock, CALIBRATION_PATHS, np.random.default_rng(CALIBRATION_SEED))
        kept = keep_account(run.gap, run.inside, run.position, plan.fill_basis, plan.cost_a_side)
        lag = LAG[plan.fill_basis]
        exposed = float(np.mean(kept.exposure[start:] * run.position[start - lag : len(clock) - lag]))
        turnover, deviation = float(np.mean(kept.traded[start:])), float(np.std(kept.net[start:]))
        edge = (sharpe / float(np.sqrt(bars_per_year)) * deviation + plan.cost_a_side * turnover) / exposed
        if edge > MOST_EDGE:
            raise DataError(
                f"a net Sharpe ratio of {sharpe:g} would need a mean gain of {edge:.2f} a bar at these costs",
                path="sharpe",
                value=sharpe,
                suggestion="ask for less, for lower costs, or for a longer lookback, which trades less often",
            )
    return edge


def simulate(plan: Plan, edge: float, clock: Clock, n_paths: int, rng: np.random.Generator) -> Simulated:
    """Return paths in which the plan's rule adds `edge` to the mean of the move that its oracle earns."""
    count = len(clock)
    volatility = _volatility(plan, count, n_paths, rng)
    gap, inside = (
        np.sqrt(share) * volatility * rng.standard_normal((count, n_paths)) - share * volatility**2 / 2
        for share in (GAP_SHARE, 1 - GAP_SHARE)
    )
    rule = _rule(plan, clock)
    up, down = np.log1p(edge), np.log1p(-edge)
    odd, even = float(up - down) / 2, float(up + down) / 2  # odd * p + even * p * p is log1p(edge * p) for p in -1, 0, 1
    lag = LAG[plan.fill_basis]
    gaps, insides = rows_of(gap), rows_of(inside)
    level = squared = 0.0 * gaps[0]
    log_close: list[Row] = []
    squares: list[Row] = []
    position: list[Row] = []
    for t in range(count):
        if t >= lag:
            wanted = position[t - lag]
            insides[t] = insides[t] + wanted * (odd + even * wanted)
        move = gaps[t] + insides[t]
        level = level + move
        squared = squared + move * move
        log_close.append(level)
        squares.append(squared)
        position.append(rule(t, log_close, squares))
    shape = (count, n_paths)
    return Simulated(gap, np.array(insides).reshape(shape), volatility, np.array(position, dtype=np.float64).reshape(shape))


def warmup_bars(plan: Plan, clock: Clock) -> int:
    """Return how many first bars the rule has no history for."""
    if plan.kind == "volatility_conditional":
        return max(plan.lookback, TRAILING_VOLATILITY_BARS)
    if plan.kind == "cross_timeframe":
        _, known = clock.week_ends()
        ready = np.flatnonzero(known >= plan.weeks)
        return max(plan.lookback, int(ready[0])) if len(ready) else len(clock)
    return plan.lookback


def _volatility(plan: Plan, count: int, n_paths: int, rng: np.random.Generator) -> Grid:
    if plan.kind != "volatility_conditional":
        return np.full((count, n_paths), plan.volatility)
    switches = rng.random((count, n_paths)) < 1 / STATE_BARS
    state = (rng.integers(0, 2, n_paths) + np.cumsum(switches, axis=0)) % 2
    return plan.volatility * np.where(state == CALM, CALM_LEVEL, WILD_LEVEL)


def _rule(plan: Plan, clock: Clock) -> Rule:
    lookback, start = plan.lookback, warmup_bars(plan, clock)

    def momentum(t: int, log_close: Sequence[Row], squares: Sequence[Row]) -> Row:
        """The sign of the return of the last `lookback` bars."""
        return _sign(log_close[t] - log_close[t - lookback])

    def mean_reversion(t: int, log_close: Sequence[Row], squares: Sequence[Row]) -> Row:
        """Against the return of the last `lookback` bars."""
        return _sign(log_close[t - lookback] - log_close[t])

    limit = TRAILING_VOLATILITY_BARS * plan.volatility**2 * CALM_LEVEL * WILD_LEVEL

    def volatility_conditional(t: int, log_close: Sequence[Row], squares: Sequence[Row]) -> Row:
        """Momentum, while the trailing volatility is below the geometric mean of the two states'."""
        calm = squares[t] - squares[t - TRAILING_VOLATILITY_BARS] < limit
        return calm * _sign(log_close[t] - log_close[t - lookback])

    ends, known = ([], []) if plan.kind != "cross_timeframe" else (part.tolist() for part in clock.week_ends())

    def cross_timeframe(t: int, log_close: Sequence[Row], squares: Sequence[Row]) -> Row:
        """With the trend of the last `weeks` complete weeks, while the last `lookback` bars went against it."""
        week = known[t]
        trend = _sign(log_close[ends[week]] - log_close[ends[week - plan.weeks]])
        return (_sign(log_close[t - lookback] - log_close[t]) == trend) * trend

    rules: dict[str, Rule] = {
        "momentum": momentum,
        "mean_reversion": mean_reversion,
        "volatility_conditional": volatility_conditional,
        "cross_timeframe": cross_timeframe,
    }
    chosen = rules[plan.kind]
    return lambda t, log_close, squares: chosen(t, log_close, squares) if t >= start else 0.0 * log_close[t]


def _sign(value: Row) -> Row:
    return 1.0 * (value > 0) - 1.0 * (value < 0)
