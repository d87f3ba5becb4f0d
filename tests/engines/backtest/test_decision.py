"""Signals to target positions and exit plans to distances."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.core.errors import DataError, UsageError
from nullalpha.engines.backtest.decision import exit_distances, target_positions
from nullalpha.strategy.plan import DecisionPlan, ExitPlan, SizingPlan

NO_EXITS = ExitPlan(0, 0, 0, 0, 0)
HALF = SizingPlan("fixed", 0.5, 0.0, 0.0, 0)
VOLATILITY = SizingPlan("volatility_target", 0.0, annual=0.16, max_leverage=1.5, volatility_bars=20)
KELLY = SizingPlan("kelly", 0.0, 0.0, max_leverage=2.0, volatility_bars=20, kelly_fraction=0.01, horizon_bars=4)
NAN = float("nan")


def targets(signal, volatility=None, *, above=0.2, below=-0.2, sizing=HALF, sessions=256, **options):
    signal = np.array(signal, dtype=float)
    volatility = np.full(len(signal), NAN) if volatility is None else np.array(volatility, dtype=float)
    return target_positions(DecisionPlan(above, below, sizing, NO_EXITS, **options), signal, volatility, sessions)


def slow_targets(decision, signal, volatility, sessions):
    """The same decisions from a list of positions that were begun, each asked whether it still holds."""
    sizing, wanted, begun = decision.sizing, [], []
    held = None
    for row, (now, risk) in enumerate(zip(signal, volatility, strict=True)):
        if held is not None:
            leave = decision.long_exit_below if held > 0 else decision.short_exit_above
            leave = (decision.long_above if held > 0 else decision.short_below) if leave is None else leave
            if math.isnan(now) or (now - leave) * held <= 0:
                held = None
        sides = [1] if decision.long_above is not None and now > decision.long_above else []
        sides += [-1] if decision.short_below is not None and now < decision.short_below else []
        size = sizing.size
        if sizing.kind != "fixed":
            known = risk > 0
            if known and sizing.kind == "volatility_target":
                size = min(sizing.max_leverage, sizing.annual / (risk * sessions**0.5))
            elif known:
                mean = np.arctanh(now) * risk * sizing.horizon_bars**0.5 / sizing.horizon_bars
                size = min(sizing.max_leverage, sizing.kelly_fraction * abs(mean) / risk**2)
            size = size if known else 0
        if held is None and sides and size and (not begun or row - begun[-1] >= decision.separation_bars):
            held = sides[0] * size
            begun.append(row)
        wanted.append(0.0 if held is None else held)
    return wanted


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


def test_a_long_is_held_until_its_exit_threshold_and_begins_again_only_above_the_entry_s():
    # In at 0.3, held at 0.1 and -0.05 (above -0.1), out at -0.1 itself; 0.15 is no entry, 0.25 is.
    signal = [0.1, 0.3, 0.1, -0.05, -0.1, 0.15, 0.25, 0.0]
    assert targets(signal, below=None, long_exit_below=-0.1).tolist() == [0, 0.5, 0.5, 0.5, 0, 0, 0.5, 0.5]


def test_a_short_is_held_until_its_exit_threshold():
    signal = [-0.1, -0.3, -0.1, 0.05, 0.1, -0.15, -0.25, 0.0]
    assert targets(signal, above=None, short_exit_above=0.1).tolist() == [0, -0.5, -0.5, -0.5, 0, 0, -0.5, -0.5]


def test_a_held_long_turns_short_only_where_the_signal_asks_for_a_short():
    # Out at 0.0 and below: -0.1 leaves flat, -0.3 turns; back up, the short (no exit threshold of its own) ends at -0.2.
    assert targets([0.3, -0.1, 0.3, -0.3, -0.2], long_exit_below=0.0).tolist() == [0.5, 0, 0.5, -0.5, 0]
    # An exit threshold beyond the other side's entry: the long that is held comes first, and ends into a short at once.
    assert targets([0.3, -0.3, -0.5, -0.4], long_exit_below=-0.5).tolist() == [0.5, 0.5, -0.5, -0.5]


def test_an_unknown_signal_ends_a_position_that_hysteresis_would_keep():
    assert targets([0.3, 0.1, NAN, 0.1, 0.3], long_exit_below=0.0).tolist() == [0.5, 0.5, 0, 0, 0.5]


def test_hysteresis_begins_only_beyond_the_entry_though_the_size_is_known_later():
    # Volatility becomes known while the signal lies between the thresholds: no position begins there.
    volatility = [NAN, 0.01, 0.01, 0.01]
    assert targets([0.3, 0.1, 0.3, 0.1], volatility, sizing=VOLATILITY, long_exit_below=0.0).tolist() == [0, 0, 1, 1]


def test_a_position_begins_only_so_many_bars_after_the_last_began():
    # Begun at row 0; rows 2 and 3 are too early for 4 bars, row 4 is not. It may end at any bar.
    assert targets([1, 0, 1, 1, 1, 0, 1, 0, 1], separation_bars=4).tolist() == [0.5, 0, 0, 0, 0.5, 0, 0, 0, 0.5]
    for none in (0, 1):
        assert targets([1, 0, 1, -1, 1], separation_bars=none).tolist() == [0.5, 0, 0.5, -0.5, 0.5]


def test_a_reversal_counts_as_a_beginning():
    # Long at row 0; the reversal at row 1 is too early, so it leaves; row 3 is the first that may begin: short. Row 4 leaves, row 6 begins.
    assert targets([1, -1, -1, -1, 1, 1, 1], separation_bars=3).tolist() == [0.5, 0, 0, -0.5, 0, 0, 0.5]


def test_a_position_that_waits_for_its_size_has_not_begun():
    # The size is known at row 1: that is the beginning, so the next may come at row 4.
    volatility = [NAN, 0.01, 0.01, 0.01, 0.01]
    assert targets([1, 1, 0, 1, 1], volatility, sizing=VOLATILITY, separation_bars=3).tolist() == [0, 1, 0, 0, 1]


def test_separation_remembers_nothing_from_before_the_first_bar():
    assert targets([NAN, 1, 0], separation_bars=1000).tolist() == [0, 0.5, 0]


def test_kelly_is_a_share_of_expected_return_over_variance_capped():
    # Horizon 4, volatility 0.01: an output of 0.5 expects 0.5 x 0.01 x 2 = 0.01 over 4 bars, 0.0025 a bar; variance 0.0001: full Kelly 25,
    # a hundredth of it 0.25. An output of -1: 0.5, short. An output of 5: 2.5, capped at 2. Volatility 0.02 halves: 0.5 / (0.02 x 2) / 100.
    signal = np.tanh([0.5, 0.0, -1.0, 0.0, 5.0, 0.0, 0.5])
    volatility = [0.01] * 6 + [0.02]
    assert targets(signal, volatility, sizing=KELLY) == pytest.approx([0.25, 0, -0.5, 0, 2, 0, 0.125], abs=1e-12)


def test_kelly_is_decided_once_a_position():
    # Begun at an output of 1 (0.5 of equity); the output of 2 within the same position changes nothing.
    assert targets(np.tanh([1.0, 2.0, 0.3, 0.0]), [0.01, 0.03, 0.01, 0.01], sizing=KELLY) == pytest.approx([0.5, 0.5, 0.5, 0])


def test_kelly_of_a_certain_signal_is_the_cap_and_of_no_expectation_no_position():
    # A signal of 1 is an output without bound. With a threshold below 0, a signal of exactly 0 asks for a long of size 0: none begins.
    assert targets([1.0, 0.0], [0.01, 0.01], sizing=KELLY).tolist() == [2, 0]
    later = targets([0.0, -0.05], [0.01, 0.01], above=-0.1, below=None, sizing=KELLY, separation_bars=5)
    assert later == pytest.approx([0, 0.01 * np.arctanh(0.05) / 0.02])


def test_kelly_waits_for_a_known_volatility():
    assert targets([0.5, 0.5, 0.5], [NAN, 0.0, 0.01], sizing=KELLY) == pytest.approx([0, 0, 0.01 * np.arctanh(0.5) / 0.02])


def test_kelly_without_a_horizon_is_refused():
    with pytest.raises(UsageError, match="horizon"):
        targets([1.0], [0.01], sizing=SizingPlan("kelly", 0.0, 0.0, 1.0, 20, kelly_fraction=0.5))


SIGNALS = st.one_of(
    st.sampled_from([-1.0, -0.3, -0.2, 0.0, 0.1, 0.2, 1.0, NAN]), st.integers(-1000, 1000).map(lambda thousandths: thousandths / 1000)
)
ROWS = st.lists(st.tuples(SIGNALS, st.sampled_from([NAN, 0.0, 0.005, 0.02])), min_size=1, max_size=40)


@st.composite
def decisions(draw):
    """Any decision that the language allows."""
    below, above = sorted(draw(st.lists(st.sampled_from([-0.3, -0.2, 0.0, 0.1, 0.2]), min_size=2, max_size=2)))
    long_exit = draw(st.sampled_from([None, above, above - 0.1, -0.4]))
    short_exit = draw(st.sampled_from([None, below, below + 0.1, 0.4]))
    sizing = draw(st.sampled_from([HALF, VOLATILITY, KELLY]))
    only = draw(st.sampled_from(["both", "both", "long", "short"]))
    above, long_exit = (None, None) if only == "short" else (above, long_exit)
    below, short_exit = (None, None) if only == "long" else (below, short_exit)
    return DecisionPlan(above, below, sizing, NO_EXITS, long_exit, short_exit, draw(st.sampled_from([0, 1, 2, 5, 50])))


@settings(max_examples=400, deadline=None)
@given(decisions(), ROWS)
def test_targets_agree_with_a_plain_list_of_positions(decision, rows):
    signal, volatility = np.array(rows, dtype=float).T
    with np.errstate(divide="ignore"):
        slow = slow_targets(decision, signal, volatility, 256)
    np.testing.assert_allclose(target_positions(decision, signal, volatility, 256), slow, rtol=1e-12, atol=0)


@settings(max_examples=200, deadline=None)
@given(decisions(), ROWS, st.integers(0, 40))
def test_targets_never_read_the_future(decision, rows, cut):
    signal, volatility = np.array(rows, dtype=float).T
    whole = target_positions(decision, signal, volatility, 256)
    assert np.isfinite(whole).all()
    assert target_positions(decision, signal[:cut], volatility[:cut], 256).tolist() == whole[:cut].tolist()


@settings(max_examples=200, deadline=None)
@given(decisions(), ROWS)
def test_positions_begin_apart_and_keep_their_size(decision, rows):
    signal, volatility = np.array(rows, dtype=float).T
    target = target_positions(decision, signal, volatility, 256)
    before = np.concatenate(([0.0], target[:-1]))
    begun = np.flatnonzero((target != 0) & (target != before))
    assert (np.diff(begun) >= decision.separation_bars).all()
    assert (target[np.isnan(signal)] == 0).all()


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
