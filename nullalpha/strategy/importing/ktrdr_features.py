"""KTRDR's indicators, fuzzy sets and network inputs as features with sets: one feature for each quantity and timeframe that is used.

There an indicator is computed once and read through any number of fuzzy sets on any timeframes; here a set belongs to a feature. The fuzzy
sets of one quantity on one timeframe are put together on one feature, under their own names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nullalpha.core.errors import nearest
from nullalpha.strategy.importing.imported import Report
from nullalpha.strategy.importing.ktrdr_columns import Column, Indicators
from nullalpha.strategy.importing.ktrdr_data import TrainingData, check_timeframe, read_timeframe
from nullalpha.strategy.importing.ktrdr_sets import FuzzySet
from nullalpha.strategy.importing.names import legal_name
from nullalpha.strategy.importing.sections import Section

MAX_FEATURES = 16
MAX_SETS = 9
_Key = tuple[Column, str]


@dataclass
class _Feature:
    column: Column
    timeframe: str
    sets: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    readers: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Features:
    """The `features` and `sets` of a document."""

    features: Mapping[str, Mapping[str, object]]
    sets: Mapping[str, Mapping[str, object]]


def read_inputs(root: Section, indicators: Indicators, sets: Mapping[str, FuzzySet], data: TrainingData) -> Features:
    """Return the features and sets that `nn_inputs` reads; errors are reported."""
    found: list[_Feature] = []
    used: set[str] = set()
    report = root.report
    entries = root.take("nn_inputs")
    if not isinstance(entries, list) or not entries:
        fix = "nn_inputs: [{fuzzy_set: rsi_momentum, timeframes: all}]"
        report.refuse("nn_inputs", "missing" if entries is None else "wrong_type", "must be a list of inputs", entries, fix)
        return Features({}, {})
    for i, entry in enumerate(entries):
        section = Section(f"nn_inputs.{i}", entry, report)
        name, frames = _entry(section, sets, data)
        if name is None:
            continue
        used.add(name)
        for frame in frames:
            _add(found, sets[name], frame, indicators, section)
    _note_unused(sets, used, indicators, report)
    if len(found) > MAX_FEATURES:
        message = f"the inputs make {len(found)} features; a strategy has at most {MAX_FEATURES}"
        report.refuse("nn_inputs", "too_many", message, len(found), "fewer timeframes or fuzzy sets")
    return _document(found, indicators, data)


def _entry(section: Section, sets: Mapping[str, FuzzySet], data: TrainingData) -> tuple[str | None, Sequence[str]]:
    """Return the fuzzy set that an input names, and its timeframes."""
    report = section.report
    if section.has("raw_indicator"):
        message = "a network reads memberships of fuzzy sets here, never raw values"
        report.refuse(
            section.place("raw_indicator"), "unsupported", message, section.take("raw_indicator"), "give it fuzzy sets, or leave it out"
        )
        return None, ()
    section.require("fuzzy_set", "fuzzy_set: the name of one")
    section.require("timeframes", "timeframes: all")
    name, frames = section.text("fuzzy_set"), _frames(section, data)
    section.finish("an input")
    if name is not None and name not in sets:
        near = nearest(name[:60], list(sets)) or f"one of {', '.join(list(sets)[:8])}"
        report.refuse(section.place("fuzzy_set"), "unknown_fuzzy_set", "no such fuzzy set", name, near)
        return None, ()
    return name, frames


def _frames(section: Section, data: TrainingData) -> list[str]:
    value = section.take("timeframes")
    path, report = section.place("timeframes"), section.report
    if value == "all":
        listed = list(data.timeframes)
    elif isinstance(value, str):
        listed = [value]
    elif isinstance(value, list) and all(isinstance(frame, str) for frame in value):
        listed = value
    else:
        if value is not None:
            report.refuse(path, "wrong_type", "must be all, or a list of timeframes", value, "timeframes: all")
        return []
    frames = [frame for text in listed if (frame := read_timeframe(text, path, report))]
    return [frame for frame in dict.fromkeys(frames) if check_timeframe(frame, data, path, report)]


def _add(found: list[_Feature], fuzzy_set: FuzzySet, frame: str, indicators: Indicators, section: Section) -> None:
    """Put a fuzzy set on the feature of its quantity and timeframe, or on a new one where that has no room."""
    report = section.report
    column = indicators.column(fuzzy_set, frame)
    if column is None:
        return
    same = [feature for feature in found if (feature.column, feature.timeframe) == (column, frame)]
    if any(fuzzy_set.name in feature.readers for feature in same):
        report.note(section.path, f"{fuzzy_set.name} on {frame} is read twice; once is enough")
        return
    feature = next((one for one in same if len(one.sets) + len(fuzzy_set.members) <= MAX_SETS), None)
    if feature is None:
        feature = _Feature(column, frame)
        found.append(feature)
    feature.readers.append(fuzzy_set.name)
    for member in fuzzy_set.members:
        name = member.name if member.name not in feature.sets else legal_name(f"{fuzzy_set.name}_{member.name}", feature.sets)
        if name != member.name:
            report.note(member.path, f"becomes the set {name}: {member.name} is another fuzzy set's on the same feature")
        feature.sets[name] = {member.shape: [column.convert(member.shape, i, number) for i, number in enumerate(member.numbers)]}


def _note_unused(sets: Mapping[str, FuzzySet], used: set[str], indicators: Indicators, report: Report) -> None:
    for name, fuzzy_set in sets.items():
        if name not in used:
            report.note(fuzzy_set.path, "left out: no input reads it")
    for path in indicators.unused():
        report.note(path, "left out: no fuzzy set that is read refers to it")


def _document(found: Sequence[_Feature], indicators: Indicators, data: TrainingData) -> Features:
    features: dict[str, Mapping[str, object]] = {}
    sets: dict[str, Mapping[str, object]] = {}
    for feature in found:
        own = feature.timeframe == data.timeframe
        name = legal_name(indicators.label(feature.column) + ("" if own else f"_{feature.timeframe}"), features)
        features[name] = feature.column.document() | ({} if own else {"timeframe": feature.timeframe})
        sets[name] = feature.sets
    return Features(features, sets)
