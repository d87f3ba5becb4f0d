"""The compiled form of a strategy: what engines execute. Plain frozen data; no pydantic, no arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from nullalpha.strategy.vocabulary import BarField, ParameterValue, Unit

SetShape = Literal["gaussian", "triangle", "trapezoid", "sigmoid", "bell"]
NetworkKind = Literal["fuzzy_mlp", "fuzzy_gru", "fuzzy_lstm"]
ModelKind = Literal["rules", "anfis", "fuzzy_mlp", "fuzzy_gru", "fuzzy_lstm", "ensemble"]
LabelKind = Literal["forward_return", "triple_barrier", "zigzag", "regime"]
RegimeOf = Literal["trend", "volatility"]
SampleWeights = Literal["none", "uniqueness"]
Trainable = Literal["sets", "consequents", "network"]
Loss = Literal["huber", "mse", "cross_entropy", "focal", "utility"]
ClassWeights = Literal["none", "balanced"]
Schedule = Literal["constant", "cosine"]
NETWORK_KINDS: tuple[NetworkKind, ...] = ("fuzzy_mlp", "fuzzy_gru", "fuzzy_lstm")


@dataclass(frozen=True)
class FeaturePlan:
    """A column, or a node below one: an indicator on bars, or an operator on series. Nodes form a directed acyclic graph.

    Equal nodes are one node: `name` and `unit` are no part of equality.

    Attributes:
        name: the strategy's own word for it (display only; a node made by a transform has its column's).
        indicator, params, output: what to compute; `params` sorted by name, complete with defaults.
        timeframe: whose bars it is computed on; on a timeframe longer than the base one a value is known at ITS bar's close.
        instrument: whose bars it is computed on; empty for the instrument that is traded. Another's values are joined as of the base bar.
        inputs: of a series operator, what it is applied to, in order: bar fields or other nodes. A node of the same timeframe and
            instrument is taken bar by bar; any other node is joined to the base bars, and the operator works on base bars.
        unit: of its values.
    """

    name: str = field(compare=False)
    indicator: str
    params: tuple[tuple[str, ParameterValue], ...]
    output: str
    timeframe: str
    instrument: str = ""
    inputs: tuple[FeaturePlan | BarField, ...] = ()
    unit: Unit = field(default="value", compare=False)


@dataclass(frozen=True)
class SetPlan:
    """A fuzzy set on one feature.

    gaussian (centre, width > 0): exp(-(x - c)^2 / (2 w^2)); sigmoid (centre, slope): 1 / (1 + exp(-slope (x - c)));
    triangle (a <= b <= c, a < c); trapezoid (a <= b <= c <= d, a < d); bell (centre, width > 0, slope > 0), the generalised bell:
    1 / (1 + |(x - c) / w|^(2 slope)).
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
    """If `condition` then `consequent` (-1..1: long positive, short negative); `text` is the rule as written, for display.

    `weight` (above 0, at most 1) multiplies the truth of the condition wherever the rule's firing counts.
    """

    condition: Condition
    consequent: float
    text: str
    weight: float = 1.0


@dataclass(frozen=True)
class NetworkPlan:
    """The network of a fuzzy_mlp, fuzzy_gru or fuzzy_lstm: its inputs are the memberships of `Plan.sets`, its output is one number.

    Attributes:
        hidden: units of each hidden layer of a fuzzy_mlp; of a recurrent kind, the state's size, then those of the layers after it.
        lookback: rows that a recurrent kind reads, the current one last; 1 for a fuzzy_mlp.
        dropout: share of hidden units dropped while training, 0..0.5.
    """

    hidden: tuple[int, ...]
    lookback: int
    dropout: float


@dataclass(frozen=True)
class LabelPlan:
    """What a model learns to predict; horizons in bars of the base timeframe.

    forward_return: log return over `horizon_bars` from the fill price, over trailing volatility x sqrt(horizon), clipped to +-3.
    triple_barrier: +1 / -1 for the first barrier touched at `barrier` trailing volatilities x sqrt(horizon), else the scaled return,
    clipped to +-1.
    zigzag: the scaled return from the fill to the next pivot of a zigzag whose legs turn at `barrier` trailing volatilities x
    sqrt(horizon), looking at most `horizon_bars` ahead, clipped to +-3.
    regime: of the next `horizon_bars`: `trend`, the signed efficiency ratio, -1..1; `volatility`, the log of realised over trailing
    volatility, clipped to +-3.

    Attributes:
        cusum: learn only from bars at which log returns since the last such bar add up to this many trailing volatilities; 0 for all bars.
        weights: `uniqueness` weighs each label by how little its span overlaps those of others.
    """

    kind: LabelKind
    horizon_bars: int
    volatility_bars: int
    barrier: float = 0.0
    regime_of: RegimeOf = "trend"
    cusum: float = 0.0
    weights: SampleWeights = "none"


