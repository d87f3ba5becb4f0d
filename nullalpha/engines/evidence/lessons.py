"""Lessons: what the trials so far say about which choices go with out-of-sample results, in words, figures and doubt.

Computed from recorded trials alone, the same whatever their order. Associations over trials that designers chose, not experiments
with random assignment; the summary says so. Sharpe ratios annual.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student_t

from nullalpha.core.errors import DataError
from nullalpha.core.ids import derived_id
from nullalpha.engines.evidence.deflation import expected_maximum_sharpe

MAX_FACTOR_LESSONS = 12
MIN_GROUP = 3
LEVEL = 0.9


@dataclass(frozen=True)
class TrialFacts:
    """What a lesson may use of one trial.

    Attributes:
        experiment_id: unique.
        excess_sharpe, sharpe: annual, out of sample in the search zone; NaN where the trial has no figure.
        factors: factor kind to the levels that the trial has, e.g. {"indicator": {"rsi", "roc"}, "model": {"anfis"}}.
    """

    experiment_id: str
    excess_sharpe: float
    sharpe: float
    factors: Mapping[str, AbstractSet[str]]


@dataclass(frozen=True)
class Lesson:
    """One sentence with its figures.

    Attributes:
        id: derived from what the lesson says and rests on.
        text: plain words.
        evidence: ids of every trial that was compared, sorted.
        window: first and last date of the data seen, ISO 8601; usable only where that window ends before the asker's validation zone.
        kind: `factor` or `summary`.
        factor, level: what was compared; empty in the summary.
        difference, low, high: mean excess Sharpe ratio with less without, and its 90 % interval; NaN in the summary.
        n_with, n_without: trials compared.
    """

    id: str
    text: str
    evidence: tuple[str, ...]
    window: tuple[str, str]
    kind: str
    factor: str = ""
    level: str = ""
    difference: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    n_with: int = 0
    n_without: int = 0


@dataclass(frozen=True)
class Welch:
    """Difference of two means with its interval and t; undefined figures are NaN."""

    difference: float
    low: float
    high: float
    t: float


def learn(records: Sequence[TrialFacts], window: tuple[str, str], subjects: Mapping[tuple[str, str], str] | None = None) -> list[Lesson]:
    """Return at most 12 lessons about factors, the clearest first, and one summary at the end; empty without trials.

    Each factor level with at least 3 trials with it and 3 without is compared by a Welch interval; differences whose interval leaves out
    zero come first, then the others, each by their t. Trials without a figure take no part in comparisons and are counted in the summary.

    Args:
        subjects: by factor kind and level, who a lesson is about in words, e.g. {("model", "anfis"): "ANFIS strategies"}; without it,
            `Strategies with <kind> <level>`.
    Raises:
        DataError: if an experiment id occurs twice.
    Source: Welch (1947), Biometrika 34(1-2).
    """
    ids = [record.experiment_id for record in records]
    if len(set(ids)) != len(ids):
        twice = sorted({name for name in ids if ids.count(name) > 1})[0]
        raise DataError(f"experiment {twice} occurs twice among the trials", path="records", value=twice)
    if not records:
        return []
    ordered = sorted(records, key=lambda record: record.experiment_id)
    scored = [record for record in ordered if math.isfinite(record.excess_sharpe)]
    compared = _compare_levels(scored, window, subjects or {})
    compared.sort(key=lambda pair: (_undecided(pair[1]), -pair[0], pair[1].factor, pair[1].level))
    lessons = [lesson for _, lesson in compared[:MAX_FACTOR_LESSONS]]
    return [*lessons, _summary(ordered, scored, len(compared), window)]


def welch(with_level: Sequence[float], without: Sequence[float], level: float = LEVEL) -> Welch:
    """Return mean(with) - mean(without) and its interval; NaN bounds if a group has under 2 values or neither varies."""
    a, b = np.asarray(with_level, dtype=np.float64), np.asarray(without, dtype=np.float64)
    nan = float("nan")
    difference = float(a.mean() - b.mean()) if len(a) and len(b) else nan
    if len(a) < 2 or len(b) < 2:
        return Welch(difference, nan, nan, nan)
    va, vb = float(a.var(ddof=1)) / len(a), float(b.var(ddof=1)) / len(b)
    if va + vb < 1e-24:
        return Welch(difference, nan, nan, nan)
    degrees = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    error = math.sqrt(va + vb)
    margin = float(student_t.ppf((1 + level) / 2, degrees)) * error
    return Welch(difference, difference - margin, difference + margin, difference / error)


def _undecided(lesson: Lesson) -> bool:
    return lesson.low <= 0 <= lesson.high


def _compare_levels(
    scored: Sequence[TrialFacts], window: tuple[str, str], subjects: Mapping[tuple[str, str], str]
) -> list[tuple[float, Lesson]]:
    """Return (|t|, lesson) for each comparable level; a level that is only its kind's other level reversed is left out."""
    found: list[tuple[float, Lesson]] = []
    kinds = sorted({kind for record in scored for kind in record.factors})
    for kind in kinds:
        seen: set[tuple[bool, ...]] = set()
        for level in sorted({name for record in scored for name in record.factors.get(kind, ())}):
            has = tuple(level in record.factors.get(kind, ()) for record in scored)
            if tuple(not one for one in has) in seen:
                continue
            seen.add(has)
            if min(sum(has), len(has) - sum(has)) < MIN_GROUP:
                continue
            a = [record.excess_sharpe for record, one in zip(scored, has, strict=True) if one]
            b = [record.excess_sharpe for record, one in zip(scored, has, strict=True) if not one]
            result = welch(a, b)
            if math.isfinite(result.t):
                subject = subjects.get((kind, level), f"Strategies with {kind} {level}")
                found.append((abs(result.t), _factor_lesson(kind, level, subject, a, b, result, scored, window)))
    return found


