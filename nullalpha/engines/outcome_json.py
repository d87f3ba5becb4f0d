"""An experiment's outcome as JSON and artifacts: what is recorded of it, and what evidence and reports are computed from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.data.bars import Bars, session_days
from nullalpha.engines.account_json import account_body, entry_days
from nullalpha.engines.experiment import ExperimentOutcome, FoldOutcome, MarketSeries
from nullalpha.engines.learned_json import baselines_json, influence_json, pruning_json, rule_json
from nullalpha.engines.outside import SignalOutcome
from nullalpha.engines.plain import plain
from nullalpha.engines.training.weights import weights_to_bytes

__all__ = ["outcome_body", "plain", "signal_body"]


def outcome_body(outcome: ExperimentOutcome, market: Mapping[str, MarketSeries], artifacts: ArtifactStore) -> dict[str, Any]:
    """Store an outcome's arrays and weights and return everything else as JSON; a missing figure is null."""
    backtests = {symbol: [fold.backtest for fold in outcome.folds if fold.instrument == symbol] for symbol in outcome.plan.instruments}
    return {
        "status": "done",
        "fingerprint": outcome.plan.fingerprint,
        **account_body(outcome, backtests, market, artifacts),
        "facts": _facts(outcome, market),
        "last_weights": _store_weights(outcome, artifacts),
        "first_test_row": min(fold.fold.test_start for fold in outcome.folds),
        "folds": [_fold_json(fold, market[fold.instrument].bars) for fold in outcome.folds],
        "rules": {symbol: [rule_json(rule, outcome.plan) for rule in rules] for symbol, rules in outcome.rules.items()},
        "pruning": {symbol: [pruning_json(one) for one in reports] for symbol, reports in outcome.prunings.items()},
        "set_influences": {symbol: [influence_json(item) for item in items] for symbol, items in outcome.set_influences.items()},
    }


def signal_body(outcome: SignalOutcome, market: Mapping[str, MarketSeries], artifacts: ArtifactStore) -> dict[str, Any]:
    """Store an outside signal's arrays and return everything else as JSON; it has no folds and no rules."""
    facts = {"n_sessions": outcome.performance.n_sessions, "n_entry_days": len(np.unique(entry_days(outcome, market)))}
    account = account_body(outcome, {symbol: [outcome.backtest] for symbol in market}, market, artifacts)
    return {**account, "facts": facts, "folds": [], "rules": {}, "last_weights": None}


def _facts(outcome: ExperimentOutcome, market: Mapping[str, MarketSeries]) -> dict[str, Any]:
    """Return what the gates need besides figures."""
    reports = [fold.baseline for fold in outcome.folds if fold.baseline is not None]
    smallest = min(fold.n_train_rows for fold in outcome.folds)
    return {
        "diverged": False,
        "n_parameters": outcome.plan.n_parameters,
        "n_independent_samples": smallest / max(1, outcome.plan.labels.horizon_bars),
        "n_sessions": outcome.performance.n_sessions,
        "n_entry_days": len(np.unique(entry_days(outcome, market))),
        "beats_baseline": _most(r.model_loss < r.zero_loss for r in reports),
        "beats_majority": _most(r.model_loss < r.majority_loss for r in reports),
        "beats_linear": _most(r.model_loss < r.linear_loss for r in reports),
        "beats_boosting": _most(r.model_loss < r.boosting_loss for r in reports),
        "collapsed": _most(bool(fold.predicts_one_side) for fold in outcome.folds) if reports else None,
    }


def _most(answers: Iterable[bool]) -> bool | None:
    """Return whether most folds say yes; None if none was asked."""
    said = list(answers)
    return sum(said) > len(said) / 2 if said else None


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
        "baselines": None if outcome.baseline is None else baselines_json(outcome.baseline),
        "n_trades": len(outcome.backtest.trade_array),
        "return": plain(float(outcome.backtest.equity[-1] / outcome.backtest.capital - 1.0)),
    }
