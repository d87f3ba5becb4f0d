"""An outside signal is traded by the rules of every backtest, and judged by the figures of every trial."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.core.errors import DataError, InsufficientBarsError
from nullalpha.data.bars import Bars
from nullalpha.data.instruments import Costs, Instrument
from nullalpha.data.outside_signal import OutsideSignal
from nullalpha.engines.backtest.execution import execution_of
from nullalpha.engines.backtest.run import buy_and_hold, run_backtest
from nullalpha.engines.experiment import MarketSeries
from nullalpha.engines.outcome_json import signal_body
from nullalpha.engines.outside import get_signal, put_signal, run_signal
from nullalpha.engines.protocol import Protocol, Span
from nullalpha.engines.series import get_arrays

SPAN = Span("search", "2001-01-01", "2001-03-01")
N = 40


def series_of(close: np.ndarray, basis: str = "close", costs: Costs | None = None) -> MarketSeries:
    time = np.busday_offset("2001-01-02", np.arange(len(close))).astype("datetime64[ns]") + np.timedelta64(21, "h")
    bars = Bars("AAA", "1d", time, close, close, close, close, np.full(len(close), 1e6))
    return MarketSeries(Instrument("AAA", "AAA", "XNYS", "USD", basis, 252, costs or Costs(0.0, 0.0, 0.0), "invented"), bars)  # type: ignore[arg-type]


def signal_of(series: MarketSeries, rows: dict[int, float], hours: int = 0) -> OutsideSignal:
    """Return positions that are known `hours` after the closes of rows."""
    time = series.bars.time[list(rows)] + np.timedelta64(hours, "h")
    return OutsideSignal(time, np.array(list(rows.values())))


def test_a_long_trade_worked_by_hand(tmp_path: Path) -> None:
    """Basis close, no costs, capital 1,000.

    The price is 100 up to row 11 and 110 from row 12 on. A position of 1 known an hour before the close of row 5 counts at row 5 and fills
    at the close of row 6: 10 units. 0 known an hour after the close of row 19 counts at row 20 and fills at the close of row 21, at 110:
    the account ends with 1,100. Holding fills at the close of row 1 and earns the same. 10 units of a volume of 1,000,000 by an account of
    1,000 are its larger fill, so 1 % of the volume takes an account of 1,000,000. No price is below 100, and the best is 10 % above it.
    """
    series = series_of(np.where(np.arange(N) < 12, 100.0, 110.0))
    early, late = signal_of(series, {5: 1.0}, -1), signal_of(series, {19: 0.0}, 1)
    signal = OutsideSignal(np.concatenate((early.time, late.time)), np.array([1.0, 0.0]))
    outcome = run_signal(signal, series, Protocol(capital=1000.0), SPAN)
    (trade,) = outcome.account.trades
    assert (trade.entry_row, trade.exit_row, trade.units, trade.pnl) == (6, 21, 10.0, 100.0)
    np.testing.assert_array_equal(outcome.account.equity, np.where(np.arange(N) < 12, 1000.0, 1100.0))
    np.testing.assert_array_equal(outcome.holding.equity, outcome.account.equity)
    metrics = signal_body(outcome, {"AAA": series}, ArtifactStore(tmp_path))["metrics"]
    assert (metrics["capacity_1_percent"], metrics["capacity_5_percent"]) == pytest.approx((1e6, 5e6), rel=1e-12)
    assert (metrics["mean_mae"], metrics["mean_mfe"]) == pytest.approx((0.0, 0.1), rel=1e-12)


def test_it_is_the_kernels_own_account() -> None:
    rng = np.random.default_rng(0)
    series = series_of(100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, N))), "open", Costs(0.0002, 1.0, 2.0, borrow=0.02))
    wanted = {row: float(rng.uniform(-1.0, 1.0)) for row in range(N)}
    protocol = Protocol()
    outcome = run_signal(signal_of(series, wanted), series, protocol, SPAN)
    execution = execution_of(series.bars, series.instrument)
    by_hand = run_backtest(series.bars, np.array(list(wanted.values())), execution, capital=protocol.capital)
    np.testing.assert_allclose(outcome.account.equity, by_hand.equity, rtol=1e-14)
    np.testing.assert_array_equal(outcome.backtest.fill_array, by_hand.fill_array)
    held = buy_and_hold(series.bars, execution, capital=protocol.capital)
    np.testing.assert_allclose(outcome.holding.equity, held.equity, rtol=1e-14)


def test_a_later_beginning_trades_from_there_with_what_is_known_by_then() -> None:
    """Testing begins with row 10, whose close gives the first order: the position that has been known since row 3 fills at row 11."""
    series = series_of(np.linspace(100.0, 120.0, N))
    start = str(series.bars.time[10].astype("datetime64[D]"))
    outcome = run_signal(signal_of(series, {3: 0.5}), series, Protocol(), replace(SPAN, tested_from=start))
    assert outcome.account.time[0] == series.bars.time[10]
    (trade,) = outcome.account.trades
    assert (trade.entry_row, trade.exit_row) == (11, N - 1)


def test_excess_is_known_in_every_bar_and_evidence_comes_of_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    series = series_of(100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, N))))
    outcome = run_signal(signal_of(series, {row: float(row % 2) for row in range(N)}), series, Protocol(), SPAN)
    assert np.isfinite(outcome.account.excess).all()
    assert outcome.account.excess[0] == 0.0
    artifacts = ArtifactStore(tmp_path)
    body = signal_body(outcome, {"AAA": series}, artifacts)
    arrays = get_arrays(artifacts, body["series"])
    assert all(np.isfinite(arrays[name]).all() for name in ("returns", "excess", "timing", "timing_returns"))
    assert (body["folds"], body["rules"], body["last_weights"], body["n_bars"]) == ([], {}, None, N)
    assert body["window"] == ["2001-01-02", "2001-02-26"]


def test_too_few_bars_or_another_time_are_refused() -> None:
    series = series_of(np.full(N, 100.0))
    with pytest.raises(InsufficientBarsError, match="has 11 bars from 2001-02-10"):
        run_signal(signal_of(series, {0: 1.0}), series, Protocol(), replace(SPAN, tested_from="2001-02-10"))
    with pytest.raises(DataError, match="lies among the bars"):
        run_signal(signal_of(series, {0: 1.0}, hours=24 * 90), series, Protocol(), SPAN)


def test_a_stored_signal_comes_back_and_equal_content_is_one_artifact(tmp_path: Path) -> None:
    artifacts, signal = ArtifactStore(tmp_path), signal_of(series_of(np.full(N, 100.0)), {1: 0.5, 2: -0.5})
    digest = put_signal(artifacts, signal)
    stored = get_signal(artifacts, digest)
    np.testing.assert_array_equal(stored.time, signal.time)
    np.testing.assert_array_equal(stored.target, signal.target)
    assert put_signal(artifacts, OutsideSignal(signal.time.copy(), signal.target.copy())) == digest
    assert put_signal(artifacts, OutsideSignal(signal.time, -signal.target)) != digest
