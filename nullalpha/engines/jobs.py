"""The work of worker processes: JSON and artifacts in, JSON and artifacts out. Each is a pure function of its payload."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.core.errors import NullAlphaError, TrainingDivergedError
from nullalpha.core.fingerprint import derive_seed
from nullalpha.data.bars import FloatArray, IntArray
from nullalpha.data.slices import read_slice
from nullalpha.engines.evidence.benchmark import benchmark_fit
from nullalpha.engines.evidence.bootstrap import sharpe_interval
from nullalpha.engines.evidence.deflation import deflated_sharpe, expected_maximum_sharpe, minimum_track_length, probabilistic_sharpe
from nullalpha.engines.evidence.lookahead import attack as attack_signal
from nullalpha.engines.evidence.random_entry import random_entry
from nullalpha.engines.evidence.sharpe import per_period_sharpe, sharpe_estimate
from nullalpha.engines.evidence.stepm import stepm_p_values
from nullalpha.engines.evidence.trials import effective_number_of_trials, overfitting_estimate
from nullalpha.engines.experiment import ExperimentOutcome, MarketSeries, run_experiments, signal_of
from nullalpha.engines.features.cache import FeatureCache
from nullalpha.engines.features.indicators.registry import VOCABULARY
from nullalpha.engines.order_log import instrument_of
from nullalpha.engines.outcome_json import outcome_body, plain, signal_body
from nullalpha.engines.outside import get_signal, run_signal
from nullalpha.engines.protocol import Protocol, Span
from nullalpha.engines.series import Arrays, get_arrays
from nullalpha.engines.training.fit import EpochProgress
from nullalpha.engines.training.weights import weights_from_bytes
from nullalpha.engines.unfinished import unfinished_fit
from nullalpha.strategy.compile import compile_strategy
from nullalpha.strategy.plan import Plan
from nullalpha.strategy.validate import parse_strategy

Payload = Mapping[str, Any]
Sink = Callable[[Mapping[str, Any]], None]
PROGRESS_SECONDS = 0.5
GOLD_BYTES = 2 * 1024**3
"""Computed columns kept on disk, least recently used first out; derived, so they can be deleted at any time."""


def warm(_payload: Payload, _artifacts: ArtifactStore, _progress: Sink) -> dict[str, Any]:
    """Import and compile what the other jobs need, while the first generation is still being designed."""
    torch.set_num_threads(1)
    return {}


def population(payload: Payload, artifacts: ArtifactStore, progress: Sink) -> dict[str, Any]:
    """Train and backtest strategies walk-forward through a span.

    Payload: documents, market {symbol: {slice, instrument}}, protocol, span, seed, device, deterministic, code. A fit that was interrupted
    goes on from where it stood when the same payload comes again.
    Returns: {experiments: [...]} in the order of the documents, each done or failed.
    """
    torch.set_num_threads(1)
    plans = [_plan(document) for document in payload["documents"]]
    market = _market(payload["market"], artifacts)
    protocol = Protocol(**payload["protocol"])
    with unfinished_fit(artifacts.root.parent / "fits", payload) as checkpoint:
        outcomes = run_experiments(
            plans,
            market,
            protocol,
            Span(**payload["span"]),
            seed=payload["seed"],
            device=payload["device"],
            deterministic=payload.get("deterministic", False),
            progress=_throttled(progress),
            cache=FeatureCache(artifacts.root.parent / "data" / "gold", GOLD_BYTES),
            checkpoint=checkpoint,
        )
    return {"experiments": [_outcome_json(outcome, payload["market"], market, artifacts) for outcome in outcomes]}


def signal(payload: Payload, artifacts: ArtifactStore, _progress: Sink) -> dict[str, Any]:
    """Backtest target positions that came from outside.

    Payload: signal (its artifact), market {symbol: {slice, instrument}} of one instrument, protocol, span.
    """
    ((symbol, series),) = _market(payload["market"], artifacts).items()
    protocol, span = Protocol(**payload["protocol"]), Span(**payload["span"])
    outcome = run_signal(get_signal(artifacts, payload["signal"]), series, protocol, span)
    return {"status": "done", **signal_body(outcome, {symbol: series}, artifacts), "market": dict(payload["market"])}


def attack(payload: Payload, artifacts: ArtifactStore, _progress: Sink) -> dict[str, Any]:
    """Attack the signal of the last fold's models with other futures, on every instrument of the strategy."""
    plan = _plan(payload["document"])
    weights = weights_from_bytes(artifacts.get(payload["weights"])) if payload["weights"] else {}
    findings, clean = [], True
    market = _market(payload["market"], artifacts)
    others = {symbol: market[symbol].bars for symbol in plan.other_instruments}
    for symbol in plan.instruments:
        series = market[symbol]
        own = {key.split("/", 1)[1]: value for key, value in weights.items() if key.startswith(f"{symbol}/")}
        report = attack_signal(
            lambda bars, others, own=own: signal_of(plan, own, bars, others),  # type: ignore[misc]
            series.bars,
            others,
            n_cuts=payload["cuts"],
            seed=derive_seed(payload["seed"], "attack", plan.fingerprint, symbol),
            first_row=payload["first_row"],
        )
        clean = clean and report.clean
        findings += [{"instrument": symbol, "kind": f.kind, "cut_row": f.cut_row, "row": f.row} for f in report.findings]
    return {"clean": clean, "n_cuts": payload["cuts"], "findings": findings}


