"""The whole chain without a model or a database: compiled strategies and bars in, out-of-sample accounts and trained rules out.

    outcomes = run_experiments([plan], market, Protocol(), span, seed=0)

features -> labels -> folds -> train -> signal -> target -> backtest by fold -> stitch -> combine. Pure: the same inputs give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nullalpha.core.errors import NotFoundError, NullAlphaError, TrainingDivergedError, UsageError
from nullalpha.core.fingerprint import derive_seed
from nullalpha.data.bars import Bars, FloatArray, session_days
from nullalpha.data.instruments import Instrument
from nullalpha.engines.backtest.decision import EntryOrders, ExitDistances, entry_orders, exit_distances, target_positions
from nullalpha.engines.backtest.engines.registry import run_on
from nullalpha.engines.backtest.execution import CashRates, Execution, execution_of
from nullalpha.engines.backtest.metrics import Performance, performance
from nullalpha.engines.backtest.result import BacktestResult
from nullalpha.engines.backtest.stitch import StitchedResult, combine, stitch
from nullalpha.engines.features.cache import FeatureCache
from nullalpha.engines.features.pipeline import NO_OTHERS, compute_features
from nullalpha.engines.features.volatility import atr, trailing_volatility
from nullalpha.engines.protocol import Fold, Protocol, Span, walk_forward
from nullalpha.engines.training.baselines import BaselineReport, compare_with_baselines
from nullalpha.engines.training.ensemble import StrategyTask, fit_strategies, fit_task, label_plans
from nullalpha.engines.training.fit import EpochProgress, FitResult
from nullalpha.engines.training.labels import make_labels
from nullalpha.engines.training.predict import predict_signal
from nullalpha.engines.training.pruning import PruningReport, prune_strategy
from nullalpha.engines.training.rulebook import RuleSummary, SetInfluence, describe_rules, describe_sets
from nullalpha.strategy.plan import Plan
from nullalpha.strategy.timeframes import WEEK

WEEKS_PER_YEAR = 52


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
        rules: of the last fold of each instrument, after training; none of a network.
        set_influences: of the last fold of each instrument, what each set does to a network's output.
        sessions_per_year: the annualisation factor, of the first instrument.
        prunings: of the last fold of each instrument, which rules say what all of them say.
        risk_free: the protocol's; what figures of returns are in excess of.
    """

    plan: Plan
    folds: tuple[FoldOutcome, ...]
    stitched: tuple[StitchedResult, ...]
    account: StitchedResult
    holding: StitchedResult
    performance: Performance
    rules: Mapping[str, Sequence[RuleSummary]]
    set_influences: Mapping[str, Sequence[SetInfluence]]
    sessions_per_year: int
    prunings: Mapping[str, Sequence[PruningReport]]
    risk_free: float = 0.0


Outcome = ExperimentOutcome | NullAlphaError
Progress = Callable[[EpochProgress], None]


def run_experiments(
    plans: Sequence[Plan],
    market: Mapping[str, MarketSeries],
    protocol: Protocol,
    span: Span,
    *,
    seed: int,
    device: str = "cpu",
    deterministic: bool = False,
    progress: Progress | None = None,
    cache: FeatureCache | None = None,
    checkpoint: Path | None = None,
) -> list[Outcome]:
    """Train and backtest strategies fold by fold; what fails gives its error in its place and stops no other.

    All models of all strategies, folds and instruments are fitted as one batch.

    Args:
        market: instruments by symbol, those that features read among them; their bars end where the span ends.
        seed: the campaign's; each model's own is derived from it, the strategy's fingerprint, the instrument and the fold.
        deterministic: on CUDA, take only algorithms that give the same bits every time.
        progress: told once an epoch.
        cache: of computed columns, shared by the strategies.
        checkpoint: where the fit stands, so that it goes on from there if it was interrupted; see `fit.fit_many`.
    """
    prepared = [_prepared_or_why(plan, market, protocol, span, seed, cache) for plan in plans]
    ready = [(plan, one) for plan, one in zip(plans, prepared, strict=True) if not isinstance(one, NullAlphaError)]
    batch = [(plan, [task for series in one for task in series.tasks]) for plan, one in ready]
    fits = iter(fit_strategies(batch, device=device, deterministic=deterministic, progress=progress, checkpoint=checkpoint))
    return [
        one if isinstance(one, NullAlphaError) else _judged_or_why(plan, market, protocol, one, next(fits))
        for plan, one in zip(plans, prepared, strict=True)
    ]


def run_experiment(
    plan: Plan,
    market: Mapping[str, MarketSeries],
    protocol: Protocol,
    span: Span,
    *,
    seed: int,
    device: str = "cpu",
    progress: Progress | None = None,
    cache: FeatureCache | None = None,
) -> ExperimentOutcome:
    """Train and backtest one strategy; see `run_experiments`.

    Raises:
        NotFoundError: if an instrument of the strategy has no bars.
        UsageError: if its instruments have different numbers of sessions a year.
        TrainingDivergedError: if a fold's loss became NaN or infinite.
        InsufficientBarsError, DataError: if an instrument's bars do not carry the protocol's folds or the strategy's features.
    """
    (outcome,) = run_experiments([plan], market, protocol, span, seed=seed, device=device, progress=progress, cache=cache)
    if isinstance(outcome, NullAlphaError):
        raise outcome
    return outcome


