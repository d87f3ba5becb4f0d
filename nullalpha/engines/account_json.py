"""Accounts as JSON and artifacts: figures, what was paid, the series that evidence and reports read, the log of orders."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.data.bars import FloatArray, IntArray, session_days
from nullalpha.engines.backtest.capacity import capacity
from nullalpha.engines.backtest.metrics import Performance, compounded_by_session, drawdown, in_excess_of_cash, over_equity, session_returns
from nullalpha.engines.backtest.replay import spans_of
from nullalpha.engines.backtest.result import BacktestResult
from nullalpha.engines.backtest.stitch import StitchedResult
from nullalpha.engines.evidence.sharpe import sharpe_estimate
from nullalpha.engines.experiment import MarketSeries
from nullalpha.engines.plain import plain
from nullalpha.engines.series import Arrays, put_arrays

PAID = ("commission", "slippage", "carry", "interest", "income")

_SAME_PRICE = 1e-9
"""Relative difference of prices up to which a fill was at the open."""


class Traded(Protocol):
    """What a strategy or an outside signal traded: an account an instrument, all of them together, and holding instead."""

    @property
    def stitched(self) -> Sequence[StitchedResult]: ...
    @property
    def account(self) -> StitchedResult: ...
    @property
    def holding(self) -> StitchedResult: ...
    @property
    def performance(self) -> Performance: ...
    @property
    def sessions_per_year(self) -> int: ...
    @property
    def risk_free(self) -> float: ...


Backtests = Mapping[str, Sequence[BacktestResult]]
"""By instrument, fold by fold."""


def account_body(traded: Traded, backtests: Backtests, market: Mapping[str, MarketSeries], artifacts: ArtifactStore) -> dict[str, Any]:
    """Store the accounts' arrays and return everything else as JSON; a missing figure is null."""
    figures, account = traded.performance, traded.account
    excess = compounded_by_session(account.time, account.excess).returns
    metrics = {
        "annual_return": figures.annual_return,
        "annual_volatility": figures.annual_volatility,
        "max_drawdown": figures.max_drawdown,
        "n_trades": figures.n_trades,
        "turnover": figures.annual_turnover,
        "exposure": figures.mean_exposure,
        "hit_rate": figures.hit_rate,
        "fees_fraction": figures.fees_fraction,
        "excess_sharpe": sharpe_estimate(excess, traded.sessions_per_year).value,
        "sessions": figures.n_sessions,
        "sessions_per_year": traded.sessions_per_year,
        "mean_mae": _mean(account.trade_array["mae"]),
        "mean_mfe": _mean(account.trade_array["mfe"]),
        **_capacity(backtests, market),
    }
    return {
        "metrics": {key: plain(value) for key, value in metrics.items()},
        "paid": _paid(account),
        "n_bars": len(account),
        "window": [str(day) for day in session_days(account.time[[0, -1]])],
        "series": put_arrays(artifacts, "series", _series(traded, market)),
        "orders": put_arrays(artifacts, "orders", _orders(traded, market)),
    }


def _capacity(backtests: Backtests, market: Mapping[str, MarketSeries]) -> dict[str, float]:
    """Return the accounts that take 1 % and 5 % of volume: of several instruments, as many times the least one's as there are.

    The volume of an index is that of its members' shares, in which nothing of the index is traded: NaN.
    """
    if any(market[symbol].instrument.kind == "index" for symbol in backtests):
        return dict.fromkeys(("capacity_1_percent", "capacity_5_percent"), math.nan)
    found = [capacity(own, market[symbol].bars, market[symbol].instrument.multiplier) for symbol, own in backtests.items()]
    least = np.min([(one.at_1_percent, one.at_5_percent) for one in found], axis=0) * len(found)
    return {"capacity_1_percent": float(least[0]), "capacity_5_percent": float(least[1])}


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if len(values) else math.nan


def entry_days(traded: Traded, market: Mapping[str, MarketSeries]) -> IntArray:
    """Return the day on which each trade opened, days since 1970, instrument by instrument."""
    opened = [
        session_days(market[symbol].bars.time[stitched.trade_array["entry_row"].astype(np.int64)]).astype(np.int64)
        for symbol, stitched in zip(traded.account.instruments, traded.stitched, strict=True)
    ]
    return np.concatenate(opened)


def _paid(account: StitchedResult) -> dict[str, dict[str, float]]:
    """Return what trading and holding cost and brought in all: in currency, and over the equity before each bar, summed."""
    shares = {name: over_equity(account, getattr(account, name)) for name in PAID}
    return {"currency": {name: float(getattr(account, name).sum()) for name in PAID}, "share_of_equity": shares}


