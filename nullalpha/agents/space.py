"""The search space over drafts: a flat table of named coordinates, and both directions between a point of it and a `Draft`.

The table is the same for every point (a part that a point does not use is still drawn, and ignored), so that any finished trial can be told
to an optimiser. Every point gives a valid draft: rules come from templates over features that exist.

A feature plays a role. A signal has a stance: `momentum` goes long when it is high and short when it is low, `reversion` the other way
round. A gate joins the rules of the signals by `and`: on one level for both sides, or (`with`, `against`) high for one side and low
for the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from nullalpha.agents.port import DesignContext, DesignParameter, DesignParameters, usable_indicators
from nullalpha.core.errors import NotFoundError
from nullalpha.strategy.draft import MAX_DRAFT_FEATURES

STANCES = ("momentum", "reversion")
GATES = ("low", "middle", "high", "not_low", "not_middle", "not_high", "with", "against")
ROLES = tuple(f"signal_{stance}" for stance in STANCES) + tuple(f"gate_{gate}" for gate in GATES)
THRESHOLD_STEP_HUNDREDTHS = {"rules": 5, "anfis": 1}
"""A step of a threshold coordinate, in hundredths of the signal. Rules as written answer with up to their full strength; a trained model
predicts a label of unit scale that is mostly noise, so its signal seldom leaves +-0.1: coarser steps would seldom trade at all."""
FEATURE_SLOTS = tuple(range(1, MAX_DRAFT_FEATURES + 1))


@dataclass(frozen=True)
class Whole:
    """A bounded integer coordinate; `log` spreads it evenly over ratios instead of differences."""

    low: int
    high: int
    step: int = 1
    log: bool = False

    def holds(self, value: object) -> bool:
        return (
            isinstance(value, int)
            and not isinstance(value, bool)
            and self.low <= value <= self.high
            and (value - self.low) % self.step == 0
        )

    def at(self, unit: float) -> int:
        """Return the value at a fraction in [0, 1) of the range."""
        if self.log:
            return min(int(self.low * ((self.high + 1) / self.low) ** unit), self.high)
        return self.low + int(unit * ((self.high - self.low) // self.step + 1)) * self.step

    def nearest(self, value: int) -> int:
        bounded = min(max(value, self.low), self.high)
        return min(self.low + round((bounded - self.low) / self.step) * self.step, self.high)


@dataclass(frozen=True)
class OneOf:
    """A coordinate without order."""

    options: tuple[str | bool, ...]

    def holds(self, value: object) -> bool:
        return any(type(value) is type(option) and value == option for option in self.options)

    def at(self, unit: float) -> str | bool:
        """Return the option at a fraction in [0, 1)."""
        return self.options[int(unit * len(self.options))]


Coordinate = Whole | OneOf
SearchSpace = Mapping[str, Coordinate]
_YES_NO = OneOf((False, True))


def search_space(context: DesignContext) -> dict[str, Coordinate]:
    """Return the table of coordinates: it depends on the indicators and the instruments alone.

    Raises:
        NotFoundError: when no indicator or no instrument is left to design with.
    """
    indicators = usable_indicators(context)
    if not indicators or not context.instruments:
        missing = "instrument" if indicators else "indicator"
        raise NotFoundError(
            f"there is no {missing} to design with", path=f"{missing}s", suggestion=f"give the campaign at least one {missing}"
        )
    return {
        "instruments": OneOf(_instrument_sets(context.instruments)),
        "n_features": Whole(1, MAX_DRAFT_FEATURES),
        **_feature_coordinates(indicators),
        "sides": OneOf(("both", "long")),
        "middle": OneOf(("none", "long", "short")),
        "strength_long": Whole(1, 10),
        "strength_short": Whole(1, 10),
        "strength_middle": Whole(1, 10),
        "set_shape": OneOf(("gaussian", "triangle", "trapezoid", "sigmoid")),
        "model": OneOf(("rules", "anfis")),
        "train_sets": _YES_NO,
        "label": OneOf(("forward_return", "triple_barrier")),
        "horizon_bars": Whole(1, 20, log=True),
        "long_threshold": Whole(0, 12),
        "allow_short": _YES_NO,
        "short_threshold": Whole(0, 12),
        "sizing": OneOf(("fixed", "volatility_target")),
        "annual_volatility_percent": Whole(5, 25, step=5),
        "use_stop": _YES_NO,
        "stop_atr_tenths": Whole(10, 80, step=5),
        "use_target": _YES_NO,
        "target_atr_tenths": Whole(10, 120, step=10),
        "use_max_holding": _YES_NO,
        "max_holding_bars": Whole(2, 60, log=True),
    }


def point_at(space: SearchSpace, unit_cube: Mapping[str, float]) -> dict[str, DesignParameter]:
    """Return the point of a space at fractions in [0, 1), one for each coordinate."""
    return {name: coordinate.at(unit_cube[name]) for name, coordinate in space.items()}


def holds(space: SearchSpace, parameters: DesignParameters) -> bool:
    """Return whether parameters are a point of this space (another vocabulary or other instruments make another space)."""
    return parameters.keys() == space.keys() and all(coordinate.holds(parameters[name]) for name, coordinate in space.items())


def instrument_option(symbols: tuple[str, ...]) -> str:
    """Return the option that stands for a choice of instruments, in the campaign's order."""
    return "+".join(symbols)


def _instrument_sets(instruments: tuple[str, ...]) -> tuple[str, ...]:
    singles = [(symbol,) for symbol in instruments]
    return tuple(instrument_option(symbols) for symbols in [*singles, *combinations(instruments, 2)])


def _feature_coordinates(indicators: tuple[str, ...]) -> dict[str, Coordinate]:
    table: dict[str, Coordinate] = {}
    for slot in FEATURE_SLOTS:
        table[f"indicator_{slot}"] = OneOf(indicators)
        table[f"period_{slot}"] = Whole(2, 250, log=True)
        table[f"standardised_{slot}"] = _YES_NO
        table[f"role_{slot}"] = OneOf(ROLES[: len(STANCES)] if slot == 1 else ROLES)
    return table