def evidence(payload: Payload, artifacts: ArtifactStore, _progress: Sink) -> dict[str, Any]:
    """Compute one experiment's own figures from its stored series."""
    arrays = get_arrays(artifacts, payload["series"])
    protocol = Protocol(**payload["protocol"])
    factor = int(arrays["sessions_per_year"])
    returns, excess, held = arrays["returns"], arrays["excess"], arrays["holding_returns"]
    seed = derive_seed(payload["seed"], "evidence", payload["series"])
    raw, over, hold = (sharpe_estimate(series, factor) for series in (returns, excess, held))
    market_fit = benchmark_fit(returns, held, factor)
    level, reps = protocol.interval_level, protocol.bootstrap_reps
    raw_band = sharpe_interval(returns, factor, seed, level=level, reps=reps)
    over_band = sharpe_interval(excess, factor, seed + 1, level=level, reps=reps)
    figures = {
        "sharpe": raw.value,
        "sharpe_se": raw.standard_error,
        "sharpe_low": raw_band.low,
        "sharpe_high": raw_band.high,
        "excess_sharpe": over.value,
        "excess_sharpe_se": over.standard_error,
        "excess_sharpe_low": over_band.low,
        "excess_sharpe_high": over_band.high,
        "psr": probabilistic_sharpe(returns),
        "min_track_sessions": minimum_track_length(returns),
        "buy_and_hold_sharpe": hold.value,
        "session_sharpe": per_period_sharpe(returns),
        "alpha": market_fit.alpha,
        "alpha_t": market_fit.alpha_t,
        "beta": market_fit.beta,
        "random_entry_p": _random_entry_p(arrays, protocol, factor, seed + 2),
    }
    return {**{key: plain(value) for key, value in figures.items()}, "series": payload["series"]}


def joint_test(payload: Payload, artifacts: ArtifactStore, _progress: Sink) -> dict[str, Any]:
    """Test all validated strategies jointly: adjusted p-values, in the order of the series; one without a series enters as zeros."""
    stored = [None if sha is None else get_arrays(artifacts, sha) for sha in payload["series"]]
    if all(series is None for series in stored):
        return {"p_values": [None] * len(stored)}
    nothing = (np.zeros(0, np.int64), np.zeros(0))
    matrix = _aligned([nothing if series is None else (series["dates"], series["excess"]) for series in stored])
    return {"p_values": [plain(p) for p in stepm_p_values(matrix, payload["seed"], reps=payload["reps"])]}


