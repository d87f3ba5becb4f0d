from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nullalpha.data.bars import Bars
from nullalpha.data.instruments import FillBasis
from nullalpha.engines.training.labels import make_labels
from nullalpha.strategy.plan import LabelKind, LabelPlan


def _bars(open_: list[float] | np.ndarray, close: list[float] | np.ndarray) -> Bars:
    o, c = np.array(open_, dtype=float), np.array(close, dtype=float)
    time = np.datetime64("2020-01-01T21", "ns") + np.arange(len(c)) * np.timedelta64(1, "D")
    return Bars("TEST", "1d", time, o, np.maximum(o, c), np.minimum(o, c), c, np.full(len(c), np.nan))


@pytest.fixture
def walk() -> Bars:
    rng = np.random.default_rng(3)
    close = 100 * np.exp(np.cumsum(0.01 * rng.standard_normal(120)))
    return _bars(close * np.exp(0.002 * rng.standard_normal(120)), close)


# Row 2 knows log returns 0.01 and 0.03 (closes e^0, e^0.01, e^0.04): deviation 0.02 / sqrt(2). With a horizon of 2, the scale is 0.02.
LOGS = np.array([0.0, 0.01, 0.04, 0.05, 0.06, 0.07, 0.00])
GOLDEN = _bars(100 * np.exp(LOGS + 0.005), 100 * np.exp(LOGS))


def test_a_forward_return_runs_from_the_fill_to_the_same_price_a_horizon_later() -> None:
    plan = LabelPlan("forward_return", horizon_bars=2, volatility_bars=2)
    at_close = make_labels(plan, GOLDEN, "close")
    np.testing.assert_allclose(at_close.value[2], (0.07 - 0.05) / 0.02)
    assert at_close.end_row[2] == 5
    np.testing.assert_allclose(at_close.value[3], -3.0)  # returns 0.03, 0.01: scale 0.02; (0.00 - 0.06) / 0.02
    assert np.isnan(at_close.value[[0, 1, 4, 5, 6]]).all()
    assert (at_close.end_row[[0, 1, 4, 5, 6]] == len(GOLDEN)).all()
    shifted = replace(GOLDEN, open=100 * np.exp(np.array([9, 9, 9, 0.02, 9, 0.03, 9])))
    np.testing.assert_allclose(make_labels(plan, shifted, "open").value[2], 0.01 / 0.02)


def test_forward_returns_are_clipped_to_three() -> None:
    jump = _bars(100 * np.exp(LOGS), 100 * np.exp(LOGS + np.array([0, 0, 0, 0, 0, 0.5, 0])))
    assert make_labels(LabelPlan("forward_return", 2, 2), jump, "close").value[2] == 3.0


def test_the_first_barrier_touched_decides_and_ends_the_label() -> None:
    plan = LabelPlan("triple_barrier", horizon_bars=3, volatility_bars=2, barrier=1.0)
    # Scale at row 2: 0.02 / sqrt(2) x sqrt(3) = 0.0245. Entry at the close of row 3 (0.05): barriers at 0.0745 and 0.0255.
    up = np.array([0.0, 0.01, 0.04, 0.05, 0.06, 0.08, 0.00, 0.0])
    down = np.array([0.0, 0.01, 0.04, 0.05, 0.02, 0.08, 0.00, 0.0])
    neither = np.array([0.0, 0.01, 0.04, 0.05, 0.06, 0.04, 0.06, 0.0])
    for closes, value, end in ((up, 1.0, 5), (down, -1.0, 4), (neither, 0.01 / (0.02 / np.sqrt(2) * np.sqrt(3)), 6)):
        found = make_labels(plan, _bars(100 * np.exp(closes), 100 * np.exp(closes)), "close")
        np.testing.assert_allclose(found.value[2], value)
        assert found.end_row[2] == end


def test_with_fills_at_the_open_the_close_of_the_fill_bar_already_counts() -> None:
    plan = LabelPlan("triple_barrier", horizon_bars=3, volatility_bars=2, barrier=1.0)
    opens = 100 * np.exp(np.array([0, 0, 0, 0.01, 0, 0, 0.02, 0]))
    found = make_labels(plan, _bars(opens, 100 * np.exp(np.array([0.0, 0.01, 0.04, 0.05, 0.01, 0.01, 0.01, 0.0]))), "open")
    assert found.value[2] == 1.0  # entry 0.01; the close 0.05 of row 3 is 0.04 above
    assert found.end_row[2] == 3
    calm = make_labels(plan, _bars(opens, 100 * np.exp(np.array([0.0, 0.01, 0.04, 0.02, 0.01, 0.01, 0.5, 0.0]))), "open")
    np.testing.assert_allclose(calm.value[2], 0.01 / (0.02 / np.sqrt(2) * np.sqrt(3)))  # the open of row 6; its close comes later
    assert calm.end_row[2] == 6


# Row 2's scale with a horizon of 4 is 0.02 / sqrt(2) x 2 = 0.02 sqrt(2); with a barrier of 1, legs turn at 0.0283.
ZIGZAG = LabelPlan("zigzag", horizon_bars=4, volatility_bars=2, barrier=1.0)
TURN = 0.02 * np.sqrt(2)


