"""What a backtest refuses, and that it leaves its inputs alone."""

from __future__ import annotations

import numpy as np
import pytest

from nullalpha.core.errors import DataError, InsufficientBarsError, UsageError
from nullalpha.data.instruments import Costs
from nullalpha.engines.backtest.decision import ExitDistances
from nullalpha.engines.backtest.kernel import simulate_nb
from nullalpha.engines.backtest.run import run_backtest
from tests.support.executions import execution

FREE = Costs(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"start_row": 3, "stop_row": 3}, InsufficientBarsError, "at least one bar"),
        ({"start_row": -1}, UsageError, "are not rows of 5 bars"),
        ({"stop_row": 6}, UsageError, "are not rows of 5 bars"),
        ({"capital": 0.0}, UsageError, "capital"),
        ({"capital": float("nan")}, UsageError, "capital"),
        ({"exits": ExitDistances(np.zeros(5), np.zeros(5), -1)}, UsageError, "max_bars"),
        ({"exits": ExitDistances(np.zeros(4), np.zeros(5), 0)}, DataError, "exits.stop has shape"),
        ({"exits": ExitDistances(np.zeros(5), np.full(5, -1.0), 0)}, DataError, "negative distance"),
        ({"target": np.array([0, 0, np.nan, 0, 0])}, DataError, "target of row 2 is not finite"),
        ({"target": np.zeros(4)}, DataError, "target has shape"),
    ],
)
def test_bad_input_is_refused_by_name(make_bars, options, error, message):
    bars = make_bars([1, 2, 3, 4, 5])
    arguments = {"target": np.ones(5), "execution": execution(bars, FREE, "open"), **options}
    with pytest.raises(error, match=message):
        run_backtest(bars, arguments.pop("target"), **arguments)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_a_price_that_is_no_price_is_refused_where_it_would_be_read(make_bars, bad):
    bars = make_bars([1, 2, 3, 4], open_=[1, 2, bad, 4], high=[1, 2, 3, 4], low=[1, 2, 3, 4])
    with pytest.raises(DataError, match="open of row 2 of TEST"):
        run_backtest(bars, np.ones(4), execution(bars, FREE, "open"))
    run_backtest(bars, np.ones(4), execution(bars, FREE, "open"), stop_row=2)
    run_backtest(bars, np.ones(4), execution(bars, FREE, "close"))


def test_inputs_stay_as_they_were_and_read_only_ones_need_no_other_compilation(make_bars):
    bars = make_bars([100, 101, 99, 102])
    target = np.array([1.0, -1.0, 0.0, 0.0])
    first = run_backtest(bars, target, execution(bars, FREE, "open"))
    compiled = len(simulate_nb.signatures)
    kept = bars.close.copy()
    for array in (bars.open, bars.high, bars.low, bars.close, target):
        array.flags.writeable = False
    second = run_backtest(bars, target, execution(bars, FREE, "open"))
    strided = run_backtest(bars, np.repeat(target, 2)[::2], execution(bars, FREE, "open"))
    assert len(simulate_nb.signatures) == compiled
    for other in (second, strided):
        np.testing.assert_array_equal(first.equity, other.equity)
    np.testing.assert_array_equal(bars.close, kept)
