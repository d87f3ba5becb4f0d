"""From a point of the search space to a draft. The other way is `coordinates`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from nullalpha.agents.port import DesignContext, DesignParameters, TrialOutcome
from nullalpha.agents.space import THRESHOLD_STEP_HUNDREDTHS
from nullalpha.strategy.draft import MAX_DRAFT_RULES, Draft, DraftCondition, DraftFeature, DraftRule
from nullalpha.strategy.drafting import STANDARDISED_UNITS, draft_unit
from nullalpha.strategy.vocabulary import IndicatorSignature

Level = Literal["low", "middle", "high"]
Side = Literal["long", "short"]
UNUSED_PERIOD = 2
PRIOR_PASSED, PRIOR_JUDGED = 0.5, 10
_PASSED_OVER = ("hypothesis", "prediction_excess_sharpe_hundredths", "prediction_pass_percent")
PLAIN_FIELDS = (
    "set_shape", "model", "train_sets", "label", "horizon_bars", "allow_short", "sizing", "annual_volatility_percent",
)  # fmt: skip


@dataclass(frozen=True)
class _Cast:
    """Which features (counted from 1) are signals with which stance, and which are gates of which kind."""

    signals: tuple[tuple[int, str], ...]
    gates: tuple[tuple[int, str], ...]


def draft_from_parameters(parameters: DesignParameters, context: DesignContext) -> Draft:
    """Return the draft at a point of the space; its prediction is the base rate of what the context knows.

    Args:
        parameters: a point of `search_space(context)`.
    """
    p = parameters
    n_features = int(p["n_features"])
    features = [_feature(p, slot, context) for slot in range(1, n_features + 1)]
    rules = _rules(p, _cast(p, n_features))
    step = THRESHOLD_STEP_HUNDREDTHS[str(p["model"])]
    excess_hundredths, pass_percent = base_rates([*context.recalled, *context.history])
    return Draft.model_validate(
        {
            "hypothesis": _hypothesis(p, features),
            "instruments": str(p["instruments"]).split("+"),
            "features": features,
            "rules": rules,
            **{name: p[name] for name in PLAIN_FIELDS},
            "long_above_hundredths": int(p["long_threshold"]) * step,
            "short_below_hundredths": int(p["short_threshold"]) * step,
            "stop_atr_tenths": p["stop_atr_tenths"] if p["use_stop"] else 0,
            "target_atr_tenths": p["target_atr_tenths"] if p["use_target"] else 0,
            "max_holding_bars": p["max_holding_bars"] if p["use_max_holding"] else 0,
            "prediction_excess_sharpe_hundredths": excess_hundredths,
            "prediction_pass_percent": pass_percent,
        }
    )


def behaviour_of(draft: Draft) -> str:
    """Return a text that two drafts share if they differ in words and predictions alone."""
    return draft.model_dump_json(exclude=set(_PASSED_OVER))


def without_unused(draft: Draft) -> Draft:
    """Return a draft with only the features that its rules name, renumbered: the same strategy."""
    used = sorted({condition.feature for rule in draft.rules for condition in rule.conditions})
    place = {number: index for index, number in enumerate(used, start=1)}
    rules = [
        rule.model_copy(update={"conditions": [c.model_copy(update={"feature": place[c.feature]}) for c in rule.conditions]})
        for rule in draft.rules
    ]
    return draft.model_copy(update={"features": [draft.features[number - 1] for number in used], "rules": rules})


def base_rates(known: Sequence[TrialOutcome]) -> tuple[int, int]:
    """Return the median excess Sharpe (hundredths) and the share shortlisted (percent) of known trials, within a draft's bounds.

    The share counts ten more trials of which 5 % pass, the rate of noise: with nothing known, 5 %. No known figure: no excess.
    """
    figures = [outcome.figure for outcome in known if outcome.figure is not None]
    judged = [outcome.verdict for outcome in known if outcome.verdict is not None]
    excess = round(100 * median(figures)) if figures else 0
    percent = round(100 * (judged.count("shortlist") + PRIOR_PASSED) / (len(judged) + PRIOR_JUDGED))
    return min(max(excess, -100), 200), percent


def _feature(p: DesignParameters, slot: int, context: DesignContext) -> DraftFeature:
    signature = context.vocabulary[str(p[f"indicator_{slot}"])]
    return DraftFeature(
        indicator=signature.name,
        period=_period(signature, int(p[f"period_{slot}"])),
        standardised=bool(p[f"standardised_{slot}"]) or draft_unit(signature) in STANDARDISED_UNITS,
    )


def _period(signature: IndicatorSignature, period: int) -> int:
    """Clip as the language will, so that equal strategies are equal drafts."""
    if not signature.parameters:
        return UNUSED_PERIOD
    first = signature.parameters[0]
    return min(max(period, int(first.low), 2), max(int(first.high), 2), 250)


def _cast(p: DesignParameters, n_features: int) -> _Cast:
    """Read the roles; a third signal on both sides would need six rules, so it gates the others at its own stance instead."""
    signals: list[tuple[int, str]] = []
    gates: list[tuple[int, str]] = []
    for slot in range(1, n_features + 1):
        kind, _, detail = str(p[f"role_{slot}"]).partition("_")
        if kind == "gate":
            gates.append((slot, detail))
        elif len(signals) == 2 and p["sides"] == "both":
            gates.append((slot, "with" if detail == "momentum" else "against"))
        else:
            signals.append((slot, detail))
    return _Cast(tuple(signals), tuple(gates))


def _rules(p: DesignParameters, cast: _Cast) -> list[DraftRule]:
    sides: tuple[Side, ...] = ("long", "short") if p["sides"] == "both" else ("long",)
    gates: tuple[tuple[int, str] | None, ...] = cast.gates or (None,)
    rules = []
    for side in sides:
        strength = int(p[f"strength_{side}"])
        for slot, stance in cast.signals:
            for gate in gates:
                conditions = [_signal(slot, stance, side), *([_gate(*gate, side)] if gate else [])]
                rules.append(DraftRule(join="and", conditions=conditions, direction=side, strength_tenths=strength))
    if p["middle"] != "none" and len(rules) < MAX_DRAFT_RULES:
        middle = DraftCondition(feature=1, level="middle", negated=False)
        direction: Side = "long" if p["middle"] == "long" else "short"
        rules.append(DraftRule(join="and", conditions=[middle], direction=direction, strength_tenths=int(p["strength_middle"])))
    return rules


def _signal(slot: int, stance: str, side: Side) -> DraftCondition:
    level: Level = "high" if (stance == "momentum") == (side == "long") else "low"
    return DraftCondition(feature=slot, level=level, negated=False)


def _gate(slot: int, kind: str, side: Side) -> DraftCondition:
    if kind in ("with", "against"):
        level: Level = "high" if (kind == "with") == (side == "long") else "low"
        return DraftCondition(feature=slot, level=level, negated=False)
    fixed: dict[str, Level] = {"low": "low", "middle": "middle", "high": "high"}
    return DraftCondition(feature=slot, level=fixed[kind.removeprefix("not_")], negated=kind.startswith("not_"))


def _hypothesis(p: DesignParameters, features: Sequence[DraftFeature]) -> str:
    cast = _cast(p, len(features))
    called = [f"{feature.indicator}({feature.period})" for feature in features]
    signals = " and ".join(f"{called[slot - 1]} {'persists' if stance == 'momentum' else 'reverts'}" for slot, stance in cast.signals)
    gates = " and ".join(f"{called[slot - 1]} is {_gate_words(kind)}" for slot, kind in cast.gates)
    held = f"{p['horizon_bars']} bar{'' if p['horizon_bars'] == 1 else 's'}"
    return f"{_idea({stance for _, stance in cast.signals})}: {signals} over {held}{f' while {gates}' if gates else ''}."[:200]


def _idea(stances: set[str]) -> str:
    """Name the idea as people ask for it."""
    if stances == {"momentum"}:
        return "Momentum, trend following"
    return "Mean reversion" if "momentum" not in stances else "Momentum and mean reversion"


def _gate_words(kind: str) -> str:
    return {"with": "on the same side", "against": "on the other side"}.get(kind, kind.replace("_", " "))
