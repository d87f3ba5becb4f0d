from __future__ import annotations

import csv
import io
import json
from functools import cache

import numpy as np
import pandas as pd
import pytest

from nullalpha.core.errors import DataError, NotFoundError, UsageError
from nullalpha.data.bars import Bars, FloatArray
from nullalpha.data.calendars import sessions_between
from nullalpha.data.catalogue import Catalogue
from nullalpha.data.instruments import Costs
from nullalpha.data.synthetic import KINDS, SyntheticMarket, Venue, synthesise
from nullalpha.data.synthetic.garch import GarchFit, fit_garch, simulate_garch
from nullalpha.engines.backtest.execution import priced
from nullalpha.engines.backtest.run import run_backtest

PLANTED = ("momentum", "mean_reversion", "volatility_conditional", "cross_timeframe")
NULL = ("gbm", "garch", "regime", "permutation")
N_BARS = 1500


@cache
def real_like() -> Bars:
    """Bars that stand for real ones: a strong trend to be destroyed, clustered volumes."""
    return synthesise("momentum", N_BARS + 1, 99, sharpe=6.0).bars


def market(kind: str, seed: int = 7, n_bars: int = N_BARS, venue: Venue | None = None, **options: float) -> SyntheticMarket:
    like = real_like() if KINDS[kind].like == "needed" else None
    return synthesise(kind, n_bars, seed, like=like, venue=venue, **options)


def same(one: Bars, other: Bars) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("time", "open", "high", "low", "close", "volume"))


