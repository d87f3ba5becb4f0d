"""GARCH(1,1): volatility that clusters, Student-t shocks, no edge in the direction of returns beyond the drift.

variance[t] = omega + alpha * shock[t-1]^2 + beta * variance[t-1]; parameters are given, or fitted to real bars by maximum likelihood
with the `arch` package. Shocks beyond 12 standard deviations are cut to 12, so that prices stay finite.

Source: Bollerslev (1986), Journal of Econometrics 31; Bollerslev (1987), Review of Economics and Statistics 69 (t shocks).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nullalpha.core.errors import DataError
from nullalpha.data.bars import Bars, FloatArray
from nullalpha.data.synthetic.recipe import Drawn, Recipe
from nullalpha.data.synthetic.shapes import shaped, split_returns

MIN_FIT_BARS = 250
MOST_SHOCK = 12.0
_DEFAULTS = {"volatility": 0.16, "alpha": 0.08, "beta": 0.9, "nu": 8.0}
_MAX_PERSISTENCE = 0.9999
_PERCENT = 100.0  # the fit converges best on returns of this size


@dataclass(frozen=True)
class GarchFit:
    """Attributes:
    volatility: per bar, of the unconditional variance omega / (1 - alpha - beta).
    nu: degrees of freedom of the shocks.
    """

    volatility: float
    alpha: float
    beta: float
    nu: float


def garch(recipe: Recipe) -> Drawn:
    """Draw a market; each parameter is the given one, else the one fitted to the real bars, else its default.

    Raises:
        DataError: if alpha + beta is not below 1, or there are too few real bars to fit.
    """
    root_year = float(np.sqrt(recipe.clock.bars_per_year))
    values = dict(_DEFAULTS)
    if recipe.like is not None:
        fit = fit_garch(recipe.like)
        values = {"volatility": fit.volatility * root_year, "alpha": fit.alpha, "beta": fit.beta, "nu": fit.nu}
    values |= {name: value for name in _DEFAULTS if (value := recipe.options[name]) is not None}
    drift = recipe.number("drift")
    if values["alpha"] + values["beta"] > _MAX_PERSISTENCE:
        raise DataError(
            f"alpha + beta is {values['alpha'] + values['beta']:.4f}: such volatility has no mean to return to",
            path="alpha",
            value=values["alpha"],
            suggestion="give alpha and beta that add up to less than 1, e.g. 0.08 and 0.9",
        )
    per_bar = GarchFit(values["volatility"] / root_year, values["alpha"], values["beta"], values["nu"])
    shocks, volatility = simulate_garch(per_bar, recipe.n_bars, recipe.rng)
    returns = shocks - volatility**2 / 2 + np.log1p(drift / recipe.clock.bars_per_year)
    gap, inside = split_returns(returns, volatility, recipe.rng)
    return Drawn(shaped(gap, inside, volatility, recipe.rng), {**values, "drift": drift})


def fit_garch(bars: Bars) -> GarchFit:
    """Return the parameters that make the bars' returns most likely.

    Raises:
        DataError: if there are fewer than 250 bars, or the fit does not converge to a stationary process.
    """
    if len(bars) < MIN_FIT_BARS:
        raise DataError(
            f"{len(bars)} bars of {bars.instrument} are too few to fit GARCH to", path="like", value=len(bars), suggestion="at least 250"
        )
    from arch import arch_model  # noqa: PLC0415 - over a second to import

    returns = _PERCENT * np.diff(np.log(bars.close))
    fitted = arch_model(returns, mean="Constant", vol="GARCH", p=1, q=1, dist="t", rescale=False).fit(disp="off", show_warning=False)
    omega, alpha, beta, nu = (float(fitted.params[name]) for name in ("omega", "alpha[1]", "beta[1]", "nu"))
    if fitted.convergence_flag or alpha + beta > _MAX_PERSISTENCE:
        raise DataError(
            f"the GARCH fit to {bars.instrument} is not stationary (alpha {alpha:.4f}, beta {beta:.4f})",
            path="like",
            value=bars.instrument,
            suggestion="give volatility, alpha, beta and nu yourself, or other bars",
        )
    return GarchFit(float(np.sqrt(omega / (1 - alpha - beta))) / _PERCENT, alpha, beta, nu)


def simulate_garch(fit: GarchFit, n_bars: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return (n_bars,) shocks of mean 0 and the volatility at which each was drawn, from the stationary level on."""
    innovations = rng.standard_t(fit.nu, n_bars) * np.sqrt((fit.nu - 2) / fit.nu)
    squares = np.clip(innovations, -MOST_SHOCK, MOST_SHOCK) ** 2
    long_run = fit.volatility**2
    omega = long_run * (1 - fit.alpha - fit.beta)
    variance, variances = long_run, []
    for square in squares.tolist():
        variances.append(variance)
        variance = omega + (fit.alpha * square + fit.beta) * variance
    volatility = np.sqrt(np.array(variances))
    return volatility * np.clip(innovations, -MOST_SHOCK, MOST_SHOCK), volatility
