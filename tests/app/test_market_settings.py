"""The settings' rates of money: part of a campaign's protocol, and of every figure that is made under it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nullalpha.app.campaigns import create_campaign, home_protocol
from nullalpha.app.lab import Lab
from nullalpha.core.campaign import CampaignConfig
from nullalpha.core.settings import load_settings
from nullalpha.data.bars import Bars
from nullalpha.data.instruments import Costs, Instrument
from nullalpha.engines.experiment import ExperimentOutcome, MarketSeries, run_experiment
from nullalpha.engines.features.indicators.registry import VOCABULARY
from nullalpha.engines.protocol import Protocol, Span
from nullalpha.strategy.compile import compile_strategy
from nullalpha.strategy.validate import parse_strategy

SPAN = Span("search", "2000-01-03", "2006-01-01")


def settle(home: Path, text: str) -> None:
    home.mkdir(exist_ok=True)
    (home / "settings.toml").write_text(text)


@pytest.fixture
def labs(home: Path) -> Iterator[list[Lab]]:
    opened: list[Lab] = []
    yield opened
    for lab in opened:
        lab.stores.ledger.close()


def begun(labs: list[Lab], home: Path, text: str) -> tuple[str, dict[str, object]]:
    """Return the protocol hash and the protocol of a campaign that begins under settings."""
    settle(home, text)
    labs.append(Lab(home))
    row = labs[-1].stores.campaigns.get(create_campaign(labs[-1], CampaignConfig(instruments=("SPX",))))
    return row.protocol_hash, dict(row.protocol)


def protocol_under(home: Path, text: str) -> Protocol:
    settle(home, text)
    return replace(home_protocol(load_settings(home), "nullalpha"), n_folds=3)


def outcome_of(protocol: Protocol, long_above: float) -> ExperimentOutcome:
    """Return an experiment on 1,560 bars of noise; of rules, so that only the rates of money can make a difference."""
    document = {
        "nullalpha": 1,
        "name": "reversal",
        "hypothesis": "What fell comes back.",
        "instruments": ["AAA"],
        "timeframe": "1d",
        "features": {"rsi": {"indicator": "rsi", "period": 3}},
        "sets": {"rsi": {"low": {"gaussian": [30, 15]}}},
        "model": {"kind": "rules", "rules": ["if rsi is low then long 1.0"]},
        "decision": {"long_above": long_above, "short_below": None},
    }
    n = 1560
    close = 100.0 * np.exp(np.cumsum(np.random.default_rng(0).normal(0.0003, 0.01, n)))
    time = np.busday_offset("2000-01-03", np.arange(n)).astype("datetime64[ns]") + np.timedelta64(21, "h")
    bars = Bars("AAA", "1d", time, close, close * 1.001, close * 0.999, close, np.full(n, 1e6))
    instrument = Instrument("AAA", "AAA", "XNYS", "USD", "open", 252, Costs(0.0, 0.0, 0.0), "invented")
    spec, _ = parse_strategy(document, VOCABULARY)
    market = {"AAA": MarketSeries(instrument, bars.before(np.datetime64("2006-01-01", "ns")))}
    return run_experiment(compile_strategy(spec, VOCABULARY), market, protocol, SPAN, seed=1)


def test_a_campaign_keeps_the_rates_it_began_with_and_each_of_them_changes_its_protocol_hash(labs: list[Lab], home: Path) -> None:
    plain, protocol = begun(labs, home, "")
    assert (protocol["risk_free"], protocol["cash_interest"], protocol["cash_debit"]) == (0.0, 0.0, 0.0)
    hashes = {plain}
    for text, told in (
        ("[market]\nrisk_free = 0.02\n", (0.02, 0.0, 0.0)),
        ("[market]\ncash_interest = 0.03\n", (0.0, 0.03, 0.03)),
        ("[market]\ncash_interest = 0.03\ncash_debit = 0.05\n", (0.0, 0.03, 0.05)),
        ("[market]\ncash_debit = 0.05\n", (0.0, 0.0, 0.05)),
    ):
        found, protocol = begun(labs, home, text)
        assert (protocol["risk_free"], protocol["cash_interest"], protocol["cash_debit"]) == told
        hashes.add(found)
    assert len(hashes) == 5
    assert begun(labs, home, "")[0] == plain


def test_a_sharpe_ratio_is_of_what_exceeds_the_risk_free_rate(home: Path) -> None:
    """With 252 sessions a year, each session's return less 0.04 / 252; the account itself is the same."""
    plain, over = (outcome_of(protocol_under(home, f"[market]\nrisk_free = {rate}\n"), 0.3) for rate in (0.0, 0.04))
    np.testing.assert_array_equal(plain.account.equity, over.account.equity)
    returns = over.account.returns
    expected = (returns.mean() - 0.04 / 252) / returns.std(ddof=1) * np.sqrt(252)
    assert over.performance.sharpe == pytest.approx(expected, rel=1e-9)
    assert over.performance.sharpe < plain.performance.sharpe


def test_cash_that_no_strategy_uses_earns_what_the_settings_say(home: Path) -> None:
    """A strategy that never trades: 1,000,000 times 1 + 0.05 x days / 365, from close to close."""
    account = outcome_of(protocol_under(home, "[market]\ncash_interest = 0.05\n"), 0.9999).account
    assert len(account.traded_array) == 0
    days = np.diff(account.time) / np.timedelta64(1, "D")
    grown = account.equity[0] * np.cumprod(1.0 + 0.05 * days / 365.0)
    np.testing.assert_allclose(account.equity[1:], grown, rtol=1e-12)
    assert account.equity[0] == pytest.approx(1_000_000 * (1.0 + 0.05 / 365.0))
    assert outcome_of(protocol_under(home, ""), 0.9999).account.equity[-1] == 1_000_000
