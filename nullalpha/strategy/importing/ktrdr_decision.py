"""KTRDR's `decisions`: when to trade. Its confidences of three classes and predicted returns become thresholds on the signal, -1..1.

There a classifier buys, and sells what it has; it opens no short position. A regression also sells short. A position ends at the opposite
signal: here that is hysteresis. Source: github.com/kpiteira/ktrdr, `ktrdr/backtesting/decision_function.py`.
"""

from __future__ import annotations

import math

from nullalpha.strategy.importing.ktrdr_data import TrainingData
from nullalpha.strategy.importing.sections import Section

DEFAULT_CONFIDENCE = 0.5
DEFAULT_SEPARATION_HOURS = 4.0
MAX_SEPARATION_BARS = 1000
_CLASSES = 3


def read_decision(root: Section, data: TrainingData | None) -> dict[str, object]:
    """Return the `decision` of a document; errors are reported."""
    root.require("decisions", "decisions: {output_format: classification, confidence_threshold: 0.6}")
    section = root.section("decisions")
    output = section.text("output_format") or "classification"
    if output not in ("classification", "regression"):
        fix = "classification or regression"
        section.report.refuse(section.place("output_format"), "unsupported", "no output that can be carried", output, fix)
    decision = _regression(section) if output == "regression" else _classification(section)
    _position(section)
    separation = _separation(section.section("filters"), data)
    if separation > 1:
        decision["separation"] = separation
    section.finish("decisions")
    return decision


def _classification(section: Section) -> dict[str, object]:
    """A confidence c of the winning class becomes the signal (3 c - 1) / 2: 0 where all three are as likely, 1 where one is sure."""
    thresholds = section.section("thresholds")
    buy, sell = thresholds.number("buy"), thresholds.number("sell")
    thresholds.finish("thresholds")
    common = section.number("confidence_threshold")
    if common is None and (buy is None or sell is None):
        section.report.note(section.path, f"no confidence_threshold is given; KTRDR's default, {DEFAULT_CONFIDENCE}, is used")
    common = DEFAULT_CONFIDENCE if common is None else common
    classes = section.whole("num_classes")
    if classes not in (None, _CLASSES):
        section.report.refuse(section.place("num_classes"), "unsupported", "only buy, hold and sell can be carried", classes, str(_CLASSES))
    section.leave(("cost_model",), "costs belong to the campaign")
    enter = _signal(section, "thresholds.buy" if buy is not None else "confidence_threshold", common if buy is None else buy)
    leave = _signal(section, "thresholds.sell" if sell is not None else "confidence_threshold", common if sell is None else sell)
    if enter is None or leave is None:
        return {}
    message = (
        f"a confidence c among three classes becomes a signal of (3c - 1) / 2, so that a third each is 0: long above {enter:g}, "
        f"until the signal is below {-leave + 0.0:g}; KTRDR's classifiers open no short position, so short_below is null"
    )
    section.report.note(section.place("confidence_threshold" if buy is None else "thresholds"), message)
    return {"long_above": enter, "short_below": None, "long_exit_below": -leave + 0.0}


def _signal(section: Section, key: str, confidence: float) -> float | None:
    if not 0 <= confidence < 1:
        section.report.refuse(section.place(key), "out_of_range", "a confidence is from 0 to below 1", confidence, "0.6")
        return None
    return float(f"{max((_CLASSES * confidence - 1) / (_CLASSES - 1), 0.0):.6g}")


def _regression(section: Section) -> dict[str, object]:
    """A predicted return becomes a signal in volatilities, so the sign decides; what a trade costs is the campaign's."""
    section.leave(("confidence_threshold",), "KTRDR does not use it for a regression")
    section.leave(("num_classes",), "a regression has no classes")
    costs = section.section("cost_model")
    costs.leave(("round_trip_cost",), "costs belong to the campaign")
    costs.leave(
        ("min_edge_multiplier",),
        "the edge asked for is in returns, the signal in volatilities; raise long_above and lower short_below instead",
    )
    costs.finish("cost_model")
    message = (
        "the thresholds are 0: the sign of the prediction decides. KTRDR asks for an edge over costs in returns, which no fixed signal is"
    )
    section.report.note(section.path, message)
    return {"long_above": 0.0, "short_below": 0.0}


def _position(section: Section) -> None:
    if section.flag("position_awareness") is False:
        message = "decisions here always know the position"
        section.report.refuse(section.place("position_awareness"), "unsupported", message, False, "position_awareness: true")
    section.leave(("symbol_aware_decisions", "cross_symbol_consistency"), "every instrument is decided alike")


def _separation(filters: Section, data: TrainingData | None) -> int:
    """Return the bars between entries from KTRDR's hours between trades; 1 for no limit."""
    hours = filters.number("min_signal_separation")
    if filters.flag("volume_filter"):
        message = "no filter of decisions by volume; use volume_ratio as a feature"
        filters.report.refuse(filters.place("volume_filter"), "unsupported", message, True, "volume_filter: false")
    filters.finish("filters")
    path = filters.place("min_signal_separation")
    if hours is None:
        filters.report.note(path, f"not given; KTRDR's default, {DEFAULT_SEPARATION_HOURS:g} hours, is used")
        hours = DEFAULT_SEPARATION_HOURS
    if hours < 0 or data is None:
        if hours < 0:
            filters.report.refuse(path, "out_of_range", "must be at least 0 hours", hours, "4")
        return 1
    bars = max(math.ceil(hours / data.bar_hours), 1)
    if bars > MAX_SEPARATION_BARS:
        message = f"is {bars} bars; entries are at most {MAX_SEPARATION_BARS} bars apart here"
        filters.report.refuse(path, "out_of_range", message, hours, f"{MAX_SEPARATION_BARS * data.bar_hours:g}")
    said = f"{hours:g} hours are {bars} bars of {data.timeframe}, counted here from one entry to the next"
    filters.report.note(path, said if bars > 1 else f"{hours:g} hours are at most one bar of {data.timeframe}: no limit")
    return bars
