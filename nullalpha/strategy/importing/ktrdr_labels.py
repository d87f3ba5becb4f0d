"""KTRDR's labels. There a label is a class or a plain return; here it is a move in trailing volatilities, so that markets compare."""

from __future__ import annotations

import math
from collections.abc import Mapping

from nullalpha.strategy.importing.sections import Section

HORIZON = (1, 40)
VOLATILITY_BARS = (5, 500)
BARRIER = (0.1, 5.0)
RANGE_OVER_VOLATILITY = math.sqrt(8 / math.pi)
"""The mean range of a bar in its volatilities, for a Brownian motion. Source: Feller (1951), Annals of Mathematical Statistics 22(3)."""
_TRIPLE_ALIASES: Mapping[str, str] = {
    "profit_target_atr": "pt_multiplier",
    "stop_loss_atr": "sl_multiplier",
    "max_holding_bars": "max_holding_period",
    "atr_period": "vol_span",
}


def read_labels(training: Section) -> dict[str, object]:
    """Return the `labels` of a document; errors are reported."""
    training.require("labels", "labels: {source: zigzag, zigzag_threshold: 0.025, label_lookahead: 20}")
    section = training.section("labels")
    section.require("source", "source: zigzag")
    source = section.text("source")
    readers = {"zigzag": _zigzag, "forward_return": _forward_return, "triple_barrier": _triple_barrier, "regime": _regime}
    reader = readers.get((source or "").lower())
    if reader is None:
        if source is not None:
            fix = f"one of {', '.join(readers)}"
            section.report.refuse(section.place("source"), "unsupported", "no label that can be carried", source, fix)
        return {}
    labels = reader(section)
    section.finish(f"{source} labels")
    return labels


def _zigzag(section: Section) -> dict[str, object]:
    section.require("zigzag_threshold", "zigzag_threshold: 0.025")
    threshold = section.number("zigzag_threshold")
    horizon = _horizon(section, "label_lookahead", 20)
    section.leave(("min_swing_length",), "a leg of a zigzag has no shortest length here")
    if threshold is not None:
        if not 0 < threshold < 1:
            section.report.refuse(section.place("zigzag_threshold"), "out_of_range", "must be a fraction of price", threshold, "0.025")
        message = (
            f"a leg turns at 1 trailing volatility x sqrt({horizon}) here, not at {threshold:g} of the price: how many volatilities that "
            "is depends on the market; `barrier` sets it. The label is the scaled return to the next pivot, not a class"
        )
        section.report.note(section.place("zigzag_threshold"), message)
    return {"kind": "zigzag", "horizon": horizon, "barrier": 1.0}


def _forward_return(section: Section) -> dict[str, object]:
    horizon = _horizon(section, "horizon", 20)
    message = "the return is taken from the fill, scaled by trailing volatility x sqrt(horizon) and clipped to +-3"
    section.report.note(section.place("horizon"), message)
    return {"kind": "forward_return", "horizon": horizon}


def _triple_barrier(section: Section) -> dict[str, object]:
    def number(key: str, default: float) -> float:
        names = [key, *(alias for alias, theirs in _TRIPLE_ALIASES.items() if theirs == key)]
        given = [value for name in names if (value := section.number(name)) is not None]
        if len(set(given)) > 1:
            section.report.refuse(section.place(key), "conflict", f"{' and '.join(names)} differ", given, "give one of them")
        return given[0] if given else default

    in_ranges = any(section.has(key) for key in ("profit_target_atr", "stop_loss_atr", "atr_period"))
    above, below = number("pt_multiplier", 2.0), number("sl_multiplier", 1.5)
    span, period = number("vol_span", 50), number("max_holding_period", 50)
    method = section.text("vol_method") or "atr"
    if method not in ("atr", "close") or (in_ranges and method != "atr"):
        section.report.refuse(section.place("vol_method"), "unsupported", "no volatility that can be carried", method, "atr or close")
    horizon = _checked_horizon(section, "max_holding_period", period)
    unit = RANGE_OVER_VOLATILITY if method == "atr" else 1.0
    barrier = float(f"{(above + below) / 2 * unit / math.sqrt(max(horizon, 1)):.4g}")
    if not BARRIER[0] <= barrier <= BARRIER[1]:
        message = f"the barriers lie at {barrier:g} volatilities x sqrt(horizon); here {BARRIER[0]:g} to {BARRIER[1]:g}"
        section.report.refuse(
            section.place("pt_multiplier"), "out_of_range", message, [above, below], f"{BARRIER[0 if barrier < 1 else 1]:g}"
        )
    _note_barriers(section, above, below, barrier, method)
    labels: dict[str, object] = {
        "kind": "triple_barrier",
        "horizon": horizon,
        "barrier": barrier,
        "volatility_bars": _volatility_bars(section, span),
    }
    _sampling(section, labels)
    return labels


