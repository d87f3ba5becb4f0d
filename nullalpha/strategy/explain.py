"""A strategy in plain English, before training: what it looks at, what its rules say, what it learns, when it trades and when it leaves."""

from __future__ import annotations

from nullalpha.strategy.compile import compile_strategy
from nullalpha.strategy.plan import Condition, DecisionPlan, FeaturePlan, Plan, RulePlan, SetPlan
from nullalpha.strategy.spec import StrategySpec
from nullalpha.strategy.vocabulary import Vocabulary


def explain(strategy: StrategySpec | Plan, vocabulary: Vocabulary) -> str:
    """Return the strategy as a few short paragraphs."""
    plan = strategy if isinstance(strategy, Plan) else compile_strategy(strategy, vocabulary)
    paragraphs = [
        f"{plan.name} trades {_listed(plan.instruments)} on {plan.timeframe} bars. Its hypothesis: {plan.hypothesis.strip()}",
        " ".join(["It looks at", _listed([describe_feature(f, plan.timeframe, vocabulary) for f in plan.features]) + "."]),
        "\n".join(["It reasons by these rules, each as far as it holds:", *(f"- {describe_rule(rule, plan)}" for rule in plan.rules)]),
        "\n".join(["In these rules:", *(f"- {describe_set(fuzzy, plan)}" for fuzzy in plan.sets)]),
        _learning(plan),
        _trading(plan.decision),
        f"It needs {plan.warmup_bars} bars of history before its first signal.",
    ]
    return "\n\n".join(paragraphs)


def describe_feature(feature: FeaturePlan, timeframe: str, vocabulary: Vocabulary) -> str:
    """Return one column in words, e.g. `trend (distance_from_sma with period 200)`."""
    signature = vocabulary[feature.indicator]
    params = _listed([f"{name} {value:g}" for name, value in feature.params])
    text = feature.indicator + (f" with {params}" if params else "")
    if len(signature.outputs) > 1:
        text = f"the {feature.output} of {text}"
    if feature.timeframe != timeframe:
        text += f", on {feature.timeframe} bars once each is complete"
    if feature.zscore_bars:
        text += f", as a z-score over the last {feature.zscore_bars} bars"
    return f"{feature.name} ({text})"


def describe_set(fuzzy: SetPlan, plan: Plan) -> str:
    """Return a fuzzy set in words, e.g. `rsi is low: around 25, fading over 8`."""
    p = [f"{number:.4g}" for number in fuzzy.params]
    if fuzzy.shape == "gaussian":
        words = f"around {p[0]}, fading over {p[1]}"
    elif fuzzy.shape == "sigmoid":
        words = f"{'above' if fuzzy.params[1] > 0 else 'below'} {p[0]}, fully some {abs(5 / fuzzy.params[1]):.3g} beyond"
    elif fuzzy.shape == "triangle":
        words = f"most at {p[1]}, not at all outside {p[0]} to {p[2]}"
    else:
        words = f"fully from {p[1]} to {p[2]}, not at all outside {p[0]} to {p[3]}"
    return f"{plan.features[fuzzy.feature].name} is {fuzzy.name}: {words}"


def describe_rule(rule: RulePlan, plan: Plan) -> str:
    """Return a rule in words, with its condition in canonical form."""
    side = "long" if rule.consequent > 0 else "short"
    return f"when {describe_condition(rule.condition, plan)}, lean {side} with strength {abs(rule.consequent):g}"


def describe_condition(condition: Condition, plan: Plan) -> str:
    """Return a condition in words, e.g. `rsi is low and trend is not up`."""
    if condition.op == "is":
        return _statement(plan.sets[condition.set_index], plan, "is")
    if condition.op == "not":
        (inner,) = condition.args
        if inner.op == "is":
            return _statement(plan.sets[inner.set_index], plan, "is not")
        return f"it is not so that ({describe_condition(inner, plan)})"
    parts = [describe_condition(arg, plan) for arg in condition.args]
    grouped = [f"({part})" if arg.op in ("and", "or") else part for arg, part in zip(condition.args, parts, strict=True)]
    return f" {condition.op} ".join(grouped)


def _statement(fuzzy: SetPlan, plan: Plan, verb: str) -> str:
    return f"{plan.features[fuzzy.feature].name} {verb} {fuzzy.name}"


def _listed(items: tuple[str, ...] | list[str], word: str = "and") -> str:
    *most, last = items or [""]
    return f"{', '.join(most)} {word} {last}" if most else last


def _learning(plan: Plan) -> str:
    if not plan.trainable:
        return "It learns nothing: the rules stand as written, and their joint answer, squeezed into -1 to 1, is the signal."
    what = {"consequents": "what each rule answers (a linear function of the features)", "sets": "the place and width of the sets"}
    labels, training = plan.labels, plan.training
    goal = f"the return over the next {_bars(labels.horizon_bars)}, in units of the volatility of the last {labels.volatility_bars} bars"
    if labels.kind == "triple_barrier":
        goal = (
            f"which comes first within {_bars(labels.horizon_bars)}: a rise or a fall of {labels.barrier:g} "
            f"times the volatility of the last {labels.volatility_bars} bars over that horizon"
        )
    return (
        f"It learns {_listed([what[name] for name in plan.trainable])}, {plan.n_parameters} numbers in all, to predict {goal}. "
        f"Training makes at most {training.epochs} passes in batches of {training.batch_size} ({training.loss} loss, learning rate "
        f"{training.learning_rate:g}) and stops after {training.patience} passes without progress on held-out bars."
    )


def _trading(decision: DecisionPlan) -> str:
    long, short = decision.long_above, decision.short_below
    sides = []
    sides.append("never buys" if long is None else f"goes long when the signal (-1 to 1) is above {long:g}")
    sides.append("never sells short" if short is None else f"goes short when the signal (-1 to 1) is below {short:g}")
    sizing = decision.sizing
    size = f"A position is {sizing.size:g} times equity."
    if sizing.kind == "volatility_target":
        size = (
            f"A position is sized for {sizing.annual:g} volatility a year, by that of the last {sizing.volatility_bars} bars, "
            f"and is at most {sizing.max_leverage:g} times equity."
        )
    return f"It {' and '.join(sides)}. {size} {_exits(decision)}"


def _exits(decision: DecisionPlan) -> str:
    exits = decision.exits
    reasons = ["when the signal no longer asks for the position"]
    for name, atr, fraction in (
        ("against it (stop loss)", exits.stop_atr, exits.stop_fraction),
        ("in its favour (take profit)", exits.target_atr, exits.target_fraction),
    ):
        if atr or fraction:
            reasons.append(f"when price has moved {f'{atr:g} ATR' if atr else f'{fraction:g} of the entry price'} {name}")
    if exits.max_bars:
        reasons.append(f"after {_bars(exits.max_bars)}")
    return f"It leaves {_listed(reasons, 'or')}."


def _bars(n: int) -> str:
    return "1 bar" if n == 1 else f"{n} bars"
