"""The protocol cuts zones into folds that never touch what they are judged on."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.core.errors import InsufficientBarsError
from nullalpha.data.bars import Bars
from nullalpha.engines.protocol import Protocol, Span, first_training_stop, fold_boundaries, walk_forward

SEARCH = Span("search", "1999-01-04", "2011-01-01")


def daily_bars(n: int, start: str = "1999-01-04") -> Bars:
    days = np.busday_offset(start, np.arange(n), roll="forward").astype("datetime64[ns]") + np.timedelta64(21, "h")
    price = np.full(n, 100.0)
    return Bars("X", "1d", days, price, price, price, price, price)


def search_bars() -> Bars:
    bars = daily_bars(4000)
    return bars.before(np.datetime64("2011-01-01", "ns"))


def test_search_folds_test_the_last_sixty_percent_of_the_calendar_without_gap_or_overlap() -> None:
    bars = search_bars()
    folds = walk_forward(Protocol(), SEARCH, bars)
    assert len(folds) == 5
    assert folds[0].test_start == int(np.searchsorted(bars.time, np.datetime64("2003-10-22")))  # 1,752 of 4,380 days on
    assert folds[-1].test_stop == len(bars)
    assert all(a.test_stop == b.test_start for a, b in itertools.pairwise(folds))


def test_testing_may_begin_later_and_everything_before_trains() -> None:
    bars = search_bars()
    span = Span("search", "1999-01-04", "2011-01-01", tested_from="2005-03-01")
    folds = walk_forward(Protocol(), span, bars)
    assert [folds[0].test_start, folds[-1].test_stop] == [int(np.searchsorted(bars.time, np.datetime64("2005-03-01"))), len(bars)]
    assert len(folds) == 5
    assert folds[0].train_rows[0] == 0
    lengths = np.diff(fold_boundaries(Protocol(), span)).astype("timedelta64[D]").astype(int)
    assert lengths.max() - lengths.min() <= 1  # 2,132 days in five
    early = Span("search", "1999-01-04", "2011-01-01", tested_from="1999-06-01")
    with pytest.raises(InsufficientBarsError, match="training"):
        walk_forward(Protocol(), early, bars)


def test_sealed_zones_are_tested_whole_and_trained_on_everything_before() -> None:
    bars = daily_bars(5200).before(np.datetime64("2015-01-01", "ns"))
    folds = walk_forward(Protocol(), Span("validation", "2011-01-01", "2015-01-01"), bars)
    assert folds[0].test_start == int(np.searchsorted(bars.time, np.datetime64("2011-01-01")))
    assert folds[-1].test_stop == len(bars)
    assert folds[0].train_rows[0] == 0


@settings(max_examples=60, deadline=None)
@given(
    n_folds=st.integers(1, 8),
    first=st.floats(0.3, 0.7),
    purge=st.integers(1, 120),
    stop=st.floats(0.05, 0.4),
)
def test_training_and_stopping_rows_end_a_purge_before_what_they_are_judged_on(n_folds: int, first: float, purge: int, stop: float) -> None:
    protocol = Protocol(n_folds=n_folds, first_train_fraction=first, purge_bars=purge, stop_fraction=stop)
    for fold in walk_forward(protocol, SEARCH, search_bars()):
        assert fold.train_rows[-1] + purge < fold.stop_rows[0]
        assert fold.stop_rows[-1] + purge < fold.test_start
        assert fold.test_start < fold.test_stop


def test_boundaries_are_the_same_calendar_times_for_every_instrument() -> None:
    edges = fold_boundaries(Protocol(), SEARCH)
    assert edges[-1] == np.datetime64("2011-01-01")
    assert np.diff(np.array(edges).astype("datetime64[D]")).astype(int).tolist() == pytest.approx([525.6] * 5, abs=1)


def test_designers_measure_features_before_the_first_test_alone() -> None:
    bars = search_bars()
    protocol = Protocol()
    assert first_training_stop(protocol, SEARCH, bars) == walk_forward(protocol, SEARCH, bars)[0].test_start - protocol.purge_bars


def test_too_short_a_history_is_refused_with_its_numbers() -> None:
    bars = daily_bars(4000, start="2005-01-03").before(np.datetime64("2011-01-01", "ns"))
    with pytest.raises(InsufficientBarsError, match="fold 1 of the search zone") as caught:
        walk_forward(Protocol(), SEARCH, bars)
    assert caught.value.suggestion is not None


def test_the_hash_moves_with_every_rule_and_with_what_it_applies_to() -> None:
    base = Protocol().hash({"lockbox_start": "2015-01-01"})
    assert base == Protocol().hash({"lockbox_start": "2015-01-01"})
    changed = [
        Protocol(n_folds=6).hash({"lockbox_start": "2015-01-01"}),
        Protocol(q=0.05).hash({"lockbox_start": "2015-01-01"}),
        Protocol(k_best=4).hash({"lockbox_start": "2015-01-01"}),
        Protocol().hash({"lockbox_start": "2016-01-01"}),
    ]
    assert len({base, *changed}) == 5
