"""The typed form of a strategy document: closed, frozen, every number finite and bounded. What a document may say, and its defaults.

A spec that exists has the right shape; whether its words mean something (indicators, parameters, rules) is for
`nullalpha.strategy.validate`. Fractions, never percent; horizons and windows in bars of the base timeframe.

Defaults: `trainable` is both `sets` and `consequents` for anfis, `network` for a network (nothing for rules); a network has one hidden
layer of 16, looks back 20 bars if it is recurrent, and drops nothing out; labels: forward return over 5 bars, scaled by 60-bar volatility,
barrier 1.0, every bar, unweighted; training: 60 epochs, batches of 512, learning rate 0.01 (constant, at its highest from the first epoch),
patience 8, gradients clipped to a norm of 1.0, huber; of classes a band of 0 (the sign alone), unweighted, focal gamma 2.0; of a utility a
risk aversion of 0.1; sizing: fixed at 1.0 (or 0.10 a year, or a quarter of Kelly's, at most 1.0 times, by 60-bar volatility); a side whose
threshold is absent or null is not traded, and a position ends where its entry threshold is lost; an absent exit is none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_serializer, model_validator
from pydantic_core import PydanticCustomError

from nullalpha.strategy.plan import ClassWeights, LabelKind, Loss, ModelKind, RegimeOf, SampleWeights, Schedule, SetShape, Trainable

LANGUAGE_VERSION = 1
BaseTimeframe = Literal["1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w"]
RESERVED_WORDS = frozenset({"if", "is", "and", "or", "not", "then", "long", "short", "weight"})
SHAPE_PARAMETERS = {
    "gaussian": ("centre", "width"),
    "sigmoid": ("centre", "slope"),
    "triangle": ("a", "b", "c"),
    "trapezoid": ("a", "b", "c", "d"),
    "bell": ("centre", "width", "slope"),
}
MAX_SET_NUMBER = 1e15
MIN_SET_WIDTH = 1e-9
MAX_SYMBOL = 20
MIN_BELL_SLOPE, MAX_BELL_SLOPE = 0.25, 20.0


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
Symbol = Annotated[Text, Field(pattern=r"^[A-Z0-9^][A-Z0-9._^=-]*$", max_length=MAX_SYMBOL)]
MembershipName = Annotated[Text, Field(pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$", max_length=65)]
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


class TransformSpec(BaseModel):
    """One operator on the column, with its first parameter: `{zscore: 250}`; `true` for an operator that has none."""

    model_config = ConfigDict(extra="allow", frozen=True)

    @property
    def operator(self) -> str:
        """The operator's name."""
        return next(iter(self.model_extra or {}))

    @property
    def value(self) -> object:
        """Its first parameter as written."""
        return next(iter((self.model_extra or {}).values()))

    @model_validator(mode="after")
    def _names_one_operator(self) -> TransformSpec:
        if len(self.model_extra or {}) != 1:
            raise PydanticCustomError(
                "transform", "needs exactly one operator", {"suggestion": "{zscore: 250}; for several, a list of them"}
            )
        return self


def _listed(value: object) -> object:
    return [value] if isinstance(value, dict) else value


Transforms = Annotated[tuple[TransformSpec, ...], Field(min_length=1, max_length=4), BeforeValidator(_listed)]
Source = Annotated[Text, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=32)]


def _source_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


