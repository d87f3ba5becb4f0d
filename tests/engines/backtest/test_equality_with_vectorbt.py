"""vectorbt 1.2 against the lab's kernel on real bars: 200 random strategies, the same fills, equity to 1e-9.

Each strategy is a random walk of targets (entries, exits, resizes, reversals, leverage up to 2), random costs, and for three in four random
protective exits, on the S&P 500, the NASDAQ Composite or one of twenty companies. Indices trade on both fill bases (their opens serve as
prices here; whether one could have traded at them is no question of arithmetic), companies, which have closes alone, on closes.

Two of vectorbt's simulations are compared. Without exits its own loop over orders (`Portfolio.from_orders`, in Rust) sizes, fills and
values everything. With exits its flexible simulation asks an order function what to trade. That function is ours, so the last test takes
the stops of vectorbt itself (`Portfolio.from_signals`) and compares where they fire.
"""

from __future__ import annotations

import numpy as np
import pytest

from nullalpha.data.bars import Bars, FloatArray
from nullalpha.data.instruments import Costs, FillBasis
from nullalpha.engines.backtest.decision import ExitDistances
from nullalpha.engines.backtest.engines.registry import run_on
from nullalpha.engines.backtest.execution import Execution, priced
from nullalpha.engines.backtest.kernel import N_COLUMNS
from nullalpha.engines.backtest.result import BacktestResult
from nullalpha.engines.backtest.run import run_backtest
from tests.support.real_bars import COMPANIES, INDICES, real_bars

CAPITAL = 10_000.0
BATCHES = 10
STRATEGIES_A_BATCH = 20
STOPS_COMPARED = 40


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bars]:
    return real_bars(tmp_path_factory.mktemp("bars"), (*INDICES, *COMPANIES))


def random_targets(rng: np.random.Generator, n_bars: int, targets: list[float]) -> FloatArray:
    """Return targets that are held for a random number of bars each, 25 on average or fewer."""
    lengths = rng.geometric(1.0 / rng.integers(2, 26), n_bars)
    return np.repeat(rng.choice(targets, n_bars), lengths)[:n_bars]


def random_exits(rng: np.random.Generator, close: FloatArray) -> ExitDistances:
    """Return distances of 1 to 10 % of price, each absent for about a third of the bars, and a limit in time for every second strategy."""

    def distance() -> FloatArray:
        return np.where(rng.random(len(close)) < 0.65, close * rng.uniform(0.01, 0.1, len(close)), np.nan)

    return ExitDistances(distance(), distance(), int(rng.choice([0, rng.integers(1, 20)])), distance() if rng.random() < 0.6 else None)


