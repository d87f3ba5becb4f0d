"""Figures of an account, on returns per session. Fractions, never percent; NaN where a figure is undefined, never 0.

Annual figures use the factor handed in (252, 260, 365: sessions a year) and carry it. The Sharpe ratio here is the bare ratio; its standard
error, and every judgement, belong to the evidence. It is of returns in excess of the risk-free rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nullalpha.core.errors import DataError, InsufficientBarsError, UsageError
from nullalpha.data.bars import FloatArray, TimeArray, session_days
from nullalpha.engines.backtest.result import returns_of
from nullalpha.engines.backtest.stitch import StitchedResult


@dataclass(frozen=True)
class SessionReturns:
    """Returns by UTC session date.

    Attributes:
        date: (n_sessions,) datetime64[D], rising.
        returns: (n_sessions,) over each session, the first against the capital.
    """

    date: TimeArray
    returns: FloatArray

    def __len__(self) -> int:
        return len(self.date)


@dataclass(frozen=True)
class Performance:
    """What an account earned and how.

    Attributes:
        n_sessions, sessions_per_year: what annual figures rest on; years = n_sessions / sessions_per_year.
        total_return: last equity over capital, minus 1.
        annual_return: geometric: (1 + total_return) ** (1 / years) - 1; NaN when more than the capital was lost.
        annual_volatility: standard deviation (n - 1) of session returns x sqrt(sessions_per_year).
        sharpe: mean, in excess of the risk-free rate, over standard deviation of session returns x sqrt(sessions_per_year); NaN when they
            do not vary.
        max_drawdown: deepest fall of equity at any bar's close from its running peak (capital included), <= 0.
        mean_exposure: mean of signed position value over equity.
        annual_turnover: notional traded over equity before the bar, summed, a year; buying and selling both count.
        n_trades: round trips.
        hit_rate: share of trades with pnl > 0, net of costs; NaN without trades.
        mean_holding_bars: mean of exit_row - entry_row; NaN without trades.
        fees_fraction: everything that trading and holding cost over equity before the bar, summed over all bars.
    """

    n_sessions: int
    sessions_per_year: float
    total_return: float
    annual_return: float
    annual_volatility: float
    sharpe: float
    max_drawdown: float
    mean_exposure: float
    annual_turnover: float
    n_trades: int
    hit_rate: float
    mean_holding_bars: float
    fees_fraction: float


def session_returns(time: TimeArray, equity: FloatArray, capital: float) -> SessionReturns:
    """Return equity's return over each UTC date: from the last close of the date before to the last close of the date.

    Daily bars come back one for one. A bar that closes at midnight belongs to the date that ends there.

    Args:
        time: (n_bars,) close times, rising.
        equity: (n_bars,) at those closes, in currency.
        capital: equity before the first bar.
    Raises:
        InsufficientBarsError: if there is no bar.
        DataError: if lengths differ.
    """
    date, last = _sessions(time, len(equity), "session_returns")
    return SessionReturns(date, returns_of(equity[last], capital))


def compounded_by_session(time: TimeArray, returns: FloatArray) -> SessionReturns:
    """Return bar returns compounded over each UTC date: for series that have no equity, such as excess returns.

    Raises:
        InsufficientBarsError: if there is no bar.
        DataError: if lengths differ.
    """
    date, last = _sessions(time, len(returns), "compounded_by_session")
    first = np.concatenate(([0], last[:-1] + 1))
    return SessionReturns(date, np.multiply.reduceat(1.0 + returns, first) - 1.0)


def drawdown(equity: FloatArray, capital: float) -> FloatArray:
    """Return the fall from the running peak at each bar.

    Args:
        equity: (n_bars,) account value at close, in currency.
        capital: equity before the first bar, > 0: the first peak.
    Returns:
        (n_bars,) fraction <= 0; 0 at each new peak; -1 or less once equity is 0 or below.
    Raises:
        InsufficientBarsError: if `equity` is empty.
    Source: Magdon-Ismail & Atiya (2004), Risk 17(10).
    """
    if len(equity) == 0:
        raise InsufficientBarsError("drawdown of no bars", path="drawdown")
    return equity / np.maximum(np.maximum.accumulate(equity), capital) - 1.0


def sharpe_ratio(returns: FloatArray, sessions_per_year: float) -> float:
    """Return mean over standard deviation (n - 1) x sqrt(sessions_per_year); NaN for fewer than 2 returns or none that vary.

    Args:
        returns: (n_sessions,) per session.
    Source: Sharpe (1994), Journal of Portfolio Management 21(1).
    """
    deviation = _deviation(returns)
    return float(returns.mean() / deviation * math.sqrt(sessions_per_year)) if deviation > 0.0 else math.nan


def annual_return(total_return: float, years: float) -> float:
    """Return the geometric rate a year; NaN when more than everything was lost, or no time went by."""
    if total_return < -1.0 or not years > 0.0:
        return math.nan
    return float((1.0 + total_return) ** (1.0 / years) - 1.0)


def in_excess_of_cash(returns: FloatArray, risk_free: float, sessions_per_year: float) -> FloatArray:
    """Return session returns less the risk-free rate of a session.

    Args:
        risk_free: a year, fraction, simple.
    """
    return returns - risk_free / sessions_per_year if risk_free else returns


def performance(result: StitchedResult, sessions_per_year: float, risk_free: float = 0.0) -> Performance:
    """Return the figures of an account; for a single backtest, of `stitch([result])`.

    Args:
        sessions_per_year: the instrument's own count, > 0.
        risk_free: a year, fraction.
    Raises:
        InsufficientBarsError: if there is no bar.
        UsageError: if sessions_per_year is not a positive number.
    """
    if not 0.0 < sessions_per_year < math.inf:
        raise UsageError("sessions_per_year must be a positive number", path="performance", value=sessions_per_year)
    sessions = session_returns(result.time, result.equity, result.capital)
    years = len(sessions) / sessions_per_year
    total = float(result.equity[-1] / result.capital - 1.0)
    trades = result.trade_array
    return Performance(
        n_sessions=len(sessions),
        sessions_per_year=sessions_per_year,
        total_return=total,
        annual_return=annual_return(total, years),
        annual_volatility=_deviation(sessions.returns) * math.sqrt(sessions_per_year),
        sharpe=sharpe_ratio(in_excess_of_cash(sessions.returns, risk_free, sessions_per_year), sessions_per_year),
        max_drawdown=float(drawdown(result.equity, result.capital).min()),
        mean_exposure=float(result.exposure.mean()),
        annual_turnover=over_equity(result, result.turnover_notional) / years,
        n_trades=len(trades),
        hit_rate=float((trades["pnl"] > 0.0).mean()) if len(trades) else math.nan,
        mean_holding_bars=float((trades["exit_row"] - trades["entry_row"]).mean()) if len(trades) else math.nan,
        fees_fraction=over_equity(result, result.fees),
    )


def over_equity(result: StitchedResult, money: FloatArray) -> float:
    """Sum money per bar over the equity before that bar, while there is any."""
    before = np.concatenate(([result.capital], result.equity[:-1]))
    return float((money[before > 0.0] / before[before > 0.0]).sum())


def _deviation(returns: FloatArray) -> float:
    """Return the standard deviation (n - 1); NaN for fewer than 2 returns, and exactly 0 when all are equal."""
    if len(returns) < 2:
        return math.nan
    return 0.0 if (returns == returns[0]).all() else float(returns.std(ddof=1))


def _sessions(time: TimeArray, n_values: int, path: str) -> tuple[TimeArray, np.ndarray[tuple[int], np.dtype[np.intp]]]:
    """Return the session dates and each one's last bar."""
    if len(time) != n_values:
        raise DataError(f"{len(time)} times for {n_values} values", path=path)
    if len(time) == 0:
        raise InsufficientBarsError("no bars to aggregate", path=path)
    date = session_days(time)
    last = np.flatnonzero(np.concatenate((date[1:] != date[:-1], [True])))
    return date[last], last
