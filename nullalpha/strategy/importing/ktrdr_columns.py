"""The columns that KTRDR's indicators become: ours in name, parameters, output and unit, and how a set's numbers are converted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from nullalpha.core.errors import nearest
from nullalpha.strategy.importing.ktrdr_data import read_symbol, read_timeframe
from nullalpha.strategy.importing.ktrdr_indicators import KTRDR_INDICATORS, UNITS, Given, KtrdrIndicator, Target, factor, ktrdr_type
from nullalpha.strategy.importing.ktrdr_sets import FuzzySet, Shape
from nullalpha.strategy.importing.sections import Section
from nullalpha.strategy.vocabulary import BAR_FIELD_UNITS, IndicatorSignature, Parameter, ParameterValue, Vocabulary

_SIGNIFICANT = 12
LEAVE_OUT = "leave it out, with the fuzzy sets that read it"


@dataclass(frozen=True)
class Column:
    """A feature without its timeframe; `factor` takes their numbers into our unit."""

    indicator: str
    output: str
    parameters: tuple[tuple[str, ParameterValue], ...]
    of: str
    source: str
    factor: float
    label: str = field(compare=False)

    def document(self) -> dict[str, object]:
        """Return the feature as a document says it."""
        return {
            "indicator": self.indicator,
            **dict(self.parameters),
            **({"output": self.output} if self.output else {}),
            **({"of": self.of} if self.of else {}),
            **({"input": self.source} if self.source else {}),
        }

    def convert(self, shape: Shape, position: int, number: float) -> float:
        """Return a number of a set on this column; a sigmoid's slope is per unit, so it is divided."""
        scaled = number / self.factor if shape == "sigmoid" and position == 1 else number * self.factor
        return float(f"{scaled:.{_SIGNIFICANT}g}") + 0.0


@dataclass(frozen=True)
class _Definition:
    path: str
    name: str
    kind: KtrdrIndicator
    numbers: Given
    places: Mapping[str, str]
    source: str
    context: str


