"""Each column of Qlib's Alpha158, written in the language as the table of `series_operators` says, against its formula in pandas."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from nullalpha.data.bars import Bars
from nullalpha.engines.features.indicators import VOCABULARY
from nullalpha.engines.features.pipeline import compute_features
from nullalpha.strategy.plan import FeaturePlan
from nullalpha.strategy.vocabulary import BarField, ParameterValue

Input = FeaturePlan | BarField
WINDOWS = (5, 10, 20, 30, 60)


def node(indicator: str, *inputs: Input, output: str | None = None, **params: ParameterValue) -> FeaturePlan:
    signature = VOCABULARY[indicator]
    complete = {parameter.name: params.get(parameter.name, parameter.default) for parameter in signature.parameters}
    given = tuple(inputs) or signature.series
    return FeaturePlan(indicator, indicator, tuple(sorted(complete.items())), output or signature.outputs[0], "1d", "", given)


def ours(name: str, d: int) -> FeaturePlan:
    """Return a rolling column as the table writes it."""
    by_name: dict[str, Callable[[], FeaturePlan]] = {
        "ROC": lambda: node("ratio", node("ref", "close", lag=d), "close"),
        "MA": lambda: node("ratio", node("sma", "close", period=d), "close"),
        "STD": lambda: node("std", "close", period=d, output="relative"),
        "BETA": lambda: node("slope", "close", period=d, output="relative"),
        "RSQR": lambda: node("rsquare", "close", period=d),
        "RESI": lambda: node("resi", "close", period=d, output="relative"),
        "MAX": lambda: node("ratio", node("max", "high", period=d), "close"),
        "MIN": lambda: node("ratio", node("min", "low", period=d), "close"),
        "QTLU": lambda: node("ratio", node("quantile", "close", period=d, level=0.8), "close"),
        "QTLD": lambda: node("ratio", node("quantile", "close", period=d, level=0.2), "close"),
        "RANK": lambda: node("rank", "close", period=d),
        "RSV": lambda: node("donchian_position", period=d),
        "IMAX": lambda: node("imax", "high", period=d),
        "IMIN": lambda: node("imin", "low", period=d),
        "IMXD": lambda: node("imxd", "high", "low", period=d),
        "CORR": lambda: node("corr", "close", node("log1p", "volume"), period=d),
        "CORD": lambda: node("cord", "close", "volume", period=d),
        "VMA": lambda: node("ratio", node("sma", "volume", period=d), "volume"),
        "VSTD": lambda: node("std", "volume", period=d, output="relative"),
        "WVMA": lambda: node("wvma", "close", "volume", period=d),
        **{name: lambda name=name: node(name.lower(), "close", period=d) for name in ("CNTP", "CNTN", "CNTD", "SUMP", "SUMN", "SUMD")},
        **{f"V{name}": lambda name=name: node(name.lower(), "volume", period=d) for name in ("SUMP", "SUMN", "SUMD")},
    }
    return by_name[name]()


def _fit(window: np.ndarray) -> tuple[float, float, float]:
    """Return the slope, the share explained and the last residual of the line through a window."""
    rows = np.arange(1, len(window) + 1)
    slope, level = np.polyfit(rows, window, 1)
    rest = window - level - slope * rows
    return slope, 1 - (rest**2).sum() / ((window - window.mean()) ** 2).sum(), rest[-1]


def qlib(name: str, f: pd.DataFrame, d: int) -> pd.Series:
    """Return Alpha158's formula."""
    close, volume = f.close, f.volume
    change, traded = close.diff(), volume.diff()

    def sums(x: pd.Series, part: str) -> pd.Series:
        up, down = x.clip(lower=0).rolling(d).sum(), (-x).clip(lower=0).rolling(d).sum()
        return {"P": up, "N": down, "D": up - down}[part] / x.abs().rolling(d).sum()

    def place(x: pd.Series, largest: bool) -> pd.Series:
        return x.rolling(d).apply(lambda w: (w.argmax() if largest else w.argmin()) + 1, raw=True) / d

    rises = change.gt(0).where(change.notna()).astype(float).rolling(d).mean()
    falls = change.lt(0).where(change.notna()).astype(float).rolling(d).mean()
    weighted = (close / close.shift() - 1).abs() * volume
    formulas: dict[str, Callable[[], pd.Series]] = {
        "ROC": lambda: close.shift(d) / close,
        "MA": lambda: close.rolling(d).mean() / close,
        "STD": lambda: close.rolling(d).std() / close,
        "BETA": lambda: close.rolling(d).apply(lambda w: _fit(w)[0], raw=True) / close,
        "RSQR": lambda: close.rolling(d).apply(lambda w: _fit(w)[1], raw=True),
        "RESI": lambda: close.rolling(d).apply(lambda w: _fit(w)[2], raw=True) / close,
        "MAX": lambda: f.high.rolling(d).max() / close,
        "MIN": lambda: f.low.rolling(d).min() / close,
        "QTLU": lambda: close.rolling(d).quantile(0.8) / close,
        "QTLD": lambda: close.rolling(d).quantile(0.2) / close,
        "RANK": lambda: (close.rolling(d).rank(pct=True) * d - 1) / (d - 1),  # from 0 instead of 1 / d
        "RSV": lambda: (close - f.low.rolling(d).min()) / (f.high.rolling(d).max() - f.low.rolling(d).min()),
        "IMAX": lambda: place(f.high, True),
        "IMIN": lambda: place(f.low, False),
        "IMXD": lambda: place(f.high, True) - place(f.low, False),
        "CORR": lambda: close.rolling(d).corr(np.log(volume + 1)),
        "CORD": lambda: (close / close.shift()).rolling(d).corr(np.log(volume / volume.shift() + 1)),
        "CNTP": lambda: rises,
        "CNTN": lambda: falls,
        "CNTD": lambda: rises - falls,
        "SUMP": lambda: sums(change, "P"),
        "SUMN": lambda: sums(change, "N"),
        "SUMD": lambda: sums(change, "D"),
        "VMA": lambda: volume.rolling(d).mean() / volume,
        "VSTD": lambda: volume.rolling(d).std() / volume,
        "WVMA": lambda: weighted.rolling(d).std() / weighted.rolling(d).mean(),
        "VSUMP": lambda: sums(traded, "P"),
        "VSUMN": lambda: sums(traded, "N"),
        "VSUMD": lambda: sums(traded, "D"),
    }
    return formulas[name]()


