"""Where a draft's sets stand: `low`, `middle` and `high` at quantiles of a feature, so that each holds on a fair share of bars.

Gaussians and triangles stand at the 10, 50 and 90 % quantiles (neighbours meet near one half); trapezoids and sigmoids are shoulders, which
hold fully beyond the outer quantiles. A sigmoid has no middle; a gaussian stands in for it.
"""

from __future__ import annotations

import math
from typing import Literal

from nullalpha.core.errors import Issue, SpecError
from nullalpha.strategy.plan import SetShape

Level = Literal["low", "middle", "high"]
Quantiles5 = tuple[float, float, float, float, float]

SIGNIFICANT_DIGITS = 6
MIN_RELATIVE_SPAN = 1e-9
MIN_SPAN = 1e-7
MIN_GAP = 0.05
_HALF_WIDTH = 2 * math.sqrt(2 * math.log(2))
_FAR = 10.0


def place_set(level: Level, shape: SetShape, quantiles: Quantiles5, path: str) -> dict[str, list[float]]:
    """Return a set of the language, e.g. `{"gaussian": [30.1, 8.2]}`, at a level of a feature.

    Args:
        quantiles: the 10, 30, 50, 70 and 90 % quantiles of the feature.
        path: of the feature in the document, for errors.

    Raises:
        SpecError: if the feature is constant (its quantiles are all equal) or has no finite quantiles.
    """
    q = _spread(quantiles, path)
    used = "gaussian" if shape == "sigmoid" and level == "middle" else shape
    if used == "sigmoid":
        return {used: _sigmoid(level, q)}
    numbers = {"gaussian": _gaussian, "triangle": _triangle, "trapezoid": _trapezoid}[used](level, q)
    return {used: [_round(number, q[4] - q[0]) for number in numbers]}


def _spread(quantiles: Quantiles5, path: str) -> Quantiles5:
    """Return the quantiles, rising, neighbours at least a twentieth of the whole span apart."""
    if not all(math.isfinite(value) for value in quantiles):
        message = "the feature has no finite quantiles over the first training window"
        raise SpecError([Issue(path, "no_values", message, str(list(quantiles)), "choose another indicator")])
    span = max(quantiles) - min(quantiles)
    if span <= max(MIN_SPAN, MIN_RELATIVE_SPAN * max(abs(value) for value in quantiles)):
        message = "the feature is constant over the first training window, so no set can tell one bar from another"
        raise SpecError([Issue(path, "constant_feature", message, f"{quantiles[2]:g}", "choose another indicator or period")])
    first, *rest = sorted(quantiles)
    apart = [first]
    for value in rest:
        apart.append(max(value, apart[-1] + MIN_GAP * span))
    return apart[0], apart[1], apart[2], apart[3], apart[4]


def _gaussian(level: Level, q: Quantiles5) -> list[float]:
    if level == "low":
        return [q[0], (q[2] - q[0]) / _HALF_WIDTH]
    if level == "high":
        return [q[4], (q[4] - q[2]) / _HALF_WIDTH]
    return [q[2], (q[4] - q[0]) / 2 / _HALF_WIDTH]


def _triangle(level: Level, q: Quantiles5) -> list[float]:
    span = q[4] - q[0]
    if level == "low":
        return [q[0] - 2 * span, q[0], q[2]]
    return [q[0], q[2], q[4]] if level == "middle" else [q[2], q[4], q[4] + 2 * span]


def _trapezoid(level: Level, q: Quantiles5) -> list[float]:
    span = q[4] - q[0]
    if level == "low":
        return [q[0] - (_FAR + 1) * span, q[0] - _FAR * span, q[0], q[2]]
    return [q[0], q[1], q[3], q[4]] if level == "middle" else [q[2], q[4], q[4] + _FAR * span, q[4] + (_FAR + 1) * span]


def _sigmoid(level: Level, q: Quantiles5) -> list[float]:
    """Centre at the 30 % or 70 % quantile; membership falls to one tenth at the median."""
    centre, distance = (q[1], q[1] - q[2]) if level == "low" else (q[3], q[3] - q[2])
    return [_round(centre, q[4] - q[0]), float(f"{math.log(9) / distance:.{SIGNIFICANT_DIGITS}g}")]


def _round(number: float, span: float) -> float:
    """Round to six significant digits, or to a thousandth of the span where that is finer, so that sets keep their order and width."""
    size = max(abs(number), MIN_SPAN)
    decimals = max(SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(size)), 4 - math.floor(math.log10(span)))
    return round(number, decimals) + 0.0
