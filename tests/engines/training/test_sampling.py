from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.data.bars import Bars
from nullalpha.engines.training.labels import make_labels
from nullalpha.engines.training.sampling import average_uniqueness, cusum_events
from nullalpha.strategy.plan import LabelPlan


def _bars(close: np.ndarray) -> Bars:
    time = np.datetime64("2020-01-01T21", "ns") + np.arange(len(close)) * np.timedelta64(1, "D")
    return Bars("TEST", "1d", time, close, close, close, close, np.full(len(close), np.nan))


def _walk(seed: int, n: int = 150) -> np.ndarray:
    return 100 * np.exp(np.cumsum(0.01 * np.random.default_rng(seed).standard_normal(n)))


def test_the_cusum_filter_by_hand() -> None:
    # Up: .4 .9 | 1.2 event, 0 | 0 .5 .2 | 1.1 event. Down: 0 0 0 | -.6 -.1 -.4 | 0 | -1.3 event.
    steps = np.array([np.nan, 0.4, 0.5, 0.3, -0.6, 0.5, -0.3, 0.9, -1.3, 0.2])
    assert np.flatnonzero(cusum_events(steps, np.ones(10))).tolist() == [3, 7, 8]
    # A sum that reaches the threshold exactly counts; what is left over past it does not carry on.
    assert np.flatnonzero(cusum_events(np.array([np.nan, 0.5, 0.5, 0.9]), np.ones(4))).tolist() == [2]


def test_without_a_threshold_there_is_no_event_and_nothing_adds_up() -> None:
    steps, threshold = np.full(8, 0.4), np.array([np.nan, np.nan, np.nan, 1.0, 1.0, 1.0, 0.0, 1.0])
    assert np.flatnonzero(cusum_events(steps, threshold)).tolist() == [5]


def test_uniqueness_of_the_books_three_labels() -> None:
    # López de Prado (2018), 4.5.4: labels over returns 1-3, 3-4 and 5-6 are 5/6, 3/4 and 1 unique.
    np.testing.assert_allclose(average_uniqueness(np.array([1, 3, 5]), np.array([3, 4, 6])), [5 / 6, 3 / 4, 1.0], rtol=1e-12)


def test_equal_spans_share_and_distant_ones_do_not() -> None:
    np.testing.assert_allclose(average_uniqueness(np.array([7, 7, 7, 900]), np.array([9, 9, 9, 905])), [1 / 3, 1 / 3, 1 / 3, 1.0])
    assert average_uniqueness(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)).shape == (0,)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 15)), min_size=1, max_size=40))
@settings(max_examples=80, deadline=None)
def test_uniqueness_equals_counting_row_by_row(spans: list[tuple[int, int]]) -> None:
    start = np.array([first for first, _ in spans])
    end = start + np.array([more for _, more in spans])
    holds = (np.arange(80) >= start[:, None]) & (np.arange(80) <= end[:, None])
    expected = [float((1 / holds.sum(axis=0)[own]).mean()) for own in holds]
    found = average_uniqueness(start, end)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert ((found > 0) & (found <= 1 + 1e-12)).all()


def test_labels_carry_their_events_in_trailing_volatilities() -> None:
    bars = _bars(_walk(1))
    labels = make_labels(LabelPlan("forward_return", 5, 20, cusum=2.0), bars, "close")
    returns = np.diff(np.log(bars.close), prepend=np.nan)
    up = down = 0.0
    expected = []
    for row in range(20, len(bars)):
        threshold = 2.0 * np.std(returns[row - 19 : row + 1], ddof=1)
        up, down = max(0.0, up + returns[row]), min(0.0, down + returns[row])
        if max(up, -down) >= threshold:
            expected.append(row)
            up, down = (0.0, down) if up >= threshold else (up, 0.0)
    assert 5 < len(expected) < 100
    assert np.flatnonzero(labels.event).tolist() == expected
    assert make_labels(LabelPlan("forward_return", 5, 20), bars, "close").event.all()


@given(seed=st.integers(0, 10_000), cut=st.integers(21, 149), cusum=st.floats(0.5, 5))
@settings(max_examples=40, deadline=None)
def test_no_event_depends_on_a_later_bar(seed: int, cut: int, cusum: float) -> None:
    plan, close = LabelPlan("triple_barrier", 5, 20, 1.0, cusum=cusum), _walk(seed)
    other = np.concatenate([close[:cut], close[cut:] * 3 * _walk(seed + 1)[cut:]])
    for changed in (_bars(other), _bars(close).slice(0, cut)):
        np.testing.assert_array_equal(make_labels(plan, _bars(close), "open").event[:cut], make_labels(plan, changed, "open").event[:cut])


@pytest.mark.parametrize("cusum", [0.0, 1.0])
def test_sampling_leaves_values_and_spans_as_they_are(cusum: float) -> None:
    plan, bars = LabelPlan("zigzag", 5, 20, 1.0, cusum=cusum), _bars(_walk(2))
    found, plain = make_labels(plan, bars, "close"), make_labels(replace(plan, cusum=0.0), bars, "close")
    np.testing.assert_array_equal(found.value, plain.value)
    np.testing.assert_array_equal(found.end_row, plain.end_row)