def random_request(rng: np.random.Generator, market: dict[str, Bars]) -> tuple[Bars, FloatArray, Execution, ExitDistances | None, int, int]:
    """Return bars, targets, execution, exits, and the first row and the end of the rows."""
    symbol = str(rng.choice([*INDICES, *COMPANIES], p=[0.25, 0.25, *[0.5 / len(COMPANIES)] * len(COMPANIES)]))
    bars = market[symbol]
    basis: FillBasis = "open" if symbol in INDICES and rng.random() < 0.6 else "close"
    costs = Costs(rng.uniform(0.0, 2e-3), rng.uniform(0.0, 10.0), rng.uniform(0.0, 10.0))
    target = random_targets(rng, len(bars), [-1.0, -0.4, 0.0, 0.0, 0.3, 0.75, 1.0, 2.0])
    exits = random_exits(rng, bars.close) if rng.random() < 0.75 else None
    start = int(rng.integers(0, len(bars) // 2))
    return bars, target, priced(bars, costs, basis), exits, start, int(rng.integers(start + 200, len(bars) + 1))


def assert_equal(ours: BacktestResult, theirs: BacktestResult) -> None:
    """Fills: as many, in the same rows and directions, for the same reasons; every figure of them and of the account to 1e-9."""
    assert ours.fill_array.shape == theirs.fill_array.shape == (len(ours.fills), N_COLUMNS)
    assert [(fill.row, fill.reason) for fill in theirs.fills] == [(fill.row, fill.reason) for fill in ours.fills]
    for name in ("units", "price", "commission", "slippage"):
        own, other = ([getattr(fill, name) for fill in result.fills] for result in (ours, theirs))
        np.testing.assert_allclose(other, own, rtol=1e-9, atol=1e-12, err_msg=name)
    np.testing.assert_allclose(theirs.equity, ours.equity, rtol=1e-9)
    for name in ("cash", "position", "exposure", "commission", "slippage", "turnover_notional"):
        np.testing.assert_allclose(getattr(theirs, name), getattr(ours, name), rtol=1e-9, atol=1e-9 * CAPITAL, err_msg=name)
    assert theirs.ruined == ours.ruined
    assert [(trade.entry_row, trade.exit_row, trade.side) for trade in theirs.trades] == [
        (trade.entry_row, trade.exit_row, trade.side) for trade in ours.trades
    ]


@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_strategies_fill_alike_and_end_every_bar_with_the_same_equity(batch: int, market: dict[str, Bars]) -> None:
    rng = np.random.default_rng([2026, batch])
    reasons: set[str] = set()
    for _ in range(STRATEGIES_A_BATCH):
        bars, target, execution, exits, start, stop = random_request(rng, market)
        rows = {"exits": exits, "capital": CAPITAL, "start_row": start, "stop_row": stop}
        ours = run_backtest(bars, target, execution, **rows)
        assert_equal(ours, run_on("vectorbt", bars, target, execution, **rows))
        reasons |= {fill.reason for fill in ours.fills}
    assert reasons >= {"signal", "stop", "target", "time", "trailing", "edge"}


@pytest.mark.parametrize("basis", ["open", "close"])
@pytest.mark.parametrize("with_exits", [False, True])
def test_a_ruined_account_is_closed_in_the_same_bar(basis: FillBasis, with_exits: bool, market: dict[str, Bars]) -> None:
    """Ten times short through the crash and the rise of 1999-2003: equity falls below 0."""
    bars = market["IXIC"]
    exits = ExitDistances(0.9 * bars.close, np.zeros(len(bars)), 0) if with_exits else None
    execution = priced(bars, Costs(1e-4, 1.0, 1.0), basis)
    target = np.full(len(bars), -10.0)
    ours = run_backtest(bars, target, execution, exits=exits, capital=CAPITAL)
    theirs = run_on("vectorbt", bars, target, execution, exits=exits, capital=CAPITAL)
    assert ours.ruined
    assert [fill.reason for fill in theirs.fills] == ["signal", "ruin"]
    assert [fill.row for fill in theirs.fills] == [fill.row for fill in ours.fills]
    np.testing.assert_allclose(theirs.equity, ours.equity, rtol=1e-9, atol=1e-9 * CAPITAL)


def stops_of_vectorbt(bars: Bars, target: FloatArray, stop: FloatArray, profit: FloatArray) -> list[tuple[int, float, float]]:
    """Return row, price and direction of every change between long, short and flat, found by `Portfolio.from_signals` with one unit.

    vectorbt judges a bar's stops before its signals and allows one order a row; here each bar is two rows. In the first, which has no
    prices, the order that waits fills at the open; in the second, which has the bar, stop and target are judged. Its stops are fractions of
    the price at entry, so ours, known one close before, are divided by the open at which they begin to count.
    """
    import vectorbt as vbt

    n = len(bars)
    rows: dict[str, FloatArray] = {}
    for name in ("open", "high", "low", "close"):
        rows[name] = np.full(2 * n, np.nan)
        rows[name][1::2] = getattr(bars, name)
    price = np.repeat(bars.open, 2)
    changed = np.flatnonzero(np.diff(target, prepend=0.0))
    changed = changed[changed < n - 1]
    fills = 2 * (changed + 1)
    signal = {side: np.zeros(2 * n, dtype=bool) for side in ("long", "short", "flat")}
    for side, chosen in (("long", target[changed] > 0), ("short", target[changed] < 0), ("flat", target[changed] == 0)):
        signal[side][fills[chosen]] = True
    fractions = {name: np.full(2 * n, np.nan) for name in ("sl_stop", "tp_stop")}
    fractions["sl_stop"][fills] = stop[changed] / bars.open[changed + 1]
    fractions["tp_stop"][fills] = profit[changed] / bars.open[changed + 1]
    portfolio = vbt.Portfolio.from_signals(
        rows["close"],
        entries=signal["long"],
        exits=signal["flat"],
        short_entries=signal["short"],
        short_exits=signal["flat"],
        price=price,
        open=rows["open"],
        high=rows["high"],
        low=rows["low"],
        size=1.0,
        upon_opposite_entry="reverse",
        accumulate=False,
        stop_entry_price="price",
        stop_exit_price="stopmarket",
        init_cash=1e9,
        engine="rust",
        **fractions,
    )
    return [(int(order["idx"]) // 2, float(order["price"]), 1.0 - 2.0 * float(order["side"])) for order in portfolio.order_records]


@pytest.mark.parametrize("symbol", INDICES)
def test_stops_and_targets_fire_where_those_of_vectorbt_itself_fire(symbol: str, market: dict[str, Bars]) -> None:
    """Without costs, and of ours without resizes and the end: a reversal is one order there and two fills here."""
    bars = market[symbol]
    fired = 0
    for seed in range(STOPS_COMPARED // len(INDICES)):
        rng = np.random.default_rng([7, seed])
        target = random_targets(rng, len(bars), [-0.5, 0.0, 0.5])
        stop, profit = (bars.close * rng.uniform(0.005, 0.06, len(bars)) for _ in range(2))
        theirs = stops_of_vectorbt(bars, target, stop, profit)
        result = run_backtest(bars, target, priced(bars, Costs(0, 0, 0), "open"), exits=ExitDistances(stop, profit, 0))
        ours: list[tuple[int, float, float]] = []
        for fill in result.fills:
            event = (fill.row, fill.price, float(np.sign(fill.units)))
            if fill.reason != "edge" and (fill.reason != "signal" or not ours or ours[-1] != event):
                ours.append(event)
        assert [event[::2] for event in theirs] == [event[::2] for event in ours]
        np.testing.assert_allclose([event[1] for event in theirs], [event[1] for event in ours], rtol=1e-12)
        fired += sum(fill.reason in ("stop", "target") for fill in result.fills)
    assert fired > 2_000
