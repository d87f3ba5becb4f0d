"""The protocol: how every experiment of a campaign is cut into folds and judged. Frozen and hashed; no designer can change it."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass

import numpy as np

from nullalpha.core.errors import InsufficientBarsError
from nullalpha.core.fingerprint import fingerprint
from nullalpha.data.bars import Bars, IntArray

MIN_TRAIN_ROWS = 250
MIN_TEST_ROWS = 20


@dataclass(frozen=True)
class Protocol:
    """Rules that hold for every trial.

    Attributes:
        n_folds, first_train_fraction: walk-forward through the search zone: the first fold's test begins after this share of the zone's
            calendar span; the rest is cut into `n_folds` equal spans. Training always starts with the first bar (expanding window).
        n_sealed_folds: refits through the validation zone and through the lockbox.
        purge_bars: bars left out between training and what it is judged on; at least the longest label and its entry delay.
        stop_fraction: last share of a training window, itself purged, that decides when training stops.
        k_best, q: how many trials a campaign validates, and the joint error rate at which one is shortlisted.
        min_trades: fewer out-of-sample trades, opened on different days, support no claim.
        max_random_entry_p: above it a strategy does no better than entering at random.
        capital: of each backtest, in the instrument's currency.
        engine: that runs the backtests, by its name in `backtest.engines.registry`.
        risk_free: a year, fraction: what Sharpe ratios and everything made of returns are in excess of.
        cash_interest, cash_debit: a year, fractions: what cash earns and what borrowed cash costs.
        exposure_prior_bars: bars before a fold over which its strategy's exposure is taken as what exposure-matched holding starts from.
        generation_size, shard_size: candidates designed together; candidates computed together. Fixed, so that no figure depends on
            how many workers there are.
    """

    n_folds: int = 5
    first_train_fraction: float = 0.4
    n_sealed_folds: int = 2
    purge_bars: int = 41
    stop_fraction: float = 0.15
    k_best: int = 8
    q: float = 0.10
    min_trades: int = 30
    max_random_entry_p: float = 0.20
    random_entry_draws: int = 500
    bootstrap_reps: int = 1000
    interval_level: float = 0.90
    joint_test_reps: int = 2000
    attack_cuts: int = 8
    capital: float = 1_000_000.0
    engine: str = "nullalpha"
    risk_free: float = 0.0
    cash_interest: float = 0.0
    cash_debit: float = 0.0
    exposure_prior_bars: int = 500
    generation_size: int = 8
    shard_size: int = 4

    def hash(self, *context: object) -> str:
        """Return the hash of the protocol together with what it applies to (zones, instruments with their costs)."""
        return fingerprint([asdict(self), *context])


@dataclass(frozen=True)
class Span:
    """A zone's half-open stretch of calendar time, ISO dates; `name` is `search`, `validation` or `lockbox`.

    Attributes:
        tested_from: where the first test begins, after `start`; None: where the protocol says.
    """

    name: str
    start: str
    end: str
    tested_from: str | None = None


@dataclass(frozen=True)
class Fold:
    """One refit: row indices into the instrument's bars.

    `train_rows` and `stop_rows` end `purge_bars` before what follows them; the test is rows `test_start` up to `test_stop`.
    """

    index: int
    train_rows: IntArray
    stop_rows: IntArray
    test_start: int
    test_stop: int


def fold_boundaries(protocol: Protocol, span: Span) -> list[np.datetime64]:
    """Return the `n_folds + 1` times at which test folds begin and end, the same for every instrument."""
    start, end = np.datetime64(span.tested_from or span.start, "ns"), np.datetime64(span.end, "ns")
    length = (end - start).astype(np.int64)
    n_folds = protocol.n_folds if span.name == "search" else protocol.n_sealed_folds
    first = protocol.first_train_fraction if span.name == "search" and span.tested_from is None else 0.0
    shares = [first + (1.0 - first) * k / n_folds for k in range(n_folds + 1)]
    return [(start + np.timedelta64(int(share * length), "ns")).astype("datetime64[D]") for share in shares[:-1]] + [end]


def walk_forward(protocol: Protocol, span: Span, bars: Bars) -> tuple[Fold, ...]:
    """Cut an instrument's bars into folds.

    Args:
        bars: all bars known before the span's end; what precedes the span is training data.
    Raises:
        InsufficientBarsError: if a fold's training or test rows are too few.
    """
    edges = [int(np.searchsorted(bars.time, edge)) for edge in fold_boundaries(protocol, span)]
    folds = []
    for index, (test_start, test_stop) in enumerate(itertools.pairwise(edges)):
        window = max(0, test_start - protocol.purge_bars)
        stop_start = int(window * (1.0 - protocol.stop_fraction))
        train_stop = max(0, stop_start - protocol.purge_bars)
        if train_stop < MIN_TRAIN_ROWS or test_stop - test_start < MIN_TEST_ROWS:
            raise InsufficientBarsError(
                f"{bars.instrument} has {train_stop} training and {test_stop - test_start} test bars in fold {index + 1} of the "
                f"{span.name} zone; at least {MIN_TRAIN_ROWS} and {MIN_TEST_ROWS} are needed",
                path=f"folds.{index}",
                value=len(bars),
                suggestion="use a longer history or a shorter timeframe; beside older instruments, give it a home of its own (--home)",
            )
        folds.append(Fold(index, np.arange(train_stop), np.arange(stop_start, window), test_start, test_stop))
    return tuple(folds)


def first_training_stop(protocol: Protocol, span: Span, bars: Bars) -> int:
    """Return the row before which everything lies in the first fold's training window; what designers may measure features on."""
    edge = int(np.searchsorted(bars.time, fold_boundaries(protocol, span)[0]))
    return max(0, edge - protocol.purge_bars)
