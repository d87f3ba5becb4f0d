"""Hypothesis strategies: documents over the whole language, valid for a vocabulary, and documents with something wrong in them."""

from __future__ import annotations

import copy
import string
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from nullalpha.strategy.rules import Expression, Is, Join, Not, Rule, format_rule
from nullalpha.strategy.spec import LOSS_PARTS, RESERVED_WORDS
from nullalpha.strategy.timeframes import TIMEFRAMES, longer_timeframes
from nullalpha.strategy.vocabulary import BAR_FIELD_UNITS, IndicatorSignature, Parameter, Vocabulary

Document = dict[str, Any]
SYMBOLS = ("SPX", "NDX", "EURUSD", "BTC-USD", "ES=F", "BRK.B")
WORDS = ("fast", "slow", "trend", "pull", "calm", "wild", "edge", "a", "b1", "x_2")
MAX_FEATURES = 5
_FORBIDDEN = RESERVED_WORDS | set(BAR_FIELD_UNITS)

names = st.sampled_from(WORDS) | st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True).filter(lambda name: name not in _FORBIDDEN)
texts = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=40)


def reals(low: float, high: float) -> st.SearchStrategy[float]:
    """Return numbers of a closed range as people write them, and now and then any other."""
    return st.floats(low, high, allow_nan=False).map(lambda x: min(max(float(f"{x:.3g}"), low), high)) | st.floats(low, high)


@st.composite
def documents(draw: st.DrawFn, vocabulary: Vocabulary, kinds: Sequence[str] = ()) -> Document:
    """Draw a document that `parse_strategy` accepts.

    Args:
        vocabulary: whose indicators and operators it uses.
        kinds: of model; all if empty.
    """
    base = draw(st.sampled_from(TIMEFRAMES))
    instruments = draw(st.lists(st.sampled_from(SYMBOLS), min_size=1, max_size=3, unique=True))
    features = draw(_features(vocabulary, base))
    sets = {name: draw(_sets()) for name in draw(_some(list(features)))}
    kind = draw(st.sampled_from(kinds or ("rules", "anfis", "fuzzy_mlp", "fuzzy_gru", "fuzzy_lstm", "ensemble")))
    model = draw(_ensemble(sets) if kind == "ensemble" else _model(kind, sets))
    document: Document = {
        "nullalpha": 1,
        "name": draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,20}", fullmatch=True)),
        "hypothesis": draw(texts),
        "instruments": instruments,
        "timeframe": base,
        "features": features,
        "sets": sets,
        "model": model,
    }
    for key, part in (("prediction", _prediction()), ("labels", _labels())):
        if draw(st.booleans()):
            document[key] = draw(part)
    if draw(st.booleans()):
        document["training"] = draw(_training(document))
    return document | {"decision": draw(_decision(document))}