class FeatureSpec(BaseModel):
    """One column; every further key is a parameter of the indicator, e.g. `{indicator: rsi, period: 14}`.

    `input` is for an operator on series: a bar field (`close`, `volume`, `returns`, ...) or another feature's name, or two of them for an
    operator on two. `of` computes the column on another instrument's bars. `transform` is one operator, or a list of up to four, one after
    the other.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    indicator: Annotated[Text, Field(min_length=1, max_length=64)]
    output: Annotated[Text, Field(min_length=1, max_length=64)] | None = None
    timeframe: Annotated[Text, Field(min_length=1, max_length=8)] | None = None
    of: Symbol | None = None
    input: Annotated[tuple[Source, ...], Field(min_length=1, max_length=2), BeforeValidator(_source_list)] | None = None
    transform: Transforms | None = None

    @field_serializer("input", "transform")
    def _shortest(self, given: tuple[object, ...] | None) -> object:
        """Write a list of one as that one."""
        if given is None:
            return None
        plain = [item.model_extra if isinstance(item, TransformSpec) else item for item in given]
        return plain[0] if len(plain) == 1 else plain

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
    bell: Numbers | None = Field(None, description="[centre, width, slope]: 1 / (1 + |(x - centre) / width|^(2 slope)), both above 0")

    @property
    def shape(self) -> SetShape:
        """The one shape that is given."""
        shapes: tuple[SetShape, ...] = ("gaussian", "triangle", "trapezoid", "sigmoid", "bell")
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
            message = "needs exactly one shape: gaussian, sigmoid, triangle, trapezoid or bell"
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
    if shape == "bell" and (numbers[1] < MIN_SET_WIDTH or not MIN_BELL_SLOPE <= numbers[2] <= MAX_BELL_SLOPE):
        return f"a bell's width must be above 0 and its slope from {MIN_BELL_SLOPE:g} to {MAX_BELL_SLOPE:g}"
    if shape in ("triangle", "trapezoid"):
        if any(left > right for left, right in pairwise(numbers)):
            return f"a {shape}'s numbers must not fall: {' <= '.join(names)}"
        if numbers[-1] - numbers[0] < MIN_SET_WIDTH:
            return f"a {shape} must have a width: {names[0]} < {names[-1]}"
    return None


class LabelSpec(Closed):
    kind: LabelKind = "forward_return"
    horizon: Annotated[Whole, Field(ge=1, le=40, description="bars ahead"), INTEGRAL] = 5
    volatility_bars: Annotated[Whole, Field(ge=5, le=500, description="trailing window of the scaling volatility"), INTEGRAL] = 60
    barrier: Annotated[Real, Field(ge=0.1, le=5, description="triple_barrier, zigzag: in volatilities x sqrt(horizon)")] = 1.0
    of: Annotated[RegimeOf, Field(description="regime only: what of the next bars is learned")] = "trend"
    cusum: (
        Annotated[Real, Field(ge=0.1, le=20, description="learn only from bars that end a cumulated move of this many volatilities")] | None
    ) = None
    weights: Annotated[SampleWeights, Field(description="uniqueness: overlapping labels weigh less")] = "none"


def _regime(labels: object) -> object:
    return {"kind": "regime", **labels} if isinstance(labels, Mapping) else labels


HiddenLayer = Annotated[Whole, Field(ge=2, le=256), INTEGRAL]


class MemberSpec(Closed):
    """A model without members of its own.

    Rules and anfis have `rules`. A network reads the memberships of all sets, or of those in `inputs` (`feature.set`).
    """

    kind: Literal["rules", "anfis", "fuzzy_mlp", "fuzzy_gru", "fuzzy_lstm"]
    rules: Annotated[tuple[RuleText, ...], Field(min_length=1, max_length=32)] | None = None
    trainable: Annotated[tuple[Trainable, ...], AfterValidator(_unique)] | None = None
    inputs: Annotated[tuple[MembershipName, ...], Field(min_length=1, max_length=144), AfterValidator(_unique)] | None = None
    hidden: Annotated[tuple[HiddenLayer, ...], Field(min_length=1, max_length=3)] | None = None
    lookback: Annotated[Whole, Field(ge=2, le=120, description="bars that a recurrent network reads"), INTEGRAL] | None = None
    dropout: Annotated[Real, Field(ge=0, le=0.5)] | None = None

    @model_validator(mode="after")
    def _has_the_parts_of_its_kind(self) -> MemberSpec:
        _require_parts(self)
        return self


class RouterSpec(Closed):
    """A regime model, and which member answers on which side of its signal (-1..1). Labels that name no kind are of a regime."""

    model: MemberSpec
    labels: Annotated[LabelSpec, BeforeValidator(_regime)] = LabelSpec(kind="regime")
    above: Name
    below: Name
    threshold: Annotated[Real, Field(gt=-1, lt=1)] = 0.0
    softness: Annotated[Real, Field(ge=0, le=2, description="0: one member alone answers; else how wide the change-over is")] = 0.25


class ModelSpec(MemberSpec):
    """A model. An ensemble has `members` and perhaps a `router`; without one every member has an equal say."""

    kind: ModelKind  # type: ignore[assignment]
    members: Annotated[dict[Name, MemberSpec], Field(min_length=2, max_length=6)] | None = None
    router: RouterSpec | None = None


_NETWORK_PARTS = ("inputs", "hidden", "lookback", "dropout")
MODEL_PARTS: dict[str, tuple[str, ...]] = {
    "rules": ("rules", "trainable"),
    "anfis": ("rules", "trainable"),
    "fuzzy_mlp": ("trainable", "inputs", "hidden", "dropout"),
    "fuzzy_gru": ("trainable", *_NETWORK_PARTS),
    "fuzzy_lstm": ("trainable", *_NETWORK_PARTS),
    "ensemble": ("members", "router"),
}


def _require_parts(model: MemberSpec) -> None:
    """Refuse a model that lacks a part of its kind, or has one of another."""
    needed = {"rules": "rules", "anfis": "rules", "ensemble": "members"}.get(model.kind)
    if needed and getattr(model, needed) is None:
        message = f"a model of kind {model.kind} needs {needed}"
        raise PydanticCustomError("missing_part", "{message}", {"message": message, "suggestion": f"add `{needed}`"})
    others = [name for name in type(model).model_fields if name != "kind" and name not in MODEL_PARTS[model.kind]]
    extra = [name for name in others if getattr(model, name) is not None]
    if extra:
        message = f"a model of kind {model.kind} has no {' and no '.join(extra)}"
        raise PydanticCustomError("foreign_part", "{message}", {"message": message, "suggestion": f"remove {', '.join(extra)}"})
    allowed = ("sets", "network") if model.kind.startswith("fuzzy_") else ("sets", "consequents")
    wrong = [name for name in model.trainable or () if name not in allowed]
    if wrong or (model.trainable is not None and "network" in allowed and "network" not in model.trainable):
        message = f"a model of kind {model.kind} can train {' and '.join(allowed)}" + ("" if wrong else ", the network always")
        raise PydanticCustomError("trainable", "{message}", {"message": message, "suggestion": f"trainable: [{allowed[-1]}]"})
    if isinstance(model, ModelSpec) and "router" in (model.members or {}):
        rename = {"suggestion": "router_member"}
        raise PydanticCustomError("reserved_name", "a member cannot be called router: that is what asks the members", rename)
    if isinstance(model, ModelSpec) and model.router is not None and model.members is not None:
        missing = [name for name in (model.router.above, model.router.below) if name not in model.members]
        if missing or model.router.above == model.router.below:
            message = f"the router names {missing[0]!r}, which is no member" if missing else "the router needs two different members"
            fix = f"members: {', '.join(model.members)}"
            raise PydanticCustomError("router_member", "{message}", {"message": message, "suggestion": fix})
        unrouted = [name for name in model.members if name not in (model.router.above, model.router.below)]
        if unrouted:
            message = f"the router never asks {unrouted[0]!r}"
            raise PydanticCustomError("unrouted_member", "{message}", {"message": message, "suggestion": f"remove {unrouted[0]}"})


LOSS_PARTS: dict[Loss, tuple[str, ...]] = {
    "huber": (),
    "mse": (),
    "cross_entropy": ("class_band", "class_weights"),
    "focal": ("class_band", "class_weights", "focal_gamma"),
    "utility": ("risk_aversion",),
}
LOSS_ONLY_PARTS = ("class_band", "class_weights", "focal_gamma", "risk_aversion")


class TrainingSpec(Closed):
    epochs: Annotated[Whole, Field(ge=1, le=500), INTEGRAL] = 60
    batch_size: Annotated[Whole, Field(ge=16, le=65536), INTEGRAL] = 512
    learning_rate: Annotated[Real, Field(ge=1e-5, le=1)] = 0.01
    patience: Annotated[Whole, Field(ge=1, le=500, description="epochs without a better validation loss before stopping"), INTEGRAL] = 8
    loss: Annotated[
        Loss,
        Field(
            description="huber, mse: predict the label; cross_entropy, focal: tell down, flat and up apart; "
            "utility: hold what pays, net of costs and of risk"
        ),
    ] = "huber"
    class_band: Annotated[Real, Field(ge=0, lt=3, description="cross_entropy, focal: labels within +- this are flat")] | None = None
    class_weights: Annotated[ClassWeights, Field(description="cross_entropy, focal; balanced: each class has an equal say")] | None = None
    focal_gamma: Annotated[Real, Field(ge=0.1, le=5, description="focal: how much less a row counts that is already likely")] | None = None
    risk_aversion: Annotated[Real, Field(ge=0, le=10, description="utility: price of half a squared profit, in label units")] | None = None
    schedule: Annotated[Schedule, Field(description="of the learning rate; cosine: down to a hundredth of it")] = "constant"
    warmup_epochs: Annotated[Whole, Field(ge=0, le=100, description="epochs over which the learning rate rises"), INTEGRAL] = 0
    clip_norm: Annotated[Real, Field(ge=0.01, le=100, description="longer gradients are shortened to this norm")] = 1.0

    @model_validator(mode="after")
    def _has_the_parts_of_its_loss(self) -> TrainingSpec:
        foreign = [name for name in LOSS_ONLY_PARTS if name not in LOSS_PARTS[self.loss] and getattr(self, name) is not None]
        if foreign:
            message = f"the loss {self.loss} has no {' and no '.join(foreign)}"
            owners = [loss for loss, parts in LOSS_PARTS.items() if set(foreign) <= set(parts)]
            fix = f"remove {', '.join(foreign)}" + (f", or loss: {owners[0]}" if owners else "")
            raise PydanticCustomError("foreign_part", "{message}", {"message": message, "suggestion": fix})
        return self


class SizingSpec(Closed):
    kind: Literal["fixed", "volatility_target", "kelly"] = "fixed"
    size: Annotated[Real, Field(ge=0.01, le=4, description="fixed only: fraction of equity")] = 1.0
    annual: Annotated[Real, Field(ge=0.01, le=1, description="volatility_target only: annual volatility, a fraction")] = 0.10
    fraction: Annotated[Real, Field(ge=0.01, le=1, description="kelly only: share of the growth-optimal size")] = 0.25
    max_leverage: Annotated[Real, Field(ge=0.05, le=4, description="volatility_target, kelly")] = 1.0
    volatility_bars: Annotated[Whole, Field(ge=5, le=500, description="volatility_target only: trailing window"), INTEGRAL] = 60


class DistanceSpec(Closed):
    """A distance in price (from the entry; of a trailing stop from the best price since): multiples of ATR(14), or a fraction of price."""

    atr: Annotated[Real, Field(ge=0.1, le=50)] | None = None
    fraction: Annotated[Real, Field(ge=0.0005, le=0.95)] | None = None

    @model_validator(mode="after")
    def _is_one_distance(self) -> DistanceSpec:
        if (self.atr is None) == (self.fraction is None):
            raise PydanticCustomError("distance", "needs exactly one of atr and fraction", {"suggestion": "{atr: 3.0}, or null for none"})
        return self


class ExitSpec(Closed):
    stop_loss: DistanceSpec | None = None
    trailing_stop: DistanceSpec | None = None
    take_profit: DistanceSpec | None = None
    max_bars: Annotated[Whole, Field(ge=1, le=1000), INTEGRAL] | None = None


class EntrySpec(Closed):
    """The order that opens a position, or turns it round; without one it is a market order.

    limit: at `distance` below the close that gives the order (above it for a short position); stop: at `distance` beyond it; stop_limit: a
    stop that pays at most `limit` more.
    """

    order: Literal["limit", "stop", "stop_limit"]
    distance: DistanceSpec
    limit: DistanceSpec | None = None
    valid_bars: (
        Annotated[
            Whole, Field(ge=1, le=1000, description="bars that it waits; without it, until the signal asks for something else"), INTEGRAL
        ]
        | None
    ) = None

    @model_validator(mode="after")
    def _has_a_limit_where_it_takes_one(self) -> EntrySpec:
        if (self.order == "stop_limit") != (self.limit is not None):
            message = "a stop_limit needs a limit" if self.limit is None else f"a {self.order} order has no limit beside its distance"
            fix = "limit: {atr: 0.5}" if self.limit is None else "remove limit"
            raise PydanticCustomError("entry_limit", "{message}", {"message": message, "suggestion": fix})
        return self


class DecisionSpec(Closed):
    """Thresholds on the signal (-1..1); null, or absent: that side is not traded.

    A position ends where the signal passes its exit threshold: by default the entry's own; one further back keeps it longer.
    """

    long_above: Annotated[Real, Field(gt=-1, lt=1)] | None = None
    short_below: Annotated[Real, Field(gt=-1, lt=1)] | None = None
    long_exit_below: Annotated[Real, Field(gt=-1, lt=1, description="at most long_above")] | None = None
    short_exit_above: Annotated[Real, Field(gt=-1, lt=1, description="at least short_below")] | None = None
    separation: Annotated[Whole, Field(ge=1, le=1000, description="bars from one entry to the next at least"), INTEGRAL] | None = None
    sizing: SizingSpec = SizingSpec()
    entry: EntrySpec | None = None
    exits: ExitSpec = ExitSpec()

    @model_validator(mode="after")
    def _trades_something_unambiguously(self) -> DecisionSpec:
        if self.long_above is None and self.short_below is None:
            message = "long_above and short_below are both absent, so nothing would ever be traded"
            raise PydanticCustomError("no_side", "{message}", {"message": message, "suggestion": "long_above: 0.2"})
        if self.long_above is not None and self.short_below is not None and self.short_below > self.long_above:
            fix = {"suggestion": "short_below: -0.2 and long_above: 0.2, say"}
            raise PydanticCustomError("thresholds_cross", "short_below must not be above long_above", fix)
        _require_exit("long_exit_below", self.long_exit_below, "long_above", self.long_above, -1)
        _require_exit("short_exit_above", self.short_exit_above, "short_below", self.short_below, 1)
        return self


def _require_exit(name: str, exit_at: float | None, entry_name: str, entry: float | None, side: int) -> None:
    """Refuse an exit threshold without its entry's, or on the wrong side of it."""
    if exit_at is None:
        return
    if entry is None:
        fix = {"name": name, "entry": entry_name, "suggestion": f"remove {name}, or give {entry_name}"}
        raise PydanticCustomError("exit_without_entry", "{name} is given, but {entry} is not", fix)
    if side * exit_at < side * entry:
        word = "above" if side < 0 else "below"
        fix = {"name": name, "entry": entry_name, "word": word, "suggestion": f"{name}: {entry:g}"}
        raise PydanticCustomError("exit_beyond_entry", "{name} must not be {word} {entry}", fix)


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
