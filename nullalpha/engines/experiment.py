"""The whole chain without a model or a database: compiled strategies and bars in, out-of-sample accounts and trained rules out.

    outcomes = run_experiments([plan], market, Protocol(), span, seed=0)

features -> labels -> folds -> train -> signal -> target -> backtest by fold -> stitch -> combine. Pure: the same inputs give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nullalpha.core.errors import NotFoundError, NullAlphaError, TrainingDivergedError, UsageError
from nullalpha.core.fingerprint import derive_seed
from nullalpha.data.bars import Bars, FloatArray, IntArray
from nullalpha.data.instruments import Instrument
from nullalpha.engines.backtest.decision import ExitDistances, exit_distances, target_positions
from nullalpha.engines.backtest.metrics import Performance, performance
from nullalpha.engines.backtest.result import BacktestResult
from nullalpha.engines.backtest.run import buy_and_hold, run_backtest
from nullalpha.engines.backtest.stitch import StitchedResult, combine, stitch
from nullalpha.engines.features.pipeline import compute_features
from nullalpha.engines.features.volatility import atr, trailing_volatility
from nullalpha.engines.protocol import Fold, Protocol, Span, walk_forward
from nullalpha.engines.training.baselines import BaselineReport, compare_with_baselines
from nullalpha.engines.training.fit import EpochProgress, FitResult, fit_population
from nullalpha.engines.training.labels import make_labels
from nullalpha.engines.training.population import FitTask
from nullalpha.engines.training.predict import predict_signal
from nullalpha.engines.training.rulebook import RuleSummary, describe_rules
from nullalpha.strategy.plan import Plan

FIXED_SIZE_VOLATILITY_BARS = 20


@dataclass(frozen=True)
class MarketSeries:
    """One instrument's bars, up to the end of the zone and no further, with what trading it costs."""

    instrument: Instrument
    bars: Bars


@dataclass(frozen=True)
class FoldOutcome:
    """One refit of one instrument: its model, what it was fitted on, and the backtest of what it had not seen.

    `predicts_one_side`: every signal of the test had the same sign, so the model says no more than "up" or "down".
    `prior_exposure`: (n,) what the same model would have held over the bars before the test: what it is matched with.
    """

    instrument: str
    fold: Fold
    fit: FitResult
    baseline: BaselineReport | None
    predicts_one_side: bool
    backtest: BacktestResult
    prior_exposure: FloatArray
    n_train_rows: int


@dataclass(frozen=True)
class ExperimentOutcome:
    """One strategy walked forward through a span.

    Attributes:
        stitched: by instrument; `account` holds them side by side, `holding` holds the instruments themselves at the same costs.
        rules: of the last fold of each instrument, after training.
        sessions_per_year: the annualisation factor, of the first instrument.
    """

    plan: Plan
    folds: tuple[FoldOutcome, ...]
    stitched: tuple[StitchedResult, ...]
    account: StitchedResult
    holding: StitchedResult
    performance: Performance
    rules: Mapping[str, Sequence[RuleSummary]]
    sessions_per_year: int


Outcome = ExperimentOutcome | NullAlphaError
Progress = Callable[[Plan, EpochProgress], None]


def run_experiments(
    plans: Sequence[Plan],
    market: Mapping[str, MarketSeries],
    protocol: Protocol,
    span: Span,
    *,
    seed: int,
    device: str = "cpu",
    progress: Progress | None = None,
) -> list[Outcome]:
    """Run strategies one after another; what fails gives its error in its place and stops no other.

    Args:
        market: instruments by symbol; their bars end where the span ends.
        seed: the campaign's; each model's own is derived from it, the strategy's fingerprint, the instrument and the fold.
    """
    outcomes: list[Outcome] = []
    for plan in plans:
        try:
            outcomes.append(run_experiment(plan, market, protocol, span, seed=seed, device=device, progress=progress))
        except NullAlphaError as error:
            outcomes.append(error)
    return outcomes


def run_experiment(
    plan: Plan,
    market: Mapping[str, MarketSeries],
    protocol: Protocol,
    span: Span,
    *,
    seed: int,
    device: str = "cpu",
    progress: Progress | None = None,
) -> ExperimentOutcome:
    """Train and backtest one strategy fold by fold; all its folds and instruments train together.

    Raises:
        NotFoundError: if an instrument of the strategy has no bars.
        UsageError: if its instruments have different numbers of sessions a year.
        TrainingDivergedError: if a fold's loss became NaN or infinite.
        InsufficientBarsError, DataError: if an instrument's bars do not carry the protocol's folds or the strategy's features.
    """
    missing = [symbol for symbol in plan.instruments if symbol not in market]
    if missing:
        raise NotFoundError(
            f"{plan.name} trades {missing[0]}, of which no bars were given",
            path="instruments",
            value=missing[0],
            suggestion=f"there are bars of {', '.join(sorted(market))}",
        )
    factor = _common_factor(plan, market)
    prepared = [_prepare(plan, market[symbol], protocol, span, seed) for symbol in plan.instruments]
    tasks = [task for series in prepared for task in series.tasks]
    report = None if progress is None else (lambda epoch: progress(plan, epoch))
    fits = fit_population(plan, tasks, device=device, progress=report)
    folds: list[FoldOutcome] = []
    stitched, held = [], []
    rules: dict[str, Sequence[RuleSummary]] = {}
    offset = 0
    for series in prepared:
        own = fits[offset : offset + len(series.tasks)]
        offset += len(series.tasks)
        outcomes = [_trade(plan, series, i, fit, protocol) for i, fit in enumerate(own)]
        folds += outcomes
        stitched.append(stitch([outcome.backtest for outcome in outcomes], [outcome.prior_exposure for outcome in outcomes]))
        held.append(_hold(series, protocol))
        last_train = series.tasks[-1].train_rows
        rules[series.symbol] = describe_rules(plan, own[-1].weights, series.features[last_train])
    account = combine(stitched)
    return ExperimentOutcome(plan, tuple(folds), tuple(stitched), account, combine(held), performance(account, factor), rules, factor)


