"""KTRDR's fuzzy sets: which indicator each reads, and its membership functions in our shapes and their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from nullalpha.core.errors import nearest
from nullalpha.strategy.importing.imported import Report
from nullalpha.strategy.importing.names import legal_name
from nullalpha.strategy.importing.sections import Section
from nullalpha.strategy.spec import MAX_SET_NUMBER, SHAPE_PARAMETERS, set_problem

Shape = Literal["triangle", "trapezoid", "gaussian", "sigmoid"]
_SHAPES: Mapping[str, Shape] = {
    "triangular": "triangle",
    "triangle": "triangle",
    "trapezoidal": "trapezoid",
    "trapezoid": "trapezoid",
    "gaussian": "gaussian",
    "sigmoid": "sigmoid",
}
_SIGMOID = "KTRDR lists sigmoids without saying what their numbers are; read as [centre, slope]"


@dataclass(frozen=True)
class Member:
    """One membership function, its numbers still in their units."""

    path: str
    name: str
    shape: Shape
    numbers: tuple[float, ...]


@dataclass(frozen=True)
class FuzzySet:
    """An interpretation of an indicator's output; an empty output is the primary one."""

    path: str
    name: str
    indicator: str
    output: str
    members: tuple[Member, ...]


def fuzzy_sets(root: Section) -> dict[str, FuzzySet]:
    """Return the fuzzy sets by name; what is broken is reported and left out."""
    root.require("fuzzy_sets", "fuzzy_sets: {rsi_momentum: {indicator: rsi_14, oversold: [0, 25, 40]}}")
    section = root.section("fuzzy_sets")
    found = {name: _fuzzy_set(name, section.section(name)) for name in section.names()}
    return {name: one for name, one in found.items() if one is not None}


def _fuzzy_set(name: str, section: Section) -> FuzzySet | None:
    section.require("indicator", "indicator: the name of one")
    reference, output = section.text("indicator"), section.text("output")
    report = section.report
    indicator, _, dotted = (reference or "").partition(".")
    if dotted and output and dotted != output:
        report.refuse(section.place("output"), "conflict", f"the indicator's name says {dotted!r}", output, f"output: {dotted}")
    members: dict[str, Member] = {}
    keys = [key for key in section.names() if key not in ("indicator", "output")]
    for key in keys:
        member = _member(section.place(key), legal_name(key, members), section.take(key), report)
        if member is not None:
            if member.name != key:
                report.note(member.path, f"becomes the set {member.name}")
            members[member.name] = member
    if not keys:
        report.refuse(section.path, "missing", "has no membership function", None, "oversold: [0, 25, 40]")
    if not indicator or not members:
        return None
    return FuzzySet(section.path, name, indicator, dotted or output or "", tuple(members.values()))


def _member(path: str, name: str, value: object, report: Report) -> Member | None:
    if isinstance(value, list):
        kind, numbers = "triangular", value
    else:
        section = Section(path, value, report)
        if not isinstance(value, Mapping):
            return None
        kind, given = section.text("type") or "triangular", section.take("parameters")
        section.finish("a membership function")
        if not isinstance(given, list):
            report.refuse(
                section.place("parameters"), "missing" if given is None else "wrong_type", "must be a list of numbers", given, "[0, 25, 40]"
            )
            return None
        numbers = given
    shape = _SHAPES.get(kind.lower())
    if shape is None:
        fix = nearest(kind[:40], list(_SHAPES)) or f"one of {', '.join(_SHAPES)}"
        report.refuse(f"{path}.type", "unknown_shape", "no shape that can be carried", kind, fix)
        return None
    if not all(isinstance(n, int | float) and not isinstance(n, bool) and abs(n) <= MAX_SET_NUMBER for n in numbers):
        report.refuse(path, "wrong_type", f"must be numbers of at most {MAX_SET_NUMBER:g}", numbers, "[0, 25, 40]")
        return None
    plain = tuple(float(number) for number in numbers)
    problem = set_problem(shape, plain)
    if problem:
        fix = "type: trapezoidal" if shape == "triangle" and len(plain) == 4 else f"{kind.lower()}: [{', '.join(SHAPE_PARAMETERS[shape])}]"
        report.refuse(path, "set_numbers", problem, list(plain), fix)
        return None
    if shape == "sigmoid":
        report.note(path, _SIGMOID)
    return Member(path, name, shape, plain)
