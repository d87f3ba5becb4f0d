"""Independent readings of every indicator, straight from its definition: pandas, or loops over rows. None calls a kernel of the package.

A reference takes a frame (o, h, l, c, v, session) and complete parameters, and returns one series for each output, in order; of a series
operator, those of its default fields. TALIB names those that TA-Lib computes too. An indicator with no entry in REFERENCES fails the suite.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import talib
from numpy.typing import NDArray

from nullalpha.data.bars import Bars

Series = pd.Series | NDArray[np.float64]
Params = Mapping[str, Any]
Arrays = Mapping[str, NDArray[np.float64]]
Reference = Callable[[pd.DataFrame, Params], Sequence[Series]]


def frame_of(bars: Bars) -> pd.DataFrame:
    """Return bars as a frame; `session` is the UTC day of each bar, which its session does not leave."""
    frame = pd.DataFrame({"o": bars.open, "h": bars.high, "l": bars.low, "c": bars.close, "v": bars.volume})
    frame["session"] = pd.DatetimeIndex(bars.time - np.timedelta64(1, "ns")).floor("D").asi8
    return frame


def wilder(values: Series, period: int) -> pd.Series:
    """Return Wilder's average, begun with the plain mean of its first `period` values; leading NaN are skipped."""
    x = pd.Series(values)
    first = int(np.argmax(x.notna()))
    seeded = x.iloc[first + period - 1 :].copy()
    seeded.iloc[0] = x.iloc[first : first + period].mean()
    return seeded.ewm(alpha=1 / period, adjust=False).mean().reindex(x.index)


def ewm(values: pd.Series, period: int) -> pd.Series:
    return values.ewm(span=period, adjust=False).mean()


def typical(f: pd.DataFrame) -> pd.Series:
    return (f.h + f.l + f.c) / 3


def true_range(f: pd.DataFrame) -> pd.Series:
    previous = f.c.shift()
    return pd.concat([f.h - f.l, (f.h - previous).abs(), (f.l - previous).abs()], axis=1).max(axis=1, skipna=False)


def atr(f: pd.DataFrame, period: int) -> pd.Series:
    return wilder(true_range(f), period)


def top(f: pd.DataFrame, period: int) -> pd.Series:
    return f.h.rolling(period).max()


def bottom(f: pd.DataFrame, period: int) -> pd.Series:
    return f.l.rolling(period).min()


def middle(f: pd.DataFrame, period: int) -> pd.Series:
    return (top(f, period) + bottom(f, period)) / 2


def _rsi(f: pd.DataFrame, p: Params) -> list[Series]:
    change = f.c.diff()
    up, down = wilder(change.clip(lower=0), p["period"]), wilder((-change).clip(lower=0), p["period"])
    return [100 - 100 / (1 + up / down)]


def _adx(f: pd.DataFrame, p: Params) -> list[Series]:
    up, down = f.h.diff(), -f.l.diff()
    plus = wilder(up.where((up > down) & (up > 0), 0.0).where(up.notna()), p["period"])
    minus = wilder(down.where((down > up) & (down > 0), 0.0).where(up.notna()), p["period"])
    span = atr(f, p["period"])
    plus, minus = 100 * plus / span, 100 * minus / span
    return [wilder(100 * (plus - minus).abs() / (plus + minus), p["period"]), plus, minus]


def _macd(f: pd.DataFrame, p: Params) -> list[Series]:
    macd = ewm(f.c, p["fast"]) - ewm(f.c, p["slow"])
    signal = ewm(macd, p["signal"])
    return [macd, signal, macd - signal]


def _stochastic(f: pd.DataFrame, p: Params) -> list[Series]:
    low = bottom(f, p["period"])
    k = (100 * (f.c - low) / (top(f, p["period"]) - low)).rolling(p["smooth_k"]).mean()
    return [k, k.rolling(p["smooth_d"]).mean()]


def _mfi(f: pd.DataFrame, p: Params) -> list[Series]:
    flow = typical(f) * f.v
    rising = flow.where(typical(f).diff() > 0, 0.0).rolling(p["period"]).sum()
    falling = flow.where(typical(f).diff() < 0, 0.0).rolling(p["period"]).sum()
    return [100 * rising / (rising + falling)]


def _cci(f: pd.DataFrame, p: Params) -> list[Series]:
    price = typical(f)
    spread = price.rolling(p["period"]).apply(lambda window: np.abs(window - window.mean()).mean(), raw=True)
    return [(price - price.rolling(p["period"]).mean()) / (0.015 * spread)]


