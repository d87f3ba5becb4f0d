"""A strategy in plain English, before training: what it looks at, what its rules say, what it learns, when it trades and when it leaves."""

from __future__ import annotations

from nullalpha.strategy.compile import compile_strategy
from nullalpha.strategy.plan import (
    Condition,
    DecisionPlan,
    FeaturePlan,
    LabelPlan,
    Plan,
    RulePlan,
    SetPlan,
    SizingPlan,
    TrainingPlan,
)
from nullalpha.strategy.spec import StrategySpec
from nullalpha.strategy.vocabulary import Vocabulary


def explain(strategy: StrategySpec | Plan, vocabulary: Vocabulary) -> str:
    """Return the strategy as a few short paragraphs."""
    plan = strategy if isinstance(strategy, Plan) else compile_strategy(strategy, vocabulary)
    features = _listed([describe_feature(f, plan.timeframe, vocabulary) for f in plan.features])
    paragraphs = [
        f"{plan.name} trades {_listed(plan.instruments)} on {plan.timeframe} bars. Its hypothesis: {plan.hypothesis.strip()}",
        f"It looks at {features}.",
        *(_ensemble(plan) if plan.members else _reasoning(plan)),
        _trading(plan.decision),
        f"It needs {plan.warmup_bars} bars of history before its first signal.",
    ]
    return "\n\n".join(paragraphs)


def _ensemble(plan: Plan) -> list[str]:
    """Return who answers when, then each member's own reasoning."""
    names = [member.name for member in plan.members]
    router = plan.router
    if router is None:
        paragraphs = [f"It asks {_listed(names)} and takes the mean of their answers."]
    else:
        above, below = names[router.above], names[router.below]
        change = "at once" if router.softness == 0 else f"gradually, over about {4 * router.softness:.3g}"
        paragraphs = [
            f"It asks {above} where the regime model's signal (-1 to 1) is above {router.threshold:g} and {below} below; one gives way "
            f"to the other {change}.",
            "The regime model. " + "\n\n".join(_reasoning(router.regime.plan)),
        ]
    for member in plan.members:
        paragraphs.append(f"Member {member.name}. " + "\n\n".join(_reasoning(member.plan)))
    return paragraphs


def _reasoning(plan: Plan) -> list[str]:
    sets = "\n".join(["In these rules:" if plan.rules else "Its sets:", *(f"- {describe_set(fuzzy, plan)}" for fuzzy in plan.sets)])
    if plan.network is None:
        rules = "\n".join(
            ["It reasons by these rules, each as far as it holds:", *(f"- {describe_rule(rule, plan)}" for rule in plan.rules)]
        )
        return [rules, sets, _learning(plan)]
    layers = _listed([f"{size}" for size in plan.network.hidden])
    kind = {"fuzzy_mlp": "a network", "fuzzy_gru": "a recurrent network (GRU)", "fuzzy_lstm": "a recurrent network (LSTM)"}[plan.model]
    reads = f"how far each of {len(plan.sets)} sets holds" + (f" over the last {_bars(plan.lookback)}" if plan.lookback > 1 else "")
    dropped = f", of which {plan.network.dropout:.0%} rest at each step of training" if plan.network.dropout else ""
    return [f"It reasons by {kind} with {layers} hidden units{dropped}, which reads {reads}.", sets, _learning(plan)]


def describe_feature(feature: FeaturePlan, timeframe: str, vocabulary: Vocabulary) -> str:
    """Return one column in words, e.g. `trend (distance_from_sma with period 200)`."""
    return f"{feature.name} ({_node(feature, timeframe, vocabulary)})"


