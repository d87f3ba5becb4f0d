"""The typed form of a strategy document: closed, frozen, every number finite and bounded. What a document may say, and its defaults.

A spec that exists has the right shape; whether its words mean something (indicators, parameters, rules) is for
`nullalpha.strategy.validate`. Fractions, never percent; horizons and windows in bars of the base timeframe.

Defaults: `trainable` is both `sets` and `consequents` for anfis (nothing for rules); labels: forward return over 5 bars, scaled by 60-bar
volatility, barrier 1.0; training: 60 epochs, batches of 512, learning rate 0.01, patience 8, huber; sizing: fixed at 1.0 (or 0.10 a year,
at most 1.0 times, by 60-bar volatility); a side whose threshold is absent or null is not traded; an absent exit is none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

LANGUAGE_VERSION = 1
BaseTimeframe = Literal["1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w"]
RESERVED_WORDS = frozenset({"if", "is", "and", "or", "not", "then", "long", "short"})
SHAPE_PARAMETERS = {
    "gaussian": ("centre", "width"),
    "sigmoid": ("centre", "slope"),
    "triangle": ("a", "b", "c"),
    "trapezoid": ("a", "b", "c", "d"),
}
MAX_SET_NUMBER = 1e15
MIN_SET_WIDTH = 1e-9


def _not_bool(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "must be a number, not true or false")
    return value


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value


def _unreserved(name: str) -> str:
    if name in RESERVED_WORDS:
        raise PydanticCustomError("reserved_name", "is a word of the rules' grammar; choose another name", {"suggestion": f"{name}_"})
    return name


T = TypeVar("T")


def _unique(values: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(values)) < len(values):
        raise PydanticCustomError("repeated_value", "names the same thing twice", {"suggestion": "give each once"})
    return values


def _visible(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("empty_text", "must not be blank", {"suggestion": "say why it should work"})
    return text


Real = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True)]
INTEGRAL = BeforeValidator(_whole)
Text = Annotated[str, Field(strict=True)]
Name = Annotated[Text, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=32), AfterValidator(_unreserved)]
Symbol = Annotated[Text, Field(pattern=r"^[A-Z0-9][A-Z0-9._^=/-]*$", max_length=16)]
RuleText = Annotated[Text, Field(min_length=1, max_length=500)]
Numbers = tuple[Annotated[Real, Field(ge=-MAX_SET_NUMBER, le=MAX_SET_NUMBER)], ...]


class Closed(BaseModel):
    """Base of every part of a document: unknown keys are refused, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PredictionSpec(Closed):
    """What the author expects, registered before anything runs; judged later, never part of the fingerprint."""

    excess_sharpe: Annotated[Real, Field(ge=-5, le=5, description="annual Sharpe ratio over exposure-matched holding")]
    p_pass: Annotated[Real, Field(ge=0, le=1, description="probability that the strategy is shortlisted")]
    kill_below: Annotated[Real, Field(ge=-5, le=5, description="excess Sharpe below which the author drops the idea")] = 0.0


class TransformSpec(Closed):
    zscore: Annotated[Whole, Field(ge=10, le=1000, description="trailing z-score over this many bars of the base timeframe"), INTEGRAL]


class FeatureSpec(BaseModel):
    """One column; every further key is a parameter of the indicator, e.g. `{indicator: rsi, period: 14}`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    indicator: Annotated[Text, Field(min_length=1, max_length=64)]
    output: Annotated[Text, Field(min_length=1, max_length=64)] | None = None
    timeframe: Annotated[Text, Field(min_length=1, max_length=8)] | None = None
    transform: TransformSpec | None = None

    @property
    def params(self) -> Mapping[str, object]:
        """The indicator's parameters as written, without defaults."""
        return self.model_extra or {}


