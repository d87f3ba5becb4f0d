"""Lessons: figures against an independent library, honesty about doubt, and independence of order."""

import math
import random

import numpy as np
import pytest
from scipy.stats import ttest_ind

from nullalpha.core.errors import DataError
from nullalpha.engines.evidence.deflation import expected_maximum_sharpe
from nullalpha.engines.evidence.lessons import MAX_FACTOR_LESSONS, Lesson, TrialFacts, learn, welch

WINDOW = ("1999-01-04", "2012-12-31")


def trial(name: str, excess: float, **factors: set[str]) -> TrialFacts:
    return TrialFacts(name, excess, excess + 0.3, factors)


def lesson_on(lessons: list[Lesson], factor: str, level: str) -> Lesson:
    return next(lesson for lesson in lessons if (lesson.factor, lesson.level) == (factor, level))


def many(n: int, n_indicators: int = 20) -> list[TrialFacts]:
    rng = random.Random(4)
    return [
        trial(
            f"e-{i:03d}",
            rng.gauss(0.0, 0.4) + (1.0 if i % 2 else 0.0),
            model={"anfis" if i % 2 else "rules"},
            indicator={f"i{rng.randrange(n_indicators)}", f"i{rng.randrange(n_indicators)}"},
        )
        for i in range(n)
    ]


def test_the_interval_is_that_of_scipy() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(0.3, 1.0, 7), rng.normal(0.0, 0.2, 19)
    theirs = ttest_ind(a, b, equal_var=False)
    interval = theirs.confidence_interval(0.9)
    ours = welch(a, b)
    assert (ours.low, ours.high) == (pytest.approx(interval.low), pytest.approx(interval.high))
    assert (ours.difference, ours.t) == (pytest.approx(a.mean() - b.mean()), pytest.approx(theirs.statistic))


def test_a_lesson_says_what_was_compared_with_counts_and_doubt() -> None:
    records = [trial(f"e{i}", value, indicator={"rsi"}) for i, value in enumerate([0.0, 0.2, 0.4])]
    records += [trial(f"f{i}", value, indicator={"roc"}) for i, value in enumerate([-0.4, 0.0, 0.4])]
    lessons = learn(records, WINDOW)
    assert [lesson.kind for lesson in lessons] == ["factor", "summary"]
    lesson = lessons[0]
    assert (lesson.factor, lesson.level, lesson.n_with, lesson.n_without) == ("indicator", "roc", 3, 3)
    assert lesson.text.startswith(
        "Strategies with indicator roc cannot be told apart from the others: mean excess Sharpe +0.00 in 3 trials, +0.20 in the 3 without; "
        "difference -0.20, 90 % interval -0."
    )
    assert lesson.evidence == ("e0", "e1", "e2", "f0", "f1", "f2")
    assert lesson.window == WINDOW
    assert lesson.low < 0 < lesson.high


def test_a_clear_difference_is_called_one_and_comes_first() -> None:
    lessons = learn(many(40), WINDOW)
    assert (lessons[0].factor, lessons[0].level) == ("model", "anfis")
    assert lessons[0].low > 0
    assert lessons[0].text.startswith("Strategies with model anfis did better than the others: ")
    flipped = learn([TrialFacts(r.experiment_id, -r.excess_sharpe, r.sharpe, r.factors) for r in many(40)], WINDOW)
    assert flipped[0].text.startswith("Strategies with model anfis did worse than the others: ")


def test_a_lesson_speaks_of_its_subject_in_the_words_that_it_is_given() -> None:
    spoken = learn(many(40), WINDOW, {("model", "anfis"): "ANFIS strategies"})
    assert lesson_on(spoken, "model", "anfis").text.startswith("ANFIS strategies did better than the others: mean excess Sharpe ")
    assert [(x.factor, x.level, x.low, x.high) for x in spoken[:-1]] == [
        (x.factor, x.level, x.low, x.high) for x in learn(many(40), WINDOW)[:-1]
    ]


