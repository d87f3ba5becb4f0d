"""Every field that the language accepts does something: for each there is a case in which the real engine's results differ.

The seeds of what is compared are made equal, so that a difference is the field's own. And where the fingerprint stays, results stay, to the
bit. What fields do to the fingerprint is shown in `tests/strategy/test_fingerprint_means_behaviour.py`.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import pytest

from nullalpha.data.bars import Bars, FloatArray
from nullalpha.data.instruments import Costs, Instrument
from nullalpha.engines.experiment import MarketSeries, run_experiment
from nullalpha.engines.features.indicators.registry import VOCABULARY
from nullalpha.engines.features.pipeline import compute_features
from nullalpha.engines.protocol import Protocol, Span
from nullalpha.engines.training.predict import predict_signal
from nullalpha.strategy.columns import compile_feature
from nullalpha.strategy.compile import compile_strategy
from nullalpha.strategy.plan import Plan
from nullalpha.strategy.spec import FeatureSpec
from nullalpha.strategy.validate import parse_strategy
from tests.support.fields import PARAMETER, Document, FieldName, Path, fields_of_the_language, put
from tests.support.rewriting import rewritten

SPAN = Span("search", "2000-01-03", "2004-01-01")
PROTOCOL = Protocol(n_folds=1, first_train_fraction=0.7)

RULES = {
    "kind": "rules",
    "rules": [
        "if fast is low and slow is up then long 1.0",
        "if fast is high or slow is down then short 0.8 weight 0.7",
    ],
}
ANFIS = {**RULES, "kind": "anfis"}
MLP = {"kind": "fuzzy_mlp", "hidden": [4]}
GRU = {"kind": "fuzzy_gru", "hidden": [3], "lookback": 4}
KELLY = {"long_above": 0.0, "short_below": 0.0, "sizing": {"kind": "kelly", "max_leverage": 4.0}}
TRAINING = {"epochs": 4, "batch_size": 64, "learning_rate": 0.05}
BASE: Document = {
    "nullalpha": 1,
    "name": "base",
    "hypothesis": "What fell comes back.",
    "instruments": ["AAA"],
    "features": {
        "fast": {"indicator": "roc", "period": 2},
        "slow": {"indicator": "macd", "fast": 5, "slow": 20, "output": "histogram", "transform": {"zscore": 50}},
    },
    "sets": {
        "fast": {"low": {"gaussian": [-0.02, 0.02]}, "high": {"gaussian": [0.02, 0.02]}},
        "slow": {"up": {"sigmoid": [0.5, 2]}, "down": {"bell": [-1, 0.5, 2]}},
    },
    "model": RULES,
    "labels": {"kind": "forward_return", "horizon": 1},
    "training": TRAINING,
    "decision": {"long_above": 0.1, "short_below": -0.1},
}
ROUTED = {
    "kind": "ensemble",
    "members": {"one": ANFIS, "two": MLP},
    "router": {"model": GRU, "labels": {"kind": "regime", "horizon": 5}, "above": "one", "below": "two"},
}
BASES: dict[str, Document] = {
    "rules": BASE,
    "held by exits": put(BASE, ("decision", "exits"), {"stop_loss": {"atr": 2.0}, "take_profit": {"fraction": 0.05}, "max_bars": 8}),
    "limited entries": put(BASE, ("decision", "entry"), {"order": "limit", "distance": {"atr": 0.5}, "valid_bars": 3}),
    "stopped entries": put(
        BASE, ("decision", "entry"), {"order": "stop_limit", "distance": {"fraction": 0.001}, "limit": {"fraction": 0.0005}}
    ),
    "volatility target": put(BASE, ("decision", "sizing"), {"kind": "volatility_target", "annual": 0.1}),
    "anfis": BASE | {"model": ANFIS, "decision": KELLY},
    "sets alone": BASE | {"model": ANFIS | {"trainable": ["sets"]}, "decision": KELLY},
    "mlp": BASE | {"model": MLP, "decision": KELLY},
    "gru": BASE | {"model": GRU, "decision": KELLY},
    "barriers": BASE | {"model": ANFIS, "labels": {"kind": "triple_barrier", "horizon": 10}},
    "legs": BASE | {"model": MLP, "labels": {"kind": "zigzag", "horizon": 10}},
    "regimes": BASE | {"model": MLP, "labels": {"kind": "regime", "horizon": 10}},
    "long training": BASE | {"model": MLP, "decision": KELLY, "training": {"epochs": 30, "batch_size": 32, "learning_rate": 0.1}},
    "classes": BASE | {"model": MLP, "training": TRAINING | {"loss": "cross_entropy", "class_band": 0.2}},
    "focal": BASE | {"model": ANFIS, "training": TRAINING | {"loss": "focal"}},
    "utility": BASE | {"model": ANFIS, "training": TRAINING | {"loss": "utility"}},
    "routed": BASE | {"model": ROUTED, "decision": KELLY},
    "two members": BASE | {"model": {"kind": "ensemble", "members": ROUTED["members"]}, "decision": KELLY},
    "fixed members": BASE | {"model": {"kind": "ensemble", "members": ROUTED["members"]}},
    "shapes": put(
        BASE,
        ("sets", "fast"),
        {"low": {"triangle": [-0.06, -0.02, 0.0]}, "high": {"trapezoid": [-0.01, 0.02, 0.04, 0.08]}},
    ),
}


@dataclass(frozen=True)
class Case:
    """One change of one document that must change the equity; where `learned`, the signals of what was trained."""

    base: str
    path: str
    value: Any
    learned: bool = False

    @property
    def changed(self) -> Document:
        path: Path = tuple(int(step) if step.isdigit() else step for step in self.path.split("."))
        return put(BASES[self.base], path, self.value)


CASES: dict[FieldName, list[Case]] = {
    ("StrategySpec", "instruments"): [Case("rules", "instruments", ["BBB"]), Case("rules", "instruments", ["AAA", "BBB"])],
    ("StrategySpec", "timeframe"): [Case("rules", "timeframe", "1w")],
    ("FeatureSpec", "indicator"): [Case("rules", "features.fast.indicator", "slope")],
    ("FeatureSpec", "output"): [Case("rules", "features.slow.output", "signal")],
    ("FeatureSpec", "timeframe"): [Case("rules", "features.fast.timeframe", "1w")],
    ("FeatureSpec", "of"): [Case("rules", "features.fast.of", "BBB")],
    ("FeatureSpec", "input"): [Case("rules", "features.fast.input", "high"), Case("anfis", "features.fast.input", "slow")],
    ("FeatureSpec", "transform"): [Case("rules", "features.fast.transform", {"clip": 0.01})],
    ("FeatureSpec", PARAMETER): [Case("rules", "features.fast.period", 3)],
    ("TransformSpec", PARAMETER): [
        Case("rules", "features.slow.transform", {"zscore": 60}),
        Case("rules", "features.slow.transform", {"rank": 50}),
    ],
    ("SetSpec", "gaussian"): [Case("rules", "sets.fast.low.gaussian.0", -0.03), Case("rules", "sets.fast.low.gaussian.1", 0.03)],
    ("SetSpec", "sigmoid"): [Case("rules", "sets.slow.up.sigmoid.0", 0.2), Case("rules", "sets.slow.up.sigmoid.1", 4)],
    ("SetSpec", "bell"): [Case("rules", f"sets.slow.down.bell.{i}", value) for i, value in enumerate((-1.5, 0.9, 5))],
    ("SetSpec", "triangle"): [Case("shapes", f"sets.fast.low.triangle.{i}", value) for i, value in enumerate((-0.03, -0.01, 0.02))],
    ("SetSpec", "trapezoid"): [
        Case("shapes", f"sets.fast.high.trapezoid.{i}", value) for i, value in enumerate((0.015, 0.035, 0.021, 0.042))
    ],
    ("ModelSpec", "kind"): [Case("rules", "model.kind", "anfis"), Case("gru", "model.kind", "fuzzy_lstm", learned=True)],
    ("ModelSpec", "rules"): [
        Case("rules", "model.rules.0", "if fast is low or slow is up then long 1.0"),
        Case("rules", "model.rules.0", "if not fast is low and slow is up then long 1.0"),
        Case("volatility target", "model.rules.0", "if fast is low and slow is up then long 0.3"),
        Case("rules", "model.rules.0", "if fast is low and slow is up then short 1.0"),
        Case("rules", "model.rules.1", "if fast is high or slow is down then short 0.8 weight 0.1"),
        Case("anfis", "model.rules.1", "if fast is high or slow is down then short 0.8 weight 0.1", learned=True),
        Case("anfis", "model.rules.0", "if fast is low and slow is up then long 0.3", learned=True),
    ],
    ("ModelSpec", "trainable"): [
        Case("anfis", "model.trainable", ["sets"], learned=True),
        Case("anfis", "model.trainable", ["consequents"], learned=True),
        Case("mlp", "model.trainable", ["sets", "network"], learned=True),
        Case("gru", "model.trainable", ["sets", "network"], learned=True),
    ],
    ("ModelSpec", "inputs"): [Case("mlp", "model.inputs", ["fast.low", "slow.up"], learned=True)],
    ("ModelSpec", "hidden"): [Case("mlp", "model.hidden", [5], learned=True), Case("gru", "model.hidden", [3, 2], learned=True)],
    ("ModelSpec", "lookback"): [Case("gru", "model.lookback", 5, learned=True)],
    ("ModelSpec", "dropout"): [Case("mlp", "model.dropout", 0.3, learned=True), Case("gru", "model.dropout", 0.3, learned=True)],
    ("ModelSpec", "members"): [Case("two members", "model.members.three", GRU), Case("two members", "model.members.one", GRU)],
    ("ModelSpec", "router"): [Case("routed", "model.router", None)],
    ("MemberSpec", "kind"): [Case("routed", "model.router.model.kind", "fuzzy_lstm", learned=True)],
    ("MemberSpec", "rules"): [Case("two members", "model.members.one.rules.0", "if fast is low then long 1.0", learned=True)],
    ("MemberSpec", "trainable"): [Case("two members", "model.members.one.trainable", ["sets"], learned=True)],
    ("MemberSpec", "inputs"): [Case("routed", "model.members.two.inputs", ["fast.low", "slow.up"], learned=True)],
    ("MemberSpec", "hidden"): [Case("routed", "model.members.two.hidden", [3], learned=True)],
    ("MemberSpec", "lookback"): [Case("routed", "model.router.model.lookback", 3, learned=True)],
    ("MemberSpec", "dropout"): [Case("routed", "model.members.two.dropout", 0.3, learned=True)],
    ("RouterSpec", "above"): [Case("routed", "model.router", ROUTED["router"] | {"above": "two", "below": "one"}, learned=True)],
    ("RouterSpec", "below"): [Case("routed", "model.router", ROUTED["router"] | {"above": "two", "below": "one"}, learned=True)],
    ("RouterSpec", "threshold"): [Case("routed", "model.router.threshold", 0.2, learned=True)],
    ("RouterSpec", "softness"): [Case("routed", "model.router.softness", softness, learned=True) for softness in (0, 0.05)],
    ("LabelSpec", "kind"): [Case("barriers", "labels.kind", kind, learned=True) for kind in ("forward_return", "zigzag", "regime")],
    ("LabelSpec", "horizon"): [
        *(Case(base, "labels.horizon", 7, learned=True) for base in ("anfis", "barriers", "legs", "regimes")),
        Case("routed", "model.router.labels.horizon", 9, learned=True),
    ],
    ("LabelSpec", "volatility_bars"): [
        *(Case(base, "labels.volatility_bars", 30, learned=True) for base in ("anfis", "barriers", "legs")),
        Case("regimes", "labels", {"kind": "regime", "of": "volatility", "volatility_bars": 30}, learned=True),
    ],
    ("LabelSpec", "barrier"): [Case(base, "labels.barrier", 0.5, learned=True) for base in ("barriers", "legs")],
    ("LabelSpec", "of"): [
        Case("regimes", "labels.of", "volatility", learned=True),
        Case("routed", "model.router.labels.of", "volatility", learned=True),
    ],
    ("LabelSpec", "cusum"): [Case(base, "labels.cusum", 1.0, learned=True) for base in ("anfis", "barriers", "gru", "regimes")],
    ("LabelSpec", "weights"): [
        *(Case(base, "labels.weights", "uniqueness", learned=True) for base in ("barriers", "legs")),
        Case("anfis", "labels", {"horizon": 3, "cusum": 1.0, "weights": "uniqueness"}, learned=True),
    ],
    ("TrainingSpec", "epochs"): [Case("anfis", "training.epochs", 2, learned=True)],
    ("TrainingSpec", "batch_size"): [Case(base, "training.batch_size", 32, learned=True) for base in ("anfis", "gru")],
    ("TrainingSpec", "learning_rate"): [Case(base, "training.learning_rate", 0.02, learned=True) for base in ("anfis", "mlp")],
    ("TrainingSpec", "patience"): [Case("long training", "training.patience", 1, learned=True)],
    ("TrainingSpec", "loss"): [
        *(Case(base, "training.loss", "mse", learned=True) for base in ("anfis", "mlp", "routed")),
        *(Case("barriers", "training", TRAINING | {"loss": loss}, learned=True) for loss in ("cross_entropy", "focal", "utility")),
        *(Case("fixed members", "training.loss", loss, learned=True) for loss in ("cross_entropy", "focal", "utility")),
    ],
    ("TrainingSpec", "class_band"): [
        *(Case(base, "training.class_band", 0.5, learned=True) for base in ("classes", "focal")),
        *(Case(base, "training", TRAINING | {"loss": "focal", "class_band": 0.1}, learned=True) for base in ("legs", "regimes")),
    ],
    ("TrainingSpec", "class_weights"): [Case(base, "training.class_weights", "balanced", learned=True) for base in ("classes", "focal")],
    ("TrainingSpec", "focal_gamma"): [Case("focal", "training.focal_gamma", 0.5, learned=True)],
    ("TrainingSpec", "risk_aversion"): [Case("utility", "training.risk_aversion", aversion, learned=True) for aversion in (0, 1.0)],
    ("TrainingSpec", "schedule"): [Case(base, "training.schedule", "cosine", learned=True) for base in ("anfis", "gru", "routed")],
    ("TrainingSpec", "warmup_epochs"): [Case(base, "training.warmup_epochs", 3, learned=True) for base in ("anfis", "gru", "routed")],
    ("TrainingSpec", "clip_norm"): [Case(base, "training.clip_norm", 0.02, learned=True) for base in ("anfis", "gru", "routed")],
    ("SizingSpec", "kind"): [Case("rules", "decision.sizing", {"kind": "volatility_target"}), Case("anfis", "decision.sizing", {})],
    ("SizingSpec", "size"): [Case("rules", "decision.sizing", {"size": 0.5})],
    ("SizingSpec", "annual"): [Case("volatility target", "decision.sizing.annual", 0.12)],
    ("SizingSpec", "fraction"): [Case("anfis", "decision.sizing.fraction", 0.3)],
    ("SizingSpec", "max_leverage"): [
        Case("volatility target", "decision.sizing.max_leverage", 0.5),
        Case("anfis", "decision.sizing.max_leverage", 0.3),
    ],
    ("SizingSpec", "volatility_bars"): [Case("volatility target", "decision.sizing.volatility_bars", 20)],
    ("DistanceSpec", "atr"): [
        Case("held by exits", f"decision.exits.{name}", {"atr": 1.0}) for name in ("stop_loss", "trailing_stop", "take_profit")
    ],
    ("DistanceSpec", "fraction"): [
        Case("held by exits", f"decision.exits.{name}", {"fraction": 0.01}) for name in ("stop_loss", "trailing_stop", "take_profit")
    ],
    ("ExitSpec", "stop_loss"): [Case("held by exits", "decision.exits.stop_loss", None)],
    ("ExitSpec", "trailing_stop"): [Case("rules", "decision.exits", {"trailing_stop": {"atr": 2.0}})],
    ("ExitSpec", "take_profit"): [Case("held by exits", "decision.exits.take_profit", None)],
    ("ExitSpec", "max_bars"): [Case("held by exits", "decision.exits.max_bars", 3), Case("held by exits", "decision.exits.max_bars", None)],
    ("DecisionSpec", "entry"): [
        Case("rules", "decision.entry", {"order": order, "distance": {"fraction": 0.005}}) for order in ("limit", "stop")
    ],
    ("EntrySpec", "order"): [Case("limited entries", "decision.entry.order", "stop")],
    ("EntrySpec", "distance"): [Case("limited entries", "decision.entry.distance", {"atr": 0.4})],
    ("EntrySpec", "limit"): [Case("stopped entries", "decision.entry.limit", {"fraction": 0.01})],
    ("EntrySpec", "valid_bars"): [Case("limited entries", "decision.entry.valid_bars", value) for value in (1, None)],
    ("DecisionSpec", "long_above"): [Case("rules", "decision.long_above", 0.3), Case("rules", "decision.long_above", None)],
    ("DecisionSpec", "short_below"): [Case("rules", "decision.short_below", -0.3), Case("rules", "decision.short_below", None)],
    ("DecisionSpec", "long_exit_below"): [Case("rules", "decision.long_exit_below", -0.2)],
    ("DecisionSpec", "short_exit_above"): [Case("rules", "decision.short_exit_above", 0.2)],
    ("DecisionSpec", "separation"): [Case("rules", "decision.separation", 10)],
}
NO_EFFECT = {
    ("StrategySpec", "nullalpha"),
    *(("StrategySpec", word) for word in ("name", "hypothesis", "prediction")),
    *(("PredictionSpec", figure) for figure in ("excess_sharpe", "p_pass", "kill_below")),
}
HAVE_FIELDS_OF_THEIR_OWN = {
    *(("StrategySpec", part) for part in ("features", "sets", "model", "labels", "training", "decision")),
    *(("DecisionSpec", part) for part in ("sizing", "exits")),
    *(("RouterSpec", part) for part in ("model", "labels")),
}
ALL_CASES = [case for cases in CASES.values() for case in cases]


@cache
def bars_of(symbol: str, timeframe: str) -> Bars:
    """Four years of invented daily bars whose moves half revert and whose volatility comes and goes; or fourteen of weekly ones."""
    rng = np.random.default_rng(sum(map(ord, symbol)))
    n, step = (1040, 1) if timeframe == "1d" else (730, 5)
    volatility = 0.01 * (1.5 + np.sin(np.arange(n) / 40))
    moves = rng.standard_t(5, n) * volatility
    for row in range(1, n):
        moves[row] -= 0.4 * moves[row - 1]
    close = 100 * np.exp(np.cumsum(moves))
    open_ = np.concatenate([[100.0], close[:-1]]) * np.exp(rng.normal(0, 0.002, n))
    reach = np.abs(rng.normal(0, 0.005, (2, n)))
    high, low = np.maximum(open_, close) * (1 + reach[0]), np.minimum(open_, close) * (1 - reach[1])
    time = np.busday_offset("2000-01-03", np.arange(n) * step).astype("datetime64[ns]") + np.timedelta64(21, "h")
    return Bars(symbol, timeframe, time, open_, high, low, close, rng.uniform(1e5, 1e6, n))


COSTS = Costs(0.0001, 1.0, 1.0)


def market_of(timeframe: str, costs: Costs = COSTS) -> dict[str, MarketSeries]:
    return {
        symbol: MarketSeries(Instrument(symbol, symbol, "XNYS", "USD", "open", 252, costs, "invented"), bars_of(symbol, timeframe))
        for symbol in ("AAA", "BBB")
    }


@dataclass(frozen=True)
class Results:
    """What came out, to the bit: equity at each bar, and the signals of each instrument's last model."""

    equity: bytes
    signals: bytes
    n_trades: int