def _common_factor(plan: Plan, market: Mapping[str, MarketSeries]) -> int:
    factors = {symbol: market[symbol].instrument.sessions_per_year for symbol in plan.instruments}
    if len(set(factors.values())) > 1:
        raise UsageError(
            f"{plan.name} holds instruments with different numbers of sessions a year ({factors}); its figures would have no one factor",
            path="instruments",
            value=factors,
            suggestion="trade them in strategies of their own",
        )
    return next(iter(factors.values()))


def signal_of(plan: Plan, weights: Mapping[str, FloatArray], bars: Bars) -> FloatArray:
    """Return the signal (n_bars,) of a trained strategy: the one path from bars to signal, used here, in attacks and live."""
    return predict_signal(plan, weights, compute_features(plan.features, bars))


@dataclass(frozen=True)
class _Prepared:
    symbol: str
    series: MarketSeries
    features: FloatArray
    folds: tuple[Fold, ...]
    tasks: tuple[FitTask, ...]
    volatility: FloatArray
    exits: ExitDistances
    bars_per_year: float


def _prepare(plan: Plan, series: MarketSeries, protocol: Protocol, span: Span, seed: int) -> _Prepared:
    bars = series.bars
    features = compute_features(plan.features, bars)
    labels = make_labels(plan.labels, bars, series.instrument.fill_basis)
    complete = np.isfinite(features).all(axis=1) & np.isfinite(labels.value)
    folds = walk_forward(protocol, span, bars)
    tasks = []
    for fold in folds:
        fold_seed = derive_seed(seed, plan.fingerprint, bars.instrument, span.name, fold.index)
        train = _usable(fold.train_rows, complete, labels.end_row, int(fold.stop_rows[0]))
        stop = _usable(fold.stop_rows, complete, labels.end_row, fold.test_start)
        tasks.append(FitTask(x=features, y=labels.value, train_rows=train, stop_rows=stop, seed=fold_seed))
    return _Prepared(
        symbol=bars.instrument,
        series=series,
        features=features,
        folds=folds,
        tasks=tuple(tasks),
        volatility=trailing_volatility(bars, plan.decision.sizing.volatility_bars or FIXED_SIZE_VOLATILITY_BARS),
        exits=exit_distances(plan.decision.exits, bars.close, atr(bars)),
        bars_per_year=bars_per_year(bars, series.instrument),
    )


def _usable(rows: IntArray, complete: np.ndarray[tuple[int], np.dtype[np.bool_]], end_row: IntArray, before: int) -> IntArray:
    """Return the rows with features and a label whose last price lies before row `before`."""
    kept: IntArray = rows[complete[rows] & (end_row[rows] < before)]
    return kept


def _trade(plan: Plan, series: _Prepared, index: int, fit: FitResult, protocol: Protocol) -> FoldOutcome:
    fold, task = series.folds[index], series.tasks[index]
    if fit.diverged:
        raise TrainingDivergedError(
            f"training of {plan.name} on {series.symbol} diverged in fold {fold.index + 1} after {fit.epochs_run} epochs",
            path=f"folds.{fold.index}",
            suggestion="lower training.learning_rate",
        )
    signal = predict_signal(plan, fit.weights, series.features)
    before = max(0, fold.test_start - protocol.exposure_prior_bars)
    prior = _backtest(plan, series, signal, before, fold.test_start, protocol).exposure
    backtest = _backtest(plan, series, signal, fold.test_start, fold.test_stop, protocol)
    rows = slice(fold.test_start, fold.test_stop)
    baseline = compare_with_baselines(plan, fit.weights, task) if plan.model != "rules" else None
    signs = np.sign(signal[rows][np.isfinite(signal[rows])])
    one_side = bool(len(np.unique(signs)) == 1)
    return FoldOutcome(series.symbol, fold, fit, baseline, one_side, backtest, prior, len(task.train_rows))


def _backtest(plan: Plan, series: _Prepared, signal: FloatArray, start: int, stop: int, protocol: Protocol) -> BacktestResult:
    """Trade the signal over rows [start, stop), flat before and after."""
    bars, instrument = series.series.bars, series.series.instrument
    inside = np.full(len(bars), np.nan)
    inside[start:stop] = signal[start:stop]
    return run_backtest(
        bars,
        target_positions(plan.decision, inside, series.volatility, series.bars_per_year),
        costs=instrument.costs,
        fill_basis=instrument.fill_basis,
        exits=series.exits,
        capital=protocol.capital,
        start_row=start,
        stop_row=stop,
    )


def bars_per_year(bars: Bars, instrument: Instrument) -> float:
    """Return how many bars a year holds: the instrument's sessions a year times the bars of a session."""
    sessions = len(np.unique(bars.time.astype("datetime64[D]")))
    return instrument.sessions_per_year * len(bars) / sessions


def _hold(series: _Prepared, protocol: Protocol) -> StitchedResult:
    held = buy_and_hold(
        series.series.bars,
        costs=series.series.instrument.costs,
        fill_basis=series.series.instrument.fill_basis,
        capital=protocol.capital,
        start_row=series.folds[0].test_start,
        stop_row=series.folds[-1].test_stop,
    )
    return stitch([held])