def _some(items: Sequence[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(items), min_size=1, max_size=4, unique=True)


@st.composite
def _features(draw: st.DrawFn, vocabulary: Vocabulary, base: str) -> Document:
    features: Document = {}
    depths: dict[str, int] = {}
    for name in draw(st.lists(names, min_size=1, max_size=MAX_FEATURES, unique=True)):
        signature = vocabulary[draw(st.sampled_from(sorted(vocabulary)))]
        feature: Document = {"indicator": signature.name, **draw(_parameters(signature))}
        if len(signature.outputs) > 1 and draw(st.booleans()):
            feature["output"] = draw(st.sampled_from(signature.outputs))
        if draw(st.integers(0, 3)) == 0:
            feature["timeframe"] = draw(st.sampled_from((base, *longer_timeframes(base))))
        if draw(st.integers(0, 3)) == 0:
            feature["of"] = draw(st.sampled_from(SYMBOLS))
        depths[name] = 1
        if signature.series and draw(st.booleans()):
            readable = [n for n in features if depths[n] < 5 and _same_bars(feature, features[n], base)]
            sources = [draw(st.sampled_from((*BAR_FIELD_UNITS, *readable))) for _ in signature.series]
            feature["input"] = sources[0] if len(sources) == 1 and draw(st.booleans()) else sources
            depths[name] = 1 + max(depths.get(source, 0) for source in sources)
        if draw(st.integers(0, 2)) == 0:
            steps = draw(st.lists(_step(vocabulary), min_size=1, max_size=3))
            feature["transform"] = steps[0] if len(steps) == 1 and draw(st.booleans()) else steps
        features[name] = feature
    return features


def _same_bars(reader: Mapping[str, Any], source: Mapping[str, Any], base: str) -> bool:
    """Whether an operator may read a feature: any on the base bars, else one of the same bars that is not transformed."""
    at = (reader.get("timeframe", base), reader.get("of"))
    return at == (base, None) or (at == (source.get("timeframe", base), source.get("of")) and "transform" not in source)


@st.composite
def _parameters(draw: st.DrawFn, signature: IndicatorSignature) -> dict[str, float]:
    """Draw some of an indicator's parameters; those that must ascend, in order and all of them."""
    values = {p.name: draw(_value(p)) for p in signature.parameters if p.name in signature.rising or draw(st.booleans())}
    ascending = [values[name] for name in signature.rising]
    if any(left >= right for left, right in pairwise(ascending)):
        return {name: value for name, value in values.items() if name not in signature.rising}
    return values


def _value(parameter: Parameter) -> st.SearchStrategy[float]:
    if parameter.integer:
        return st.integers(int(parameter.low), int(parameter.high))
    return reals(parameter.low, parameter.high)


def _step(vocabulary: Vocabulary) -> st.SearchStrategy[Document]:
    unary = [one for one in vocabulary.values() if len(one.series) == 1 and len(one.parameters) <= 1]
    steps = [(_value(one.parameters[0]) if one.parameters else st.just(True)).map(lambda v, n=one.name: {n: v}) for one in unary]
    return st.one_of(steps)


@st.composite
def _sets(draw: st.DrawFn) -> Document:
    return {name: draw(_set()) for name in draw(st.lists(names, min_size=1, max_size=3, unique=True))}


@st.composite
def _set(draw: st.DrawFn) -> Document:
    shape = draw(st.sampled_from(("gaussian", "sigmoid", "triangle", "trapezoid", "bell")))
    centre = draw(reals(-1000, 1000))
    if shape == "sigmoid":
        return {shape: [centre, draw(reals(0.01, 100)) * draw(st.sampled_from((1, -1)))]}
    if shape in ("gaussian", "bell"):
        return {shape: [centre, draw(reals(0.01, 100)), *([draw(reals(0.25, 20))] if shape == "bell" else [])]}
    count = 3 if shape == "triangle" else 4
    steps = [draw(reals(0, 10)) for _ in range(count - 1)]
    numbers = [centre]
    for step in steps:
        numbers.append(numbers[-1] + step)
    return {shape: [*numbers[:-1], numbers[-1] + 0.5]}


@st.composite
def _model(draw: st.DrawFn, kind: str, sets: Document) -> Document:
    model: Document = {"kind": kind}
    if kind in ("rules", "anfis"):
        model["rules"] = draw(st.lists(_rule(sets), min_size=1, max_size=4))
        if kind == "anfis" and draw(st.booleans()):
            model["trainable"] = draw(st.lists(st.sampled_from(("sets", "consequents")), min_size=1, unique=True))
        return model
    everything = [f"{feature}.{name}" for feature, given in sets.items() for name in given]
    if draw(st.booleans()):
        model["inputs"] = draw(st.lists(st.sampled_from(everything), min_size=1, unique=True))
    if draw(st.booleans()):
        model["hidden"] = draw(st.lists(st.integers(2, 256), min_size=1, max_size=3))
    if draw(st.booleans()):
        model["dropout"] = draw(reals(0, 0.5))
    if kind != "fuzzy_mlp" and draw(st.booleans()):
        model["lookback"] = draw(st.integers(2, 120))
    if draw(st.booleans()):
        model["trainable"] = draw(st.sampled_from((["network"], ["sets", "network"])))
    return model


@st.composite
def _ensemble(draw: st.DrawFn, sets: Document) -> Document:
    kinds = st.sampled_from(("rules", "anfis", "fuzzy_mlp", "fuzzy_gru", "fuzzy_lstm"))
    routed = draw(st.booleans())
    members = draw(st.lists(names, min_size=2, max_size=2 if routed else 3, unique=True))
    model: Document = {"kind": "ensemble", "members": {name: draw(_model(draw(kinds), sets)) for name in members}}
    if routed:
        model["router"] = {"model": draw(_model(draw(kinds), sets)), "above": members[1], "below": members[0]}
        if draw(st.booleans()):
            model["router"] |= {"threshold": draw(reals(-0.9, 0.9)), "softness": draw(reals(0, 2))}
        if draw(st.booleans()):
            model["router"]["labels"] = draw(_labels()) | {"kind": "regime"}
    return model


@st.composite
def _rule(draw: st.DrawFn, sets: Document) -> str:
    everything = [Is(feature, name) for feature, given in sets.items() for name in given]
    conditions: st.SearchStrategy[Expression] = st.recursive(
        st.sampled_from(everything),
        lambda inner: inner.map(Not) | st.builds(Join, st.sampled_from(("and", "or")), st.tuples(inner, inner)),
        max_leaves=4,
    )
    shares = reals(0.05, 1)
    weight = draw(shares) if draw(st.booleans()) else 1.0
    text = format_rule(Rule(draw(conditions), draw(st.sampled_from(("long", "short"))), draw(shares), weight))
    return text.replace(" ", "  ") if draw(st.integers(0, 5)) == 0 else text


@st.composite
def _prediction(draw: st.DrawFn) -> Document:
    return {"excess_sharpe": draw(reals(-5, 5)), "p_pass": draw(reals(0, 1)), "kill_below": draw(reals(-5, 5))}


def _optional(parts: Mapping[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Document]:
    return st.fixed_dictionaries({}, optional=dict(parts))


def _labels() -> st.SearchStrategy[Document]:
    return _optional(
        {
            "kind": st.sampled_from(("forward_return", "triple_barrier", "zigzag", "regime")),
            "horizon": st.integers(1, 40),
            "volatility_bars": st.integers(5, 500),
            "barrier": reals(0.1, 5),
            "of": st.sampled_from(("trend", "volatility")),
            "cusum": st.none() | reals(0.1, 20),
            "weights": st.sampled_from(("none", "uniqueness")),
        }
    )


@st.composite
def _training(draw: st.DrawFn, document: Document) -> Document:
    router = document["model"].get("router")
    returns = document.get("labels", {}).get("kind", "forward_return") in ("forward_return", "triple_barrier")
    earns = returns and (router is None or router["model"]["kind"] == "rules")
    training = draw(
        _optional(
            {
                "epochs": st.integers(1, 500),
                "batch_size": st.integers(16, 65536),
                "learning_rate": reals(1e-5, 1),
                "patience": st.integers(1, 500),
                "loss": st.sampled_from(("huber", "mse", "cross_entropy", "focal", *(["utility"] if earns else []))),
                "schedule": st.sampled_from(("constant", "cosine")),
                "warmup_epochs": st.integers(0, 100),
                "clip_norm": reals(0.01, 100),
            }
        )
    )
    parts = {
        "class_band": st.none() | reals(0, 2.99),
        "class_weights": st.sampled_from((None, "none", "balanced")),
        "focal_gamma": st.none() | reals(0.1, 5),
        "risk_aversion": st.none() | reals(0, 10),
    }
    own = LOSS_PARTS[training.get("loss", "huber")]
    return training | draw(_optional({name: part if name in own else st.none() for name, part in parts.items()}))


@st.composite
def _decision(draw: st.DrawFn, document: Document) -> Document:
    low, high = sorted((draw(reals(-0.99, 0.99)), draw(reals(-0.99, 0.99))))
    decision: Document = {}
    sides = draw(st.sampled_from(("long", "short", "both")))
    if sides != "short":
        decision["long_above"] = high
        if draw(st.booleans()):
            decision["long_exit_below"] = draw(reals(-0.99, high))
    if sides != "long":
        decision["short_below"] = low
        if draw(st.booleans()):
            decision["short_exit_above"] = draw(reals(low, 0.99))
    if draw(st.booleans()):
        decision["separation"] = draw(st.none() | st.integers(1, 1000))
    if draw(st.booleans()):
        decision["sizing"] = draw(_sizing(document))
    if draw(st.booleans()):
        decision["exits"] = draw(_exits())
    if draw(st.booleans()):
        decision["entry"] = draw(_entries())
    return decision


def _entries() -> st.SearchStrategy[Document | None]:
    distance = reals(0.1, 50).map(lambda atr: {"atr": atr}) | reals(0.0005, 0.95).map(lambda fraction: {"fraction": fraction})
    waits = {"valid_bars": st.none() | st.integers(1, 1000)}
    plain = st.fixed_dictionaries({"order": st.sampled_from(("limit", "stop")), "distance": distance}, optional=waits)
    limited = st.fixed_dictionaries({"order": st.just("stop_limit"), "distance": distance, "limit": distance}, optional=waits)
    return st.none() | plain | limited


def _sizing(document: Document) -> st.SearchStrategy[Document]:
    model = document["model"]
    kinds = [model["kind"], *(member["kind"] for member in model.get("members", {}).values())]
    predicts = "rules" not in kinds and document.get("labels", {}).get("kind", "forward_return") == "forward_return"
    predicts = predicts and document.get("training", {}).get("loss", "huber") in ("huber", "mse")
    return _optional(
        {
            "kind": st.sampled_from(("fixed", "volatility_target", *(["kelly"] if predicts else []))),
            "size": reals(0.01, 4),
            "annual": reals(0.01, 1),
            "fraction": reals(0.01, 1),
            "max_leverage": reals(0.05, 4),
            "volatility_bars": st.integers(5, 500),
        }
    )


def _exits() -> st.SearchStrategy[Document]:
    distance = st.none() | reals(0.1, 50).map(lambda atr: {"atr": atr}) | reals(0.0005, 0.95).map(lambda fraction: {"fraction": fraction})
    return _optional(
        {"stop_loss": distance, "trailing_stop": distance, "take_profit": distance, "max_bars": st.none() | st.integers(1, 1000)}
    )


JUNK: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from((0, -1, 10**6, 10**30, -(10**400), 1e308, -1e-308, 0.5, float("nan"), float("inf"))),
    st.sampled_from(("", " ", "\x00", "\ud800", "ｌｏｎｇ", "😀" * 50, "x" * 5000, "if", "zigzag", "1d", "nan", "-", "Ünïcode")),
    st.builds(list),
    st.builds(dict),
    st.builds(lambda: [[[[[]]]]]),  # new ones each time: what is mutated next must not be what others draw
    st.builds(lambda: {"": {"\ufeff": 1}}),
    st.lists(st.integers(), max_size=40),
    st.dictionaries(st.text(string.ascii_letters, min_size=1, max_size=5), st.integers(), max_size=3),
)


@st.composite
def mutated(draw: st.DrawFn, document: Document, most: int = 3) -> Document:
    """Draw a document with one to `most` things changed: a key gone, renamed or added, a value replaced, two values swapped."""
    changed = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, most))):
        places = _places(changed)
        parent, key = draw(st.sampled_from(places))
        what = draw(st.sampled_from(("replace", "replace", "delete", "rename", "add", "swap", "scale")))
        if what == "replace":
            parent[key] = draw(JUNK)
        elif what == "delete":
            del parent[key]
        elif what == "rename" and isinstance(parent, dict):
            parent[draw(st.text(max_size=12))] = parent.pop(key)
        elif what == "add" and isinstance(parent, dict):
            parent[draw(st.sampled_from(("seed", "start", "note", "Period", "sets", "kind", "input", "ﬁeld")))] = draw(JUNK)
        elif what == "add":
            parent.append(draw(JUNK))
        elif what == "scale" and isinstance(parent[key], int | float):
            parent[key] *= draw(st.sampled_from((-1, 0, 10, 1000, 0.001, 1e20)))
        else:
            other, place = draw(st.sampled_from(places))
            if isinstance(place, str) == isinstance(key, str):
                parent[key] = copy.deepcopy(other[place])
        if not _places(changed):
            break
    return changed


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Return every place of a tree as its container and key."""
    found: list[tuple[Any, Any]] = []
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        found.append((tree, key))
        found.extend(_places(value))
    return found


@st.composite
def torn(draw: st.DrawFn, text: str) -> str:
    """Draw a text with a piece cut out, something put in, or its end missing."""
    at = draw(st.integers(0, len(text)))
    what = draw(st.sampled_from(("truncate", "insert", "remove", "double")))
    if what == "truncate":
        return text[:at]
    if what == "insert":
        pieces = (
            "\t",
            "\x00",
            "\ufeff",
            "&a ",
            "*a",
            "!!python/object:os.system ",
            "<<: *a\n",
            "{",
            "]",
            '"',
            "---\n",
            ": ",
            "\ud800",
            "- ",
            "%TAG",
        )
        return text[:at] + draw(st.sampled_from(pieces)) + text[at:]
    end = draw(st.integers(at, min(at + 40, len(text))))
    return text[:at] + (text[at:end] * 2 if what == "double" else "") + text[end:]