def _aroon(f: pd.DataFrame, p: Params) -> list[Series]:
    n = p["period"]
    since_high = f.h.rolling(n + 1).apply(lambda window: np.argmax(window[::-1]), raw=True)
    since_low = f.l.rolling(n + 1).apply(lambda window: np.argmin(window[::-1]), raw=True)
    return [1 - since_high / n, 1 - since_low / n]


def _bollinger(f: pd.DataFrame, p: Params) -> list[Series]:
    mean, half = f.c.rolling(p["period"]).mean(), p["deviations"] * f.c.rolling(p["period"]).std(ddof=0)
    return [mean + half, mean, mean - half]


def _bollinger_position(f: pd.DataFrame, p: Params) -> list[Series]:
    upper, _, lower = _bollinger(f, p)
    return [(f.c - lower) / (upper - lower)]


def _bollinger_width(f: pd.DataFrame, p: Params) -> list[Series]:
    upper, mean, lower = _bollinger(f, p)
    return [(upper - lower) / mean]


def _keltner(f: pd.DataFrame, p: Params) -> list[Series]:
    mean, half = ewm(f.c, p["period"]), p["multiplier"] * atr(f, p["atr_period"])
    return [mean + half, mean, mean - half]


def _keltner_position(f: pd.DataFrame, p: Params) -> list[Series]:
    upper, _, lower = _keltner(f, p)
    return [(f.c - lower) / (upper - lower)]


def _keltner_width(f: pd.DataFrame, p: Params) -> list[Series]:
    upper, mean, lower = _keltner(f, p)
    return [(upper - lower) / mean]


def _squeeze(f: pd.DataFrame, p: Params) -> list[Series]:
    upper, _, lower = _bollinger(f, {"period": p["period"], "deviations": p["deviations"]})
    above, _, below = _keltner(f, {"period": p["keltner_period"], "atr_period": p["atr_period"], "multiplier": p["multiplier"]})
    room = np.minimum(above - upper, lower - below) / ((above - below) / 2)
    return [np.maximum(room, 0.0)]


def _donchian(f: pd.DataFrame, p: Params) -> list[Series]:
    return [top(f, p["period"]), middle(f, p["period"]), bottom(f, p["period"])]


def _donchian_position(f: pd.DataFrame, p: Params) -> list[Series]:
    low = bottom(f, p["period"])
    return [(f.c - low) / (top(f, p["period"]) - low)]


def _ichimoku(f: pd.DataFrame, p: Params) -> list[Series]:
    tenkan, kijun = middle(f, p["tenkan"]), middle(f, p["kijun"])
    return [tenkan, kijun, ((tenkan + kijun) / 2).shift(p["displacement"]), middle(f, p["senkou"]).shift(p["displacement"])]


def _supertrend(f: pd.DataFrame, p: Params) -> list[Series]:
    half = (p["multiplier"] * atr(f, p["period"])).to_numpy()
    centre, close = ((f.h + f.l) / 2).to_numpy(), f.c.to_numpy()
    line, direction = np.full(len(f), np.nan), np.full(len(f), np.nan)
    start, side = p["period"], 0
    upper, lower = centre[start] + half[start], centre[start] - half[start]
    for t in range(start, len(f)):
        if t > start:
            upper = centre[t] + half[t] if close[t - 1] > upper else min(upper, centre[t] + half[t])
            lower = centre[t] - half[t] if close[t - 1] < lower else max(lower, centre[t] - half[t])
        if close[t] > upper and side < 1:
            side = 1
        elif close[t] < lower and side > -1:
            side = -1
        if side:
            line[t], direction[t] = (lower if side == 1 else upper), side
    return [line, direction]


def _fisher(f: pd.DataFrame, p: Params) -> list[Series]:
    low, high = bottom(f, p["period"]), top(f, p["period"])
    place = (2 * ((f.h + f.l) / 2 - low) / (high - low) - 1).clip(-0.999, 0.999)
    fisher = ewm(np.arctanh(place), p["smoothing"])
    return [fisher, fisher.shift()]


def _rvi(f: pd.DataFrame, p: Params) -> list[Series]:
    def weighted(x: pd.Series) -> pd.Series:
        return x + 2 * x.shift(1) + 2 * x.shift(2) + x.shift(3)

    rvi = weighted(f.c - f.o).rolling(p["period"]).sum() / weighted(f.h - f.l).rolling(p["period"]).sum()
    return [rvi, rvi.rolling(p["signal"]).mean()]