def compiled(document: Document) -> Plan:
    spec, _ = parse_strategy(document, VOCABULARY)
    return compile_strategy(spec, VOCABULARY)


def results_of(plan: Plan, costs: Costs = COSTS) -> Results:
    market = market_of(plan.timeframe, costs)
    span = SPAN if plan.timeframe == "1d" else replace(SPAN, end="2014-01-01")
    outcome = run_experiment(plan, market, PROTOCOL, span, seed=3)
    others = {symbol: series.bars for symbol, series in market.items()}
    signals = [
        predict_signal(plan, fold.fit.weights, compute_features(plan.features, others[fold.instrument], others)) for fold in outcome.folds
    ]
    return Results(outcome.account.equity.tobytes(), np.concatenate(signals).tobytes(), outcome.performance.n_trades)


@cache
def results_of_base(name: str) -> Results:
    return results_of(with_one_seed(compiled(BASES[name])))


def with_one_seed(plan: Plan) -> Plan:
    """Return the plan under a name that all have here: a model's seed is made from it."""
    return replace(plan, fingerprint="0" * 64)


@pytest.mark.parametrize("name", sorted({case.base for case in ALL_CASES if not case.learned}))
def test_what_is_changed_here_trades(name: str) -> None:
    assert results_of_base(name).n_trades > 5


