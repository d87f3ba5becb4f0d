"""From a draft to a whole strategy document: features named and merged, sets placed at quantiles, everything else spelled out."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

from pydantic import Field, create_model

from nullalpha.core.errors import Issue, SpecError
from nullalpha.strategy.compile import compile_feature
from nullalpha.strategy.draft import MAX_DRAFT_FEATURES, Draft, DraftFeature, DraftRule
from nullalpha.strategy.placement import Quantiles5, place_set
from nullalpha.strategy.plan import FeaturePlan
from nullalpha.strategy.semantics import semantic_issues
from nullalpha.strategy.spec import LANGUAGE_VERSION, FeatureSpec, slug
from nullalpha.strategy.syntax import FORBIDDEN
from nullalpha.strategy.vocabulary import BAR_FIELD_UNITS, IndicatorSignature, Unit, Vocabulary

STANDARDISATION_BARS = 250
STANDARDISED_UNITS = ("price", "volume", "signed_volume")
Quantiles = Callable[[DraftFeature], Quantiles5]

_CONTROL = re.compile(rf"(?:{FORBIDDEN.pattern}|[\t\r\n])+")


def draft_to_document(draft: Draft, quantiles: Quantiles, vocabulary: Vocabulary, timeframe: str) -> dict[str, object]:
    """Return a full strategy document, valid for `parse_strategy`.

    Features that no rule names are left out; those that come out equal (the period clipped, standardised by unit) are one.

    Args:
        quantiles: gives the 10, 30, 50, 70 and 90 % quantiles of `feature_of_draft(feature, ...)` over the first training window.

    Raises:
        SpecError: on an unknown indicator, or a feature that is constant there.
    """
    names = _names(draft, vocabulary)
    levels = {(names[c.feature - 1], c.level): None for rule in draft.rules for c in rule.conditions}
    used = [name for name in dict.fromkeys(names) if any(name == feature for feature, _ in levels)]
    source = {name: draft.features[names.index(name)] for name in used}
    features = {name: _feature_document(source[name], vocabulary) for name in used}
    measured = {name: quantiles(source[name]) for name in used}
    sets = {
        name: {level: place_set(level, draft.set_shape, measured[name], f"features.{name}") for level in _ordered(levels, name)}
        for name in used
    }
    document: dict[str, object] = {
        "nullalpha": LANGUAGE_VERSION,
        "name": slug("-".join([*(name.removesuffix("_z") for name in used), draft.model])),
        "hypothesis": _CONTROL.sub(" ", draft.hypothesis).strip() or "(none stated)",
        "prediction": {
            "excess_sharpe": draft.prediction_excess_sharpe_hundredths / 100,
            "p_pass": draft.prediction_pass_percent / 100,
            "kill_below": 0.0,
        },
        "instruments": list(dict.fromkeys(draft.instruments)),
        "timeframe": timeframe,
        "features": features,
        "sets": sets,
        "model": _model(draft, names),
    }
    if draft.model == "anfis":
        document["labels"] = {"kind": draft.label, "horizon": draft.horizon_bars}
    return document | {"decision": _decision(draft)}


def feature_of_draft(feature: DraftFeature, vocabulary: Vocabulary, timeframe: str) -> FeaturePlan:
    """Return the column that a draft's feature means.

    Raises:
        SpecError: on an unknown indicator.
    """
    spec = FeatureSpec.model_validate(_feature_document(feature, vocabulary))
    return compile_feature(_base_name(feature, vocabulary), spec, timeframe, vocabulary)


def constrained_draft(vocabulary: Vocabulary, instruments: Sequence[str]) -> type[Draft]:
    """Return `Draft` with its indicators and instruments as closed enums, for decoding held to its JSON Schema."""
    indicator: Any = Literal.__getitem__(tuple(name for name in sorted(vocabulary) if draftable(vocabulary[name])))
    instrument: Any = Literal.__getitem__(tuple(dict.fromkeys(instruments)))
    feature: Any = create_model("DraftFeature", __base__=DraftFeature, indicator=(indicator, ...))
    features: Any = list[feature]
    symbols: Any = list[instrument]
    return create_model(
        "Draft",
        __base__=Draft,
        __doc__=Draft.__doc__,
        instruments=(symbols, Field(min_length=1, max_length=2)),
        features=(features, Field(min_length=1, max_length=MAX_DRAFT_FEATURES)),
    )


def _feature_document(feature: DraftFeature, vocabulary: Vocabulary) -> dict[str, object]:
    document: dict[str, object] = {"indicator": feature.indicator}
    signature = vocabulary.get(feature.indicator)
    if signature is None:
        issues = semantic_issues({"features": {"feature": document}}, vocabulary)
        raise SpecError([Issue("features", i.code, i.message, i.value, i.suggestion) for i in issues])
    if signature.parameters:
        first = signature.parameters[0]
        document[first.name] = min(max(feature.period, first.low), _highest(signature))
    if feature.standardised or draft_unit(signature) in STANDARDISED_UNITS:
        document["transform"] = {"zscore": STANDARDISATION_BARS}
    return document


def _highest(signature: IndicatorSignature) -> float:
    """Return the most that the first parameter may be beside the defaults of those that must be above it."""
    first = signature.parameters[0]
    defaults = {parameter.name: parameter.default for parameter in signature.parameters}
    above = [defaults[name] - 1 for name in signature.rising[1:] if signature.rising[0] == first.name]
    return min([first.high, *above])


def draft_unit(signature: IndicatorSignature) -> Unit:
    """Return the unit of an indicator's first output where a draft names no input."""
    unit = signature.unit_of(signature.outputs[0])
    return BAR_FIELD_UNITS[signature.series[0]] if unit == "input" else unit


