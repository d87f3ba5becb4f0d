"""A stored experiment's orders are its account: replayed against its bars they give its equity, and a changed log does not."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.data.bars import Bars
from nullalpha.data.instruments import Costs, Instrument
from nullalpha.data.slices import write_slice
from nullalpha.engines.experiment import MarketSeries, run_experiment
from nullalpha.engines.features.indicators.registry import VOCABULARY
from nullalpha.engines.order_log import StoredAccount, check_by_replay, stored_account
from nullalpha.engines.outcome_json import outcome_body
from nullalpha.engines.protocol import Protocol, Span
from nullalpha.strategy.compile import compile_strategy
from nullalpha.strategy.validate import parse_strategy
from nullalpha.tools.tables import account_table, orders_table, records_of, to_csv, trades_table

SPAN = Span("search", "2000-01-03", "2005-01-01")
PROTOCOL = Protocol(n_folds=2, cash_interest=0.02, cash_debit=0.05)
DOCUMENT: dict[str, Any] = {
    "nullalpha": 1,
    "name": "reversal",
    "hypothesis": "What fell comes back.",
    "instruments": ["AAA", "BBB"],
    "timeframe": "1d",
    "features": {"rsi": {"indicator": "rsi", "period": 3}},
    "sets": {"rsi": {"low": {"gaussian": [30, 15]}, "high": {"gaussian": [70, 15]}}},
    "model": {"kind": "rules", "rules": ["if rsi is low then long 1.0", "if rsi is high then short 1.0"]},
    "decision": {"long_above": 0.02, "short_below": -0.02, "exits": {"stop_loss": {"atr": 2.0}}},
}


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> StoredAccount:
    """Two instruments of which one has gaps in its days, with every kind of cost, a lot and interest."""
    artifacts, market = ArtifactStore(tmp_path_factory.mktemp("artifacts")), {}
    for number, symbol in enumerate(("AAA", "BBB")):
        rng = np.random.default_rng(number)
        close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, 1300)))
        open_ = np.concatenate(([100.0], close[:-1])) * np.exp(rng.normal(0.0, 0.002, 1300))
        time = np.busday_offset("2000-01-03", np.arange(1300)).astype("datetime64[ns]") + np.timedelta64(21, "h")
        kept = np.flatnonzero(rng.random(1300) > 0.1 * number)
        high, low = np.maximum(open_, close) * 1.002, np.minimum(open_, close) * 0.998
        columns = [column[kept] for column in (time, open_, high, low, close, np.full(1300, 1e6))]
        costs = Costs(0.0002, 1.0, 2.0, commission_minimum=1.0, borrow=0.01, swap_long=0.02)
        listed = Instrument(symbol, symbol, "XNYS", "USD", "open", 252, costs, "invented", lot=1.0)
        market[symbol] = MarketSeries(listed, Bars(symbol, "1d", *columns).before(np.datetime64(SPAN.end, "ns")))
    spec, _ = parse_strategy(DOCUMENT, VOCABULARY)
    body = outcome_body(run_experiment(compile_strategy(spec, VOCABULARY), market, PROTOCOL, SPAN, seed=1), market, artifacts)
    given = {symbol: {"slice": write_slice(artifacts, one.bars), "instrument": asdict(one.instrument)} for symbol, one in market.items()}
    return stored_account(artifacts, body | {"market": given}, PROTOCOL)


def test_the_log_replayed_on_the_bars_is_the_stored_equity(account: StoredAccount) -> None:
    report = check_by_replay(account)
    assert (report.n_bars, report.first) == (len(account.time), None)
    assert report.largest < 1e-11
    assert len(account.trades) > 50


@pytest.mark.parametrize("column", ["price", "units", "commission", "held"])
def test_a_changed_order_is_found_at_its_bar(account: StoredAccount, column: str) -> None:
    orders = account.orders.copy()
    orders[column][10] *= 1.001
    report = check_by_replay(replace(account, orders=orders))
    assert report.first is not None
    time, replayed, stored = report.first
    assert time == orders["time"][10] or column == "held"
    assert replayed != stored
    assert report.largest > 1e-9


def test_costs_of_other_days_are_found(account: StoredAccount) -> None:
    book = account.books["AAA"]
    dearer = replace(book, execution=book.execution.with_carry(np.full(len(book.bars), 1e-4), np.zeros(len(book.bars))))
    assert check_by_replay(replace(account, books={**account.books, "AAA": dearer})).first is not None


def test_tables_hold_the_account_the_fills_and_the_round_trips(account: StoredAccount) -> None:
    bars, orders, trades = account_table(account), orders_table(account), records_of(trades_table(account))
    np.testing.assert_allclose(np.cumprod(1.0 + bars["returns"]) * account.capital, bars["equity"], rtol=1e-12)
    np.testing.assert_allclose(bars["cash"] + bars["exposure"] * bars["equity"], bars["equity"], rtol=1e-12)
    assert set(orders["side"][orders["units"] > 0.0]) == {"buy"}
    assert set(orders["reason"]) >= {"signal", "stop"}
    assert len(to_csv(orders).splitlines()) == len(account.orders) + 1
    interest_and_open_costs = bars["equity"][-1] - account.capital - sum(trade["pnl"] for trade in trades)
    assert 0.0 < interest_and_open_costs < 0.1 * account.capital  # what is no trade's: interest on cash
    assert all(trade["mae"] <= 0.0 <= trade["mfe"] and trade["entry_time"] <= trade["exit_time"] for trade in trades)
    assert {trade["side"] for trade in trades} == {"long", "short"}
