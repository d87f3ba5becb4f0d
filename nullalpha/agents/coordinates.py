"""From a draft to a point of the search space: exact for drafts that came from the space, near for those that a model or a person wrote."""

from __future__ import annotations

from nullalpha.agents.drafts import PLAIN_FIELDS
from nullalpha.agents.port import DesignContext, DesignParameter
from nullalpha.agents.space import THRESHOLD_STEP_HUNDREDTHS, Whole, instrument_option, search_space
from nullalpha.strategy.draft import Draft, DraftCondition, DraftRule

Point = dict[str, DesignParameter]


def parameters_from_draft(draft: Draft, context: DesignContext) -> Point | None:
    """Return the point of `search_space(context)` that a draft is at, or is near.

    Each feature's role is read from the first rule of each side that names it; features that no rule names are left out; what the draft
    does not use stands at the lower end of its range. `draft_from_parameters` gives a draft that came from the space back unchanged.

    Returns:
        None for a draft without counterpart: other indicators or instruments than the context's, or no rule for the long side.
    """
    roles = _roles(draft)
    if roles is None:
        return None
    order = {symbol: index for index, symbol in enumerate(context.instruments)}
    named = sorted(set(draft.instruments), key=lambda symbol: order.get(symbol, len(order)))
    slots = _in_slots(roles)
    given: Point = {name: getattr(draft, name) for name in PLAIN_FIELDS}
    step = THRESHOLD_STEP_HUNDREDTHS[draft.model]
    given |= {
        "long_threshold": round(draft.long_above_hundredths / step),
        "short_threshold": round(draft.short_below_hundredths / step),
    }
    given |= {"instruments": instrument_option(tuple(named)), "n_features": len(slots)}
    for slot, number in enumerate(slots, start=1):
        feature = draft.features[number - 1]
        given |= {f"indicator_{slot}": feature.indicator, f"period_{slot}": feature.period, f"standardised_{slot}": feature.standardised}
        given[f"role_{slot}"] = roles[number]
    given |= _exits(draft) | _sides(draft)
    return _placed(given, context)


def _in_slots(roles: dict[int, str]) -> list[int]:
    """Return the features in their own order, but a signal first: the first slot holds no gate."""
    numbers = sorted(roles)
    lead = next(number for number in numbers if roles[number].startswith("signal"))
    return [lead, *(number for number in numbers if number != lead)]


def _placed(given: Point, context: DesignContext) -> Point | None:
    space = search_space(context)
    point: Point = {}
    for name, coordinate in space.items():
        value = given.get(name)
        if isinstance(coordinate, Whole):
            point[name] = coordinate.low if value is None else coordinate.nearest(int(value))
        else:
            point[name] = coordinate.options[0] if value is None else value
    return point if all(coordinate.holds(point[name]) for name, coordinate in space.items()) else None


def _exits(draft: Draft) -> Point:
    exits: Point = {
        "use_stop": draft.stop_atr_tenths > 0,
        "use_target": draft.target_atr_tenths > 0,
        "use_max_holding": draft.max_holding_bars > 0,
    }
    for name in ("stop_atr_tenths", "target_atr_tenths", "max_holding_bars"):
        if distance := getattr(draft, name):
            exits[name] = distance
    return exits


def _sides(draft: Draft) -> Point:
    rules, middle = _split(draft)
    sides: Point = {"sides": "both" if {rule.direction for rule in rules} == {"long", "short"} else "long"}
    for rule in reversed(rules):
        sides[f"strength_{rule.direction}"] = rule.strength_tenths
    if middle is not None:
        sides |= {"middle": middle.direction, "strength_middle": middle.strength_tenths}
    return sides


def _roles(draft: Draft) -> dict[int, str] | None:
    """Return the role of each feature (counted from 1) that a rule names."""
    rules, _ = _split(draft)
    if "long" not in {rule.direction for rule in rules}:
        return None
    roles: dict[int, str] = {}
    for rule in rules:
        lead = rule.conditions[0]
        roles.setdefault(lead.feature, f"signal_{_stance(rule, lead)}")
    gates: dict[int, dict[str, DraftCondition]] = {}
    for rule in rules:
        for condition in rule.conditions[1:]:
            if condition.feature not in roles:
                gates.setdefault(condition.feature, {}).setdefault(rule.direction, condition)
    return roles | {feature: f"gate_{_gate_kind(by_side)}" for feature, by_side in gates.items()}


def _split(draft: Draft) -> tuple[list[DraftRule], DraftRule | None]:
    """Take apart the rules that lead with a signal and the last one, if it says what to do in the middle of the first feature."""
    last = draft.rules[-1]
    alone = DraftCondition(feature=1, level="middle", negated=False)
    if last.conditions == [alone]:
        return list(draft.rules[:-1]), last
    return list(draft.rules), None


def _stance(rule: DraftRule, lead: DraftCondition) -> str:
    high = (lead.level == "high") != lead.negated
    return "momentum" if high == (rule.direction == "long") else "reversion"


def _gate_kind(by_side: dict[str, DraftCondition]) -> str:
    first = next(iter(by_side.values()))
    levels = {condition.level for condition in by_side.values()}
    if levels == {"low", "high"} and not first.negated:
        rising = first.level == "high"
        return "with" if rising == (next(iter(by_side)) == "long") else "against"
    return f"not_{first.level}" if first.negated else first.level
