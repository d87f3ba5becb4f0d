"""Alpha and beta against statsmodels."""

import math

import numpy as np
import pytest
import statsmodels.api as sm

from nullalpha.core.errors import DataError
from nullalpha.engines.evidence.benchmark import benchmark_fit


@pytest.mark.parametrize("lags", [0, 5])
def test_alpha_beta_and_error_are_those_of_statsmodels(lags: int) -> None:
    rng = np.random.default_rng(2)
    market = rng.normal(0.0004, 0.01, 700)
    noise = rng.normal(0, 0.006, 700) * (1 + 20 * np.abs(market))
    strategy = 0.0003 + 0.6 * market + noise + 0.3 * np.roll(noise, 1)
    theirs = sm.OLS(strategy, sm.add_constant(market)).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False})
    ours = benchmark_fit(strategy, market, 252, bandwidth=lags)
    assert ours.alpha == pytest.approx(theirs.params[0] * 252)
    assert ours.beta == pytest.approx(theirs.params[1])
    assert ours.alpha_standard_error == pytest.approx(theirs.bse[0] * 252)
    assert ours.alpha_t == pytest.approx(theirs.tvalues[0])


def test_undefined_fits_are_nan() -> None:
    market = np.random.default_rng(0).normal(0, 0.01, 100)
    assert math.isnan(benchmark_fit(market, np.zeros(100), 252).beta)
    copy = benchmark_fit(2 * market, market, 252)
    assert copy.beta == pytest.approx(2.0)
    assert copy.alpha == pytest.approx(0.0, abs=1e-12)
    assert math.isnan(copy.alpha_t)
    with pytest.raises(DataError, match="same sessions"):
        benchmark_fit(market, market[1:], 252)
