"""A small vocabulary, and the language's example document."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nullalpha.strategy.vocabulary import BarField, IndicatorSignature, Parameter, Unit, Vocabulary

EXAMPLE = """\
nullalpha: 1
name: oversold-in-uptrend
hypothesis: Short-term oversold readings revert while the long trend is up.
prediction: {excess_sharpe: 0.5, p_pass: 0.1, kill_below: 0.0}   # registered, with its hash, before anything runs
instruments: [SPX]                              # a subset of the campaign's
timeframe: 1d
features:
  rsi:   {indicator: rsi, period: 14}
  trend: {indicator: distance_from_sma, period: 200}
  slow:  {indicator: roc, period: 13, timeframe: 1w}      # known at ITS bar's close
  vol:   {indicator: atr, period: 20, transform: {zscore: 250}}
sets:
  rsi:   {low: {gaussian: [25, 8]}, high: {gaussian: [75, 8]}}
  trend: {down: {sigmoid: [-0.02, -80]}, up: {sigmoid: [0.02, 80]}}
  vol:   {calm: {trapezoid: [-9, -8, -0.5, 0.5]}, wild: {triangle: [0, 2, 9]}}
model:
  kind: anfis               # rules | anfis | fuzzy_mlp | fuzzy_gru | fuzzy_lstm
  rules:
    - if rsi is low and trend is up then long 1.0
    - if rsi is high and not trend is up then short 0.5
  trainable: [sets, consequents]
labels: {kind: forward_return, horizon: 5}     # forward_return | triple_barrier | zigzag | regime
training: {epochs: 60, batch_size: 512, learning_rate: 0.01, patience: 8, loss: huber}
decision:
  long_above: 0.2
  short_below: -0.4
  sizing: {kind: volatility_target, annual: 0.10, max_leverage: 1.0}
  exits: {stop_loss: {atr: 3.0}, take_profit: null, max_bars: 20}
"""


def _period(default: int, low: int = 2, high: int = 250) -> Parameter:
    return Parameter("period", default, low, high)


def _signature(name: str, unit: Unit, *parameters: Parameter, outputs: tuple[str, ...] = ()) -> IndicatorSignature:
    return IndicatorSignature(
        name=name,
        summary=f"A {name} for tests.",
        inputs=("volume",) if unit == "signed_volume" else ("close",),
        parameters=parameters,
        outputs=outputs or (name,),
        unit=unit,
        warmup_bars=lambda params: int(max(params.values(), default=1)),
        stability="windowed",
        source="hand-written",
    )


def _operator(name: str, unit: Unit, *parameters: Parameter, series: tuple[BarField, ...] = ("close",)) -> IndicatorSignature:
    return IndicatorSignature(
        name=name,
        summary=f"A {name} of a series, for tests.",
        inputs=(),
        parameters=parameters,
        outputs=(name,),
        unit=unit,
        warmup_bars=lambda params: int(max(params.values(), default=1)) - 1,
        stability="windowed",
        source="hand-written",
        series=series,
        symmetric=name == "corr",
    )


VOCABULARY: Vocabulary = {
    signature.name: signature
    for signature in (
        _signature("rsi", "bounded_0_100", _period(14, 2, 100)),
        _signature("roc", "ratio", _period(10)),
        _signature("distance_from_sma", "ratio", _period(50)),
        _signature("atr", "price", _period(14, 5, 60)),
        _signature(
            "macd",
            "price",
            _period(12),
            Parameter("slow", 26, 3, 300),
            Parameter("signal", 9, 2, 50),
            outputs=("macd", "signal", "histogram"),
        ),
        _signature("bollinger_width", "ratio", _period(20), Parameter("deviations", 2.0, 0.5, 4.0, integer=False)),
        _signature("obv", "signed_volume"),
        _signature("aroon", "bounded_-1_1", _period(25)),
        _operator("zscore", "deviations", _period(250, 10, 1000)),
        _operator("mean", "input", _period(20)),
        _operator("log", "ratio"),
        _operator("corr", "bounded_-1_1", _period(20), series=("close", "volume")),
        _operator("ratio", "ratio", series=("close", "volume")),
        replace(
            _operator("crossing", "input", Parameter("fast", 12, 2, 100), Parameter("slow", 26, 3, 300)),
            rising=("fast", "slow"),
        ),
        replace(_signature("supertrend", "price", _period(10)), stability="converging"),
    )
}


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    return VOCABULARY


@pytest.fixture(scope="session")
def example() -> str:
    return EXAMPLE
