"""The population against the single kernel, strategy by strategy and to the bit; and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.core.errors import DataError, InsufficientBarsError, UsageError
from nullalpha.data.bars import FloatArray
from nullalpha.data.instruments import Costs
from nullalpha.engines.backtest.decision import entry_orders, exit_distances, target_positions
from nullalpha.engines.backtest.figures import Figures, figures_of
from nullalpha.engines.backtest.metrics import performance
from nullalpha.engines.backtest.population import run_population
from nullalpha.engines.backtest.result import BacktestResult
from nullalpha.engines.backtest.run import run_backtest
from nullalpha.engines.backtest.stitch import stitch
from nullalpha.engines.backtest.strategy_table import STRATEGY_DTYPE, strategy_table, target_table
from nullalpha.strategy.plan import DecisionPlan, EntryPlan, ExitPlan, SizingPlan
from tests.support.executions import execution
from tests.support.random_markets import CAPITAL, Choose, Market, market_of

NO_EXITS = ExitPlan(0, 0, 0, 0, 0)
FIXED = SizingPlan("fixed", 1.0, 0.0, 0.0, 0)
FREE = Costs(commission=0.0, half_spread_bps=0.0, slippage_bps=0.0)
ONE_PERCENT = Costs(commission=0.01, half_spread_bps=0.0, slippage_bps=0.0)
SESSIONS = 252.0


@dataclass(frozen=True)
class Population:
    """Strategies on a random market, with all that they read."""

    market: Market
    plans: tuple[DecisionPlan, ...]
    signal_of: FloatArray
    volatility_of: FloatArray
    signals: FloatArray
    volatilities: FloatArray
    atr: FloatArray

    def figures(self, **options: int) -> Figures:
        market = self.market
        return run_population(
            market.bars, strategy_table(self.plans, SESSIONS, self.signal_of, self.volatility_of), self.signals, market.execution,
            volatilities=self.volatilities, atr=self.atr, capital=CAPITAL, start_row=market.start, stop_row=market.stop, **options,
        )  # fmt: skip

    def alone(self, index: int) -> BacktestResult:
        """One strategy by the single kernel: its whole target, distances and orders made before it trades."""
        market, plan = self.market, self.plans[index]
        signal = np.full(len(market.bars), np.nan)
        rows = slice(market.start, market.stop)
        signal[rows] = self.signals[self.signal_of[index], rows]
        close = market.bars.close
        return run_backtest(
            market.bars,
            target_positions(plan, signal, self.volatilities[self.volatility_of[index]], SESSIONS),
            market.execution,
            entry=entry_orders(plan.entry, close, self.atr),
            exits=exit_distances(plan.exits, close, self.atr),
            capital=CAPITAL,
            start_row=market.start,
            stop_row=market.stop,
        )


@st.composite
def populations(draw) -> Population:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def choose(values):
        return draw(st.sampled_from(values))

    market = market_of(rng, choose)
    n_bars, n_strategies = len(market.bars), choose([1, 2, 5])
    signals = np.tanh(np.cumsum(rng.normal(0, choose([0.1, 0.4]), (3, n_bars)), axis=1))
    signals[rng.random(signals.shape) < choose([0.0, 0.1])] = np.nan
    signals = np.where(rng.random(signals.shape) < 0.1, np.round(signals, 1), signals)
    volatilities = np.where(rng.random((2, n_bars)) < 0.1, np.nan, rng.choice([0.0, 0.01, 0.03], (2, n_bars)))
    atr = np.where(rng.random(n_bars) < 0.1, np.nan, market.bars.close * choose([0.005, 0.03]))
    return Population(
        market,
        tuple(_plan(choose) for _ in range(n_strategies)),
        rng.integers(0, 3, n_strategies),
        rng.integers(0, 2, n_strategies),
        signals,
        volatilities,
        atr,
    )


def _plan(choose: Choose) -> DecisionPlan:
    sizing = choose(
        [
            FIXED,
            SizingPlan("fixed", 2.5, 0.0, 0.0, 0),
            SizingPlan("volatility_target", 0.0, 0.2, 1.5, 20),
            SizingPlan("kelly", 0.0, 0.0, 2.0, 20, kelly_fraction=0.05, horizon_bars=4),
        ]
    )
    atr, fraction = (0.0, 0.0, 0.7, 2.0), (0.0, 0.0, 0.01, 0.05)
    exits = ExitPlan(choose(atr), choose(fraction), choose(atr), choose(fraction), choose([0, 0, 1, 2, 7]), choose(atr), choose(fraction))
    kind = choose(["market", "limit", "stop", "stop_limit"])
    entry = None
    if kind != "market":
        by_atr = choose([True, False])
        distance, beyond = choose([0.0, 0.5, 1.5]), choose([0.0, 0.5])
        amounts = (distance, 0.0, beyond, 0.0) if by_atr else (0.0, 0.01 * distance, 0.0, 0.01 * beyond)
        entry = EntryPlan(kind, *amounts, valid_bars=choose([0, 1, 3]))
    return DecisionPlan(
        choose([None, 0.0, 0.1, 0.3]),
        choose([None, -0.3, -0.1, 0.0]),
        sizing,
        exits,
        choose([None, None, 0.0, -0.1]),
        choose([None, None, 0.0, 0.1]),
        choose([0, 1, 4]),
        entry,
    )


def assert_same_bits(figures: Figures, expected: Figures) -> None:
    for field in fields(Figures):
        np.testing.assert_array_equal(getattr(figures, field.name), getattr(expected, field.name), err_msg=field.name)


@settings(max_examples=600, deadline=None)
@given(populations())
def test_every_strategy_has_to_the_bit_the_figures_of_the_single_kernel(population):
    assert_same_bits(population.figures(), figures_of([population.alone(index) for index in range(len(population.plans))]))


@settings(max_examples=300, deadline=None)
@given(populations(), st.data())
def test_target_positions_themselves_trade_as_in_the_single_kernel(population, data):
    market, plan = population.market, population.plans[0]
    table = target_table(1, plan.exits)
    bars = market.bars
    figures = run_population(
        bars, table, market.target[None, :], market.execution, atr=population.atr, capital=CAPITAL, start_row=market.start,
        stop_row=market.stop,
    )  # fmt: skip
    exits = exit_distances(plan.exits, bars.close, population.atr)
    alone = run_backtest(bars, market.target, market.execution, exits=exits, capital=CAPITAL, start_row=market.start, stop_row=market.stop)
    assert_same_bits(figures, figures_of([alone]))


@settings(max_examples=40, deadline=None)
@given(populations(), st.sampled_from([2, 3, 8]))
def test_threads_change_nothing(population, n_threads):
    assert_same_bits(population.figures(n_threads=n_threads), population.figures())


@settings(max_examples=150, deadline=None)
@given(populations())
def test_figures_agree_with_those_of_whole_arrays(population):
    result = population.alone(0)
    figures = figures_of([result])
    whole = performance(stitch([result]), float(len(result)))
    assert figures.total_return[0] == whole.total_return
    assert figures.max_drawdown[0] == whole.max_drawdown
    assert figures.n_trades[0] == whole.n_trades
    assert figures.mean_exposure[0] == pytest.approx(whole.mean_exposure, rel=1e-9, abs=1e-12)
    assert figures.turnover[0] == pytest.approx(whole.annual_turnover, rel=1e-9, abs=1e-12)
    assert figures.fees[0] == pytest.approx(whole.fees_fraction, rel=1e-9, abs=1e-12)
    assert figures.sharpe[0] * len(result) ** 0.5 == pytest.approx(whole.sharpe, rel=1e-6, nan_ok=True)
    assert bool(figures.ruined[0]) == result.ruined


def test_figures_worked_by_hand(make_bars):
    # Signal above 0.5 at close 0, back at close 2. Row 1 opens at 100: 1 unit of capital 100, commission 1: cash -1. Marks: 100 (row 0),
    # 110 - 1 = 109, 88 - 1 = 87; row 3 opens at 90: cash -1 + 90 - 0.9 = 88.1, as at rows 3 and 4.
    # Returns 0, 0.09, 87/109 - 1, 88.1/87 - 1, 0. Drawdown 87/109 - 1. Exposure (110/109 + 88/87) / 5. Turnover 100/100 + 90/87.
    # Fees 1/100 + 0.9/87.
    bars = make_bars([100, 110, 88, 90, 95], open_=[100, 100, 110, 90, 90])
    table = strategy_table([DecisionPlan(0.5, None, FIXED, NO_EXITS)], SESSIONS)
    signals = np.array([[0.9, 0.9, 0.1, 0.1, 0.1]])
    figures = run_population(bars, table, signals, execution(bars, ONE_PERCENT, "open"), capital=100.0)
    returns = np.array([0.0, 0.09, 87 / 109 - 1, 88.1 / 87 - 1, 0.0])
    assert figures.total_return == pytest.approx([-0.119])
    assert figures.max_drawdown == pytest.approx([87 / 109 - 1])
    assert figures.mean_exposure == pytest.approx([(110 / 109 + 88 / 87) / 5])
    assert figures.turnover == pytest.approx([1 + 90 / 87])
    assert figures.fees == pytest.approx([0.01 + 0.9 / 87])
    assert figures.sharpe == pytest.approx([returns.mean() / returns.std(ddof=1)])
    assert (figures.n_trades.tolist(), figures.ruined.tolist(), len(figures)) == ([1], [False], 1)


def test_an_account_that_never_moves_has_no_sharpe_ratio(make_bars):
    bars = make_bars([100, 110, 90])
    figures = run_population(bars, target_table(1), np.zeros((1, 3)), execution(bars, FREE, "open"))
    assert np.isnan(figures.sharpe[0])
    assert (figures.total_return[0], figures.max_drawdown[0], figures.n_trades[0]) == (0.0, 0.0, 0)


def test_ruin_is_a_figure(make_bars):
    # Twice the capital long at 100, marked at 40: 200 / 100 units x 40 - 100 = -20.
    bars = make_bars([100, 40, 80], open_=[100, 100, 40])
    figures = run_population(bars, target_table(1), np.full((1, 3), 2.0), execution(bars, FREE, "open"), capital=100.0)
    assert figures.ruined[0]
    assert figures.total_return == pytest.approx([-1.2])


def _bars(make_bars):
    return make_bars([100, 101, 102, 103])


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("signal", 1, "there are 1"),
        ("signal", -1, "there are 1"),
        ("volatility", 3, "there are 1"),
        ("stop_atr", -1.0, "0 means none"),
        ("limit_fraction", np.nan, "0 means none"),
        ("max_bars", -2, "0 or more"),
        ("entry", 9, "ENTRY_KINDS"),
        ("long_above", np.nan, "infinite"),
        ("most", -1.0, ">= 0"),
    ],
)
def test_a_strategy_that_no_rule_is_for_is_refused(make_bars, column, value, says):
    bars = _bars(make_bars)
    table = target_table(3)
    table["signal"] = 0
    table[column][2] = value
    with pytest.raises(UsageError, match=f"{column} of strategy 2") as refused:
        run_population(bars, table, np.zeros((1, 4)), execution(bars, FREE, "open"))
    assert says in refused.value.suggestion


def test_what_a_strategy_reads_must_be_given(make_bars):
    bars = _bars(make_bars)
    trade = execution(bars, FREE, "open")
    sized = strategy_table([DecisionPlan(0.1, None, SizingPlan("volatility_target", 0.0, 0.1, 1.0, 20), NO_EXITS)], SESSIONS)
    with pytest.raises(DataError, match="sizes by volatility"):
        run_population(bars, sized, np.zeros((1, 4)), trade)
    with pytest.raises(DataError, match="multiples of ATR"):
        run_population(bars, target_table(1, ExitPlan(2.0, 0, 0, 0, 0)), np.zeros((1, 4)), trade)


def test_series_of_other_bars_and_targets_that_are_no_numbers_are_refused(make_bars):
    bars = _bars(make_bars)
    trade = execution(bars, FREE, "open")
    with pytest.raises(DataError, match="signals has shape"):
        run_population(bars, target_table(1), np.zeros((1, 5)), trade)
    with pytest.raises(DataError, match="atr has shape"):
        run_population(bars, target_table(1), np.zeros((1, 4)), trade, atr=np.zeros(3))
    with pytest.raises(DataError, match="negative range"):
        run_population(bars, target_table(1), np.zeros((1, 4)), trade, atr=np.full(4, -1.0))
    with pytest.raises(DataError, match="target of row 2 of signal 0"):
        run_population(bars, target_table(1), np.array([[0.0, 0.0, np.nan, 0.0]]), trade)


def test_tables_rows_and_threads_out_of_range_are_refused(make_bars):
    bars = _bars(make_bars)
    trade, none = execution(bars, FREE, "open"), np.zeros((1, 4))
    with pytest.raises(UsageError, match="table has type"):
        run_population(bars, np.zeros(3), none, trade)
    with pytest.raises(UsageError, match="n_threads is 0"):
        run_population(bars, target_table(1), none, trade, n_threads=0)
    with pytest.raises(InsufficientBarsError):
        run_population(bars, target_table(1), none, trade, start_row=2, stop_row=2)
    with pytest.raises(InsufficientBarsError):
        figures_of([])


def test_a_population_of_none_has_no_figures(make_bars):
    bars = _bars(make_bars)
    figures = run_population(bars, np.zeros(0, dtype=STRATEGY_DTYPE), np.zeros((1, 4)), execution(bars, FREE, "open"), n_threads=2)
    assert len(figures) == 0