class Indicators:
    """The indicators of a document: read once, turned into columns as fuzzy sets refer to them."""

    def __init__(self, root: Section, contexts: Mapping[str, Context], vocabulary: Vocabulary) -> None:
        self._report = root.report
        self._contexts = contexts
        self._vocabulary = vocabulary
        root.require("indicators", "indicators: {rsi_14: {type: rsi, period: 14}}")
        section = root.section("indicators")
        self._names = section.names()
        self._path = section.path
        read = {name: _definition(name, section.section(name)) for name in self._names}
        self._definitions = {name: one for name, one in read.items() if one is not None}
        self._used: set[str] = set()

    def column(self, fuzzy_set: FuzzySet, timeframe: str) -> Column | None:
        """Return the column that a fuzzy set reads on a timeframe, or None with the reason reported once."""
        self._used.add(fuzzy_set.indicator)
        place = f"{fuzzy_set.path}.indicator"
        if fuzzy_set.indicator not in self._names:
            fix = nearest(fuzzy_set.indicator[:60], self._names) or f"one of {', '.join(self._names[:8])}"
            self._report.refuse(place, "unknown_indicator", "no such indicator in this document", fuzzy_set.indicator, fix)
            return None
        definition = self._definitions.get(fuzzy_set.indicator)
        if definition is None:
            return None
        outputs = definition.kind.outputs
        output = fuzzy_set.output or next(iter(outputs))
        target = outputs.get(output)
        if target is None:
            names = [name for name in outputs if name]
            fix = nearest(output[:40], names) or (f"one of {', '.join(names)}" if names else f"indicator: {definition.name}")
            self._report.refuse(place, "unknown_output", f"{definition.name} has no output {output[:40]!r}", output, fix)
            return None
        if isinstance(target, str):
            self._report.refuse(definition.path, "unsupported", f"cannot be carried: {target}", definition.name, LEAVE_OUT)
            return None
        return self._column(definition, output, target, timeframe)

    def unused(self) -> list[str]:
        """Return the places of the indicators that nothing referred to."""
        return [f"{self._path}.{name}" for name in self._names if name not in self._used]

    def label(self, column: Column) -> str:
        """Return what a column is called."""
        return column.label

    def _column(self, definition: _Definition, output: str, target: Target, timeframe: str) -> Column | None:
        signature = self._vocabulary.get(target.indicator)
        if signature is None or (target.output and target.output not in signature.outputs):
            wanted = target.indicator + (f".{target.output}" if target.output else "")
            self._report.refuse(
                definition.path, "unsupported", f"there is no indicator {wanted} here to carry it", definition.name, LEAVE_OUT
            )
            return None
        source = self._source(definition, signature)
        of = self._of(definition, timeframe)
        parameters = self._parameters(definition, target, signature)
        if source is None or of is None or parameters is None:
            return None
        ours = "" if target.output == signature.outputs[0] else target.output
        scale = factor(target.scale, signature.unit_of(target.output or signature.outputs[0]))
        if scale != 1:
            self._report.note(definition.path, f"{UNITS[target.scale]}: every number of its sets is multiplied by {scale:g}")
        if target.change:
            self._report.note(definition.path, target.change)
        primary = output == next(iter(definition.kind.outputs))
        label = definition.name if primary else f"{definition.name}_{output}"
        return Column(target.indicator, ours, parameters, of, source, scale, label)

    def _source(self, definition: _Definition, signature: IndicatorSignature) -> str | None:
        """Return the bar field that an operator is applied to, empty where it is the operator's own."""
        wanted = definition.source
        if wanted in ("", *signature.series[:1]) or (wanted == "close" and not signature.series):
            return ""
        if len(signature.series) == 1 and wanted in BAR_FIELD_UNITS:
            return wanted
        self._report.refuse(
            f"{definition.path}.source", "unsupported", f"{signature.name} is not computed on {wanted[:40]!r} here", wanted, "close"
        )
        return None

    def _of(self, definition: _Definition, timeframe: str) -> str | None:
        """Return the other instrument that an indicator is computed on, empty for the traded one."""
        if not definition.context:
            return ""
        path = f"{definition.path}.data_source"
        context = self._contexts.get(definition.context)
        if context is None:
            message = "is not another instrument of context_data; economic series and their spreads are not carried"
            fix = "import the series under a symbol, and write `of: SYMBOL` in the feature"
            self._report.refuse(path, "unsupported", message, definition.context, fix)
            return None
        if context.timeframe not in ("", timeframe):
            message = f"its bars are {context.timeframe}, but it is read on {timeframe}; here they are one"
            self._report.refuse(path, "mixed_timeframes", message, definition.context, f"timeframes: [{context.timeframe}]")
            return None
        return context.symbol

    def _parameters(
        self, definition: _Definition, target: Target, signature: IndicatorSignature
    ) -> tuple[tuple[str, ParameterValue], ...] | None:
        """Return our parameters from theirs, in order of names; those out of range are reported."""
        declared = {parameter.name: parameter for parameter in signature.parameters}
        found: list[tuple[str, ParameterValue]] = []
        for name, from_theirs in sorted(target.parameters.items()):
            value = from_theirs.of(definition.numbers)
            parameter = declared.get(name)
            if parameter is None or not _fits(value, parameter):
                place = definition.places.get(from_theirs.theirs, definition.path)
                allowed = f"from {parameter.low:g} to {parameter.high:g}" if parameter else "not at all"
                fix = f"{_nearest_value(value, parameter):g}" if parameter else LEAVE_OUT
                self._report.refuse(place, "out_of_range", f"{signature.name} takes {name} {allowed} here", value, fix)
                return None
            found.append((name, int(value) if parameter.integer else value))
        return tuple(found)


@dataclass(frozen=True)
class Context:
    """Another instrument whose bars a strategy reads; an empty timeframe is whatever it is read on."""

    symbol: str
    timeframe: str