def _wma(f: pd.DataFrame, p: Params) -> list[Series]:
    weights = np.arange(1, p["period"] + 1)
    weights = weights / weights.sum()
    return [f.c.rolling(p["period"]).apply(lambda window: window @ weights, raw=True)]


def _flow(f: pd.DataFrame) -> pd.Series:
    return ((2 * f.c - f.h - f.l) / (f.h - f.l)).where(f.h > f.l, 0.0) * f.v


def _session_vwap(f: pd.DataFrame, p: Params) -> list[Series]:
    return [(typical(f) * f.v).groupby(f.session).cumsum() / f.v.groupby(f.session).cumsum()]


def _candle(f: pd.DataFrame, p: Params) -> list[Series]:
    """KLEN, KMID, KUP, KLOW, KSFT, then KMID2, KUP2, KLOW2, KSFT2 of Alpha158."""
    body_top, body_bottom = f[["o", "c"]].max(axis=1), f[["o", "c"]].min(axis=1)
    parts = [f.c - f.o, f.h - body_top, body_bottom - f.l, 2 * f.c - f.h - f.l]
    return [(f.h - f.l) / f.o, *(part / f.o for part in parts), *(part / (f.h - f.l) for part in parts)]


def _psar(f: pd.DataFrame, p: Params) -> list[Series]:
    """Wilder's rules, long and short written out; the first two bars as TA-Lib takes them."""
    high, low = f.h.to_numpy(), f.l.to_numpy()
    value, direction = np.full(len(f), np.nan), np.full(len(f), np.nan)
    long = not (low[0] - low[1] > 0 and low[0] - low[1] > high[1] - high[0])
    stop, extreme = (low[0], high[1]) if long else (high[0], low[1])
    pace = p["acceleration"]
    for t in range(1, len(f)):
        before = max(t - 1, 1)
        turned = low[t] <= stop if long else high[t] >= stop
        if turned:
            stop = max(extreme, high[before], high[t]) if long else min(extreme, low[before], low[t])
            extreme, pace, long = (low[t] if long else high[t]), p["acceleration"], not long
        elif high[t] > extreme if long else low[t] < extreme:
            extreme, pace = (high[t] if long else low[t]), min(pace + p["acceleration"], p["maximum"])
        value[t], direction[t] = stop, 1 if long else -1
        stop += pace * (extreme - stop)
        stop = min(stop, low[before], low[t]) if long else max(stop, high[before], high[t])
    return [value, direction]


def _fitted_slope(x: pd.Series, n: int) -> pd.Series:
    """Return the slope of the least-squares line through the last n values, window by window."""
    centred = np.arange(n) - (n - 1) / 2
    weights = centred / (centred @ centred)
    return x.rolling(n).apply(lambda window: window @ weights, raw=True)


def _slope(f: pd.DataFrame, p: Params) -> list[Series]:
    slope = _fitted_slope(f.c, p["period"])
    return [slope, slope / f.c]


def _rsquare(f: pd.DataFrame, p: Params) -> list[Series]:
    centred = np.arange(p["period"]) - (p["period"] - 1) / 2

    def explained(window: NDArray[np.float64]) -> float:
        away = window - window.mean()
        return float((away @ centred) ** 2 / ((centred @ centred) * (away @ away)))

    return [f.c.rolling(p["period"]).apply(explained, raw=True)]


def _resi(f: pd.DataFrame, p: Params) -> list[Series]:
    residual = f.c - f.c.rolling(p["period"]).mean() - _fitted_slope(f.c, p["period"]) * (p["period"] - 1) / 2
    return [residual, residual / f.c]


def _imax(f: pd.DataFrame, p: Params) -> list[Series]:
    first = f.h.rolling(p["period"]).apply(np.argmax, raw=True)
    return [(first + 1) / p["period"], p["period"] - 1 - first]


def _imin(f: pd.DataFrame, p: Params) -> list[Series]:
    first = f.l.rolling(p["period"]).apply(np.argmin, raw=True)
    return [(first + 1) / p["period"], p["period"] - 1 - first]


def _counted(f: pd.DataFrame, p: Params) -> tuple[pd.Series, pd.Series]:
    change = f.c.diff()
    known = change.notna()
    return (change > 0).where(known).astype(float).rolling(p["period"]).mean(), (change < 0).where(known).astype(float).rolling(
        p["period"]
    ).mean()


