"""The compiled form of a strategy: what engines execute. Plain frozen data; no pydantic, no arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nullalpha.strategy.vocabulary import ParameterValue

SetShape = Literal["gaussian", "triangle", "trapezoid", "sigmoid"]
ModelKind = Literal["rules", "anfis"]
LabelKind = Literal["forward_return", "triple_barrier"]
Trainable = Literal["sets", "consequents"]


@dataclass(frozen=True)
class FeaturePlan:
    """One computed column.

    Attributes:
        name: the strategy's own word for it (display only; not part of the fingerprint).
        indicator, params, output: what to compute; `params` sorted by name, complete with defaults.
        timeframe: the base timeframe or a longer one; a longer one's value is known at ITS bar's close.
        zscore_bars: trailing z-score over this many bars (of the base timeframe) after the indicator; 0 for none.
    """

    name: str
    indicator: str
    params: tuple[tuple[str, ParameterValue], ...]
    output: str
    timeframe: str
    zscore_bars: int = 0


@dataclass(frozen=True)
class SetPlan:
    """A fuzzy set on one feature.

    gaussian (centre, width > 0): exp(-(x - c)^2 / (2 w^2)); sigmoid (centre, slope): 1 / (1 + exp(-slope (x - c)));
    triangle (a <= b <= c, a < c); trapezoid (a <= b <= c <= d, a < d).
    """

    feature: int
    name: str
    shape: SetShape
    params: tuple[float, ...]


@dataclass(frozen=True)
class Condition:
    """A node of a rule's antecedent.

    `op` is `is` (then `set_index` is an index into `Plan.sets`, and `args` is empty), `not` (one arg), `and`, `or` (two or more args, in
    canonical order). Product t-norm, probabilistic or, 1 - x for not.
    """

    op: Literal["is", "not", "and", "or"]
    set_index: int = -1
    args: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class RulePlan:
    """If `condition` then `consequent` (-1..1: long positive, short negative); `text` is the rule as written, for display."""

    condition: Condition
    consequent: float
    text: str


@dataclass(frozen=True)
class LabelPlan:
    """What a model learns to predict; horizons in bars of the base timeframe.

    forward_return: log return over `horizon_bars` from the fill price, over trailing volatility x sqrt(horizon), clipped to +-3.
    triple_barrier: +1 / -1 for the first barrier touched at `barrier` trailing volatilities x sqrt(horizon), else the scaled return,
    clipped to +-1.
    """

    kind: LabelKind
    horizon_bars: int
    volatility_bars: int
    barrier: float = 0.0


@dataclass(frozen=True)
class TrainingPlan:
    epochs: int
    batch_size: int
    learning_rate: float
    patience: int
    loss: Literal["huber", "mse"]


@dataclass(frozen=True)
class SizingPlan:
    """fixed: `size` (fraction of equity). volatility_target: annual volatility over realised, at most `max_leverage`."""

    kind: Literal["fixed", "volatility_target"]
    size: float
    annual: float
    max_leverage: float
    volatility_bars: int


@dataclass(frozen=True)
class ExitPlan:
    """Distances from the entry price: multiples of ATR(14) at the signal bar or fractions of price; 0 means none."""

    stop_atr: float
    stop_fraction: float
    target_atr: float
    target_fraction: float
    max_bars: int


@dataclass(frozen=True)
class DecisionPlan:
    """Thresholds on the signal (-1..1): long above, short below; NaN-free. `allow_short` False when short_below is null."""

    long_above: float | None
    short_below: float | None
    sizing: SizingPlan
    exits: ExitPlan


@dataclass(frozen=True)
class Plan:
    """A whole compiled strategy in canonical order; equal fingerprints mean equal behaviour.

    Attributes:
        fingerprint: SHA-256 of the canonical document (names dropped, commutative inputs sorted, literals normalised).
        features: unique columns, canonical order.
        sets: canonical order; only those that a rule uses.
        rules: canonical order.
        trainable: what training may move; empty for kind `rules`.
        warmup_bars: bars before the first complete feature row.
        n_parameters: trainable numbers.
    """

    fingerprint: str
    name: str
    hypothesis: str
    instruments: tuple[str, ...]
    timeframe: str
    features: tuple[FeaturePlan, ...]
    sets: tuple[SetPlan, ...]
    rules: tuple[RulePlan, ...]
    model: ModelKind
    trainable: tuple[Trainable, ...]
    labels: LabelPlan
    training: TrainingPlan
    decision: DecisionPlan
    warmup_bars: int
    n_parameters: int