def _prepared_or_why(
    plan: Plan, market: Mapping[str, MarketSeries], protocol: Protocol, span: Span, seed: int, cache: FeatureCache | None
) -> list[_Prepared] | NullAlphaError:
    try:
        return _prepare_all(plan, market, protocol, span, seed, cache)
    except NullAlphaError as error:
        return error


def _judged_or_why(
    plan: Plan,
    market: Mapping[str, MarketSeries],
    protocol: Protocol,
    prepared: Sequence[_Prepared],
    fits: Sequence[FitResult] | NullAlphaError,
) -> Outcome:
    if isinstance(fits, NullAlphaError):
        return fits
    try:
        return _judge(plan, market, protocol, prepared, fits)
    except NullAlphaError as error:
        return error


def _prepare_all(
    plan: Plan, market: Mapping[str, MarketSeries], protocol: Protocol, span: Span, seed: int, cache: FeatureCache | None
) -> list[_Prepared]:
    missing = [symbol for symbol in (*plan.instruments, *plan.other_instruments) if symbol not in market]
    if missing:
        raise NotFoundError(
            f"{plan.name} {'trades' if missing[0] in plan.instruments else 'reads'} {missing[0]}, of which no bars were given",
            path="instruments",
            value=missing[0],
            suggestion=f"there are bars of {', '.join(sorted(market))}",
        )
    _common_factor(plan, market)
    others = {symbol: market[symbol].bars for symbol in plan.other_instruments}
    return [_prepare(plan, market[symbol], others, protocol, span, seed, cache) for symbol in plan.instruments]


def _judge(
    plan: Plan, market: Mapping[str, MarketSeries], protocol: Protocol, prepared: Sequence[_Prepared], fits: Sequence[FitResult]
) -> ExperimentOutcome:
    """Backtest what was fitted and put its accounts together."""
    factor = _common_factor(plan, market)
    folds: list[FoldOutcome] = []
    stitched, held = [], []
    rules: dict[str, Sequence[RuleSummary]] = {}
    prunings: dict[str, Sequence[PruningReport]] = {}
    influences: dict[str, Sequence[SetInfluence]] = {}
    offset = 0
    for series in prepared:
        own = fits[offset : offset + len(series.tasks)]
        offset += len(series.tasks)
        outcomes = _trade_folds(plan, series, own, protocol, protocol.capital / len(prepared))
        folds += outcomes
        stitched.append(stitch([outcome.backtest for outcome in outcomes], [outcome.prior_exposure for outcome in outcomes]))
        held.append(_hold(series, protocol, protocol.capital / len(prepared)))
        last_train = series.tasks[-1].train_rows
        rules[series.symbol] = describe_rules(plan, own[-1].weights, series.features[last_train])
        prunings[series.symbol] = prune_strategy(plan, own[-1].weights, series.tasks[-1])
        influences[series.symbol] = describe_sets(plan, own[-1].weights, series.features, last_train)
    account = combine(stitched, protocol.capital)
    figures = performance(account, factor, protocol.risk_free)
    return ExperimentOutcome(
        plan,
        tuple(folds),
        tuple(stitched),
        account,
        combine(held, protocol.capital),
        figures,
        rules,
        influences,
        factor,
        prunings,
        protocol.risk_free,
    )


def _common_factor(plan: Plan, market: Mapping[str, MarketSeries]) -> int:
    factors = {symbol: periods_per_year(market[symbol].instrument, plan.timeframe) for symbol in plan.instruments}
    if len(set(factors.values())) > 1:
        raise UsageError(
            f"{plan.name} holds instruments with different numbers of sessions a year ({factors}); its figures would have no one factor",
            path="instruments",
            value=factors,
            suggestion="trade them in strategies of their own",
        )
    return next(iter(factors.values()))


def signal_of(plan: Plan, weights: Mapping[str, FloatArray], bars: Bars, others: Mapping[str, Bars] = NO_OTHERS) -> FloatArray:
    """Return the signal (n_bars,) of a trained strategy: the one path from bars to signal, used here, in attacks and live.

    Args:
        others: bars of the other instruments that its features read.
    """
    return predict_signal(plan, weights, compute_features(plan.features, bars, others))


@dataclass(frozen=True)
class _Prepared:
    symbol: str
    series: MarketSeries
    features: FloatArray
    folds: tuple[Fold, ...]
    tasks: tuple[StrategyTask, ...]
    volatility: FloatArray
    entry: EntryOrders | None
    exits: ExitDistances
    execution: Execution
    bars_per_year: float


