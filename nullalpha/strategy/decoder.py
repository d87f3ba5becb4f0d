"""The JSON Schema that constrained decoding can hold: every text that it admits is a whole, valid strategy document.

Grammars of decoders (llama.cpp's GBNF, xgrammar) hold enums, bounded integers, regular expressions and choices; they hold no bounds of real
numbers, no if/then, no cross-references and no free names. So real numbers are chosen from lists, names from fixed slots, lists that must
not repeat from lists of lists, and what must agree (features with their sets and the rules that name them; Kelly sizing with a model that
predicts, a utility with labels that are returns) is one choice. Nothing has to be converted: what is decoded is a document. What is seldom
worth a decision is left at its default (warm-up and clipping of training, the windows of labels).

Slots: `p1`, `p2` are indicators that run from 0 to 100, as they are; `z1`, `z2` are any others, as trailing z-scores. Each has the sets
low, middle and high, in its units. How this differs from a draft: a draft (`nullalpha.strategy.draft`) leaves the sets to the lab, which
places them at quantiles of the data, and says only what the optimiser searches; this says the language, and needs no data.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product
from typing import Literal, get_args

from nullalpha.core.errors import UsageError
from nullalpha.strategy.decoder_features import (
    LEVELS,
    STANDARDISE,
    JsonSchema,
    choice,
    closed,
    feature_choice,
    levels,
    reference,
    standardisation,
    whole,
)
from nullalpha.strategy.plan import Loss
from nullalpha.strategy.spec import LANGUAGE_VERSION
from nullalpha.strategy.timeframes import TIMEFRAMES, longer_timeframes
from nullalpha.strategy.vocabulary import IndicatorSignature, Vocabulary

MAX_SLOTS = 2
MAX_RULES = 4
_NAME = "^[a-z][a-z0-9]{1,11}(-[a-z0-9]{1,12}){0,3}$"
_HYPOTHESIS = "^[A-Z][a-z]{1,14}( [a-z]{1,14}){2,24}\\.$"
_SHARE = "(0\\.[1-9]|1\\.0)"
_HIDDEN = [[8], [16], [32], [64], [16, 8], [32, 16], [64, 32], [64, 32, 16]]
_DROPOUT = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
_LEARNING_RATES = [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1]
_ATRS = [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0]
_FRACTIONS = [0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2]
_CLASSES: dict[str, JsonSchema] = {"class_band": {"enum": [0.0, 0.1, 0.25, 0.5]}, "class_weights": {"enum": ["none", "balanced"]}}
_Aim = Literal["any", "forecast", "profit"]
"""Of a model: to predict any label or tell its classes apart; to forecast a return, so that Kelly may size it; to earn a utility."""


def decoder_schema(vocabulary: Vocabulary, instruments: Sequence[str], timeframe: str = "1d") -> JsonSchema:
    """Return a schema of whole strategy documents for constrained decoding.

    Args:
        vocabulary: the indicators and operators that a document may use.
        instruments: that it may trade, alone or all together.
        timeframe: its base timeframe; features may be on longer ones.

    Raises:
        UsageError: on an unknown timeframe, no instrument, or a vocabulary from which nothing can be said.
    """
    if timeframe not in TIMEFRAMES:
        raise UsageError(f"unknown timeframe {timeframe!r}", value=timeframe, suggestion=f"one of {', '.join(TIMEFRAMES)}")
    symbols = list(dict.fromkeys(instruments))
    if not symbols:
        raise UsageError("a strategy needs an instrument to trade", suggestion="instruments: [SPX]")
    frames = [timeframe, *longer_timeframes(timeframe)]
    ordered = [vocabulary[name] for name in sorted(vocabulary)]
    bounded = [one for one in ordered if one.unit == "bounded_0_100" and not one.output_units]
    others = [one for one in ordered if one not in bounded] if STANDARDISE in vocabulary else []
    definitions = _definitions(bounded, others, frames, vocabulary)
    slots = [(p, z) for p, z in product(range(MAX_SLOTS + 1), repeat=2) if p + z and (bounded or not p) and (others or not z)]
    if not slots:
        raise UsageError("no indicator of this vocabulary can be placed without data", suggestion="add rsi, or the operator zscore")
    roots = []
    for p, z in slots:
        names = [*(f"p{i + 1}" for i in range(p)), *(f"z{i + 1}" for i in range(z))]
        rules = f"rules_{'_'.join(names)}"
        definitions[rules] = _rules(names)
        roots += [_root(names, rules, symbols, timeframe, aim) for aim in get_args(_Aim)]
    used = {key: value for key, value in definitions.items() if value.get("anyOf") != []}
    return {"$defs": used, "anyOf": roots}


def _definitions(
    bounded: Sequence[IndicatorSignature], others: Sequence[IndicatorSignature], frames: Sequence[str], vocabulary: Vocabulary
) -> JsonSchema:
    """Return the parts that documents of all slots share."""
    return {
        "bounded": choice(feature_choice(one, frames) for one in bounded),
        "standardised": choice(feature_choice(one, frames, standardised=True) for one in others),
        "transform": choice(standardisation(vocabulary) if others else []),
        "levels_bounded": levels(0, 100),
        "levels_standardised": levels(-3, 3),
        "labels": _labels(),
        "regime": closed({"kind": {"const": "regime"}, "horizon": whole(5, 40), "of": {"enum": ["trend", "volatility"]}}),
        "forward": closed({"kind": {"const": "forward_return"}, "horizon": whole(1, 20), "weights": {"enum": ["none", "uniqueness"]}}),
        "returns": closed({"kind": {"enum": ["forward_return", "triple_barrier"]}, "horizon": whole(1, 20)}),
        "errors": _training(["huber", "mse"]),
        "classes": _training(["cross_entropy"], **_CLASSES),
        "focal": _training(["focal"], **_CLASSES, focal_gamma={"enum": [0.5, 1.0, 2.0, 3.0]}),
        "utility": _training(["utility"], risk_aversion={"enum": [0.02, 0.05, 0.1, 0.2, 0.5, 1.0]}),
        "fixed": closed({"kind": {"const": "fixed"}, "size": {"enum": [0.25, 0.5, 0.75, 1.0]}}),
        "target": _sized("volatility_target", "annual", [0.05, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25]),
        "kelly": _sized("kelly", "fraction", [0.1, 0.25, 0.5]),
        "distance": {"anyOf": [{"type": "null"}, closed({"atr": {"enum": _ATRS}}), closed({"fraction": {"enum": _FRACTIONS}})]},
        "network": {"anyOf": [_network(kind) for kind in ("fuzzy_mlp", "fuzzy_gru", "fuzzy_lstm")]},
        "exits": _exits(),
        "entry": _entry(),
        "decision": _decisions(["fixed", "target"]),
        "decision_with_kelly": _decisions(["fixed", "target", "kelly"]),
    }


def _root(names: Sequence[str], rules: str, symbols: Sequence[str], timeframe: str, aim: _Aim) -> JsonSchema:
    """Return documents with some slots whose model has an aim."""
    single = [_ruled("anfis", rules), reference("network")]
    alone, routed = _ensembles(rules)
    models = {"any": [_ruled("rules", rules), *single, alone, routed], "forecast": single, "profit": [*single, alone]}[aim]
    labels = {"any": "labels", "forecast": "forward", "profit": "returns"}[aim]
    trainings = {"any": ["errors", "classes", "focal"], "forecast": ["errors"], "profit": ["utility"]}[aim]
    kind = {"p": "bounded", "z": "standardised"}
    return closed(
        {
            "nullalpha": {"const": LANGUAGE_VERSION},
            "name": {"type": "string", "pattern": _NAME},
            "hypothesis": {"type": "string", "pattern": _HYPOTHESIS},
            "prediction": closed(
                {
                    "excess_sharpe": {"enum": [-0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5]},
                    "p_pass": {"enum": [0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5]},
                }
            ),
            "instruments": {"enum": [[symbol] for symbol in symbols] + ([list(symbols)] if 1 < len(symbols) <= 20 else [])},
            "timeframe": {"const": timeframe},
            "features": closed({name: reference(kind[name[0]]) for name in names}),
            "sets": closed({name: reference(f"levels_{kind[name[0]]}") for name in names}),
            "model": choice(models),
            "labels": reference(labels),
            "training": choice(map(reference, trainings)),
            "decision": reference("decision_with_kelly" if aim == "forecast" else "decision"),
        }
    )


def _rules(names: Sequence[str]) -> JsonSchema:
    """Return lists of rules over the slots: one to three statements, joined alike, and a weight now and then."""
    stated = f"({'|'.join(map(re.escape, names))}) is (not )?({'|'.join(LEVELS)})"
    joined = f"{stated}(( and {stated}){{0,2}}|( or {stated}){{0,2}})"
    rule = f"^if {joined} then (long|short) {_SHARE}( weight {_SHARE})?$"
    return {"type": "array", "items": {"type": "string", "pattern": rule}, "minItems": 1, "maxItems": MAX_RULES}


def _ruled(kind: str, rules: str) -> JsonSchema:
    trained = {"trainable": {"enum": [["consequents"], ["sets", "consequents"]]}} if kind == "anfis" else {}
    return closed({"kind": {"const": kind}, "rules": reference(rules), **trained})


def _network(kind: str) -> JsonSchema:
    lookback = {} if kind == "fuzzy_mlp" else {"lookback": whole(2, 60)}
    return closed({"kind": {"const": kind}, "hidden": {"enum": _HIDDEN}, **lookback, "dropout": {"enum": _DROPOUT}})


def _ensembles(rules: str) -> list[JsonSchema]:
    """Return ensembles of two: with an equal say, or routed by a regime model."""
    member = choice([_ruled("rules", rules), _ruled("anfis", rules), reference("network")])
    members = closed({"first": member, "second": member})
    router = closed(
        {
            "model": choice([_ruled("anfis", rules), reference("network")]),
            "labels": reference("regime"),
            "above": {"const": "first"},
            "below": {"const": "second"},
            "threshold": {"enum": [-0.25, 0.0, 0.25]},
            "softness": {"enum": [0.0, 0.1, 0.25, 0.5]},
        }
    )
    kind = {"const": "ensemble"}
    return [closed({"kind": kind, "members": members}), closed({"kind": kind, "members": members, "router": router})]


def _labels() -> JsonSchema:
    cusum = {"anyOf": [{"type": "null"}, {"enum": [0.5, 1.0, 2.0, 3.0]}]}
    shared = {"horizon": whole(1, 40), "cusum": cusum, "weights": {"enum": ["none", "uniqueness"]}}
    barrier = {"barrier": {"enum": [0.25, 0.5, 0.75, 1.0, 1.5, 2.0]}}
    return choice(
        [
            closed({"kind": {"const": "forward_return"}, **shared}),
            closed({"kind": {"enum": ["triple_barrier", "zigzag"]}, **shared, **barrier}),
            closed({"kind": {"const": "regime"}, **shared, "of": {"enum": ["trend", "volatility"]}}),
        ]
    )


def _training(losses: Sequence[Loss], **parts: JsonSchema) -> JsonSchema:
    return closed(
        {
            "epochs": whole(5, 200),
            "batch_size": {"enum": [64, 128, 256, 512, 1024, 2048]},
            "learning_rate": {"enum": _LEARNING_RATES},
            "schedule": {"enum": ["constant", "cosine"]},
            "patience": whole(2, 40),
            "loss": {"enum": list(losses)},
            **parts,
        }
    )


def _sized(kind: str, name: str, values: Sequence[float]) -> JsonSchema:
    return closed(
        {
            "kind": {"const": kind},
            name: {"enum": list(values)},
            "max_leverage": {"enum": [0.5, 1.0, 1.5, 2.0]},
            "volatility_bars": whole(10, 250),
        }
    )


def _exits() -> JsonSchema:
    bars = {"anyOf": [{"type": "null"}, whole(1, 250)]}
    return closed({**{name: reference("distance") for name in ("stop_loss", "trailing_stop", "take_profit")}, "max_bars": bars})


def _entry() -> JsonSchema:
    """Return the orders that open a position: null for a market order."""
    waits = {"anyOf": [{"type": "null"}, whole(1, 20)]}
    near = choice(
        closed({name: {"enum": values}}) for name, values in (("atr", [0.1, 0.25, 0.5, 1.0]), ("fraction", [0.001, 0.0025, 0.005, 0.01]))
    )
    plain = closed({"order": {"enum": ["limit", "stop"]}, "distance": near, "valid_bars": waits})
    limited = closed({"order": {"const": "stop_limit"}, "distance": near, "limit": near, "valid_bars": waits})
    return choice([{"type": "null"}, plain, limited])


def _decisions(sizes: Sequence[str]) -> JsonSchema:
    return choice(_decision(side, [reference(size) for size in sizes]) for side in ("long", "short", "both"))


def _decision(side: str, sizes: Sequence[JsonSchema]) -> JsonSchema:
    """Return decisions of one side or both; every exit threshold of the list lies on the right side of every entry."""
    entries, exits = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [-0.3, -0.2, -0.1, 0.0, 0.05]
    sides: dict[str, JsonSchema] = {}
    if side != "short":
        sides |= {"long_above": {"enum": entries}, "long_exit_below": {"enum": exits}}
    if side != "long":
        sides |= {"short_below": {"enum": [-e for e in entries]}, "short_exit_above": {"enum": [-e + 0.0 for e in exits]}}
    separation = {"anyOf": [{"type": "null"}, whole(2, 60)]}
    return closed({**sides, "separation": separation, "sizing": choice(sizes), "exits": reference("exits"), "entry": reference("entry")})