def _note_barriers(section: Section, above: float, below: float, barrier: float, method: str) -> None:
    one = "" if above == below else f"barriers at {above:g} above and {below:g} below become one distance, their mean; "
    ranges = f"a mean range of a bar is {RANGE_OVER_VOLATILITY:.3f} of its volatility (Feller 1951); " if method == "atr" else ""
    message = f"{one}{ranges}in trailing volatilities x sqrt(horizon) it is {barrier:g}. Without a touch the label is the scaled return"
    section.report.note(section.path, message)


def _sampling(section: Section, labels: dict[str, object]) -> None:
    """Carry CUSUM sampling and weights by uniqueness."""
    if section.flag("compute_weights") or section.flag("uniqueness_weighting"):
        labels["weights"] = "uniqueness"
    multiplier = section.number("cusum_multiplier")
    fixed = section.number("cusum_threshold")
    enabled = section.flag("cusum_filter")
    if fixed is not None:
        message = "a threshold in returns depends on the market; here it is in trailing volatilities"
        section.report.refuse(section.place("cusum_threshold"), "unsupported", message, fixed, "cusum_multiplier: 0.5")
    if enabled or (enabled is None and multiplier is not None):
        volatilities = 2 * (0.5 if multiplier is None else multiplier)
        if not 0.1 <= volatilities <= 20:
            place = section.place("cusum_multiplier")
            section.report.refuse(place, "out_of_range", "must be from 0.05 to 10", multiplier, f"{min(max(multiplier or 0, 0.05), 10):g}")
        message = f"becomes cusum: {volatilities:g}; KTRDR takes its threshold off every return and asks for as much again"
        section.report.note(section.place("cusum_filter" if enabled else "cusum_multiplier"), message)
        labels["cusum"] = volatilities


def _regime(section: Section) -> dict[str, object]:
    multi_scale = ("macro_atr_mult", "micro_atr_mult", "atr_period", "progression_tolerance")
    found = [key for key in multi_scale if section.take(key) is not None]
    if found:
        message = "regimes from swings on two scales have no counterpart"
        section.report.refuse(section.place(found[0]), "unsupported", message, None, "horizon: 24 (the signed efficiency ratio)")
    horizon = _horizon(section, "horizon", 24)
    lookback = section.number("vol_lookback")
    section.leave(("trending_threshold",), "the label is the signed efficiency ratio itself, -1..1, not a class of it")
    section.leave(
        ("vol_crisis_threshold",), "volatile bars are no class of their own; labels: {kind: regime, of: volatility} learns volatility"
    )
    labels: dict[str, object] = {"kind": "regime", "of": "trend", "horizon": horizon}
    return labels if lookback is None else labels | {"volatility_bars": _volatility_bars(section, lookback, "vol_lookback")}


def _horizon(section: Section, key: str, default: int) -> int:
    value = section.whole(key)
    if value is None:
        section.report.note(section.path, f"no {key} is given; KTRDR's default, {default}, is written out")
    return _checked_horizon(section, key, default if value is None else value)


def _checked_horizon(section: Section, key: str, value: float) -> int:
    low, high = HORIZON
    if not low <= value <= high or not float(value).is_integer():
        message = f"a label looks {low} to {high} bars ahead here"
        section.report.refuse(section.place(key), "out_of_range", message, value, str(round(min(max(value, low), high))))
    return int(value)


def _volatility_bars(section: Section, span: float, key: str = "vol_span") -> int:
    low, high = VOLATILITY_BARS
    if not low <= span <= high or not float(span).is_integer():
        message = f"trailing volatility is over {low} to {high} bars here"
        section.report.refuse(section.place(key), "out_of_range", message, span, str(round(min(max(span, low), high))))
    section.report.note(section.place(key), f"volatility is that of the last {span:g} bars, equally weighted, not exponentially")
    return int(span)