def test_what_can_be_told_apart_comes_before_what_cannot_even_with_a_smaller_t() -> None:
    values = [*np.linspace(-0.6, 0.6, 20), *np.linspace(-0.6, 0.6, 20) + 0.25]
    rare = {28, 38, 39}  # three trials: |t| 2.22 with hardly two degrees of freedom; the halves: |t| 2.12 with 38
    records = [
        trial(f"e{i:02d}", float(value), half={"late" if i >= 20 else "early"}, rare={"yes" if i in rare else "no"})
        for i, value in enumerate(values)
    ]
    late, early = values[20:], values[:20]
    few, rest = [v for i, v in enumerate(values) if i in rare], [v for i, v in enumerate(values) if i not in rare]
    assert abs(welch(few, rest).t) > abs(welch(late, early).t)
    assert [lesson.factor for lesson in learn(records, WINDOW)] == ["half", "rare", ""]


def test_two_levels_that_mirror_each_other_make_one_lesson() -> None:
    lessons = learn(many(40), WINDOW)
    assert sum(lesson.factor == "model" for lesson in lessons) == 1


def test_lessons_are_the_same_whatever_the_order_of_trials() -> None:
    records = many(30)
    shuffled = records[:]
    random.Random(0).shuffle(shuffled)
    assert learn(shuffled, WINDOW) == learn(records, WINDOW)


def test_at_most_twelve_lessons_and_a_summary_that_warns_of_chance() -> None:
    lessons = learn(many(400), WINDOW)
    assert len(lessons) == MAX_FACTOR_LESSONS + 1
    summary = lessons[-1]
    assert summary.kind == "summary"
    assert "21 comparisons were made at 90 %, so about 2 would look real by chance" in summary.text
    assert "not assigned at random" in summary.text


def test_the_summary_compares_the_best_with_luck() -> None:
    records = [trial(f"e{i}", value) for i, value in enumerate([-0.5, 0.1, 0.9, 0.2])]
    (summary,) = learn([*records, trial("e9", math.nan)], WINDOW)
    luck = expected_maximum_sharpe(5, np.var([-0.5, 0.1, 0.9, 0.2], ddof=1))
    assert summary.text.startswith("5 trials, 4 with an out-of-sample figure. Best excess Sharpe +0.90 (e2), mean +0.17.")
    assert f"near {luck:+.2f} by luck" in summary.text
    assert "the best here is above that" in summary.text
    assert summary.evidence == ("e0", "e1", "e2", "e3", "e9")


def test_trials_without_a_figure_never_count_as_zero() -> None:
    records = many(20)
    absent = [trial(f"x{i}", math.nan, model={"anfis"}, indicator={"i1"}) for i in range(5)]
    for mine, theirs in zip(learn(records + absent, WINDOW)[:-1], learn(records, WINDOW)[:-1], strict=True):
        assert mine == theirs


def test_rare_levels_and_groups_without_variation_give_no_lesson() -> None:
    rare = [trial(f"e{i}", i / 10, model={"anfis" if i < 2 else "rules"}) for i in range(10)]
    flat = [trial(f"e{i}", 0.1, model={"anfis" if i < 5 else "rules"}) for i in range(10)]
    assert [lesson.kind for lesson in learn(rare, WINDOW)] == ["summary"]
    assert [lesson.kind for lesson in learn(flat, WINDOW)] == ["summary"]
    assert learn([], WINDOW) == []


def test_ids_follow_from_content_and_window() -> None:
    records = many(30)
    ids = [lesson.id for lesson in learn(records, WINDOW)]
    assert len(set(ids)) == len(ids)
    assert ids == [lesson.id for lesson in learn(records, WINDOW)]
    assert set(ids).isdisjoint(lesson.id for lesson in learn(records, ("1999-01-04", "2013-12-31")))


def test_a_trial_that_occurs_twice_is_an_error() -> None:
    with pytest.raises(DataError, match="e1 occurs twice"):
        learn([trial("e1", 0.1), trial("e1", 0.2)], WINDOW)
