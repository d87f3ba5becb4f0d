"""KTRDR's indicators in terms of ours: types, parameters with their defaults, outputs, and units.

Source: github.com/kpiteira/ktrdr, `ktrdr/indicators/`. Where the same quantity is averaged otherwise there, the column keeps its meaning
and scale, and a note says what differs. What depends on where its history starts, or changes after the fact, has no counterpart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Literal

from nullalpha.strategy.vocabulary import ParameterValue, Unit

Given = Mapping[str, ParameterValue]
Scale = Literal["same", "percent", "of_whole"]
"""`percent`: theirs is in hundredths (0..100, -100..0, percent of a price) of what ours is a fraction of. `of_whole`: theirs is a share of
a channel, ours of half of it."""
UNITS: Mapping[Scale, str] = {
    "same": "units agree",
    "percent": "values are fractions here and hundredths there",
    "of_whole": "values are shares of half the channel here and of the whole channel there",
}


@dataclass(frozen=True)
class Value:
    """A parameter of ours: which of theirs it comes from (empty for none), and how."""

    theirs: str
    of: Callable[[Given], ParameterValue]


@dataclass(frozen=True)
class Target:
    """One output of theirs as a column of ours.

    Attributes:
        indicator, output: ours; an empty output is the indicator's first.
        parameters: ours, from theirs.
        scale: of their values.
        change: how the quantity differs, or empty.
    """

    indicator: str
    output: str = ""
    parameters: Mapping[str, Value] = field(default_factory=dict)
    scale: Scale = "same"
    change: str = ""


@dataclass(frozen=True)
class KtrdrIndicator:
    """A type of theirs.

    Attributes:
        defaults: its numbers, with their defaults.
        outputs: by their names, the primary one first; a text says why there is none of ours.
        aliases: other spellings of its parameters.
        choices: parameters that are words or flags, with the values that can be carried (the first is the default).
        equal: parameters that must have one value, as ours has one in their place.
    """

    defaults: Given
    outputs: Mapping[str, Target | str]
    aliases: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[str, tuple[str | bool, ...]] = field(default_factory=dict)
    equal: tuple[str, ...] = ()


def factor(scale: Scale, unit: Unit) -> float:
    """Return what a number of theirs is multiplied by to be in a unit of ours."""
    if scale == "of_whole":
        return 2.0
    return 1.0 if scale == "same" or unit == "bounded_0_100" else 0.01


def _same(*names: str) -> dict[str, Value]:
    return {name: Value(name, itemgetter(name)) for name in names}


def _as(**names: str) -> dict[str, Value]:
    return {ours: Value(theirs, itemgetter(theirs)) for ours, theirs in names.items()}


def _population(period: str, multiplier: str) -> Value:
    """Deviations of the population that are as wide as theirs of the sample: m sqrt(n / (n - 1))."""

    def deviations(given: Given) -> float:
        n = max(given[period], 2)
        return float(f"{given[multiplier] * math.sqrt(n / (n - 1)):.9g}")

    return Value(multiplier, deviations)


_PERIOD = _same("period")
_PLAIN_ATR = "the true range is averaged as Wilder does here, plainly there"
_SAMPLE = "deviations are the population's here and the sample's there; the multiplier is raised so that the bands are as wide"
_ONE_BAR_MORE = "the window holds one bar more here"
_HISTORY = "it adds up from the first bar of the history, so its level means nothing elsewhere; here it is the change over `period` bars"
_BANDS = {**_PERIOD, "deviations": _population("period", "multiplier")}
_KELTNER = _same("period", "atr_period", "multiplier")
_SQUEEZE = {
    **_as(period="bb_period", keltner_period="kc_period", multiplier="kc_multiplier"),
    "deviations": _population("bb_period", "bb_multiplier"),
    "atr_period": Value("", lambda _: 10),
}
_MACD = _as(fast="fast_period", slow="slow_period", signal="signal_period")
_STOCHASTIC = _as(period="k_period", smooth_k="smooth_k", smooth_d="d_period")
_ICHIMOKU = _as(tenkan="tenkan_period", kijun="kijun_period", senkou="senkou_b_period", displacement="displacement")
_CLOUD = "the cloud is the one drawn for this bar, `displacement` bars ago; there it is the one drawn now"


def _one(indicator: str, period: int, scale: Scale = "same", change: str = "") -> KtrdrIndicator:
    return KtrdrIndicator({"period": period}, {"": Target(indicator, "", _PERIOD, scale, change)})


KTRDR_INDICATORS: Mapping[str, KtrdrIndicator] = {
    "rsi": _one("rsi", 14),
    "roc": _one("roc", 10, "percent"),
    "momentum": _one("momentum", 10),
    "cci": _one("cci", 20),
    "williamsr": _one("williams_r", 14, "percent"),
    "mfi": _one("mfi", 14),
    "cmf": _one("cmf", 21),
    "atr": _one("atr", 14, change=_PLAIN_ATR),
    "sma": _one("sma", 20),
    "wma": _one("wma", 20),
    "ema": KtrdrIndicator({"period": 20}, {"": Target("ema", "", _PERIOD)}, choices={"adjust": (True, False)}),
    "volumeratio": _one("volume_ratio", 20),
    "adline": KtrdrIndicator({"smoothing_period": 21}, {"": _HISTORY}, choices={"use_sma_smoothing": (False, True)}),
    "obv": KtrdrIndicator({}, {"": _HISTORY}),
    "zigzag": KtrdrIndicator(
        {"threshold": 0.05}, {"": "it changes after the fact, so it can be a label, never a feature"}, choices={"source": ("close",)}
    ),
    "vwap": KtrdrIndicator({"period": 20}, {"": Target("vwap", "", _PERIOD)}, choices={"use_typical_price": (True,)}),
    "fishertransform": KtrdrIndicator(
        {"period": 10, "smoothing": 3},
        {
            "": Target("fisher", "fisher", _same("period", "smoothing")),
            "signal": Target("fisher", "signal", _same("period", "smoothing")),
        },
    ),
    "rvi": KtrdrIndicator(
        {"period": 10, "signal_period": 4},
        {output: Target("rvi", output, _as(period="period", signal="signal_period")) for output in ("rvi", "signal")},
    ),
    "stochastic": KtrdrIndicator(
        {"k_period": 14, "d_period": 3, "smooth_k": 3},
        {output: Target("stochastic", output, _STOCHASTIC) for output in ("k", "d")},
    ),
    "aroon": KtrdrIndicator(
        {"period": 14},
        {
            "up": Target("aroon", "up", _PERIOD, "percent", _ONE_BAR_MORE),
            "down": Target("aroon", "down", _PERIOD, "percent", _ONE_BAR_MORE),
            "oscillator": Target("aroon_oscillator", "", _PERIOD, "percent", _ONE_BAR_MORE),
        },
        choices={"include_oscillator": (False, True)},
    ),
    "adx": KtrdrIndicator({"period": 14}, {output: Target("adx", output, _PERIOD) for output in ("adx", "plus_di", "minus_di")}),
    "macd": KtrdrIndicator(
        {"fast_period": 12, "slow_period": 26, "signal_period": 9},
        {
            "line": Target("macd", "macd", _MACD),
            "signal": Target("macd", "signal", _MACD),
            "histogram": Target("macd", "histogram", _MACD),
        },
        aliases={"fast": "fast_period", "slow": "slow_period", "signal": "signal_period"},
    ),
    "bollingerbandwidth": KtrdrIndicator(
        {"period": 20, "multiplier": 2.0},
        {"": Target("bollinger_width", "", _BANDS, "same", _SAMPLE)},
        aliases={"std_dev": "multiplier", "num_std": "multiplier"},
    ),
    "bollingerbands": KtrdrIndicator(
        {"period": 20, "multiplier": 2.0},
        {
            "upper": Target("bollinger", "upper", _BANDS, "same", _SAMPLE),
            "middle": Target("sma", "", _PERIOD),
            "lower": Target("bollinger", "lower", _BANDS, "same", _SAMPLE),
        },
        aliases={"std_dev": "multiplier", "num_std": "multiplier"},
    ),
    "keltnerchannels": KtrdrIndicator(
        {"period": 20, "atr_period": 10, "multiplier": 2.0},
        {
            "upper": Target("keltner", "upper", _KELTNER, "same", _PLAIN_ATR),
            "middle": Target("ema", "", _PERIOD),
            "lower": Target("keltner", "lower", _KELTNER, "same", _PLAIN_ATR),
        },
    ),
    "donchianchannels": KtrdrIndicator(
        {"period": 20},
        {output: Target("donchian", output, _PERIOD) for output in ("upper", "middle", "lower")},
        choices={"include_middle": (True, False)},
    ),
    "supertrend": KtrdrIndicator(
        {"period": 10, "multiplier": 3.0},
        {
            "trend": Target("supertrend", "line", _same("period", "multiplier"), "same", _PLAIN_ATR),
            "direction": Target("supertrend", "direction", _same("period", "multiplier"), "same", _PLAIN_ATR),
        },
    ),
    "parabolicsar": KtrdrIndicator(
        {"initial_af": 0.02, "step_af": 0.02, "max_af": 0.20},
        {
            "": Target(
                "psar", "value", _as(acceleration="step_af", maximum="max_af"), "same", "the side of the first bars is found otherwise"
            )
        },
        equal=("initial_af", "step_af"),
    ),
    "ichimoku": KtrdrIndicator(
        {"tenkan_period": 9, "kijun_period": 26, "senkou_b_period": 52, "displacement": 26},
        {
            "tenkan": Target("ichimoku", "tenkan", _ICHIMOKU),
            "kijun": Target("ichimoku", "kijun", _ICHIMOKU),
            "senkou_a": Target("ichimoku", "senkou_a", _ICHIMOKU, "same", _CLOUD),
            "senkou_b": Target("ichimoku", "senkou_b", _ICHIMOKU, "same", _CLOUD),
            "chikou": "the lagging span is the close itself, drawn earlier on a chart",
        },
    ),
    "squeezeintensity": KtrdrIndicator(
        {"bb_period": 20, "bb_multiplier": 2.0, "kc_period": 20, "kc_multiplier": 2.0},
        {"": Target("squeeze_intensity", "", _SQUEEZE, "of_whole", f"{_SAMPLE}; {_PLAIN_ATR}")},
    ),
    "distancefromma": KtrdrIndicator(
        {"period": 20}, {"": Target("distance_from_sma", "", _PERIOD, "percent")}, choices={"ma_type": ("SMA",)}
    ),
}

OTHER_NAMES: Mapping[str, str] = {
    "ad": "adline",
    "accumulationdistribution": "adline",
    "bbands": "bollingerbands",
    "bbwidth": "bollingerbandwidth",
    "bbw": "bollingerbandwidth",
    "bollinger": "bollingerbands",
    "cmfindicator": "cmf",
    "donchian": "donchianchannels",
    "exponentialmovingaverage": "ema",
    "fisher": "fishertransform",
    "keltner": "keltnerchannels",
    "psar": "parabolicsar",
    "simplemovingaverage": "sma",
    "stoch": "stochastic",
    "weightedmovingaverage": "wma",
    "williams": "williamsr",
}


def ktrdr_type(text: str) -> str | None:
    """Return the type that a text names, in any case and spelling that KTRDR accepts, or None."""
    plain = "".join(character for character in text.lower() if character.isalnum())
    for name in (plain, plain.removesuffix("indicator")):
        known = OTHER_NAMES.get(name, name)
        if known in KTRDR_INDICATORS:
            return known
    return None