def deflate(payload: Payload, artifacts: ArtifactStore, _progress: Sink) -> dict[str, Any]:
    """Deflate a campaign's Sharpe ratios by every trial of the home; ratios are per session."""
    sharpes = np.array([value for value in payload["trial_sharpes"] if value is not None], dtype=np.float64)
    n_trials = int(payload["n_trials"])
    dsr = {}
    for experiment_id, sha in payload["series"].items():
        returns = get_arrays(artifacts, sha)["returns"]
        dsr[experiment_id] = plain(deflated_sharpe(returns, sharpes, n_trials)) if len(sharpes) > 1 else None
    luck = expected_maximum_sharpe(n_trials, float(sharpes.var(ddof=1))) if len(sharpes) > 1 else math.nan
    return {
        "n_trials": n_trials,
        "expected_maximum_session_sharpe": plain(luck),
        "dsr": dsr,
        **_selection_figures([get_arrays(artifacts, sha) for _, sha in sorted(payload["series"].items())]),
    }


def _selection_figures(series: list[Arrays]) -> dict[str, Any]:
    """Return how many different strategies the campaign's trials were, and what choosing the best of them is worth (CSCV)."""
    if len(series) < 2:
        return {"effective_trials": len(series) or None, "pbo": None, "probability_of_loss": None}
    excess = _aligned([(arrays["dates"], arrays["excess"]) for arrays in series])
    estimate = overfitting_estimate(excess)
    return {
        "effective_trials": effective_number_of_trials(_aligned([(arrays["dates"], arrays["returns"]) for arrays in series])),
        "pbo": plain(estimate.pbo),
        "probability_of_loss": plain(estimate.probability_of_loss),
    }


def _aligned(series: list[tuple[IntArray, FloatArray]]) -> FloatArray:
    """Return (n_sessions, n_series) on the union of the dates; a session without a figure is 0."""
    days = np.unique(np.concatenate([dates for dates, _ in series]))
    matrix = np.zeros((len(days), len(series)))
    for column, (dates, values) in enumerate(series):
        matrix[np.searchsorted(days, dates), column] = values
    return matrix


def _outcome_json(
    outcome: ExperimentOutcome | NullAlphaError,
    given: Mapping[str, Any],
    market: Mapping[str, MarketSeries],
    artifacts: ArtifactStore,
) -> dict[str, Any]:
    if isinstance(outcome, NullAlphaError):
        return {"status": "failed", "error": outcome.to_dict(), "diverged": isinstance(outcome, TrainingDivergedError)}
    traded = {symbol: given[symbol] for symbol in outcome.plan.instruments}
    return {**outcome_body(outcome, market, artifacts), "market": traded}


def _random_entry_p(arrays: Mapping[str, Any], protocol: Protocol, factor: int, seed: int) -> float:
    """Return the p-value against random entry, all instruments turned together; NaN where nothing was traded."""
    if not len(arrays["entry_days"]):
        return math.nan
    bars_a_year = factor * len(arrays["timing"]) / len(np.unique(arrays["bar_days"]))
    return random_entry(
        arrays["timing"], arrays["timing_returns"], bars_per_year=bars_a_year, seed=seed, n_draws=protocol.random_entry_draws
    ).p


def _plan(document: Mapping[str, Any]) -> Plan:
    spec, _ = parse_strategy(document, VOCABULARY)
    return compile_strategy(spec, VOCABULARY)


def _market(market: Mapping[str, Any], artifacts: ArtifactStore) -> dict[str, MarketSeries]:
    return {
        symbol: MarketSeries(instrument_of(item["instrument"]), read_slice(artifacts, item["slice"])) for symbol, item in market.items()
    }


def _throttled(progress: Sink) -> Callable[[EpochProgress], None]:
    last = 0.0

    def report(epoch: EpochProgress) -> None:
        nonlocal last
        if time.monotonic() - last >= PROGRESS_SECONDS:
            last = time.monotonic()
            progress({"epoch": epoch.epoch, "epochs": epoch.epochs})

    return report
