"""Every kind of synthetic market, with its options and their ranges. To add one: a generator, and an entry here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from nullalpha.core.errors import UsageError, nearest
from nullalpha.data.synthetic.garch import garch
from nullalpha.data.synthetic.gbm import gbm
from nullalpha.data.synthetic.planted import planted
from nullalpha.data.synthetic.recipe import Drawn, Recipe
from nullalpha.data.synthetic.regime import regime
from nullalpha.data.synthetic.resampled import bootstrap, permutation


@dataclass(frozen=True)
class Option:
    """A number that a kind takes.

    Attributes:
        default: None where it is taken from real bars, or from the kind's own standard without them.
        low, high: both allowed.
        whole: whether it counts bars or weeks.
    """

    name: str
    default: float | None
    low: float
    high: float
    text: str
    whole: bool = False


@dataclass(frozen=True)
class Kind:
    """A kind of market.

    Attributes:
        like: whether real bars are needed, may be given (to fit to), or have no use.
    """

    name: str
    text: str
    options: tuple[Option, ...]
    like: Literal["needed", "fitted", "unused"]
    draw: Callable[[Recipe], Drawn]

    def settle(self, given: Mapping[str, float | None]) -> dict[str, float | None]:
        """Return every option's value; options that are absent or None get their defaults.

        Raises:
            UsageError: if an option is unknown, out of range, or not whole where it must be.
        """
        names = [option.name for option in self.options]
        for name in given:
            if name not in names:
                near = nearest(name, names)
                advice = f"did you mean {near}?" if near else f"it takes {', '.join(names)}" if names else "it takes none"
                raise UsageError(f"{self.name} takes no option {name!r}", path=name, value=given[name], suggestion=advice)
        return {option.name: _settled(option, given.get(option.name)) for option in self.options}


def _settled(option: Option, value: float | None) -> float | None:
    if value is None:
        return option.default
    if not math.isfinite(value) or not option.low <= value <= option.high or (option.whole and value != int(value)):
        noun = "a whole number" if option.whole else "a number"
        raise UsageError(
            f"{option.name} is {value:g}",
            path=option.name,
            value=value,
            suggestion=f"{option.text}: {noun} from {option.low:g} to {option.high:g}",
        )
    return float(value)


_VOLATILITY = Option("volatility", None, 0.01, 2.0, "annual volatility")
_DRIFT = Option("drift", 0.0, -0.5, 0.5, "annual mean simple return")
_PLANTED = (
    Option("sharpe", 1.0, 0.0, 8.0, "the oracle's annual net Sharpe ratio"),
    Option("volatility", 0.16, 0.01, 2.0, "annual volatility"),
)


def _lookback(default: int, most: int) -> Option:
    return Option("lookback", default, 2, most, "bars that the rule looks back", whole=True)


_ALL = (
    Kind("gbm", "independent Gaussian returns: no edge", (_VOLATILITY, _DRIFT), "fitted", gbm),
    Kind(
        "garch",
        "clustered volatility with t shocks: no edge in direction; fitted to real bars where they are given",
        (
            _VOLATILITY,
            Option("alpha", None, 0.0, 0.5, "weight of the last shock"),
            Option("beta", None, 0.0, 0.999, "weight of the last variance"),
            Option("nu", None, 2.5, 100.0, "degrees of freedom of the shocks"),
            _DRIFT,
        ),
        "fitted",
        garch,
    ),
    Kind(
        "bootstrap",
        "whole real bars in random blocks: what lasts longer than a block is gone",
        (Option("mean_block", 20, 1, 1000, "mean block length in bars"),),
        "needed",
        bootstrap,
    ),
    Kind("permutation", "the last real bars, gaps and bodies each in random order: no edge is left", (), "needed", permutation),
    Kind(
        "regime",
        "a calm and a wild state that switch at random",
        (
            Option("calm_volatility", 0.11, 0.01, 2.0, "annual volatility when calm"),
            Option("wild_volatility", 0.28, 0.01, 2.0, "annual volatility when wild"),
            Option("calm_drift", 0.0, -1.0, 1.0, "annual mean return when calm"),
            Option("wild_drift", 0.0, -1.0, 1.0, "annual mean return when wild"),
            Option("calm_bars", 120, 2, 5000, "mean length of a calm visit in bars"),
            Option("wild_bars", 40, 2, 5000, "mean length of a wild visit in bars"),
        ),
        "unused",
        regime,
    ),
    Kind("momentum", "planted: the last bars' direction goes on", (*_PLANTED, _lookback(20, 250)), "unused", partial(planted, "momentum")),
    Kind(
        "mean_reversion",
        "planted: the last bars' direction turns",
        (*_PLANTED, _lookback(5, 250)),
        "unused",
        partial(planted, "mean_reversion"),
    ),
    Kind(
        "volatility_conditional",
        "planted: momentum while trailing volatility is low, nothing while it is high",
        (*_PLANTED, _lookback(20, 250)),
        "unused",
        partial(planted, "volatility_conditional"),
    ),
    Kind(
        "cross_timeframe",
        "planted: pullbacks of some bars against the trend of some weeks turn",
        (*_PLANTED, _lookback(3, 60), Option("weeks", 8, 1, 52, "weeks of the trend", whole=True)),
        "unused",
        partial(planted, "cross_timeframe"),
    ),
)
KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}
