"""The compiled kernel against a plain Python account that follows the same rules, on markets with every order, cost and event."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from tests.support.random_markets import Market, market_of, markets
from tests.support.reference_account import reference

FIGURES = ("units", "price", "commission", "slippage", "carry", "income")


def assert_equal(market: Market) -> None:
    result = market.backtest()
    expected = reference(
        market.bars, market.target, market.execution, market.entry, market.exits, market.capital, market.start, market.stop
    )
    assert [(fill.row, fill.reason) for fill in result.fills] == [(fill.row, fill.reason) for fill in expected.fills]
    ours, theirs = (np.array([[getattr(fill, name) for name in FIGURES] for fill in fills]) for fills in (result.fills, expected.fills))
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(np.column_stack((result.equity, result.cash, result.position)), expected.account, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(np.column_stack((result.carry, result.interest, result.income)), expected.flows, rtol=1e-9, atol=1e-9)


@settings(max_examples=300, deadline=None)
@given(markets())
def test_the_kernel_agrees_with_a_plain_account_in_every_figure_and_fill(market):
    assert_equal(market)


@settings(max_examples=100, deadline=None)
@given(markets(whole=False))
def test_they_agree_too_where_costs_are_fractions_and_everything_fills(market):
    assert_equal(market)


def test_they_agree_on_three_thousand_markets_that_are_always_the_same():
    # What is rare (units that differ by rounding under a cap, levels that meet on a tick) needs more markets than a search draws.
    for seed in range(3000):
        picks = np.random.default_rng([seed, 1])
        assert_equal(market_of(np.random.default_rng([seed, 0]), lambda values, picks=picks: values[int(picks.integers(len(values)))]))
