"""The whole chain in one call: repeatable, honest about the future, and the same figures whoever asks."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.core.errors import DataError, NotFoundError
from nullalpha.data.bars import Bars
from nullalpha.data.instruments import Costs, Instrument
from nullalpha.engines.experiment import ExperimentOutcome, MarketSeries, run_experiment, run_experiments, signal_of
from nullalpha.engines.features.indicators.registry import VOCABULARY
from nullalpha.engines.outcome_json import outcome_body
from nullalpha.engines.protocol import Protocol, Span
from nullalpha.engines.series import get_arrays
from nullalpha.strategy.compile import compile_strategy
from nullalpha.strategy.plan import Plan
from nullalpha.strategy.validate import parse_strategy

SPAN = Span("search", "2000-01-03", "2006-01-01")
PROTOCOL = Protocol(n_folds=3)
FREE = Costs(0.0, 0.0, 0.0)


def plan_of(**changes: object) -> Plan:
    document = {
        "nullalpha": 1,
        "name": "reversal",
        "hypothesis": "What fell comes back.",
        "instruments": ["AAA"],
        "timeframe": "1d",
        "features": {"rsi": {"indicator": "rsi", "period": 3}},
        "sets": {"rsi": {"low": {"gaussian": [30, 15]}, "high": {"gaussian": [70, 15]}}},
        "model": {"kind": "anfis", "rules": ["if rsi is low then long 1.0", "if rsi is high then short 1.0"]},
        "labels": {"kind": "forward_return", "horizon": 2},
        "training": {"epochs": 8},
        "decision": {"long_above": 0.02, "short_below": -0.02},
    }
    spec, _ = parse_strategy(document | changes, VOCABULARY)
    return compile_strategy(spec, VOCABULARY)


def market_of(symbols: tuple[str, ...] = ("AAA",), *, reversal: float = 0.0, costs: Costs = FREE) -> dict[str, MarketSeries]:
    market = {}
    for index, symbol in enumerate(symbols):
        rng = np.random.default_rng(index)
        n = 1560
        noise = rng.normal(0.0, 0.01, n)
        for t in range(1, n):
            noise[t] -= reversal * noise[t - 1]
        close = 100.0 * np.exp(np.cumsum(noise))
        time = np.busday_offset("2000-01-03", np.arange(n)).astype("datetime64[ns]") + np.timedelta64(21, "h")
        open_ = np.concatenate(([100.0], close[:-1]))
        high, low = np.maximum(open_, close) * 1.001, np.minimum(open_, close) * 0.999
        bars = Bars(symbol, "1d", time, open_, high, low, close, np.full(n, 1e6)).before(np.datetime64("2006-01-01", "ns"))
        market[symbol] = MarketSeries(Instrument(symbol, symbol, "XNYS", "USD", "open", 252, costs, "invented"), bars)
    return market


def test_folds_and_instruments_trade_with_the_money_that_there_is() -> None:
    """A least commission of 5 takes the same from a small account as from a large one: it is never scaled with the account."""
    costs = Costs(0.0, 0.0, 0.0, commission_minimum=5.0)
    protocol = replace(PROTOCOL, capital=100_000.0)
    outcome = run_experiment(plan_of(instruments=["AAA", "BBB"]), market_of(("AAA", "BBB"), costs=costs), protocol, SPAN, seed=1)
    orders = outcome.account.order_array
    assert len(orders) > 50
    assert orders["commission"] == pytest.approx(np.full(len(orders), 5.0))
    assert [fold.backtest.capital for fold in outcome.folds if fold.fold.index == 0] == [50_000.0, 50_000.0]
    for before, after in itertools.pairwise(fold for fold in outcome.folds if fold.instrument == "AAA"):
        assert after.backtest.capital == before.backtest.equity[-1]


def test_the_same_inputs_give_the_same_bits() -> None:
    market = market_of()
    first, second = (run_experiment(plan_of(), market, PROTOCOL, SPAN, seed=1) for _ in range(2))
    np.testing.assert_array_equal(first.account.equity, second.account.equity)
    assert first.performance == second.performance


def test_a_strategy_is_the_same_whatever_it_is_computed_beside() -> None:
    market = market_of()
    one, other = plan_of(), plan_of(labels={"kind": "forward_return", "horizon": 5})
    alone = run_experiment(one, market, PROTOCOL, SPAN, seed=1)
    beside = run_experiments([other, one], market, PROTOCOL, SPAN, seed=1)[1]
    assert isinstance(beside, ExperimentOutcome)
    np.testing.assert_array_equal(alone.account.equity, beside.account.equity)


def test_another_seed_trains_other_models() -> None:
    market = market_of()
    first, second = (run_experiment(plan_of(), market, PROTOCOL, SPAN, seed=s) for s in (1, 2))
    assert not np.array_equal(first.folds[0].fit.weights["bias"], second.folds[0].fit.weights["bias"])


def test_a_planted_reversal_is_found_out_of_sample_and_noise_is_not() -> None:
    planted = run_experiment(plan_of(), market_of(reversal=0.3), PROTOCOL, SPAN, seed=1)
    noise = run_experiment(plan_of(), market_of(), PROTOCOL, SPAN, seed=1)
    assert planted.performance.sharpe > 1.5
    assert abs(noise.performance.sharpe) < 1.5


@pytest.mark.parametrize("level", ["low", "high"])
def test_a_rule_that_reacts_to_the_past_has_no_excess_on_noise(level: str) -> None:
    """Against the fold's own mean exposure, buying after falls would show an excess of about 0.6 here, buying after rises -0.4."""
    rule = plan_of(
        features={"roc": {"indicator": "roc", "period": 120}},
        sets={"roc": {"low": {"sigmoid": [0, -400]}, "high": {"sigmoid": [0, 400]}}},
        model={"kind": "rules", "rules": [f"if roc is {level} then long 1.0"]},
        decision={"long_above": 0.3, "short_below": None},
    )
    found = []
    for seed in range(40):
        rng = np.random.default_rng(1000 + seed)
        series = market_of()["AAA"]
        close = 100.0 * np.exp(np.cumsum(rng.normal(0.0003, 0.01, len(series.bars))))
        bars = replace(series.bars, open=close, high=close * 1.001, low=close * 0.999, close=close)
        closing = replace(series.instrument, fill_basis="close")
        account = run_experiment(rule, {"AAA": MarketSeries(closing, bars)}, PROTOCOL, SPAN, seed=1).account
        found.append(account.excess.mean() / account.excess.std() * np.sqrt(252))
    assert abs(np.mean(found)) < 3 * np.std(found, ddof=1) / np.sqrt(len(found))