@dataclass(frozen=True)
class TrainingPlan:
    """How a model learns.

    Attributes:
        epochs, patience: passes at most; passes without a lower stopping loss before it ends.
        batch_size: rows of a step.
        learning_rate: Adam's at its highest.
        loss: see `nullalpha.engines.training.losses`. huber and mse predict the label; cross_entropy and focal tell three classes of it
            apart, down, flat and up; utility earns on it, so it must be a return.
        class_band: labels within +- this are flat; 0 for the sign alone (cross_entropy, focal).
        class_weights: `balanced` gives every class that occurs among the training rows an equal say (cross_entropy, focal).
        focal_gamma: how much less a row counts whose class is already likely (focal).
        risk_aversion: price of half a squared profit, in label units (utility).
        schedule: of the learning rate after the warm-up: constant, or by half a cosine down to a hundredth of it in the last epoch.
        warmup_epochs: over which the rate rises in even steps to its highest, which it has in the last of them; 0 for no rise.
        clip_norm: a longer gradient is shortened to this Euclidean norm.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    patience: int
    loss: Loss
    class_band: float = 0.0
    class_weights: ClassWeights = "none"
    focal_gamma: float = 0.0
    risk_aversion: float = 0.0
    schedule: Schedule = "constant"
    warmup_epochs: int = 0
    clip_norm: float = 1.0


@dataclass(frozen=True)
class SizingPlan:
    """How large a position is.

    fixed: `size` (fraction of equity). volatility_target: annual volatility over realised, at most `max_leverage`. kelly: `kelly_fraction`
    of the growth-optimal size for the predicted return, at most `max_leverage`; the prediction is the model's output, in trailing
    volatilities over `horizon_bars`.
    """

    kind: Literal["fixed", "volatility_target", "kelly"]
    size: float
    annual: float
    max_leverage: float
    volatility_bars: int
    kelly_fraction: float = 0.0
    horizon_bars: int = 0


@dataclass(frozen=True)
class ExitPlan:
    """Distances in multiples of ATR(14) at the signal bar or fractions of price; 0 means none.

    Stop and target lie at their distances from the entry price; the trailing stop from the best close (on basis `open`, the best high or
    low) since the entry.
    """

    stop_atr: float
    stop_fraction: float
    target_atr: float
    target_fraction: float
    max_bars: int
    trailing_atr: float = 0.0
    trailing_fraction: float = 0.0


@dataclass(frozen=True)
class EntryPlan:
    """The order that opens a position; distances in multiples of ATR(14) at the signal bar or fractions of its close, one of them 0.

    Attributes:
        distance_atr, distance_fraction: from the close to the limit or the stop.
        limit_atr, limit_fraction: of a stop_limit, from the stop on to the limit.
        valid_bars: bars that it waits; 0 for until the target changes.
    """

    order: Literal["limit", "stop", "stop_limit"]
    distance_atr: float
    distance_fraction: float
    limit_atr: float = 0.0
    limit_fraction: float = 0.0
    valid_bars: int = 0


@dataclass(frozen=True)
class DecisionPlan:
    """Thresholds on the signal (-1..1); None: that side is not traded.

    Attributes:
        long_above, short_below: where a position begins.
        long_exit_below, short_exit_above: where it ends (hysteresis); equal to the entry thresholds where none are given.
        separation_bars: bars from the beginning of one position before another may begin; 0 or 1 for no limit.
        entry: the order that opens a position; None for market orders.
    """

    long_above: float | None
    short_below: float | None
    sizing: SizingPlan
    exits: ExitPlan
    long_exit_below: float | None = None
    short_exit_above: float | None = None
    separation_bars: int = 0
    entry: EntryPlan | None = None


@dataclass(frozen=True)
class MemberPlan:
    """One member of an ensemble: a strategy of its own on some of the ensemble's features.

    Attributes:
        name: display only.
        columns: index into the ensemble's features of each of the member's own.
        plan: its features, sets, model, labels and training; the decision is the ensemble's.
    """

    name: str = field(compare=False)
    columns: tuple[int, ...]
    plan: Plan


@dataclass(frozen=True)
class RouterPlan:
    """Who answers: with g the signal (-1..1) of the regime model, member `above` has weight sigmoid((g - threshold) / softness), member
    `below` the rest; softness 0: whoever g is on the side of. A bar whose g is unknown has no answer.
    """

    regime: MemberPlan
    above: int
    below: int
    threshold: float
    softness: float


@dataclass(frozen=True)
class Plan:
    """A whole compiled strategy in canonical order; equal fingerprints mean equal behaviour.

    Attributes:
        fingerprint: SHA-256 of the canonical document (names dropped, commutative inputs sorted, literals normalised).
        features: unique columns, canonical order.
        sets: canonical order; only those that a rule or the network uses.
        rules: canonical order; none for a network or an ensemble.
        trainable: what training may move; empty for kind `rules` and for an ensemble, whose members have their own.
        warmup_bars: bars before the first complete feature row (of a recurrent network, its first signal).
        n_parameters: trainable numbers.
        network: of a fuzzy_mlp, fuzzy_gru or fuzzy_lstm.
        members, router: of an ensemble; members in canonical order. Without a router every member has an equal say.
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
    network: NetworkPlan | None = None
    members: tuple[MemberPlan, ...] = ()
    router: RouterPlan | None = None

    @property
    def lookback(self) -> int:
        """Complete rows that one signal needs, its own among them: of an ensemble, the most that a part needs."""
        return max(model.network.lookback if model.network else 1 for model in self.models)

    @property
    def models(self) -> tuple[Plan, ...]:
        """What learns and answers: the plan itself or, of an ensemble, its members and its regime model."""
        if not self.members:
            return (self,)
        return (*(member.plan for member in self.members), *([self.router.regime.plan] if self.router else []))

    @property
    def other_instruments(self) -> tuple[str, ...]:
        """Symbols that features read besides the traded instrument, sorted."""
        return tuple(sorted({node.instrument for feature in self.features for node in nodes_of(feature)} - {""}))


def nodes_of(feature: FeaturePlan) -> tuple[FeaturePlan, ...]:
    """Return a node and all nodes below it, each once, inputs before what uses them."""
    found: dict[FeaturePlan, None] = {}
    for given in feature.inputs:
        if isinstance(given, FeaturePlan):
            found |= dict.fromkeys(nodes_of(given))
    found[feature] = None
    return tuple(found)