class SetSpec(Closed):
    """A fuzzy set: one shape with its numbers."""

    gaussian: Numbers | None = Field(None, description="[centre, width]: exp(-(x - centre)^2 / (2 width^2)), width > 0")
    sigmoid: Numbers | None = Field(None, description="[centre, slope]: 1 / (1 + exp(-slope (x - centre))), slope not 0")
    triangle: Numbers | None = Field(None, description="[a, b, c]: 0 at a and c, 1 at b; a <= b <= c, a < c")
    trapezoid: Numbers | None = Field(None, description="[a, b, c, d]: 0 at a and d, 1 from b to c; a <= b <= c <= d, a < d")

    @property
    def shape(self) -> Literal["gaussian", "triangle", "trapezoid", "sigmoid"]:
        """The one shape that is given."""
        shapes: tuple[Literal["gaussian", "triangle", "trapezoid", "sigmoid"], ...] = ("gaussian", "triangle", "trapezoid", "sigmoid")
        return next(shape for shape in shapes if getattr(self, shape) is not None)

    @property
    def numbers(self) -> tuple[float, ...]:
        """The shape's numbers, without negative zeros."""
        given: tuple[float, ...] = getattr(self, self.shape)
        return tuple(float(number) + 0.0 for number in given)

    @model_validator(mode="after")
    def _has_one_well_formed_shape(self) -> SetSpec:
        given = [shape for shape in SHAPE_PARAMETERS if getattr(self, shape) is not None]
        if len(given) != 1:
            message = "needs exactly one shape: gaussian, sigmoid, triangle or trapezoid"
            raise PydanticCustomError("set_shape", "{message}", {"message": message, "suggestion": "gaussian: [centre, width]"})
        problem = set_problem(given[0], getattr(self, given[0]))
        if problem:
            form = f"{given[0]}: [{', '.join(SHAPE_PARAMETERS[given[0]])}]"
            raise PydanticCustomError("set_numbers", "{problem}", {"problem": problem, "suggestion": form})
        return self


def set_problem(shape: str, numbers: tuple[float, ...]) -> str | None:
    """Return what is wrong with a shape's numbers in words, or None."""
    names = SHAPE_PARAMETERS[shape]
    if len(numbers) != len(names):
        return f"{shape} takes {len(names)} numbers [{', '.join(names)}], not {len(numbers)}"
    if shape == "gaussian" and numbers[1] < MIN_SET_WIDTH:
        return f"a gaussian's width must be above 0 (at least {MIN_SET_WIDTH:g})"
    if shape == "sigmoid" and not MIN_SET_WIDTH <= abs(numbers[1]) <= 1 / MIN_SET_WIDTH:
        return f"a sigmoid's slope must not be 0 (its size is {MIN_SET_WIDTH:g} to {1 / MIN_SET_WIDTH:g})"
    if shape in ("triangle", "trapezoid"):
        if any(left > right for left, right in pairwise(numbers)):
            return f"a {shape}'s numbers must not fall: {' <= '.join(names)}"
        if numbers[-1] - numbers[0] < MIN_SET_WIDTH:
            return f"a {shape} must have a width: {names[0]} < {names[-1]}"
    return None


class ModelSpec(Closed):
    kind: Literal["rules", "anfis"]
    rules: Annotated[tuple[RuleText, ...], Field(min_length=1, max_length=32)]
    trainable: Annotated[tuple[Literal["sets", "consequents"], ...], AfterValidator(_unique)] | None = None


class LabelSpec(Closed):
    kind: Literal["forward_return", "triple_barrier"] = "forward_return"
    horizon: Annotated[Whole, Field(ge=1, le=40, description="bars ahead"), INTEGRAL] = 5
    volatility_bars: Annotated[Whole, Field(ge=5, le=500, description="trailing window of the scaling volatility"), INTEGRAL] = 60
    barrier: Annotated[Real, Field(ge=0.1, le=5, description="triple_barrier only: in volatilities x sqrt(horizon)")] = 1.0


class TrainingSpec(Closed):
    epochs: Annotated[Whole, Field(ge=1, le=500), INTEGRAL] = 60
    batch_size: Annotated[Whole, Field(ge=16, le=65536), INTEGRAL] = 512
    learning_rate: Annotated[Real, Field(ge=1e-5, le=1)] = 0.01
    patience: Annotated[Whole, Field(ge=1, le=500, description="epochs without a better validation loss before stopping"), INTEGRAL] = 8
    loss: Literal["huber", "mse"] = "huber"


