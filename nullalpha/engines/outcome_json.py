"""An experiment's outcome as JSON and artifacts: what is recorded of it, and what evidence and reports are computed from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.data.bars import Bars, FloatArray, session_days
from nullalpha.engines.backtest.metrics import compounded_by_session, drawdown, session_returns
from nullalpha.engines.backtest.stitch import StitchedResult
from nullalpha.engines.evidence.sharpe import sharpe_estimate
from nullalpha.engines.experiment import ExperimentOutcome, FoldOutcome, MarketSeries
from nullalpha.engines.series import Arrays, put_arrays
from nullalpha.engines.training.parts import parts_of
from nullalpha.engines.training.rulebook import RuleSummary, SetInfluence
from nullalpha.engines.training.weights import weights_to_bytes
from nullalpha.strategy.plan import FeaturePlan, Plan


def outcome_body(outcome: ExperimentOutcome, market: Mapping[str, MarketSeries], artifacts: ArtifactStore) -> dict[str, Any]:
    """Store an outcome's arrays and weights and return everything else as JSON; a missing figure is null."""
    figures, account = outcome.performance, outcome.account
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
        "excess_sharpe": sharpe_estimate(excess, outcome.sessions_per_year).value,
        "sessions": figures.n_sessions,
        "sessions_per_year": outcome.sessions_per_year,
    }
    return {
        "status": "done",
        "fingerprint": outcome.plan.fingerprint,
        "metrics": {key: plain(value) for key, value in metrics.items()},
        "facts": _facts(outcome, market),
        "series": put_arrays(artifacts, "series", _series(outcome, market)),
        "last_weights": _store_weights(outcome, artifacts),
        "first_test_row": min(fold.fold.test_start for fold in outcome.folds),
        "folds": [_fold_json(fold, market[fold.instrument].bars) for fold in outcome.folds],
        "rules": {symbol: [_rule_json(rule, outcome.plan) for rule in rules] for symbol, rules in outcome.rules.items()},
        "set_influences": {symbol: [_influence_json(item) for item in items] for symbol, items in outcome.set_influences.items()},
    }


def _facts(outcome: ExperimentOutcome, market: Mapping[str, MarketSeries]) -> dict[str, Any]:
    """Return what the gates need besides figures."""
    reports = [fold.baseline for fold in outcome.folds if fold.baseline is not None]
    smallest = min(fold.n_train_rows for fold in outcome.folds)
    entered = [
        session_days(market[symbol].bars.time[stitched.trade_array["entry_row"].astype(np.int64)])
        for symbol, stitched in zip(outcome.plan.instruments, outcome.stitched, strict=True)
    ]
    return {
        "diverged": False,
        "n_parameters": outcome.plan.n_parameters,
        "n_independent_samples": smallest / max(1, outcome.plan.labels.horizon_bars),
        "n_sessions": outcome.performance.n_sessions,
        "n_entry_days": len(np.unique(np.concatenate(entered))),
        "beats_baseline": _most(r.model_loss < r.zero_loss for r in reports),
        "beats_linear": _most(r.model_loss < r.ridge_loss for r in reports),
        "collapsed": _most(bool(fold.predicts_one_side) for fold in outcome.folds) if reports else None,
    }


def _most(answers: Iterable[bool]) -> bool | None:
    """Return whether most folds say yes; None if none was asked."""
    said = list(answers)
    return sum(said) > len(said) / 2 if said else None


def _series(outcome: ExperimentOutcome, market: Mapping[str, MarketSeries]) -> Arrays:
    account, holding = outcome.account, outcome.holding
    own = session_returns(account.time, account.equity, account.capital)
    held = session_returns(holding.time, holding.equity, holding.capital)
    arrays: Arrays = {
        "sessions_per_year": np.array(outcome.sessions_per_year),
        "dates": own.date.astype("datetime64[D]").astype(np.int64),
        "returns": own.returns,
        "excess": compounded_by_session(account.time, account.excess).returns,
        "holding_returns": held.returns,
        "equity": account.equity / account.capital,
        "drawdown": drawdown(account.equity, account.capital),
        "exposure": account.exposure,
        "holding_equity": holding.equity / holding.capital,
        "bar_days": session_days(account.time).astype(np.int64),
        "fold_ids": account.fold_ids,
    }
    timing, earned, entry_days = [], [], []
    for index, (symbol, stitched) in enumerate(zip(outcome.plan.instruments, outcome.stitched, strict=True)):
        series, trades = market[symbol], stitched.trade_array
        position, returns = _held_and_earned(stitched, series)
        rows = np.searchsorted(account.time, stitched.time)
        timing.append(_placed(position - stitched.matched_exposure, rows, len(account)) / len(outcome.stitched))
        earned.append(_placed(returns, rows, len(account)))
        entry_days.append(session_days(series.bars.time[trades["entry_row"].astype(np.int64)]).astype(np.int64))
        arrays |= {
            f"entry_{index}": trades["entry_row"].astype(np.int64),
            f"exit_{index}": trades["exit_row"].astype(np.int64),
            f"side_{index}": trades["side"].astype(np.int64),
            f"units_{index}": trades["units"],
            f"entry_price_{index}": trades["entry_price"],
            f"exit_price_{index}": trades["exit_price"],
            f"pnl_{index}": trades["pnl"],
        }
    return arrays | {
        "timing": np.stack(timing, axis=1),
        "timing_returns": np.stack(earned, axis=1),
        "entry_days": np.concatenate(entry_days),
    }


