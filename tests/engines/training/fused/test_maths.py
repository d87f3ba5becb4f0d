"""Float32 functions against NumPy's in float64, over the whole range that training can reach."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numba import njit

from nullalpha.engines.training.fused import maths
from nullalpha.engines.training.fused.blocks import FAST

N = 200_001


def _over(function: Callable[[np.float32], np.float32]) -> Callable[[np.ndarray, np.ndarray], None]:
    """The function on whole arrays, compiled as the engine's loops are, so that what is tested is the vectors."""

    @njit(fastmath=FAST, error_model="numpy")
    def loop(x: np.ndarray, out: np.ndarray) -> None:
        for i in range(len(x)):
            out[i] = function(x[i])

    return loop  # type: ignore[no-any-return]


def _values(function: Callable[[np.float32], np.float32], x: np.ndarray) -> np.ndarray:
    out = np.zeros(len(x), np.float32)
    _over(function)(x.astype(np.float32), out)
    return out.astype(np.float64)


def _log_complement(x: np.ndarray) -> np.ndarray:
    return np.where(x > -0.7, np.log(-np.expm1(x)), np.log1p(-np.exp(x)))


RELATIVE = {
    "exp_nb": (np.linspace(-87, 88.3, N), np.exp, 2e-7),
    "log_nb": (np.geomspace(1.2e-38, 1e38, N), np.log, 2e-7),
    "tanh_nb": (np.concatenate([np.linspace(-20, 20, N), np.geomspace(1e-30, 1, N)]), np.tanh, 5e-7),
    "log1p_nb": (np.concatenate([np.geomspace(1e-30, 20, N), -np.geomspace(1e-30, 0.99, N)]), np.log1p, 5e-7),
    "log_logistic_nb": (np.linspace(-100, 80, N), lambda x: -np.logaddexp(0, -x), 5e-7),
    "log_complement_nb": (-np.geomspace(1e-12, 80, N), _log_complement, 1e-6),
}


@pytest.mark.parametrize("name", sorted(RELATIVE))
def test_a_function_keeps_its_relative_error_bound(name: str) -> None:
    x, exact, bound = RELATIVE[name]
    found, expected = _values(getattr(maths, name), x), exact(x.astype(np.float32).astype(np.float64))
    apart = np.abs(found - expected) / np.maximum(np.abs(expected), 1e-300)
    near_zero = np.abs(found - expected) <= bound if name == "log_nb" else np.zeros(len(x), bool)  # log crosses 0 at 1
    assert (near_zero | (apart <= bound)).all()


def test_logistic_keeps_its_absolute_error_bound() -> None:
    x = np.linspace(-40, 40, N)
    exact = 1 / (1 + np.exp(-x.astype(np.float32).astype(np.float64)))
    assert np.abs(_values(maths.logistic_nb, x) - exact).max() <= 2e-7


def test_what_is_too_large_saturates() -> None:
    beyond = np.array([-np.inf, -1e30, 1e30, np.inf])
    np.testing.assert_allclose(_values(maths.exp_nb, beyond), [1.65e-38, 1.65e-38, np.inf, np.inf], rtol=0.01)
    np.testing.assert_allclose(_values(maths.tanh_nb, beyond), [-1, -1, 1, 1], atol=5e-7)
    np.testing.assert_allclose(_values(maths.logistic_nb, beyond), [0, 0, 1, 1], atol=2e-7)
    assert _values(maths.log_nb, np.array([np.inf, 0.0])).tolist() == [np.inf, pytest.approx(-87.34, abs=0.01)]
    assert _values(maths.log_logistic_nb, np.array([-np.inf, -1e30])).tolist() == [-np.inf, pytest.approx(-1e30)]


@pytest.mark.parametrize("name", [*sorted(RELATIVE), "logistic_nb"])
def test_nan_stays_nan_among_numbers(name: str) -> None:
    x = np.full(67, -0.25)
    x[[3, 40, 66]] = np.nan
    assert np.flatnonzero(np.isnan(_values(getattr(maths, name), x))).tolist() == [3, 40, 66]