def _summed(f: pd.DataFrame, p: Params) -> tuple[pd.Series, pd.Series]:
    change = f.c.diff()
    way = change.abs().rolling(p["period"]).sum()
    return change.clip(lower=0).rolling(p["period"]).sum() / way, (-change).clip(lower=0).rolling(p["period"]).sum() / way


def _cord(f: pd.DataFrame, p: Params) -> list[Series]:
    return [(f.c / f.c.shift()).rolling(p["period"]).corr(np.log(f.v / f.v.shift() + 1))]


def _wvma(f: pd.DataFrame, p: Params) -> list[Series]:
    move = f.c.pct_change().abs() * f.v
    return [move.rolling(p["period"]).std() / move.rolling(p["period"]).mean()]


REFERENCES: dict[str, Reference] = {
    "rsi": _rsi,
    "roc": lambda f, p: [f.c.pct_change(p["period"])],
    "momentum": lambda f, p: [f.c.diff(p["period"])],
    "cci": _cci,
    "williams_r": lambda f, p: [_donchian_position(f, p)[0] - 1],
    "stochastic": _stochastic,
    "rvi": _rvi,
    "fisher": _fisher,
    "aroon": _aroon,
    "aroon_oscillator": lambda f, p: [np.subtract(*_aroon(f, p))],
    "return_rank": lambda f, p: [(f.c.pct_change().rolling(p["period"]).rank() - 1) / (p["period"] - 1)],
    "atr": lambda f, p: [atr(f, p["period"])],
    "natr": lambda f, p: [atr(f, p["period"]) / f.c],
    "realised_volatility": lambda f, p: [np.log(f.c).diff().rolling(p["period"]).std()],
    "bollinger": _bollinger,
    "bollinger_position": _bollinger_position,
    "bollinger_width": _bollinger_width,
    "keltner": _keltner,
    "keltner_position": _keltner_position,
    "keltner_width": _keltner_width,
    "squeeze_intensity": _squeeze,
    "donchian": _donchian,
    "donchian_position": _donchian_position,
    "donchian_width": lambda f, p: [(top(f, p["period"]) - bottom(f, p["period"])) / middle(f, p["period"])],
    "supertrend": _supertrend,
    "psar": _psar,
    "sma": lambda f, p: [f.c.rolling(p["period"]).mean()],
    "ema": lambda f, p: [ewm(f.c, p["period"])],
    "wma": _wma,
    "distance_from_sma": lambda f, p: [f.c / f.c.rolling(p["period"]).mean() - 1],
    "distance_from_ema": lambda f, p: [f.c / ewm(f.c, p["period"]) - 1],
    "macd": _macd,
    "adx": _adx,
    "ichimoku": _ichimoku,
    "efficiency_ratio": lambda f, p: [f.c.diff(p["period"]).abs() / f.c.diff().abs().rolling(p["period"]).sum()],
    "candle": _candle,
    "obv": lambda f, p: [(np.sign(f.c.diff()) * f.v).rolling(p["period"]).sum()],
    "ad_line": lambda f, p: [_flow(f).rolling(p["period"]).sum()],
    "cmf": lambda f, p: [_flow(f).rolling(p["period"]).sum() / f.v.rolling(p["period"]).sum()],
    "mfi": _mfi,
    "vwap": lambda f, p: [(typical(f) * f.v).rolling(p["period"]).sum() / f.v.rolling(p["period"]).sum()],
    "session_vwap": _session_vwap,
    "volume_ratio": lambda f, p: [f.v / f.v.rolling(p["period"]).mean()],
    "ref": lambda f, p: [f.c.shift(p["lag"])],
    "cntp": lambda f, p: [_counted(f, p)[0]],
    "cntn": lambda f, p: [_counted(f, p)[1]],
    "cntd": lambda f, p: [np.subtract(*_counted(f, p))],
    "sump": lambda f, p: [_summed(f, p)[0]],
    "sumn": lambda f, p: [_summed(f, p)[1]],
    "sumd": lambda f, p: [np.subtract(*_summed(f, p))],
    "std": lambda f, p: [f.c.rolling(p["period"]).std(), f.c.rolling(p["period"]).std() / f.c],
    "zscore": lambda f, p: [(f.c - f.c.rolling(p["period"]).mean()) / f.c.rolling(p["period"]).std()],
    "max": lambda f, p: [f.c.rolling(p["period"]).max()],
    "min": lambda f, p: [f.c.rolling(p["period"]).min()],
    "quantile": lambda f, p: [f.c.rolling(p["period"]).quantile(p["level"])],
    "rank": lambda f, p: [(f.c.rolling(p["period"]).rank() - 1) / (p["period"] - 1)],
    "imax": _imax,
    "imin": _imin,
    "imxd": lambda f, p: [_imax(f, p)[0] - _imin(f, p)[0]],
    "slope": _slope,
    "rsquare": _rsquare,
    "resi": _resi,
    "ratio": lambda f, p: [f.c / f.o],
    "difference": lambda f, p: [f.c - f.o],
    "corr": lambda f, p: [f.c.rolling(p["period"]).corr(f.v)],
    "cord": _cord,
    "beta": lambda f, p: [f.c.rolling(p["period"]).cov(f.o) / f.o.rolling(p["period"]).var()],
    "wvma": _wvma,
    "level": lambda f, p: [f.c],
    "log": lambda f, p: [np.log(f.c)],
    "log1p": lambda f, p: [np.log(f.v + 1)],
    "abs": lambda f, p: [f.c.pct_change().abs()],
    "sign": lambda f, p: [np.sign(f.c.diff())],
    "clip": lambda f, p: [f.c.pct_change().clip(-p["limit"], p["limit"])],
}