def _node(node: FeaturePlan, timeframe: str, vocabulary: Vocabulary) -> str:
    if node.indicator == "zscore" and len(node.inputs) == 1 and isinstance(node.inputs[0], FeaturePlan):
        (bars,) = (value for _, value in node.params)
        return f"{_node(node.inputs[0], timeframe, vocabulary)}, as a z-score over the last {bars:g} bars"
    signature = vocabulary[node.indicator]
    params = _listed([f"{name} {value:g}" for name, value in node.params])
    text = node.indicator + (f" with {params}" if params else "")
    if len(signature.outputs) > 1:
        text = f"the {node.output} of {text}"
    if node.inputs and node.inputs != signature.series:
        inputs = [given if isinstance(given, str) else f"[{_node(given, timeframe, vocabulary)}]" for given in node.inputs]
        text += f" of {_listed(inputs)}"
    if node.instrument:
        text += f", of {node.instrument}"
    if node.timeframe != timeframe:
        text += f", on {node.timeframe} bars once each is complete"
    return text


def describe_set(fuzzy: SetPlan, plan: Plan) -> str:
    """Return a fuzzy set in words, e.g. `rsi is low: around 25, fading over 8`."""
    p = [f"{number:.4g}" for number in fuzzy.params]
    if fuzzy.shape == "gaussian":
        words = f"around {p[0]}, fading over {p[1]}"
    elif fuzzy.shape == "sigmoid":
        words = f"{'above' if fuzzy.params[1] > 0 else 'below'} {p[0]}, fully some {abs(5 / fuzzy.params[1]):.3g} beyond"
    elif fuzzy.shape == "bell":
        words = f"around {p[0]}, half at {p[1]} away, with edges of steepness {p[2]}"
    elif fuzzy.shape == "triangle":
        words = f"most at {p[1]}, not at all outside {p[0]} to {p[2]}"
    else:
        words = f"fully from {p[1]} to {p[2]}, not at all outside {p[0]} to {p[3]}"
    return f"{plan.features[fuzzy.feature].name} is {fuzzy.name}: {words}"


def describe_rule(rule: RulePlan, plan: Plan) -> str:
    """Return a rule in words, with its condition in canonical form."""
    side = "long" if rule.consequent > 0 else "short"
    weight = "" if rule.weight == 1.0 else f", at weight {rule.weight:g}"
    return f"when {describe_condition(rule.condition, plan)}, lean {side} with strength {abs(rule.consequent):g}{weight}"


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
    what = {
        "consequents": "what each rule answers (a linear function of the features)",
        "sets": "the place and width of the sets",
        "network": "the network's weights",
    }
    labels, training = plan.labels, plan.training
    return (
        f"It learns {_listed([what[name] for name in plan.trainable])}, {plan.n_parameters} numbers in all, {_aim(labels, training)}. "
        f"{_sampling(labels)}"
        f"Training makes at most {training.epochs} passes in batches of {training.batch_size} ({training.loss} loss, learning rate "
        f"{training.learning_rate:g}) and stops after {training.patience} passes without progress on held-out bars.{_steps(training)}"
    )


def _aim(labels: LabelPlan, training: TrainingPlan) -> str:
    """Return what a loss makes of a label."""
    goal = _goal(labels)
    if training.loss == "utility":
        price = f", less {training.risk_aversion / 2:g} times its square" if training.risk_aversion else ""
        return f"to hold the position that earns most, net of costs{price}, from {goal}"
    if training.loss not in ("cross_entropy", "focal"):
        return f"to predict {goal}"
    flat = f"within {training.class_band:g} of 0 is flat" if training.class_band else "exactly 0 is flat"
    say = "; each class has an equal say" if training.class_weights == "balanced" else ""
    likely = f"; what it already tells rightly counts less (gamma {training.focal_gamma:g})" if training.loss == "focal" else ""
    return f"to tell down, flat and up apart ({flat}{say}{likely}) in {goal}"


def _steps(training: TrainingPlan) -> str:
    """Return how the steps of training change, where they are not as they are by default."""
    words = ""
    if training.warmup_epochs:
        words += f" The learning rate rises to that over the first {training.warmup_epochs} passes."
    if training.schedule == "cosine":
        words += (
            " It falls along half a cosine to a hundredth." if words else " The learning rate falls along half a cosine to a hundredth."
        )
    if training.clip_norm != TrainingPlan.clip_norm:
        words += f" Gradients are shortened to a norm of {training.clip_norm:g}."
    return words