def test_every_field_that_may_act_has_a_case_here() -> None:
    assert fields_of_the_language() == {*CASES, *NO_EFFECT, *HAVE_FIELDS_OF_THEIR_OWN}
    assert not {*CASES} & {*NO_EFFECT, *HAVE_FIELDS_OF_THEIR_OWN}


@pytest.mark.parametrize("case", ALL_CASES, ids=[f"{case.base}: {case.path}-{i}" for i, case in enumerate(ALL_CASES)])
def test_a_field_that_is_accepted_changes_results(case: Case) -> None:
    changed = compiled(case.changed)
    assert changed.fingerprint != compiled(BASES[case.base]).fingerprint
    before, after = results_of_base(case.base), results_of(with_one_seed(changed))
    assert (after.signals != before.signals) if case.learned else (after.equity != before.equity)


def test_what_trading_costs_changes_what_a_utility_learns_and_what_no_other_loss_learns() -> None:
    dear = Costs(0.001, 10.0, 10.0)
    signals = {
        name: [np.frombuffer(results_of(with_one_seed(compiled(BASES[name])), costs).signals) for costs in (COSTS, dear)]
        for name in ("utility", "anfis", "classes", "focal")
    }
    for name in ("anfis", "classes", "focal"):
        np.testing.assert_array_equal(*signals[name])
    cheap, careful = (np.abs(given[np.isfinite(given)]) for given in signals["utility"])
    assert careful.mean() < 0.8 * cheap.mean()  # 60 basis points a round trip, of moves of a percent or two