def account(bars: Bars, position: FloatArray, venue: Venue) -> FloatArray:
    """Trade bar by bar with cash and units, in plain arithmetic; returns the account's return in each bar."""
    cash, units, equity, returns = 1.0, 0.0, 1.0, []
    side = venue.cost_a_side
    for t in range(len(bars)):
        price = bars.open[t] if venue.fill_basis == "open" else bars.close[t]
        wanted = position[t - 1] if t else 0.0
        if t and wanted != (position[t - 2] if t > 1 else 0.0):
            worth = cash + units * price
            change = wanted * worth / price - units
            cash -= change * price + abs(change) * price * side
            units += change
        before, equity = equity, cash + units * bars.close[t]
        returns.append(equity / before - 1)
    return np.array(returns)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_market_is_made_of_consistent_bars_on_the_sessions_of_its_calendar(kind: str) -> None:
    bars = market(kind).bars
    for prices in (bars.open, bars.close):
        assert (bars.low <= prices).all()
        assert (prices <= bars.high).all()
    assert (bars.low > 0).all()
    assert (bars.volume > 0).all()
    sessions = sessions_between("XNYS", np.datetime64("1990-01-02"), np.datetime64("1999-01-01"))
    assert bars.time.tolist() == sessions.close[:N_BARS].tolist()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_same_seed_makes_the_same_market_and_another_seed_another(kind: str) -> None:
    first, again, other = market(kind), market(kind), market(kind, seed=8)
    assert same(first.bars, again.bars)
    assert first.raw_series().sha256 == again.raw_series().sha256
    assert not np.array_equal(first.bars.close, other.bars.close)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_catalogue_takes_every_kind_in_with_its_lineage(kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    made = market(kind)
    catalogue = Catalogue(tmp_path_factory.mktemp("home"))
    snapshot = catalogue.ingest(made.raw_series(("a" * 64,)))
    assert same(catalogue.read(snapshot), made.bars)
    assert (snapshot.instrument.kind, snapshot.instrument.symbol) == ("synthetic", "SYN")
    assert snapshot.derived_from is not None
    assert snapshot.derived_from.snapshots == ("a" * 64,)
    recipe = json.loads(snapshot.derived_from.recipe)
    assert (recipe["kind"], recipe["seed"], recipe["n_bars"]) == (kind, 7, N_BARS)


def test_the_bytes_kept_are_the_bars_to_the_last_bit() -> None:
    made = market("gbm")
    rows = list(csv.DictReader(io.StringIO(made.raw_series().original.decode())))
    assert rows[0]["time"] == "1990-01-02"
    np.testing.assert_array_equal([float(row["close"]) for row in rows], made.bars.close)


def test_intraday_bars_close_inside_their_sessions() -> None:
    """The New York Stock Exchange is open from 9:30 to 16:00: six full hours and a half one, closing at 20:00Z or 21:00Z."""
    made = market("gbm", venue=Venue(timeframe="1h", calendar="XNYS", first="2024-03-07"), n_bars=14)
    hours = [str(time)[5:16] for time in made.bars.time]
    assert hours[:7] == [f"03-07T{hour}" for hour in ("15:30", "16:30", "17:30", "18:30", "19:30", "20:30", "21:00")]
    assert hours[7:9] == ["03-08T15:30", "03-08T16:30"]
    assert made.raw_series().frame["time"].iloc[0].isoformat() == "2024-03-07T15:30:00+00:00"


@pytest.mark.parametrize("fill_basis", ["open", "close"])
@pytest.mark.parametrize("kind", PLANTED)
def test_the_oracles_mean_net_sharpe_over_many_seeds_is_the_stated_one(kind: str, fill_basis: str) -> None:
    """80 markets of 2,500 bars: about 0.035 of standard error, so that an edge that ignored costs (0.1 to 0.4 a year) would show."""
    venue = Venue(fill_basis="open" if fill_basis == "open" else "close")
    realised = np.array([market(kind, seed, 2500, venue, sharpe=1.5).truth.realised_sharpe for seed in range(80)])
    assert abs(realised.mean() - 1.5) < 3.5 * realised.std(ddof=1) / np.sqrt(len(realised))


@pytest.mark.parametrize("fill_basis", ["open", "close"])
@pytest.mark.parametrize("kind", PLANTED)
def test_the_realised_sharpe_is_what_an_account_that_trades_bar_by_bar_earns(kind: str, fill_basis: str) -> None:
    venue = Venue(fill_basis="open" if fill_basis == "open" else "close", costs=Costs(0.0002, 2.0, 1.0))
    made = market(kind, 3, 2500, venue, sharpe=2.0)
    truth = made.truth
    assert truth.position is not None
    earned = account(made.bars, truth.position, venue)[truth.warmup_bars + 2 :]
    assert earned.mean() / earned.std() * np.sqrt(252) == pytest.approx(truth.realised_sharpe, rel=1e-9)


@pytest.mark.parametrize("fill_basis", ["open", "close"])
def test_the_labs_backtest_of_the_oracles_positions_earns_the_realised_sharpe(fill_basis: str) -> None:
    """The kernel's commission is charged on the price paid, spread included: of 3 bps a side a difference of 1e-8."""
    venue = Venue(fill_basis="open" if fill_basis == "open" else "close")
    made = market("volatility_conditional", 5, 2500, venue, sharpe=1.5)
    position, truth = made.truth.position, made.truth
    assert position is not None
    account = run_backtest(made.bars, position, priced(made.bars, venue.costs, venue.fill_basis))
    growth = account.equity[1:] / account.equity[:-1] - 1
    earned = growth[truth.warmup_bars + 1 : -1]
    assert earned.mean() / earned.std() * np.sqrt(252) == pytest.approx(truth.realised_sharpe, abs=0.02)


@pytest.mark.parametrize(("kind", "side"), [("momentum", 1.0), ("mean_reversion", -1.0)])
def test_the_oracle_says_its_position_from_closes_up_to_then(kind: str, side: float) -> None:
    made = market(kind)
    position, log_close = made.truth.position, np.log(made.bars.close)
    assert position is not None
    lookback = int(made.truth.parameters["lookback"])
    np.testing.assert_array_equal(position[lookback:], side * np.sign(log_close[lookback:] - log_close[:-lookback]))
    assert (position[: made.truth.warmup_bars] == 0).all()


def test_the_volatility_oracle_is_out_of_wild_markets() -> None:
    made = market("volatility_conditional", n_bars=2500)
    position, log_close = made.truth.position, np.log(made.bars.close)
    assert position is not None
    trailing = np.array([np.sum(np.diff(log_close[t - 20 : t + 1]) ** 2) for t in range(20, 2500)])
    limit = 20 * (0.16**2 / 252) * 0.7 * 1.6
    np.testing.assert_array_equal(position[20:] != 0, trailing < limit)


def test_the_cross_timeframe_oracle_trades_pullbacks_against_the_trend_of_complete_weeks() -> None:
    """A week is complete at the close of its Friday session or, where Friday is a holiday, from the next week's first session on."""
    made = market("cross_timeframe")
    position, log_close = made.truth.position, np.log(made.bars.close)
    assert position is not None
    days = pd.DatetimeIndex(made.session)
    week = days.to_period("W-FRI")
    ends = pd.Series(np.arange(len(days))).groupby(week.asi8).max()
    for now in range(made.truth.warmup_bars, len(days)):
        complete = week.asi8[now] if days[now].weekday() == 4 else week.asi8[now] - 1
        trend = np.sign(log_close[ends[complete]] - log_close[ends[complete - 8]])
        pullback = np.sign(log_close[now] - log_close[now - 3])
        assert position[now] == (trend if pullback == -trend else 0.0)


def rule_gains(bars: Bars, lookback: int) -> FloatArray:
    """What following the sign of the last bars' return, less the mean, earns in the next; reversal earns the negative of it."""
    moves = np.diff(np.log(bars.close))
    level = np.concatenate(([0.0], np.cumsum(moves - moves.mean())))
    return np.sign(level[lookback:-1] - level[: -lookback - 1]) * np.diff(level)[lookback:]


@pytest.mark.parametrize("kind", NULL)
def test_neither_momentum_nor_reversal_has_an_edge_in_a_market_without_one(kind: str) -> None:
    for lookback in (1, 5, 20):
        gains = np.concatenate([rule_gains(market(kind, seed).bars, lookback) for seed in range(30)])
        assert abs(gains.mean()) < 3.5 * gains.std() / np.sqrt(len(gains))


def test_permutation_destroys_the_edge_that_its_bars_had() -> None:
    before = rule_gains(real_like(), 20)
    assert before.mean() > 5 * before.std() / np.sqrt(len(before))
    after = np.concatenate([rule_gains(market("permutation", seed).bars, 20) for seed in range(10)])
    assert abs(after.mean()) < 3 * after.std() / np.sqrt(len(after))


def test_permutation_keeps_every_gap_every_body_and_both_ends() -> None:
    like, made = real_like(), market("permutation").bars
    assert made.close[-1] == pytest.approx(like.close[-1], rel=1e-12)
    before = np.concatenate(([like.close[0]], made.close[:-1]))
    np.testing.assert_allclose(np.sort(made.open / before), np.sort(like.open[1:] / like.close[:-1]), rtol=1e-12)
    shape = np.lexsort((made.volume, made.close / made.open))
    real_shape = np.lexsort((like.volume[1:], (like.close / like.open)[1:]))
    np.testing.assert_allclose((made.high / made.open)[shape], (like.high / like.open)[1:][real_shape], rtol=1e-12)
    np.testing.assert_array_equal(np.sort(made.volume), np.sort(like.volume[1:]))


def test_the_bootstrap_draws_whole_bars_in_blocks_of_the_stated_length() -> None:
    like, made = real_like(), market("bootstrap", n_bars=6000, mean_block=10).bars
    moves = np.diff(np.log(like.close))
    order = np.argsort(moves)
    drawn = np.diff(np.log(np.concatenate(([like.close[0]], made.close))))
    rows = 1 + order[np.clip(np.searchsorted(moves[order], drawn - 1e-12), 0, len(moves) - 1)]
    before = np.concatenate(([like.close[0]], made.close[:-1]))
    for name in ("open", "high", "low", "close"):
        np.testing.assert_allclose(getattr(made, name) / before, getattr(like, name)[rows] / like.close[rows - 1], rtol=1e-11)
    breaks = np.count_nonzero(np.diff(rows) != 1)
    assert 6000 / 10 * 0.85 < breaks < 6000 / 10 * 1.15


def test_a_garch_fit_finds_the_parameters_that_made_the_returns() -> None:
    made = synthesise("garch", 12_000, 5, volatility=0.2, alpha=0.1, beta=0.85, nu=8.0)
    fit = fit_garch(made.bars)
    assert (fit.alpha, fit.beta) == (pytest.approx(0.1, abs=0.02), pytest.approx(0.85, abs=0.03))
    assert fit.volatility * np.sqrt(252) == pytest.approx(0.2, rel=0.08)
    again = synthesise("garch", 500, 1, like=made.bars)
    assert again.truth.parameters["alpha"] == fit.alpha
    forced = synthesise("garch", 500, 1, like=made.bars, alpha=0.02)
    assert (forced.truth.parameters["alpha"], forced.truth.parameters["beta"]) == (0.02, fit.beta)


def test_garch_shocks_have_the_stated_scale_and_clusters() -> None:
    shocks, volatility = simulate_garch(GarchFit(0.01, 0.08, 0.9, 8.0), 200_000, np.random.default_rng(1))
    assert shocks.std() == pytest.approx(0.01, rel=0.05)
    np.testing.assert_allclose(volatility[1] ** 2, 0.02 * 1e-4 + 0.08 * shocks[0] ** 2 + 0.9 * volatility[0] ** 2, rtol=1e-12)
    assert np.corrcoef(shocks[1:] ** 2, shocks[:-1] ** 2)[0, 1] > 0.05


def test_regimes_last_as_stated_and_have_their_volatility() -> None:
    made = synthesise("regime", 20_000, 1, calm_bars=100, wild_bars=50, venue=Venue(calendar="24/7", sessions_per_year=365))
    state = made.truth.state
    assert state is not None
    assert np.mean(state) == pytest.approx(1 / 3, abs=0.06)
    returns = np.diff(np.log(made.bars.close))
    for which, annual in ((0, 0.11), (1, 0.28)):
        assert returns[state[1:] == which].std() * np.sqrt(365) == pytest.approx(annual, rel=0.05)


def test_a_drift_is_the_mean_return_and_volatility_that_of_the_bars_it_is_like() -> None:
    drifting = np.concatenate([np.diff(np.log(market("gbm", seed, drift=0.4, volatility=0.05).bars.close)) for seed in range(20)])
    assert np.expm1(drifting).mean() * 252 == pytest.approx(0.4, abs=0.02)
    like = synthesise("gbm", 3000, 1, volatility=0.3).bars
    copy = synthesise("gbm", 3000, 2, like=like)
    assert copy.truth.parameters["volatility"] == pytest.approx(0.3, rel=0.05)
    assert np.diff(np.log(copy.bars.close)).std() * np.sqrt(252) == pytest.approx(0.3, rel=0.08)


def test_what_cannot_be_made_is_refused_with_the_nearest_fix() -> None:
    with pytest.raises(NotFoundError) as missing:
        synthesise("momentun", 100, 1)
    assert missing.value.suggestion == "did you mean momentum?"
    with pytest.raises(UsageError) as unknown:
        synthesise("momentum", 100, 1, sharp=1.0)
    assert unknown.value.suggestion == "did you mean sharpe?"
    for options, path in (({"sharpe": 9.0}, "sharpe"), ({"lookback": 2.5}, "lookback"), ({"volatility": float("nan")}, "volatility")):
        with pytest.raises(UsageError) as wrong:
            synthesise("momentum", 100, 1, **options)
        assert wrong.value.path == path
    for n_bars, seed in ((1, 1), (100, -1), (10**8, 1)):
        with pytest.raises(UsageError):
            synthesise("gbm", n_bars, seed)
    for venue in ({"first": "2024-13-01"}, {"start_price": 0.0}, {"symbol": "no symbol"}, {"sessions_per_year": 0}):
        with pytest.raises(UsageError) as wrong:
            Venue(**venue)  # type: ignore[arg-type]
        assert wrong.value.path == next(iter(venue))
    with pytest.raises(DataError, match="unknown timeframe"):
        synthesise("gbm", 100, 1, venue=Venue(timeframe="2d"))
    with pytest.raises(DataError, match="unknown exchange calendar"):
        synthesise("gbm", 100, 1, venue=Venue(calendar="XNYX"))
    with pytest.raises(UsageError, match="made of real bars"):
        synthesise("bootstrap", 100, 1)
    with pytest.raises(UsageError, match="makes no use of real bars"):
        synthesise("momentum", 100, 1, like=real_like())
    with pytest.raises(UsageError, match="the real bars are 1d"):
        synthesise("bootstrap", 100, 1, like=real_like(), venue=Venue(timeframe="1h"))
    with pytest.raises(DataError, match="cannot be permuted"):
        synthesise("permutation", N_BARS + 1, 1, like=real_like())
    with pytest.raises(DataError, match="alpha \\+ beta"):
        synthesise("garch", 100, 1, alpha=0.2, beta=0.9)
    with pytest.raises(DataError, match="too few to fit"):
        synthesise("garch", 100, 1, like=real_like().slice(0, 200))
    with pytest.raises(DataError, match="the rule speaks after"):
        synthesise("momentum", 15, 1)
    with pytest.raises(DataError, match="would need a mean gain"):
        synthesise("mean_reversion", 500, 1, sharpe=8.0, venue=Venue(costs=Costs(0.1, 900.0, 900.0)))
    with pytest.raises(DataError, match="more than XNYS has sessions"):
        synthesise("gbm", 300_000, 1)
    with pytest.raises(DataError, match="leads to prices"):
        synthesise("gbm", 20_000, 1, volatility=2.0)
