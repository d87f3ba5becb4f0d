"""An outside signal traded by the lab's own rules: target positions in, an account and its figures out.

It has no folds and nothing is trained: one account, flat at both ends, over the span's bars. A position counts from the first bar that
closes at its time or later, and fills as any target does, no earlier than the next bar.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.core.errors import InsufficientBarsError
from nullalpha.data.bars import Bars, FloatArray
from nullalpha.data.outside_signal import OutsideSignal, refuse_outside_bars
from nullalpha.engines.backtest.engines.registry import run_on
from nullalpha.engines.backtest.execution import CashRates, Execution, execution_of
from nullalpha.engines.backtest.metrics import Performance, performance
from nullalpha.engines.backtest.result import BacktestResult
from nullalpha.engines.backtest.stitch import StitchedResult, combine, stitch
from nullalpha.engines.experiment import MarketSeries, periods_per_year
from nullalpha.engines.protocol import MIN_TEST_ROWS, Protocol, Span
from nullalpha.engines.series import get_arrays, put_arrays


@dataclass(frozen=True)
class SignalOutcome:
    """An outside signal's backtest; `holding` holds the instrument over the same rows at the same costs."""

    backtest: BacktestResult
    stitched: tuple[StitchedResult, ...]
    account: StitchedResult
    holding: StitchedResult
    performance: Performance
    sessions_per_year: int
    risk_free: float


def put_signal(artifacts: ArtifactStore, signal: OutsideSignal) -> str:
    """Store a signal and return its SHA-256; the same times and positions always have the same one."""
    return put_arrays(artifacts, "signal", {"time": signal.time.astype("datetime64[ns]").astype(np.int64), "target": signal.target})


def get_signal(artifacts: ArtifactStore, sha256: str) -> OutsideSignal:
    """Return a stored signal, verified.

    Raises:
        ArtifactError: if it is missing or torn.
    """
    arrays = get_arrays(artifacts, sha256)
    return OutsideSignal(arrays["time"].view("datetime64[ns]"), arrays["target"])


def traded_rows(span: Span, bars: Bars) -> tuple[int, int]:
    """Return the rows [start, stop) of the bars that a signal trades in a span.

    Raises:
        InsufficientBarsError: if they are fewer than a fold's test needs.
    """
    first = span.tested_from or span.start
    start, stop = (int(np.searchsorted(bars.time, np.datetime64(day, "ns"))) for day in (first, span.end))
    if stop - start < MIN_TEST_ROWS:
        raise InsufficientBarsError(
            f"{bars.instrument} has {stop - start} bars from {first} up to {span.end}; at least {MIN_TEST_ROWS} are needed",
            path="--from",
            value=stop - start,
            suggestion="give a longer stretch, or an instrument with a longer history",
        )
    return start, stop


def run_signal(signal: OutsideSignal, series: MarketSeries, protocol: Protocol, span: Span) -> SignalOutcome:
    """Trade an outside signal.

    Args:
        series: bars up to the span's end.
    Raises:
        InsufficientBarsError: if the span holds too few bars.
        DataError: if the signal is of another time than the bars.
    """
    bars = series.bars
    start, stop = traded_rows(span, bars)
    refuse_outside_bars(signal, bars.time[:stop], bars.instrument)
    execution = execution_of(bars, series.instrument, CashRates(protocol.cash_interest, protocol.cash_debit))
    target = signal.at(bars)
    before = max(0, start - protocol.exposure_prior_bars)
    prior = _traded(bars, target, execution, protocol, before, start).exposure if before < start else np.zeros(0)
    backtest = _traded(bars, target, execution, protocol, start, stop)
    held = _traded(bars, np.ones(len(bars)), execution, protocol, start, stop)
    stitched = _from_the_first_bar(stitch([backtest], [prior]))
    account, factor = combine([stitched]), periods_per_year(series.instrument, bars.timeframe)
    figures = performance(account, factor, protocol.risk_free)
    return SignalOutcome(backtest, (stitched,), account, combine([stitch([held])]), figures, factor, protocol.risk_free)


def _traded(bars: Bars, target: FloatArray, execution: Execution, protocol: Protocol, start: int, stop: int) -> BacktestResult:
    return run_on(protocol.engine, bars, target, execution, capital=protocol.capital, start_row=start, stop_row=stop)


def _from_the_first_bar(result: StitchedResult) -> StitchedResult:
    """Return the account with its first bar's excess known where no bar comes before: nothing is held in it, so nothing is matched."""
    if np.isfinite(result.excess[0]):
        return result
    first = np.arange(len(result)) == 0
    matched, market = (np.where(first, 0.0, column) for column in (result.matched_exposure, result.instrument_returns))
    return replace(result, matched_exposure=matched, instrument_returns=market, excess=np.where(first, result.returns, result.excess))