class SizingSpec(Closed):
    kind: Literal["fixed", "volatility_target"] = "fixed"
    size: Annotated[Real, Field(ge=0.01, le=4, description="fixed only: fraction of equity")] = 1.0
    annual: Annotated[Real, Field(ge=0.01, le=1, description="volatility_target only: annual volatility, a fraction")] = 0.10
    max_leverage: Annotated[Real, Field(ge=0.05, le=4, description="volatility_target only")] = 1.0
    volatility_bars: Annotated[Whole, Field(ge=5, le=500, description="volatility_target only: trailing window"), INTEGRAL] = 60


class DistanceSpec(Closed):
    """A distance from the entry price: multiples of ATR(14), or a fraction of price."""

    atr: Annotated[Real, Field(ge=0.1, le=50)] | None = None
    fraction: Annotated[Real, Field(ge=0.0005, le=0.95)] | None = None

    @model_validator(mode="after")
    def _is_one_distance(self) -> DistanceSpec:
        if (self.atr is None) == (self.fraction is None):
            raise PydanticCustomError("distance", "needs exactly one of atr and fraction", {"suggestion": "{atr: 3.0}, or null for none"})
        return self


class ExitSpec(Closed):
    stop_loss: DistanceSpec | None = None
    take_profit: DistanceSpec | None = None
    max_bars: Annotated[Whole, Field(ge=1, le=1000), INTEGRAL] | None = None


class DecisionSpec(Closed):
    """Thresholds on the signal (-1..1); null, or absent: that side is not traded."""

    long_above: Annotated[Real, Field(gt=-1, lt=1)] | None = None
    short_below: Annotated[Real, Field(gt=-1, lt=1)] | None = None
    sizing: SizingSpec = SizingSpec()
    exits: ExitSpec = ExitSpec()

    @model_validator(mode="after")
    def _trades_something_unambiguously(self) -> DecisionSpec:
        if self.long_above is None and self.short_below is None:
            message = "long_above and short_below are both absent, so nothing would ever be traded"
            raise PydanticCustomError("no_side", "{message}", {"message": message, "suggestion": "long_above: 0.2"})
        if self.long_above is not None and self.short_below is not None and self.short_below > self.long_above:
            fix = {"suggestion": "short_below: -0.2 and long_above: 0.2, say"}
            raise PydanticCustomError("thresholds_cross", "short_below must not be above long_above", fix)
        return self


class StrategySpec(Closed):
    """A whole strategy document."""

    nullalpha: Annotated[Literal[1], BeforeValidator(_not_bool), Field(description="version of the language")]
    name: Annotated[Text, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.-]*$", max_length=80)]
    hypothesis: Annotated[Text, Field(min_length=1, max_length=2000, description="why it should work"), AfterValidator(_visible)]
    prediction: PredictionSpec | None = None
    instruments: Annotated[tuple[Symbol, ...], Field(min_length=1, max_length=20), AfterValidator(_unique)]
    timeframe: BaseTimeframe = "1d"
    features: Annotated[dict[Name, FeatureSpec], Field(min_length=1, max_length=16)]
    sets: Annotated[dict[Name, Annotated[dict[Name, SetSpec], Field(min_length=1, max_length=9)]], Field(min_length=1, max_length=16)]
    model: ModelSpec
    labels: LabelSpec = LabelSpec()
    training: TrainingSpec = TrainingSpec()
    decision: DecisionSpec

    def to_document(self) -> dict[str, object]:
        """Return the document as plain JSON values, with only what was written."""
        return self.model_dump(mode="json", exclude_unset=True)


def slug(text: str) -> str:
    """Return a text as an allowed strategy name: letters, digits and dashes."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_.]+", "-", plain).strip("-_.")[:80].rstrip("-") or "strategy"
