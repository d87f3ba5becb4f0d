"""From folds to one out-of-sample account, and from several instruments' accounts to one.

Money is scaled: each fold starts flat with the equity that the folds before it reached. Where costs are fractions and units need not be
whole, a backtest's returns do not depend on its capital; where they do, let each fold start with what the one before left. Nothing is
annualised here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from nullalpha.core.errors import DataError, InsufficientBarsError
from nullalpha.data.bars import FloatArray, IntArray, TimeArray
from nullalpha.engines.backtest.exposure import excess_returns, matched_exposure
from nullalpha.engines.backtest.orders import OrderArray, orders_of, scaled_orders
from nullalpha.engines.backtest.result import BacktestResult, returns_of
from nullalpha.engines.backtest.trades import Trade, TradeArray, as_trades, scaled_trades


@dataclass(frozen=True)
class StitchedResult:
    """One account over several folds, of one instrument or of several held side by side.

    Attributes:
        instruments: symbols; `trade_array`'s `instrument` counts into them.
        capital: equity before the first bar.
        time, equity, returns, exposure: (n_bars,) at each close; exposure is signed position value over equity.
        instrument_returns: (n_bars,) close-to-close; of several instruments, weighted by their accounts' equity before the bar.
        matched_exposure: (n_bars,) what exposure-matched holding holds in each bar, known before it; NaN where there was nothing to match.
        excess: (n_bars,) returns, without interest on cash, minus those of the matched exposure, matched fold by fold and instrument by
            instrument.
        fold_ids: (n_bars,) 0, 1, ... in order of time; of several instruments the latest fold that any of them has reached.
        commission, slippage, carry, interest, income, turnover_notional: (n_bars,) in currency, as in `BacktestResult`.
        trade_array, traded_array: (n_trades,) round trips at adjusted prices, and at the prices and in the units of their own days.
        order_array: (n_fills,) of `orders.ORDER_DTYPE`, instrument by instrument, in order of time.
        ruined: whether equity fell to 0 or below; nothing is traded after that.
    """

    instruments: tuple[str, ...]
    timeframe: str
    capital: float
    time: TimeArray
    equity: FloatArray
    returns: FloatArray
    exposure: FloatArray
    instrument_returns: FloatArray
    matched_exposure: FloatArray
    excess: FloatArray
    fold_ids: IntArray
    commission: FloatArray
    slippage: FloatArray
    carry: FloatArray
    interest: FloatArray
    income: FloatArray
    turnover_notional: FloatArray
    trade_array: TradeArray
    traded_array: TradeArray
    order_array: OrderArray
    ruined: bool

    def __len__(self) -> int:
        return len(self.time)

    @property
    def fees(self) -> FloatArray:
        """(n_bars,) commission, half spread, slippage and carry of each bar, in currency."""
        return self.commission + self.slippage + self.carry

    @property
    def trades(self) -> tuple[Trade, ...]:
        """Every round trip, instrument by instrument, oldest exit first."""
        return as_trades(self.trade_array, self.instruments)

    @property
    def trades_as_traded(self) -> tuple[Trade, ...]:
        """Every round trip at the prices and in the units of its own days."""
        return as_trades(self.traded_array, self.instruments)


def stitch(results: Sequence[BacktestResult], priors: Sequence[FloatArray] | None = None) -> StitchedResult:
    """Chain consecutive folds of one instrument into one out-of-sample account.

    A fold after ruin is not traded: equity stays where it was, exposure and costs are 0.

    Args:
        results: oldest first, not overlapping; a single backtest is one fold. The account starts with the first one's capital.
        priors: the strategy's exposure at the closes before each fold, for exposure-matched holding; without one, the first bar of a
            fold has no excess (NaN).
    Raises:
        InsufficientBarsError: if there is no fold.
        DataError: if folds overlap, are out of order, or belong to different instruments or timeframes.
    """
    _check_folds(results)
    capital = reached = results[0].capital
    factors: list[float] = []
    equity: list[FloatArray] = []
    for result in results:
        factor = reached / result.capital if reached > 0.0 else 0.0
        part = result.equity * factor if reached > 0.0 else np.full(len(result), reached)
        factors.append(factor)
        equity.append(part)
        reached = float(part[-1])
    pairs = list(zip(results, factors, strict=True))
    whole = np.concatenate(equity)
    returns = np.concatenate([r.returns * (f > 0.0) for r, f in pairs])
    exposure = np.concatenate([r.exposure * (f > 0.0) for r, f in pairs])
    instrument_returns = np.concatenate([r.instrument_returns for r in results])
    fold_ids = np.repeat(np.arange(len(results)), [len(r) for r in results])
    earned = np.concatenate([_share_of_equity(r, r.interest) * (f > 0.0) for r, f in pairs])
    matched = matched_exposure(exposure, fold_ids, [np.zeros(0)] * len(results) if priors is None else priors)
    return StitchedResult(
        instruments=(results[0].instrument,),
        timeframe=results[0].timeframe,
        capital=capital,
        time=np.concatenate([r.time for r in results]),
        equity=whole,
        returns=returns,
        exposure=exposure,
        instrument_returns=instrument_returns,
        matched_exposure=matched,
        excess=excess_returns(returns - earned, matched, instrument_returns),
        fold_ids=fold_ids,
        commission=np.concatenate([r.commission * f for r, f in pairs]),
        slippage=np.concatenate([r.slippage * f for r, f in pairs]),
        carry=np.concatenate([r.carry * f for r, f in pairs]),
        interest=np.concatenate([r.interest * f for r, f in pairs]),
        income=np.concatenate([r.income * f for r, f in pairs]),
        turnover_notional=np.concatenate([r.turnover_notional * f for r, f in pairs]),
        trade_array=np.concatenate([scaled_trades(r.trade_array, f) for r, f in pairs if f > 0.0]),
        traded_array=np.concatenate([scaled_trades(r.traded_array, f) for r, f in pairs if f > 0.0]),
        order_array=np.concatenate([scaled_orders(orders_of(r, fold), f) for fold, (r, f) in enumerate(pairs) if f > 0.0]),
        ruined=bool(whole.min() <= 0.0),
    )


def _share_of_equity(result: BacktestResult, money: FloatArray) -> FloatArray:
    """Return (n_rows,) money of each bar over the equity before it; 0 once there is none."""
    before = np.concatenate(([result.capital], result.equity[:-1]))
    return np.where(before > 0.0, money / np.where(before > 0.0, before, 1.0), 0.0)


def combine(results: Sequence[StitchedResult], capital: float | None = None) -> StitchedResult:
    """Hold several accounts side by side: the capital is divided equally once, and never rebalanced.

    Equity is the accounts' sum on the union of their times; an account without a bar at a time keeps its last equity and position
    value, and before its first bar it is cash. Instrument and excess returns are weighted by the accounts' equity before the bar.

    Args:
        results: of different instruments and one timeframe.
        capital: to divide; the first account's if None. Money is scaled to it: where lots, least commissions or caps count, let each
            account have traded its share.
    Raises:
        InsufficientBarsError: if there is nothing to combine.
        DataError: if an instrument comes twice, or timeframes differ.
    """
    _check_accounts(results)
    capital = results[0].capital if capital is None else capital
    share = capital / len(results)
    time = np.unique(np.concatenate([r.time for r in results]))
    scales = [share / r.capital for r in results]
    equities = np.array([_carried(r, r.equity * s, time, share) for r, s in zip(results, scales, strict=True)])  # (accounts, bars)
    values = np.array([_carried(r, r.exposure * r.equity * s, time, 0.0) for r, s in zip(results, scales, strict=True)])
    equity = equities.sum(axis=0)
    before = np.concatenate((np.full((len(results), 1), share), equities[:, :-1]), axis=1)
    total = before.sum(axis=0)
    weights = np.where(total > 0.0, before / np.where(total > 0.0, total, 1.0), 0.0)
    scaled = list(zip(results, scales, strict=True))
    return StitchedResult(
        instruments=tuple(symbol for r in results for symbol in r.instruments),
        timeframe=results[0].timeframe,
        capital=capital,
        time=time,
        equity=equity,
        returns=returns_of(equity, capital),
        exposure=np.where(equity > 0.0, values.sum(axis=0) / np.where(equity > 0.0, equity, 1.0), 0.0),
        instrument_returns=_weighted([_placed(r, r.instrument_returns, time) for r in results], weights),
        matched_exposure=_weighted([_placed(r, r.matched_exposure, time) for r in results], weights),
        excess=_weighted([_placed(r, r.excess, time) for r in results], weights),
        fold_ids=np.max([_carried(r, r.fold_ids, time, 0) for r in results], axis=0),
        commission=np.sum([_placed(r, r.commission * s, time) for r, s in scaled], axis=0),
        slippage=np.sum([_placed(r, r.slippage * s, time) for r, s in scaled], axis=0),
        carry=np.sum([_placed(r, r.carry * s, time) for r, s in scaled], axis=0),
        interest=np.sum([_placed(r, r.interest * s, time) for r, s in scaled], axis=0),
        income=np.sum([_placed(r, r.income * s, time) for r, s in scaled], axis=0),
        turnover_notional=np.sum([_placed(r, r.turnover_notional * s, time) for r, s in scaled], axis=0),
        trade_array=_all_trades([r.trade_array for r in results], results, scales),
        traded_array=_all_trades([r.traded_array for r in results], results, scales),
        order_array=_all_orders(results, scales),
        ruined=bool(equity.min() <= 0.0),
    )


def _placed(result: StitchedResult, values: FloatArray, time: TimeArray) -> FloatArray:
    """Return what happened in each bar of `time`; 0 where the account had no bar, since nothing happened to it there."""
    placed = np.zeros(len(time))
    placed[np.searchsorted(time, result.time)] = values
    return placed


def _carried(result: StitchedResult, values: FloatArray | IntArray, time: TimeArray, before: float) -> FloatArray | IntArray:
    """Return the last known value at each `time`; `before` where there is none yet."""
    last = np.searchsorted(result.time, time, side="right") - 1
    return np.where(last >= 0, values[np.maximum(last, 0)], np.asarray(before, dtype=values.dtype))


def _weighted(rows: list[FloatArray], weights: FloatArray) -> FloatArray:
    summed: FloatArray = (np.array(rows) * weights).sum(axis=0)
    return summed


def _all_trades(trades: Sequence[TradeArray], results: Sequence[StitchedResult], scales: Sequence[float]) -> TradeArray:
    parts = []
    offset = 0
    for own, result, scale in zip(trades, results, scales, strict=True):
        part = scaled_trades(own, scale)
        part["instrument"] += offset
        offset += len(result.instruments)
        parts.append(part)
    return np.concatenate(parts)


def _all_orders(results: Sequence[StitchedResult], scales: Sequence[float]) -> OrderArray:
    parts = []
    offset = 0
    for result, scale in zip(results, scales, strict=True):
        part = scaled_orders(result.order_array, scale)
        part["instrument"] += offset
        offset += len(result.instruments)
        parts.append(part)
    return np.concatenate(parts)


def _check_folds(results: Sequence[BacktestResult]) -> None:
    if not results:
        raise InsufficientBarsError("there is no fold to stitch", path="stitch", suggestion="backtest at least one fold")
    for before, after in pairwise(results):
        if (before.instrument, before.timeframe) != (after.instrument, after.timeframe):
            raise DataError(
                f"folds of {before.instrument} {before.timeframe} and {after.instrument} {after.timeframe} cannot be stitched",
                path="stitch",
                suggestion="stitch each instrument, then `combine`",
            )
        if after.start_row < before.stop_row:
            raise DataError(
                f"fold [{after.start_row}, {after.stop_row}) begins before [{before.start_row}, {before.stop_row}) ends",
                path="stitch",
                suggestion="hand over folds in order of time, without overlap",
            )


def _check_accounts(results: Sequence[StitchedResult]) -> None:
    if not results:
        raise InsufficientBarsError("there is no account to combine", path="combine")
    symbols = [symbol for result in results for symbol in result.instruments]
    if len(set(symbols)) != len(symbols):
        raise DataError("an instrument comes twice", path="combine", value=symbols)
    if len({result.timeframe for result in results}) > 1:
        raise DataError("accounts of different timeframes", path="combine", value=[r.timeframe for r in results])
