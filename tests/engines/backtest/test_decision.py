"""Signals to target positions and exit plans to distances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.core.errors import DataError
from nullalpha.engines.backtest.decision import exit_distances, target_positions
from nullalpha.strategy.plan import DecisionPlan, ExitPlan, SizingPlan

NO_EXITS = ExitPlan(0, 0, 0, 0, 0)
HALF = SizingPlan("fixed", 0.5, 0.0, 0.0, 0)
VOLATILITY = SizingPlan("volatility_target", 0.0, annual=0.16, max_leverage=1.5, volatility_bars=20)
NAN = float("nan")


def targets(signal, volatility=None, *, above=0.2, below=-0.2, sizing=HALF, sessions=256):
    signal = np.array(signal, dtype=float)
    volatility = np.full(len(signal), NAN) if volatility is None else np.array(volatility, dtype=float)
    return target_positions(DecisionPlan(above, below, sizing, NO_EXITS), signal, volatility, sessions)


def test_a_signal_beyond_a_threshold_takes_a_side_and_nan_takes_none():
    assert targets([0.3, 0.2, 0.0, NAN, -0.2, -0.3]).tolist() == [0.5, 0, 0, 0, 0, -0.5]


def test_a_threshold_of_none_never_trades_that_side():
    assert targets([1.0, -1.0], above=None).tolist() == [0, -0.5]
    assert targets([1.0, -1.0], below=None).tolist() == [0.5, 0]


def test_volatility_sizes_are_capped_by_leverage():
    # A volatility of 0.01 x 16 = 0.16 a year gives 1; 0.005 gives 2, capped at 1.5; 0.04 gives 0.25.
    assert targets([1, 0, 1, 0, -1], [0.01, 0.01, 0.005, 0.01, 0.04], sizing=VOLATILITY).tolist() == [1, 0, 1.5, 0, -0.25]


def test_unknown_volatility_waits_for_the_first_bar_of_the_stretch_that_knows_it():
    # Known at row 2 of the first stretch: 0.16 / (0.02 x 16) = 0.5, kept. A direct reversal at row 4 is a new stretch with its own size.
    volatility = [NAN, 0.0, 0.02, 0.01, NAN, 0.01, 0.02]
    assert targets([1, 1, 1, 1, -1, -1, -1], volatility, sizing=VOLATILITY).tolist() == [0, 0, 0.5, 0.5, 0, -1, -1]


def test_a_stretch_that_never_knows_its_volatility_does_not_trade():
    assert targets([1, 1, -1], [NAN, NAN, 0.01], sizing=VOLATILITY).tolist() == [0, 0, -1]


def test_no_bars_give_no_targets():
    assert targets([]).shape == (0,)


def test_signals_and_volatilities_of_different_lengths_are_refused():
    with pytest.raises(DataError, match="3 bars and volatility 2"):
        targets([1, 1, 1], [0.01, 0.01])


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([-1.0, 0.0, 1.0, NAN]), st.sampled_from([NAN, 0.0, 0.005, 0.02])), min_size=1, max_size=40),
    st.integers(0, 40),
)
def test_targets_never_read_the_future(rows, cut):
    signal, volatility = [row[0] for row in rows], [row[1] for row in rows]
    whole = targets(signal, volatility, sizing=VOLATILITY)
    assert np.isfinite(whole).all()
    assert targets(signal[:cut], volatility[:cut], sizing=VOLATILITY).tolist() == whole[:cut].tolist()


def test_distances_are_multiples_of_atr_or_fractions_of_price_whichever_is_nearer():
    close, atr = np.array([100.0, 200.0, 50.0]), np.array([NAN, 2.0, 2.0])
    distances = exit_distances(ExitPlan(2.0, 0.03, 3.0, 0.0, 10), close, atr)
    assert distances.stop.tolist() == [3.0, 4.0, 1.5]
    assert distances.max_bars == 10
    np.testing.assert_array_equal(distances.target, [NAN, 6.0, 6.0])


def test_an_exit_plan_of_zeros_gives_no_distances():
    distances = exit_distances(NO_EXITS, np.ones(3), np.ones(3))
    assert np.isnan(distances.stop).all()
    assert np.isnan(distances.target).all()


def test_distances_need_an_atr_for_every_close():
    with pytest.raises(DataError, match="3 bars and atr 2"):
        exit_distances(NO_EXITS, np.ones(3), np.ones(2))