@pytest.mark.parametrize("name", BASES)
def test_equal_fingerprints_give_equal_results_to_the_bit(name: str) -> None:
    document = copy.deepcopy(BASES[name])
    plan, same = compiled(document), compiled(rewritten(document, VOCABULARY, Random(5)))
    assert same.fingerprint == plan.fingerprint
    assert results_of(same) == results_of(plan)


@pytest.mark.parametrize("name", sorted(VOCABULARY))
def test_every_parameter_and_output_of_an_indicator_changes_its_values(name: str) -> None:
    signature, bars = VOCABULARY[name], bars_of("AAA", "1d")

    given = {"input": "close"} if signature.series == ("returns",) else {}

    def column(**said: Any) -> FloatArray:
        feature = FeatureSpec.model_validate({"indicator": name, **given, **said})
        return compute_features((compile_feature("x", feature, "1d", VOCABULARY),), bars)[-200:, 0]

    as_it_is = {output: column(output=output) for output in signature.outputs}
    assert len({values.tobytes() for values in as_it_is.values()}) == len(as_it_is)
    defaults = {parameter.name: parameter.default for parameter in signature.parameters}
    for parameter in signature.parameters:
        below = {high: low for low, high in pairwise(signature.rising)}.get(parameter.name)
        floor = parameter.low if below is None else max(parameter.low, 1.5 * defaults[below])
        values = {math.ceil(floor), parameter.default + 1} if parameter.integer else {floor, parameter.default * 1.1}
        near = values - {parameter.default}
        changed = [column(**{parameter.name: value, "output": output}).tobytes() for value in near for output in as_it_is]
        assert {*changed} - {values.tobytes() for values in as_it_is.values()}, parameter.name