@pytest.mark.parametrize(
    ("after", "pivot", "end"),
    [
        ((0.08, 0.095, 0.06, 0.5), 0.045, 6),  # up at 0.08, furthest at 0.095, back by 0.035 at row 6: no later price matters
        ((0.04, 0.085, 0.09, 0.08), 0.04, 7),  # up at 0.085, furthest at 0.09, not back by the horizon
        ((0.06, 0.01, 0.0, 0.03), -0.05, 7),  # down at 0.01, furthest at 0.0, back by 0.03 at the horizon
        ((0.02, 0.0, -0.01, -0.02), -0.07, 7),  # down at 0.02, still falling
        ((0.04, 0.06, 0.07, 0.04), -0.01, 7),  # never 0.0283 away: the return to the horizon
    ],
)
def test_a_zigzag_label_runs_to_the_pivot_of_the_leg_that_begins_at_the_fill(after: tuple[float, ...], pivot: float, end: int) -> None:
    closes = 100 * np.exp(np.array([0.0, 0.01, 0.04, 0.05, *after, 0.0]))  # filled at row 3, 0.05
    found = make_labels(ZIGZAG, _bars(closes, closes), "close")
    np.testing.assert_allclose(found.value[2], pivot / TURN, rtol=1e-9)
    assert found.end_row[2] == end


def test_a_zigzag_filled_at_the_open_judges_the_close_of_the_fill_bar_and_never_that_of_the_exit() -> None:
    opens = 100 * np.exp(np.array([0, 0, 0, 0.01, 0, 0, 0, 0.02, 0]))
    turned = _bars(opens, 100 * np.exp(np.array([0.0, 0.01, 0.04, 0.05, 0.015, 0.5, 0.5, 0.5, 0.5])))
    found = make_labels(ZIGZAG, turned, "open")
    np.testing.assert_allclose(found.value[2], 0.04 / TURN)
    assert found.end_row[2] == 4
    rising = make_labels(ZIGZAG, _bars(opens, 100 * np.exp(np.array([0.0, 0.01, 0.04, 0.02, 0.03, 0.04, 0.05, 0.9, 0.9]))), "open")
    np.testing.assert_allclose(rising.value[2], 0.04 / TURN)
    assert rising.end_row[2] == 6
    still = make_labels(ZIGZAG, _bars(opens, 100 * np.exp(np.array([0.0, 0.01, 0.04, 0.02, 0.02, 0.02, 0.02, 0.9, 0.9]))), "open")
    np.testing.assert_allclose(still.value[2], 0.01 / TURN)  # the open of row 7
    assert still.end_row[2] == 7


def test_zigzags_are_clipped_to_three() -> None:
    closes = 100 * np.exp(np.array([0.0, 0.01, 0.04, 0.05, 0.09, 0.3, 0.0, 0.0, 0.0]))
    assert make_labels(ZIGZAG, _bars(closes, closes), "close").value[2] == 3.0


def test_a_trend_is_the_net_move_over_the_path_from_the_fill() -> None:
    plan = LabelPlan("regime", horizon_bars=4, volatility_bars=2, regime_of="trend")
    closes = 100 * np.exp(np.array([0.0, 0.01, 0.04, 0.05, 0.07, 0.06, 0.08, 0.04, 9.0]))
    found = make_labels(plan, _bars(closes, closes), "close")  # 0.02 - 0.01 + 0.02 - 0.04 from row 3 to row 7
    np.testing.assert_allclose(found.value[2], -0.01 / 0.09)
    assert found.end_row[2] == 7
    at_open = make_labels(plan, _bars(closes[::-1].copy(), closes), "open")
    np.testing.assert_allclose(at_open.value[2], _efficiency(closes[::-1][3:8]))
    calm = make_labels(plan, _bars(closes, np.array([1.0, 1.1, 1.2, *[1.3] * 6])), "close")
    assert calm.value[2] == 0.0  # it never moves


def _efficiency(prices: np.ndarray) -> float:
    steps = np.diff(np.log(prices))
    return float(steps.sum() / np.abs(steps).sum())


def test_a_volatility_regime_is_what_comes_over_what_was() -> None:
    plan = LabelPlan("regime", horizon_bars=2, volatility_bars=2, regime_of="volatility")
    closes = 100 * np.exp(np.array([0.0, 0.01, 0.04, 0.05, 0.08, 0.04, 9.0]))
    found = make_labels(plan, _bars(closes, closes), "close")  # returns 0.03 and -0.04 over 0.02 / sqrt(2)
    np.testing.assert_allclose(found.value[2], np.log(np.sqrt((0.03**2 + 0.04**2) / 2) / (0.02 / np.sqrt(2))))
    assert found.end_row[2] == 5
    still = closes.copy()
    still[4:6] = still[3]
    assert make_labels(plan, _bars(still, still), "close").value[2] == -3.0