def _goal(labels: LabelPlan) -> str:
    ahead, scale = _bars(labels.horizon_bars), f"the volatility of the last {labels.volatility_bars} bars"
    if labels.kind == "triple_barrier":
        return f"which comes first within {ahead}: a rise or a fall of {labels.barrier:g} times {scale} over that horizon"
    if labels.kind == "zigzag":
        return f"how far the price goes, within {ahead}, before it turns by {labels.barrier:g} times {scale} over that horizon"
    if labels.kind == "regime":
        trend = f"how straight the price moves over the next {ahead}, up (1) or down (-1)"
        return trend if labels.regime_of == "trend" else f"whether the next {ahead} are wilder or calmer than {scale}"
    return f"the return over the next {ahead}, in units of {scale}"


def _sampling(labels: LabelPlan) -> str:
    words = ""
    if labels.cusum:
        words += f"It learns only from bars that end a cumulated move of {labels.cusum:g} volatilities. "
    if labels.weights == "uniqueness":
        words += "Labels that overlap others count less. "
    return words


def _trading(decision: DecisionPlan) -> str:
    long, short = decision.long_above, decision.short_below
    sides = []
    sides.append("never buys" if long is None else f"goes long when the signal (-1 to 1) is above {long:g}")
    sides.append("never sells short" if short is None else f"goes short when the signal (-1 to 1) is below {short:g}")
    for side, entry, leave in (("long", long, decision.long_exit_below), ("short", short, decision.short_exit_above)):
        if entry is not None and leave is not None and leave != entry:
            sides.append(f"stays {side} until it is {'below' if side == 'long' else 'above'} {leave:g}")
    apart = f" Entries are at least {_bars(decision.separation_bars)} apart." if decision.separation_bars > 1 else ""
    return f"It {_listed(sides)}.{apart} {_size(decision.sizing)} {_entry(decision)}{_exits(decision)}"


def _entry(decision: DecisionPlan) -> str:
    entry = decision.entry
    if entry is None:
        return ""
    away = _far(entry.distance_atr, entry.distance_fraction)
    orders = {
        "limit": f"with a limit order {away} better than the close that gives the signal",
        "stop": f"with a stop order {away} beyond the close that gives the signal",
        "stop_limit": f"with a stop order {away} beyond the close that gives the signal, paying at most {{limit}} more",
    }
    said = orders[entry.order].format(limit=_far(entry.limit_atr, entry.limit_fraction))
    waits = f"waits {_bars(entry.valid_bars)} at most" if entry.valid_bars else "waits until the signal asks for something else"
    return f"It enters {said}, which {waits}. "


def _far(atr: float, fraction: float) -> str:
    return f"{atr:g} ATR" if atr else f"{fraction:g} of the close"


def _size(sizing: SizingPlan) -> str:
    past = f"of the last {sizing.volatility_bars} bars, and is at most {sizing.max_leverage:g} times equity."
    if sizing.kind == "volatility_target":
        return f"A position is sized for {sizing.annual:g} volatility a year, by that {past}"
    if sizing.kind == "kelly":
        return f"A position is {sizing.kelly_fraction:g} of what would grow fastest if the prediction held, by the volatility {past}"
    return f"A position is {sizing.size:g} times equity."


def _exits(decision: DecisionPlan) -> str:
    exits = decision.exits
    reasons = ["when the signal no longer asks for the position"]
    for name, atr, fraction in (
        ("against it (stop loss)", exits.stop_atr, exits.stop_fraction),
        ("back from its best since the entry (trailing stop)", exits.trailing_atr, exits.trailing_fraction),
        ("in its favour (take profit)", exits.target_atr, exits.target_fraction),
    ):
        if atr or fraction:
            reasons.append(f"when price has moved {f'{atr:g} ATR' if atr else f'{fraction:g} of the entry price'} {name}")
    if exits.max_bars:
        reasons.append(f"after {_bars(exits.max_bars)}")
    return f"It leaves {_listed(reasons, 'or')}."


def _bars(n: int) -> str:
    return "1 bar" if n == 1 else f"{n} bars"