def contexts(root: Section) -> dict[str, Context]:
    """Return the instruments of `context_data` by the name that indicators use; other providers are errors where they are used."""
    found: dict[str, Context] = {}
    entries = root.take("context_data")
    report = root.report
    if entries is not None and not isinstance(entries, list):
        report.refuse("context_data", "wrong_type", "must be a list of sources", entries, "[{provider: ib, symbol: GBPUSD, timeframe: 1h}]")
    for i, entry in enumerate(entries if isinstance(entries, list) else ()):
        section = Section(f"context_data.{i}", entry, report)
        provider = section.text("provider")
        if provider == "ib":
            symbol_text, frame_text = section.text("symbol"), section.text("timeframe")
            section.leave(("instrument_type", "alignment"), "other markets are joined as of the time their bars were known")
            section.finish("context_data")
            symbol = read_symbol(symbol_text, section.place("symbol"), report) if symbol_text else None
            frame = read_timeframe(frame_text, section.place("timeframe"), report) if frame_text else ""
            if symbol_text is None:
                report.refuse(section.place("symbol"), "missing", "'symbol' is missing", None, "symbol: GBPUSD")
            elif symbol and frame is not None:
                found[symbol_text] = Context(symbol, frame)
        else:
            report.note(section.path, f"left out: series of {str(provider)[:40]} are imported as data, not named in a strategy")
    return found


def _definition(name: str, section: Section) -> _Definition | None:
    """Return an indicator with its numbers complete, or None with errors reported."""
    report = section.report
    section.require("type", "type: rsi")
    text, source, context = section.text("type"), section.text("source"), section.text("data_source")
    known = ktrdr_type(text) if text else None
    if known is None:
        if text is not None:
            fix = nearest(text[:40].lower(), list(KTRDR_INDICATORS)) or "one of KTRDR's indicators"
            report.refuse(section.place("type"), "unknown_indicator", "no indicator of KTRDR that can be carried", text, fix)
        return None
    kind = KTRDR_INDICATORS[known]
    if known == "distancefromma":
        kind = _distance(section, kind)
    before = len(report.errors)
    places = {theirs: _place(section, theirs, kind) for theirs in kind.defaults}
    numbers = {theirs: _number(section, theirs, default, kind) for theirs, default in kind.defaults.items()}
    if len({numbers[theirs] for theirs in kind.equal}) > 1:
        message = f"{' and '.join(kind.equal)} are one number here"
        report.refuse(places[kind.equal[0]], "unsupported", message, [numbers[theirs] for theirs in kind.equal], "give both the same value")
    for key, values in kind.choices.items():
        value = section.take(key)
        if value is not None and value not in values:
            fix = f"{key}: {str(values[0]).lower() if isinstance(values[0], bool) else values[0]}"
            report.refuse(section.place(key), "unsupported", "this choice cannot be carried", value, fix)
    section.leave(("name", "feature_id"), "the indicator is named by its key")
    section.finish(f"indicator {known}")
    if len(report.errors) > before:
        return None
    return _Definition(section.path, name, kind, numbers, places, source or "", context or "")


def _distance(section: Section, kind: KtrdrIndicator) -> KtrdrIndicator:
    """Distances from a simple and from an exponential average are two indicators here."""
    average = section.text("ma_type") or "SMA"
    (target,) = kind.outputs.values()
    if average.upper() not in ("SMA", "EMA") or not isinstance(target, Target):
        return kind
    ours = replace(target, indicator=f"distance_from_{average.lower()}")
    return replace(kind, outputs={"": ours}, choices={"ma_type": (average,)})


def _spellings(name: str, kind: KtrdrIndicator) -> list[str]:
    return [name, *(alias for alias, theirs in kind.aliases.items() if theirs == name)]


def _place(section: Section, name: str, kind: KtrdrIndicator) -> str:
    """Return where a parameter is given, whichever way it is spelled."""
    return section.place(next((spelling for spelling in _spellings(name, kind) if section.has(spelling)), name))


def _number(section: Section, name: str, default: ParameterValue, kind: KtrdrIndicator) -> ParameterValue:
    spellings = _spellings(name, kind)
    given = [value for spelling in spellings if (value := section.number(spelling)) is not None]
    if len(set(given)) > 1:
        section.report.refuse(section.place(name), "conflict", f"{' and '.join(spellings)} say different things", given, "give one of them")
    return given[0] if given else default


def _fits(value: ParameterValue, parameter: Parameter) -> bool:
    return parameter.low <= value <= parameter.high and (not parameter.integer or float(value).is_integer())


def _nearest_value(value: ParameterValue, parameter: Parameter) -> ParameterValue:
    inside = min(max(value, parameter.low), parameter.high)
    return round(inside) if parameter.integer else inside