LOOPS = frozenset({"supertrend", "psar"})
"""References that go row by row in Python."""


def _talib_adx(a: Arrays, p: Params) -> Sequence[Series]:
    return [one(a["h"], a["l"], a["c"], p["period"]) for one in (talib.ADX, talib.PLUS_DI, talib.MINUS_DI)]


def _talib_bollinger(a: Arrays, p: Params) -> Sequence[Series]:
    return talib.BBANDS(a["c"], p["period"], p["deviations"], p["deviations"])


def _talib_stochastic(a: Arrays, p: Params) -> Sequence[Series]:
    return talib.STOCH(a["h"], a["l"], a["c"], p["period"], p["smooth_k"], 0, p["smooth_d"], 0)


def _talib_aroon(a: Arrays, p: Params) -> Sequence[Series]:
    down, up = talib.AROON(a["h"], a["l"], p["period"])
    return [up / 100, down / 100]


TALIB: dict[str, Callable[[Arrays, Params], Sequence[Series]]] = {
    "rsi": lambda a, p: [talib.RSI(a["c"], p["period"])],
    "roc": lambda a, p: [talib.ROCP(a["c"], p["period"])],
    "momentum": lambda a, p: [talib.MOM(a["c"], p["period"])],
    "cci": lambda a, p: [talib.CCI(a["h"], a["l"], a["c"], p["period"])],
    "williams_r": lambda a, p: [talib.WILLR(a["h"], a["l"], a["c"], p["period"]) / 100],
    "stochastic": _talib_stochastic,
    "aroon": _talib_aroon,
    "aroon_oscillator": lambda a, p: [talib.AROONOSC(a["h"], a["l"], p["period"]) / 100],
    "atr": lambda a, p: [talib.ATR(a["h"], a["l"], a["c"], p["period"])],
    "natr": lambda a, p: [talib.NATR(a["h"], a["l"], a["c"], p["period"]) / 100],
    "bollinger": _talib_bollinger,
    "psar": lambda a, p: [talib.SAR(a["h"], a["l"], p["acceleration"], p["maximum"])],
    "sma": lambda a, p: [talib.SMA(a["c"], p["period"])],
    "ema": lambda a, p: [talib.EMA(a["c"], p["period"])],
    "wma": lambda a, p: [talib.WMA(a["c"], p["period"])],
    "macd": lambda a, p: talib.MACD(a["c"], p["fast"], p["slow"], p["signal"]),
    "adx": _talib_adx,
    "max": lambda a, p: [talib.MAX(a["c"], p["period"])],
    "min": lambda a, p: [talib.MIN(a["c"], p["period"])],
    "slope": lambda a, p: [talib.LINEARREG_SLOPE(a["c"], p["period"])],
    "mfi": lambda a, p: [talib.MFI(a["h"], a["l"], a["c"], a["v"], p["period"])],
}
"""What TA-Lib computes too, in our units; of `psar` and `slope` the first output alone. `a` holds the columns h, l, c, v."""
