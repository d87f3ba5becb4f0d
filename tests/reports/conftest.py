"""A campaign as a lab would report it, from a seed: nothing here was computed on real bars."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nullalpha.reports.detail import CampaignFacts, ExperimentDetail, FoldLine, RuleLine, ZoneLine
from nullalpha.tools.contract import (
    CampaignResult,
    DataRef,
    ExperimentRecord,
    LessonRecord,
    Lockbox,
    Metrics,
    Validation,
    Verdict,
)

FAMILIES = ("rsi_reversal", "trend_pullback", "breakout_volatility", "macd_momentum", "bollinger_fade", "adx_regime")
FOLD_STARTS = ("2004-06-14", "2006-05-22", "2008-04-29", "2010-04-06", "2012-03-14")


def metrics(rng: np.random.Generator, n_trials: int) -> Metrics:
    excess = float(rng.normal(0.0, 0.35))
    error = float(rng.uniform(0.25, 0.38))
    raw = 0.3 + 0.8 * excess
    return Metrics(
        sharpe=raw,
        sharpe_se=error,
        sharpe_low=raw - 1.64 * error,
        sharpe_high=raw + 1.64 * error,
        excess_sharpe=excess,
        excess_sharpe_se=error,
        excess_sharpe_low=excess - 1.64 * error,
        excess_sharpe_high=excess + 1.64 * error,
        psr=float(rng.uniform(0.2, 0.98)),
        dsr=float(rng.uniform(0.01, 0.6)),
        dsr_trials=n_trials,
        min_track_sessions=float(rng.uniform(900, 9000)),
        random_entry_p=float(np.clip(0.5 - 0.6 * excess, 0.004, 0.99)),
        annual_return=0.04 + 0.06 * excess,
        annual_volatility=0.11,
        max_drawdown=-float(rng.uniform(0.08, 0.38)),
        n_trades=int(rng.integers(18, 420)),
        turnover=float(rng.uniform(4, 60)),
        exposure=float(rng.uniform(0.2, 0.9)),
        hit_rate=float(rng.uniform(0.44, 0.6)),
        fees_fraction=float(rng.uniform(0.01, 0.09)),
        buy_and_hold_sharpe=0.31,
        sessions=2423,
        sessions_per_year=252,
    )


def experiment(i: int, rng: np.random.Generator, n_trials: int) -> ExperimentRecord:
    figures = metrics(rng, n_trials)
    assert figures.excess_sharpe is not None
    reject = figures.excess_sharpe <= 0 or (figures.random_entry_p or 1) > 0.2
    reasons = []
    if figures.excess_sharpe <= 0:
        reasons.append(f"excess Sharpe {figures.excess_sharpe:.2f} is not above 0.00: holding did as well")
    if (figures.random_entry_p or 0) > 0.2:
        reasons.append(f"random entry does as well with probability {figures.random_entry_p:.3f}, above 0.20: no timing is seen")
    reasons.append("7.3 independent samples for each of 44 parameters, under 10")
    return ExperimentRecord(
        id=f"x-{i:04x}{rng.integers(16**8):08x}",
        name=f"{FAMILIES[i % len(FAMILIES)]}_{i + 1}",
        fingerprint=f"{rng.integers(16**12):064x}",
        designer="search",
        status="done",
        verdict="reject" if reject else "iterate",
        reasons=reasons,
        metrics=figures,
        validation=None,
        report=None,
        campaign_id="c-20261120-4f7k2m",
        instruments=["SPX", "IXIC"],
    )


def campaign(n: int = 24, seed: int = 7, n_shortlisted: int = 0, n_home: int | None = None) -> CampaignResult:
    """Return a finished campaign; the best eight are validated, of ten or more one failed and one never compiled.

    `n_home` is how many trials the home made by its end; by default this campaign's own.
    """
    rng = np.random.default_rng(seed)
    tried = n - 1 if n >= 10 else n
    experiments = [experiment(i, rng, tried if n_home is None else n_home) for i in range(n)]
    best = sorted(range(n), key=lambda i: -(experiments[i].metrics or Metrics()).excess_sharpe)[:8] if n else []  # type: ignore[operator]
    for rank, i in enumerate(best):
        verdict: Verdict = "shortlist" if rank < n_shortlisted else "reject"
        p = 0.03 if verdict == "shortlist" else float(rng.uniform(0.15, 0.9))
        reason = f"excess Sharpe {rng.normal(0.1, 0.3):.2f} on the validation zone with p {p:.3f} over all that was validated there"
        tail = "is within q 0.10" if verdict == "shortlist" else "is not within q 0.10: the best of so many would do as well by luck"
        experiments[i] = experiments[i].model_copy(
            update={
                "validation": Validation(excess_sharpe=float(rng.normal(0.1, 0.3)), p_stepm=p, n_joint=8),
                "verdict": verdict,
                "reasons": [f"{reason} {tail}", *experiments[i].reasons],
            }
        )
    if n >= 10:
        gone = {"metrics": None, "validation": None}
        last = [i for i in range(n) if i not in best][-2:]
        experiments[last[0]] = experiments[last[0]].model_copy(
            update={**gone, "status": "failed", "verdict": None, "reasons": ["training diverged: a loss became NaN or infinite"]}
        )
        experiments[last[1]] = experiments[last[1]].model_copy(
            update={**gone, "status": "invalid", "verdict": None, "fingerprint": None, "reasons": ["features.rsi.period: 0 is below 2"]}
        )
    return CampaignResult(
        campaign_id="c-20261120-4f7k2m",
        status="done",
        protocol_hash="9f2c7d1e5a" * 6 + "abcd",
        data=[
            DataRef(instrument="SPX", snapshot="ab12" * 16, first="1999-01-04", last="2018-12-31", n_bars=5031),
            DataRef(instrument="IXIC", snapshot="cd34" * 16, first="1999-01-04", last="2018-12-31", n_bars=5031),
        ],
        trials=tried,
        experiments=experiments,
        lessons=lessons([record.id for record in experiments]),
        lockbox=Lockbox(openings=[]),
        seconds=131.4,
        home="/home/mira/lab",
        seed=seed,
        designer="search",
    )


def lessons(ids: list[str]) -> list[LessonRecord]:
    texts = (
        "Strategies trained on triple_barrier labels did better than the others: mean excess Sharpe +0.14 in 8 trials, -0.06 in the 14 "
        "without; difference +0.20, 90 % interval +0.01 to +0.39.",
        "Strategies that use rsi (relative strength index) cannot be told apart from the others: mean excess Sharpe -0.11 in 9 trials, "
        "+0.08 in the 13 without; difference -0.19, 90 % interval -0.44 to +0.06.",
        f"{len(ids)} trials, {max(0, len(ids) - 2)} with an out-of-sample figure. 11 comparisons were made at 90 %, so about 1 would "
        "look real by chance; trials share data and were not assigned at random.",
    )
    window = ("1999-01-04", "2014-02-21")
    return [LessonRecord(id=f"l-{i:012x}", text=text, evidence=ids, window=window) for i, text in enumerate(texts) if ids]


def detail(experiment_id: str, seed: int, n: int = 2423) -> ExperimentDetail:
    """Return ten years of sessions with folds, rules and a document."""
    rng = np.random.default_rng(seed)
    dates = np.datetime64("2004-06-14") + np.arange(n) * 7 // 5
    equity = np.exp(np.cumsum(rng.normal(0.0002, 0.007, n)))
    holding = np.exp(np.cumsum(rng.normal(0.0002, 0.012, n)))
    return ExperimentDetail(
        experiment_id=experiment_id,
        dates=dates.astype("datetime64[D]"),
        equity=equity,
        buy_and_hold=holding,
        drawdown=equity / np.maximum.accumulate(np.maximum(equity, 1.0)) - 1.0,
        fold_starts=FOLD_STARTS,
        words="Looks at RSI(14), the 60-day return and the distance to the 200-day average, each daily.\n"
        "A first-order ANFIS with 4 rules predicts the 10-day forward return; long above +0.20, short below -0.35.\n"
        "Sized to 10 % volatility, at most 1.0 of equity; leaves after 20 bars, at a 4 % stop or an 8 % target.",
        rules=tuple(
            RuleLine(
                text=text,
                firing_share=share,
                contribution=share**2,
                needed=share > 0.3,
                lean=share * 0.4 - 0.1,
                consequent="0.10 + 0.31 rsi - 0.08 roc",
                sets=("rsi low: gaussian centre 28.1, width 6.3", "trend up: sigmoid centre 0.02, slope 41"),
                group=group,
            )
            for group in ("SPX, fold 5", "IXIC, fold 5")
            for text, share in (("trend is up and rsi is low", 0.41), ("trend is up and rsi is not low", 0.33), ("trend is down", 0.26))
        ),
        folds=tuple(
            FoldLine(k + 1, ("1999-01-04", start), (start, "2012-03-13"), group, 17 + k, 0.6912, 0.6927, 0.6931, 0.6932, 0.6933, 0.6929)
            for group in ("SPX", "IXIC")
            for k, start in enumerate(FOLD_STARTS)
        ),
        pruning=("SPX: 2 of 3 rules give 0.97 of what it says (R2); side agreement 0.99; loss 0.6925, 0.6927 with all",),
        baselines="On the rows that chose when to stop, its loss is below that of gradient boosting in 1 of 5 refits.",
        notes=("in more than half of its refits every signal of the test had the same sign",),
        yaml="name: rsi_reversal\nfeatures:\n  rsi: {indicator: rsi, period: 14}\n  trend: {indicator: sma_distance, period: 200}\n"
        "rules:\n  - if trend is up and rsi is low then long 1.0\n",
    )


def details(result: CampaignResult) -> dict[str, ExperimentDetail]:
    return {record.id: detail(record.id, seed=i) for i, record in enumerate(result.experiments) if record.metrics is not None}


def facts() -> CampaignFacts:
    return CampaignFacts(
        brief="Pullbacks in an uptrend on US indices; nothing that trades more than weekly.",
        zones=(
            ZoneLine("search", "1999-01-04", "2014-02-21"),
            ZoneLine("validation", "2014-02-21", "2016-12-30"),
            ZoneLine("lockbox", "2016-12-30", "2019-01-01"),
        ),
        protocol=(("folds", "5, expanding"), ("purge", "41 bars"), ("validated", "best 8, once"), ("q", "0.10"), ("min trades", "30")),
        finished="2026-11-20 14:03 UTC",
    )


@pytest.fixture
def make_campaign() -> Callable[..., CampaignResult]:
    return campaign


@pytest.fixture
def make_details() -> Callable[[CampaignResult], dict[str, ExperimentDetail]]:
    return details


@pytest.fixture
def make_detail() -> Callable[..., ExperimentDetail]:
    return detail


@pytest.fixture
def some_facts() -> CampaignFacts:
    return facts()