def _prepare(
    plan: Plan,
    series: MarketSeries,
    others: Mapping[str, Bars],
    protocol: Protocol,
    span: Span,
    seed: int,
    cache: FeatureCache | None,
) -> _Prepared:
    bars = series.bars
    features = compute_features(plan.features, bars, others, cache)
    labels = {label: make_labels(label, bars, series.instrument.fill_basis) for label in label_plans(plan)}
    folds = walk_forward(protocol, span, bars)
    ranges = atr(bars)
    execution = execution_of(bars, series.instrument, CashRates(protocol.cash_interest, protocol.cash_debit))
    tasks = [
        StrategyTask(
            x=features,
            labels=labels,
            train_rows=fold.train_rows,
            stop_rows=fold.stop_rows,
            judged_from=fold.test_start,
            seed=derive_seed(seed, plan.fingerprint, bars.instrument, span.name, fold.index),
            round_trip=execution.round_trip(bars.close),
        )
        for fold in folds
    ]
    return _Prepared(
        symbol=bars.instrument,
        series=series,
        features=features,
        folds=folds,
        tasks=tuple(tasks),
        volatility=trailing_volatility(bars, plan.decision.sizing.volatility_bars),
        entry=entry_orders(plan.decision.entry, bars.close, ranges),
        exits=exit_distances(plan.decision.exits, bars.close, ranges),
        execution=execution,
        bars_per_year=bars_per_year(bars, series.instrument),
    )


def _trade_folds(plan: Plan, series: _Prepared, fits: Sequence[FitResult], protocol: Protocol, capital: float) -> list[FoldOutcome]:
    """Trade the folds one after the other, each with what the one before left: lots, least commissions and caps ask what money there is."""
    outcomes: list[FoldOutcome] = []
    for index, fit in enumerate(fits):
        outcomes.append(_trade(plan, series, index, fit, protocol, capital))
        left = float(outcomes[-1].backtest.equity[-1])
        capital = left if left > 0.0 else capital  # a ruined account trades no more; `stitch` leaves out what follows
    return outcomes


def _trade(plan: Plan, series: _Prepared, index: int, fit: FitResult, protocol: Protocol, capital: float) -> FoldOutcome:
    fold, task = series.folds[index], series.tasks[index]
    if fit.diverged:
        raise TrainingDivergedError(
            f"training of {plan.name} on {series.symbol} diverged in fold {fold.index + 1} after {fit.epochs_run} epochs",
            path=f"folds.{fold.index}",
            suggestion="lower training.learning_rate",
        )
    signal = predict_signal(plan, fit.weights, series.features)
    before = max(0, fold.test_start - protocol.exposure_prior_bars)
    prior = _backtest(plan, series, signal, slice(before, fold.test_start), protocol.engine, capital).exposure
    backtest = _backtest(plan, series, signal, slice(fold.test_start, fold.test_stop), protocol.engine, capital)
    rows = slice(fold.test_start, fold.test_stop)
    learned = fit_task(plan, task)
    baseline = compare_with_baselines(plan, fit.weights, learned) if any(part.trainable for part in plan.models) else None
    signs = np.sign(signal[rows][np.isfinite(signal[rows])])
    one_side = bool(len(np.unique(signs)) == 1)
    return FoldOutcome(series.symbol, fold, fit, baseline, one_side, backtest, prior, len(learned.train_rows))


def _backtest(plan: Plan, series: _Prepared, signal: FloatArray, rows: slice, engine: str, capital: float) -> BacktestResult:
    """Trade the signal over some rows, flat before and after."""
    bars = series.series.bars
    inside = np.full(len(bars), np.nan)
    inside[rows] = signal[rows]
    return run_on(
        engine,
        bars,
        target_positions(plan.decision, inside, series.volatility, series.bars_per_year),
        series.execution,
        entry=series.entry,
        exits=series.exits,
        capital=capital,
        start_row=rows.start,
        stop_row=rows.stop,
    )


def bars_per_year(bars: Bars, instrument: Instrument) -> float:
    """Return how many bars a year holds: the instrument's sessions a year times the bars of a session; of weekly bars, 52."""
    if bars.timeframe == WEEK:
        return float(periods_per_year(instrument, WEEK))
    days = session_days(bars.time) if bars.sessions is None else np.searchsorted(bars.sessions.close, bars.time)
    return instrument.sessions_per_year * len(bars) / len(np.unique(days))


def periods_per_year(instrument: Instrument, timeframe: str) -> int:
    """Return the factor that annualises returns by session; returns of weekly bars come once a week."""
    return min(instrument.sessions_per_year, WEEKS_PER_YEAR) if timeframe == WEEK else instrument.sessions_per_year


def _hold(series: _Prepared, protocol: Protocol, capital: float) -> StitchedResult:
    bars = series.series.bars
    held = run_on(
        protocol.engine,
        bars,
        np.ones(len(bars)),
        series.execution,
        capital=capital,
        start_row=series.folds[0].test_start,
        stop_row=series.folds[-1].test_stop,
    )
    return stitch([held])