def _factor_lesson(
    kind: str,
    level: str,
    subject: str,
    a: Sequence[float],
    b: Sequence[float],
    result: Welch,
    scored: Sequence[TrialFacts],
    window: tuple[str, str],
) -> Lesson:
    if result.low > 0:
        claim = "did better than the others"
    elif result.high < 0:
        claim = "did worse than the others"
    else:
        claim = "cannot be told apart from the others"
    text = (
        f"{subject} {claim}: mean excess Sharpe {np.mean(a):+.2f} in {len(a)} trials, {np.mean(b):+.2f} in the {len(b)} without; "
        f"difference {result.difference:+.2f}, 90 % interval {result.low:+.2f} to {result.high:+.2f}."
    )
    evidence = tuple(record.experiment_id for record in scored)
    return Lesson(
        id=derived_id("l", text, *window, *evidence),
        text=text,
        evidence=evidence,
        window=window,
        kind="factor",
        factor=kind,
        level=level,
        difference=result.difference,
        low=result.low,
        high=result.high,
        n_with=len(a),
        n_without=len(b),
    )


def _summary(ordered: Sequence[TrialFacts], scored: Sequence[TrialFacts], n_comparisons: int, window: tuple[str, str]) -> Lesson:
    sentences = [f"{len(ordered)} trials, {len(scored)} with an out-of-sample figure."]
    if scored:
        best = min(scored, key=lambda record: (-record.excess_sharpe, record.experiment_id))
        values = np.array([record.excess_sharpe for record in scored])
        sentences.append(f"Best excess Sharpe {best.excess_sharpe:+.2f} ({best.experiment_id}), mean {values.mean():+.2f}.")
        if len(scored) >= 2:
            luck = expected_maximum_sharpe(len(ordered), float(values.var(ddof=1)))
            verdict = "not above" if best.excess_sharpe <= luck else "above"
            sentences.append(
                f"The best of {len(ordered)} independent trials without skill and with this spread would be expected near {luck:+.2f} "
                f"by luck alone; the best here is {verdict} that."
            )
    if n_comparisons:
        by_chance = max(1, round(n_comparisons * (1 - LEVEL)))
        sentences.append(
            f"{n_comparisons} comparisons were made at 90 %, so about {by_chance} would look real by chance; trials share data and "
            "were not assigned at random."
        )
    text = " ".join(sentences)
    evidence = tuple(record.experiment_id for record in ordered)
    return Lesson(id=derived_id("l", text, *window, *evidence), text=text, evidence=evidence, window=window, kind="summary")