def draftable(signature: IndicatorSignature) -> bool:
    """Return whether a draft can say the indicator: with bars as they are and at most its first parameter, a number of bars."""
    return len(signature.series) < 2 and (signature.parameters[0].integer if signature.parameters else not signature.series)


def _base_name(feature: DraftFeature, vocabulary: Vocabulary) -> str:
    document = _feature_document(feature, vocabulary)
    parameters = vocabulary[feature.indicator].parameters
    period = f"{document[parameters[0].name]:g}".replace(".", "_") if parameters else ""
    return f"{feature.indicator[:22]}{period}" + ("_z" if "transform" in document else "")


def _names(draft: Draft, vocabulary: Vocabulary) -> list[str]:
    """Return each feature's name in the document; features that come out equal share one."""
    names: list[str] = []
    documents: dict[str, dict[str, object]] = {}
    for feature in draft.features:
        document = _feature_document(feature, vocabulary)
        base = _base_name(feature, vocabulary)
        name, n = base, 1
        while documents.get(name, document) != document:
            n += 1
            name = f"{base}_{n}"
        documents[name] = document
        names.append(name)
    return names


def _ordered(levels: dict[tuple[str, Literal["low", "middle", "high"]], None], name: str) -> list[Literal["low", "middle", "high"]]:
    order: tuple[Literal["low", "middle", "high"], ...] = ("low", "middle", "high")
    return [level for level in order if (name, level) in levels]


def _model(draft: Draft, names: Sequence[str]) -> dict[str, object]:
    model: dict[str, object] = {"kind": draft.model, "rules": [_rule(rule, names) for rule in draft.rules]}
    if draft.model == "anfis":
        model["trainable"] = ["sets", "consequents"] if draft.train_sets else ["consequents"]
    return model


def _rule(rule: DraftRule, names: Sequence[str]) -> str:
    stated = [f"{names[c.feature - 1]} is {'not ' if c.negated else ''}{c.level}" for c in rule.conditions]
    return f"if {f' {rule.join} '.join(stated)} then {rule.direction} {rule.strength_tenths / 10}"


def _decision(draft: Draft) -> dict[str, object]:
    sizing: dict[str, object] = {"kind": "fixed", "size": 1.0}
    if draft.sizing == "volatility_target":
        sizing = {"kind": draft.sizing, "annual": draft.annual_volatility_percent / 100, "max_leverage": 1.0}
    return {
        "long_above": draft.long_above_hundredths / 100,
        "short_below": -draft.short_below_hundredths / 100 + 0.0 if draft.allow_short else None,
        "sizing": sizing,
        "exits": {
            "stop_loss": {"atr": draft.stop_atr_tenths / 10} if draft.stop_atr_tenths else None,
            "take_profit": {"atr": draft.target_atr_tenths / 10} if draft.target_atr_tenths else None,
            "max_bars": draft.max_holding_bars or None,
        },
    }