def _held_and_earned(stitched: StitchedResult, series: MarketSeries) -> tuple[FloatArray, FloatArray]:
    """Return the position held through each bar and what the instrument returned meanwhile, from fill price to fill price.

    `close` basis: what was held at the close before earns this bar's close-to-close return. `open` basis: what is held at this close was
    filled at this open or before, and earns the return to the next open.
    """
    if series.instrument.fill_basis == "close":
        return np.concatenate(([0.0], stitched.exposure[:-1])), stitched.instrument_returns
    rows = np.searchsorted(series.bars.time, stitched.time)
    price = series.bars.open
    following = np.minimum(rows + 1, len(price) - 1)
    return stitched.exposure, price[following] / price[rows] - 1.0


def _placed(values: FloatArray, rows: NDArray[np.intp], n: int) -> FloatArray:
    placed = np.zeros(n)
    placed[rows] = values
    return placed


def _store_weights(outcome: ExperimentOutcome, artifacts: ArtifactStore) -> str | None:
    last: dict[str, FoldOutcome] = {fold.instrument: fold for fold in outcome.folds}
    named = {f"{symbol}/{key}": value for symbol, fold in last.items() for key, value in fold.fit.weights.items()}
    return artifacts.put("weights.safetensors", weights_to_bytes(named)) if named else None


def _fold_json(outcome: FoldOutcome, bars: Bars) -> dict[str, Any]:
    fold, fit = outcome.fold, outcome.fit
    dates = session_days(bars.time)
    return {
        "instrument": outcome.instrument,
        "fold": fold.index + 1,
        "train": [str(dates[fold.train_rows[0]]), str(dates[fold.train_rows[-1]])],
        "test": [str(dates[fold.test_start]), str(dates[fold.test_stop - 1])],
        "best_epoch": fit.best_epoch,
        "epochs_run": fit.epochs_run,
        "train_loss": plain(fit.train_loss),
        "stop_loss": plain(fit.stop_loss),
        "parts": {
            name: {
                "best_epoch": part.best_epoch,
                "epochs_run": part.epochs_run,
                "train_loss": plain(part.train_loss),
                "stop_loss": plain(part.stop_loss),
            }
            for name, part in fit.parts.items()
        },
        "baselines": None if outcome.baseline is None else {k: plain(v) for k, v in asdict(outcome.baseline).items()},
        "n_trades": len(outcome.backtest.trade_array),
        "return": plain(float(outcome.backtest.equity[-1] / outcome.backtest.capital - 1.0)),
    }


def _rule_json(rule: RuleSummary, plan: Plan) -> dict[str, Any]:
    """Return a rule after training; its linear answer names the features, on their standardised scale."""
    return {
        "member": rule.member,
        "text": rule.text,
        "firing_share": plain(rule.firing_share),
        "contribution": plain(rule.contribution),
        "lean": plain(rule.lean),
        "bias": plain(rule.bias),
        "coefficients": [
            {"feature": feature.name, "value": plain(value)}
            for feature, value in zip(_features_of(plan, rule.member), rule.coefficients, strict=False)
        ],
        "sets": [{"feature": s.feature, "name": s.name, "shape": s.shape, "params": [plain(p) for p in s.params]} for s in rule.sets],
    }


def _features_of(plan: Plan, member: str) -> tuple[FeaturePlan, ...]:
    """Return the features of a plan or, of an ensemble, those of one of its parts."""
    return next((part.plan.features for part in parts_of(plan) if part.name == member), plan.features)


def _influence_json(item: SetInfluence) -> dict[str, Any]:
    """Return what a set does to a network's output."""
    return {
        "member": item.member,
        "feature": item.set.feature,
        "name": item.set.name,
        "shape": item.set.shape,
        "params": [plain(p) for p in item.set.params],
        "membership": plain(item.membership),
        "effect": plain(item.effect),
        "lean": plain(item.lean),
        "share": plain(item.share),
    }


def plain(value: Any) -> Any:
    """Return a figure as JSON: a plain number, and null for NaN or an infinity, never 0."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