ROLLING = (
    *("ROC", "MA", "STD", "BETA", "RSQR", "RESI", "MAX", "MIN", "QTLU", "QTLD", "RANK", "RSV", "IMAX", "IMIN", "IMXD", "CORR", "CORD"),
    *("CNTP", "CNTN", "CNTD", "SUMP", "SUMN", "SUMD", "VMA", "VSTD", "WVMA", "VSUMP", "VSUMN", "VSUMD"),
)
SHAPES = {
    "KMID": "body",
    "KLEN": "range",
    "KMID2": "body_share",
    "KUP": "upper_shadow",
    "KUP2": "upper_share",
    "KLOW": "lower_shadow",
    "KLOW2": "lower_share",
    "KSFT": "close_shift",
    "KSFT2": "close_share",
}


def _frame(bars: Bars) -> pd.DataFrame:
    columns = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
    return pd.DataFrame(columns)


def test_there_are_158() -> None:
    assert len(SHAPES) + 4 + len(ROLLING) * len(WINDOWS) == 158


@pytest.mark.parametrize("name", ROLLING)
def test_rolling_columns_are_qlibs(name: str, bars: Bars) -> None:
    some = bars.slice(0, 400)
    for d in WINDOWS:
        found = compute_features((ours(name, d),), some)[:, 0]
        expected = qlib(name, _frame(some), d).to_numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", SHAPES)
def test_the_shape_of_a_bar_is_qlibs(name: str, bars: Bars) -> None:
    f = _frame(bars)
    height = f.high - f.low
    part = {
        "KMID": f.close - f.open,
        "KLEN": height,
        "KUP": f.high - f[["open", "close"]].max(axis=1),
        "KLOW": f[["open", "close"]].min(axis=1) - f.low,
        "KSFT": 2 * f.close - f.high - f.low,
    }[name.rstrip("2")]
    found = compute_features((node("candle", output=SHAPES[name]),), bars)[:, 0]
    np.testing.assert_allclose(found, part / (height if name.endswith("2") else f.open), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("field", ["open", "high", "low", "typical"])
def test_prices_over_the_close_are_qlibs(field: BarField, bars: Bars) -> None:
    price = (bars.high + bars.low + bars.close) / 3 if field == "typical" else getattr(bars, field)
    np.testing.assert_allclose(compute_features((node("ratio", field, "close"),), bars)[:, 0], price / bars.close, rtol=1e-14)