def _orders(traded: Traded, market: Mapping[str, MarketSeries]) -> Arrays:
    """Return the log of all orders, the trades that they make as traded, and the rows of each instrument's folds, (n_folds, 2) each."""
    spans = {
        f"spans_{index}": np.array(spans_of(market[symbol].bars, stitched.time, stitched.fold_ids), dtype=np.int64)
        for index, (symbol, stitched) in enumerate(zip(traded.account.instruments, traded.stitched, strict=True))
    }
    return {"orders": traded.account.order_array, "trades": traded.account.traded_array, **spans}


def _series(traded: Traded, market: Mapping[str, MarketSeries]) -> Arrays:
    account, holding = traded.account, traded.holding
    own = session_returns(account.time, account.equity, account.capital)
    held = session_returns(holding.time, holding.equity, holding.capital)
    arrays: Arrays = {
        "sessions_per_year": np.array(traded.sessions_per_year),
        "dates": own.date.astype("datetime64[D]").astype(np.int64),
        "returns": in_excess_of_cash(own.returns, traded.risk_free, traded.sessions_per_year),
        "excess": compounded_by_session(account.time, account.excess).returns,
        "holding_returns": in_excess_of_cash(held.returns, traded.risk_free, traded.sessions_per_year),
        "equity": account.equity / account.capital,
        "drawdown": drawdown(account.equity, account.capital),
        "exposure": account.exposure,
        "holding_equity": holding.equity / holding.capital,
        "capital": np.array(account.capital),
        "bar_times": account.time.astype("datetime64[ns]").astype(np.int64),
        "bar_days": session_days(account.time).astype(np.int64),
        "fold_ids": account.fold_ids,
    }
    timing, earned = [], []
    for symbol, stitched in zip(account.instruments, traded.stitched, strict=True):
        series = market[symbol]
        position, returns = held_and_earned(stitched, series)
        rows = np.searchsorted(account.time, stitched.time)
        timing.append(_placed(position - stitched.matched_exposure, rows, len(account)) / len(traded.stitched))
        earned.append(_placed(returns, rows, len(account)))
    return arrays | {
        "timing": np.stack(timing, axis=1),
        "timing_returns": np.stack(earned, axis=1),
        "entry_days": entry_days(traded, market),
    }


def held_and_earned(stitched: StitchedResult, series: MarketSeries) -> tuple[FloatArray, FloatArray]:
    """Return the position held through each bar and what the instrument returned meanwhile, from fill price to fill price.

    `close` basis: what was held at the close before earns this bar's close-to-close return. `open` basis: what is held once the bar's open
    has filled earns the return from this open to the next. What fills inside the bar, at a limit or a stop, counts from the next bar on: an
    exit there would else be spared the loss that brought it about, and an entry be given the move that led to it.
    """
    if series.instrument.fill_basis == "close":
        return np.concatenate(([0.0], stitched.exposure[:-1])), stitched.instrument_returns
    rows = np.searchsorted(series.bars.time, stitched.time)
    price = series.bars.open
    following = np.minimum(rows + 1, len(price) - 1)
    return _held_from_the_open(stitched, price, rows), price[following] / price[rows] - 1.0


def _held_from_the_open(stitched: StitchedResult, open_: FloatArray, rows: NDArray[np.intp]) -> FloatArray:
    """Return (n_bars,) the exposure after what filled at each bar's open: as it closes, or as it opens where more fills inside the bar."""
    log = stitched.order_array
    if not len(log):
        return stitched.exposure
    price = log["price"] - log["slippage"] / log["units"]
    inside = np.flatnonzero(np.abs(price - open_[log["row"]]) > _SAME_PRICE * price)
    row, first = np.unique(log["row"][inside], return_index=True)
    units = np.concatenate(([0.0], log["held"][:-1]))[inside[first]]
    bars = np.searchsorted(rows, row)
    before = np.concatenate(([stitched.capital], stitched.equity[:-1]))[bars]
    exposure = stitched.exposure.copy()
    exposure[bars] = np.where(before > 0.0, units * open_[row] / np.where(before > 0.0, before, 1.0), 0.0)
    return exposure


def _placed(values: FloatArray, rows: NDArray[np.intp], n: int) -> FloatArray:
    placed = np.zeros(n)
    placed[rows] = values
    return placed