def test_no_label_of_training_uses_a_price_of_what_follows() -> None:
    outcome = run_experiment(plan_of(), market_of(), PROTOCOL, SPAN, seed=1)
    for fold in outcome.folds:
        assert fold.fold.train_rows[-1] + PROTOCOL.purge_bars < fold.fold.test_start


def test_changing_the_last_fold_changes_nothing_before_it() -> None:
    market = market_of()
    base = run_experiment(plan_of(), market, PROTOCOL, SPAN, seed=1)
    start = base.folds[-1].fold.test_start
    series = market["AAA"]
    changed = {name: getattr(series.bars, name).copy() for name in ("open", "high", "low", "close")}
    for column in changed.values():
        column[start:] *= 1.7
    other = run_experiment(plan_of(), {"AAA": replace(series, bars=replace(series.bars, **changed))}, PROTOCOL, SPAN, seed=1)
    first_row = base.folds[0].fold.test_start
    np.testing.assert_array_equal(base.account.equity[: start - first_row], other.account.equity[: start - first_row])
    for before, after in zip(base.folds, other.folds, strict=True):
        np.testing.assert_array_equal(before.fit.weights["bias"], after.fit.weights["bias"])


def test_the_live_path_gives_the_signal_that_was_traded() -> None:
    market = market_of()
    plan = plan_of()
    outcome = run_experiment(plan, market, PROTOCOL, SPAN, seed=1)
    last = outcome.folds[-1]
    bars = market["AAA"].bars
    whole = signal_of(plan, last.fit.weights, bars)
    upto = signal_of(plan, last.fit.weights, bars.slice(0, last.fold.test_start + 10))
    np.testing.assert_allclose(upto, whole[: len(upto)], rtol=1e-12, atol=1e-12)


def test_two_instruments_share_the_capital_and_train_their_own_models() -> None:
    plan = plan_of(instruments=["AAA", "BBB"])
    outcome = run_experiment(plan, market_of(("AAA", "BBB"), costs=Costs(0.0002, 1.0, 1.0)), PROTOCOL, SPAN, seed=1)
    assert outcome.account.capital == PROTOCOL.capital
    assert {fold.instrument for fold in outcome.folds} == {"AAA", "BBB"}
    total = sum(s.equity[-1] for s in outcome.stitched)
    assert outcome.account.equity[-1] == pytest.approx(total, rel=1e-12)


def test_one_failure_gives_its_error_in_its_place_and_stops_no_other() -> None:
    market = market_of()
    silent = replace(market["AAA"], bars=replace(market["AAA"].bars, volume=np.full(len(market["AAA"].bars), np.nan)))
    needs_volume = plan_of(
        features={"v": {"indicator": "volume_ratio"}},
        sets={"v": {"low": {"gaussian": [0.5, 0.2]}}},
        model={"kind": "rules", "rules": ["if v is low then long 1.0"]},
    )
    outcomes = run_experiments([needs_volume, plan_of()], {"AAA": silent}, PROTOCOL, SPAN, seed=1)
    assert isinstance(outcomes[0], DataError)
    assert isinstance(outcomes[1], ExperimentOutcome)


def test_the_record_holds_what_evidence_and_reports_need(tmp_path: Path) -> None:
    market = market_of()
    outcome = run_experiment(plan_of(), market, PROTOCOL, SPAN, seed=1)
    artifacts = ArtifactStore(tmp_path)
    body = outcome_body(outcome, market, artifacts)
    arrays = get_arrays(artifacts, body["series"])
    np.testing.assert_allclose(np.cumprod(1.0 + arrays["returns"]), arrays["equity"], rtol=1e-10)
    assert body["metrics"]["n_trades"] == len(get_arrays(artifacts, body["orders"])["trades"]) > 0
    assert [fold["fold"] for fold in body["folds"]] == [1, 2, 3]
    assert len(body["rules"]["AAA"]) == 2
    assert outcome_body(outcome, market, artifacts)["series"] == body["series"]


def test_a_missing_figure_is_null_in_the_record(tmp_path: Path) -> None:
    market = market_of()
    never = plan_of(decision={"long_above": 0.99, "short_below": None})
    outcome = run_experiment(never, market, PROTOCOL, SPAN, seed=1)
    body = outcome_body(outcome, market, ArtifactStore(tmp_path))
    assert body["metrics"]["n_trades"] == 0
    assert body["metrics"]["hit_rate"] is None
    assert body["metrics"]["excess_sharpe"] is None


def test_an_unknown_instrument_is_a_typed_error() -> None:
    with pytest.raises(NotFoundError, match="ZZZ"):
        run_experiment(plan_of(instruments=["ZZZ"]), market_of(), PROTOCOL, SPAN, seed=1)
