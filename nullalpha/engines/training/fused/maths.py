"""Exponential, logarithm, tanh and logistic of float32, of simple operations alone, so that the compiler makes vectors of loops.

Each is within a few units of the last place of the exact value (bounds stand beside each and are tested). NaN gives NaN; what is too large
saturates as the exact function does.
Source: Moshier (1992), Cephes, for exp and log; Guennebaud et al., Eigen 3, for the rational tanh.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_F = np.float32
ZERO, HALF, ONE, TWO = _F(0), _F(0.5), _F(1), _F(2)
_NEAR_TRUE = _F(-0.6931471805599453)
_EXP_HIGH, _EXP_LOW = _F(89), _F(-87)
"""Where exp leaves float32: it is infinite above 88.37, and below it is held at 1.6e-38."""
_LOG2_E, _LN2_HIGH, _LN2_LOW = _F(1.44269504088896341), _F(0.693359375), _F(-2.12194440e-4)
_EXP = (_F(1.9875691500e-4), _F(1.3981999507e-3), _F(8.3334519073e-3), _F(4.1665795894e-2), _F(1.6666665459e-1), _F(5.0000001201e-1))
_LOG = (
    _F(7.0376836292e-2),
    _F(-1.1514610310e-1),
    _F(1.1676998740e-1),
    _F(-1.2420140846e-1),
    _F(1.4249322787e-1),
    _F(-1.6668057665e-1),
    _F(2.0000714765e-1),
    _F(-2.4999993993e-1),
    _F(3.3333331174e-1),
)
_SQRT_HALF, _LEAST = _F(0.707106781186547524), _F(1.17549435e-38)
_TANH_LIMIT = _F(7.90531110763549805)
"""Beyond it tanh is 1 to all digits."""
_TANH_ABOVE = (
    _F(-2.76076847742355e-16),
    _F(2.00018790482477e-13),
    _F(-8.60467152213735e-11),
    _F(5.12229709037114e-08),
    _F(1.48572235717979e-05),
    _F(6.37261928875436e-04),
    _F(4.89352455891786e-03),
)
_TANH_BELOW = (_F(1.19825839466702e-06), _F(1.18534705686654e-04), _F(2.26843463243900e-03), _F(4.89352518554385e-03))
_MANTISSA, _BIAS, _BIAS_OF_HALF, _SHIFT = np.int32(0x7FFFFF), np.int32(127), np.int32(126), np.int32(23)
_HALF_BITS = np.int32(0x3F000000)
_INFINITY = _F(np.inf)


def _same_bits(given: Any, returned: Any, as_ir: Any) -> Any:
    """Return an intrinsic that takes the bits of one type for another."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], as_ir)

    def typed(typing: Any, number: Any) -> Any:
        return returned(given), generate

    return intrinsic(typed)


_float_of_bits = _same_bits(types.int32, types.float32, ir.FloatType())
_bits_of_float = _same_bits(types.float32, types.int32, ir.IntType(32))


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy", forceinline=True)
def exp_nb(x: np.float32) -> np.float32:
    """Return e^x; relative error below 2e-7. Infinite above 88.37, held at 1.6e-38 below -87."""
    held = x if x > _EXP_LOW else _EXP_LOW
    held = held if held < _EXP_HIGH else _EXP_HIGH
    whole = np.floor(held * _LOG2_E + HALF)
    rest = held - whole * _LN2_HIGH
    rest = rest - whole * _LN2_LOW
    series = _EXP[0]
    series = series * rest + _EXP[1]
    series = series * rest + _EXP[2]
    series = series * rest + _EXP[3]
    series = series * rest + _EXP[4]
    series = series * rest + _EXP[5]
    value = (series * (rest * rest) + rest + ONE) * _float_of_bits((np.int32(whole) + _BIAS) << _SHIFT)
    return value if x == x else x


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy", forceinline=True)
def log_nb(x: np.float32) -> np.float32:
    """Return the natural logarithm of x > 0; error below 2e-7 absolute or relative, whichever is larger. Of less than 1.2e-38: -87.34."""
    held = x if x > _LEAST else _LEAST
    bits = _bits_of_float(held)
    exponent = np.float32((bits >> _SHIFT) - _BIAS_OF_HALF)
    part = _float_of_bits((bits & _MANTISSA) | _HALF_BITS)  # 0.5..1
    low = part < _SQRT_HALF
    exponent = exponent - ONE if low else exponent
    part = part + part - ONE if low else part - ONE
    square = part * part
    series = _LOG[0]
    series = series * part + _LOG[1]
    series = series * part + _LOG[2]
    series = series * part + _LOG[3]
    series = series * part + _LOG[4]
    series = series * part + _LOG[5]
    series = series * part + _LOG[6]
    series = series * part + _LOG[7]
    series = series * part + _LOG[8]
    value = series * part * square + exponent * _LN2_LOW - HALF * square + part + exponent * _LN2_HIGH
    return value if x < _INFINITY else x


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy", forceinline=True)
def tanh_nb(x: np.float32) -> np.float32:
    """Return tanh x; relative error below 5e-7."""
    held = -_TANH_LIMIT if x < -_TANH_LIMIT else x
    held = _TANH_LIMIT if held > _TANH_LIMIT else held
    square = held * held
    above = _TANH_ABOVE[0]
    above = above * square + _TANH_ABOVE[1]
    above = above * square + _TANH_ABOVE[2]
    above = above * square + _TANH_ABOVE[3]
    above = above * square + _TANH_ABOVE[4]
    above = above * square + _TANH_ABOVE[5]
    above = above * square + _TANH_ABOVE[6]
    below = _TANH_BELOW[0]
    below = below * square + _TANH_BELOW[1]
    below = below * square + _TANH_BELOW[2]
    below = below * square + _TANH_BELOW[3]
    return held * above / below


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy", forceinline=True)
def logistic_nb(x: np.float32) -> np.float32:
    """Return 1 / (1 + e^-x); absolute error below 2e-7."""
    return HALF + HALF * tanh_nb(HALF * x)


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy", forceinline=True)
def log1p_nb(x: np.float32) -> np.float32:
    """Return log(1 + x) of x > -1; relative error below 5e-7, however small x is."""
    one_more = ONE + x
    return log_nb(one_more) + (x - (one_more - ONE)) / one_more


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy", forceinline=True)
def log_logistic_nb(x: np.float32) -> np.float32:
    """Return log(1 / (1 + e^-x)), without overflow."""
    return (x if x < ZERO else ZERO) - log1p_nb(exp_nb(-np.abs(x)))


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy", forceinline=True)
def log_complement_nb(log_truth: np.float32) -> np.float32:
    """Return log(1 - e^log_truth) of log_truth < 0, precise near both ends (see `membership.log_complement`)."""
    half = tanh_nb(HALF * log_truth)
    rest = -TWO * half / (ONE - half)  # 1 - e^log_truth, precise where that is small
    near_true = log_truth > _NEAR_TRUE
    return log_nb(rest) if near_true else log1p_nb(-exp_nb(log_truth))