KINDS = [
    LabelPlan("forward_return", 6, 15),
    LabelPlan("triple_barrier", 6, 15, 0.5),
    LabelPlan("zigzag", 6, 15, 0.5),
    LabelPlan("regime", 6, 15, regime_of="trend"),
    LabelPlan("regime", 6, 15, regime_of="volatility"),
]


@pytest.mark.parametrize("plan", KINDS, ids=lambda plan: f"{plan.kind}-{plan.regime_of}")
@pytest.mark.parametrize("basis", ["open", "close"])
def test_a_label_uses_no_price_after_its_end_row_and_no_return_before_its_start_row(plan: LabelPlan, basis: FillBasis, walk: Bars) -> None:
    labels = make_labels(plan, walk, basis)
    known = np.flatnonzero(~np.isnan(labels.value))
    assert known.tolist() == list(range(15, len(walk) - 7))
    for row in known:
        after = labels.end_row[row] + 1
        other = {name: np.concatenate([getattr(walk, name)[:after], getattr(walk, name)[after:] * 7.0]) for name in ("open", "close")}
        assert make_labels(plan, replace(walk, **other), basis).value[row] == labels.value[row]
        assert labels.start_row[row] == row + (1 if basis == "open" else 2)
        assert labels.start_row[row] <= labels.end_row[row] <= row + 7
    if plan.kind in ("triple_barrier", "zigzag"):
        assert len(set((labels.end_row - np.arange(len(walk)))[known])) > 2


@pytest.mark.parametrize("basis", ["open", "close"])
def test_the_price_of_the_signal_bar_is_not_where_the_return_begins(basis: FillBasis, walk: Bars) -> None:
    plan = LabelPlan("forward_return", horizon_bars=4, volatility_bars=15)
    price = walk.open if basis == "open" else walk.close
    labels = make_labels(plan, walk, basis)
    volatility = np.std(np.diff(np.log(walk.close[35:51])), ddof=1)
    np.testing.assert_allclose(labels.value[50], np.clip(np.log(price[55] / price[51]) / (volatility * 2), -3, 3))


def test_a_label_of_one_stands_for_the_scale_and_a_touched_barrier_for_the_barrier() -> None:
    forward = make_labels(LabelPlan("forward_return", 2, 2), GOLDEN, "close")
    np.testing.assert_allclose(forward.scale[2], 0.02)  # see above: deviation 0.02 / sqrt(2), times the root of 2 bars
    assert np.isnan(forward.scale[[0, 1, 4, 5, 6]]).all()
    base = 0.02 / np.sqrt(2) * np.sqrt(3)  # with a horizon of 3; barriers at half of it, 0.0122 from the entry at 0.05
    for after, scale in (((0.06, 0.08, 0.0), base / 2), ((0.055, 0.045, 0.06), base)):
        closes = 100 * np.exp(np.array([0.0, 0.01, 0.04, 0.05, *after, 0.0]))
        found = make_labels(LabelPlan("triple_barrier", 3, 2, 0.5), _bars(closes, closes), "close")
        np.testing.assert_allclose(found.scale[2], scale)


@pytest.mark.parametrize("basis", ["open", "close"])
@pytest.mark.parametrize("kind", ["forward_return", "zigzag"])
def test_the_label_times_its_scale_is_a_log_return(kind: LabelKind, basis: FillBasis, walk: Bars) -> None:
    labels = make_labels(LabelPlan(kind, 6, 15, 0.5), walk, basis)
    price = walk.open if basis == "open" else walk.close
    known = np.flatnonzero(np.isfinite(labels.value) & (np.abs(labels.value) < 3))
    moved = labels.value[known] * labels.scale[known]
    if kind == "forward_return":
        np.testing.assert_allclose(moved, np.log(price[known + 7] / price[known + 1]), atol=1e-12)
    else:
        reached = np.concatenate([walk.close, price])[:, None] / price[known + 1][None]
        assert (np.abs(np.log(reached) - moved).min(axis=0) < 1e-12).all()
    assert np.isfinite(labels.scale).tolist() == np.isfinite(labels.value).tolist()


def test_a_regime_has_no_scale_for_it_is_no_return(walk: Bars) -> None:
    for plan in KINDS[3:]:
        assert np.isnan(make_labels(plan, walk, "close").scale).all()


def test_a_flat_past_or_too_few_bars_give_no_label() -> None:
    flat = _bars(np.full(40, 5.0), np.full(40, 5.0))
    for plan in KINDS:
        assert np.isnan(make_labels(plan, flat, "close").value).all()
        assert np.isnan(make_labels(plan, flat.slice(0, 2), "close").value).all()


def test_labels_that_were_settled_sooner_are_kept_no_longer_than_others() -> None:
    """The last rows before a boundary would otherwise be those of fast moves alone."""
    rng = np.random.default_rng(4)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 400)))
    bars = _bars(close, close)
    labels = make_labels(LabelPlan("triple_barrier", 20, 30, 0.3), bars, "close")
    known = np.flatnonzero(np.isfinite(labels.value))
    assert (labels.end_row[known] < labels.horizon_row[known]).mean() > 0.5
    assert (labels.horizon_row[known] == known + 21).all()
    assert (labels.horizon_row[~np.isfinite(labels.value)] == len(bars)).all()
