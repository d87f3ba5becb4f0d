from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nullalpha.core.errors import Finding
from nullalpha.data.connect.merge import merge, replace, rescaling
from nullalpha.data.connect.received import Span


def table(closes: dict[int, float], adjusted: float | None = None) -> pd.DataFrame:
    """Daily bars of January 2024: day of the month to close."""
    close = np.array(list(closes.values()), dtype=np.float64)
    frame = pd.DataFrame({"time": np.array([f"2024-01-{day:02d}" for day in closes], dtype="datetime64[ns]"), "close": close})
    return frame if adjusted is None else frame.assign(adj_close=close * adjusted)


def test_rows_of_both_come_in_order_and_the_new_ones_are_counted() -> None:
    merged = merge(table({2: 10.0, 5: 13.0}), table({3: 11.0, 4: 12.0, 5: 13.0}), daily=True)
    assert merged.frame["close"].tolist() == [10.0, 11.0, 12.0, 13.0]
    assert (merged.n_new, merged.findings) == (2, ())


def test_a_difference_within_rounding_is_no_revision() -> None:
    assert merge(table({2: 100.0}), table({2: 100.00005}), daily=True).findings == ()
    (finding,) = merge(table({2: 100.0}), table({2: 100.01}), daily=True).findings
    assert finding == Finding("revised", 0, "2024-01-02", "close was 100 and is 100.01", "warning")


def test_a_row_that_is_not_given_again_is_found_and_kept() -> None:
    span = Span(datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 5, tzinfo=UTC))
    merged = merge(table({2: 10.0, 3: 11.0, 8: 12.0}), table({2: 10.0, 4: 11.5}), daily=True, asked=[span])
    assert [(finding.code, finding.row, finding.time) for finding in merged.findings] == [("withdrawn", 1, "2024-01-03")]
    assert merged.frame["close"].tolist() == [10.0, 11.0, 11.5, 12.0]


@pytest.mark.parametrize(
    ("fresh", "text"),
    [
        (table({3: 10.0, 4: 10.5}, 1.0), None),
        (table({3: 5.0, 4: 5.25}, 1.0), "adj_close by 0.5"),
        (table({3: 10.0, 4: 10.5}, 0.99), "adj_close by 0.99"),
        (table({3: 10.0, 4: 10.6}, 1.0), None),
        (table({5: 10.0}, 0.5), None),
        (table({3: 10.0}), "adjusted closes are wanted now and were not"),
    ],
    ids=["the same", "a split", "a dividend", "one bar revised", "nothing in common", "no adjusted closes"],
)
def test_one_ratio_over_all_that_overlaps_is_a_rescaled_history(fresh: pd.DataFrame, text: str | None) -> None:
    finding = rescaling(table({2: 9.0, 3: 10.0, 4: 10.5}, 1.0), fresh)
    assert (finding is None) if text is None else (finding is not None and text in finding.message)


def test_a_replaced_history_tells_what_differs_from_its_ratio_and_what_is_gone() -> None:
    why = Finding("rescaled", None, None, "a split", "warning")
    held = table({2: 10.0, 3: 11.0, 4: 12.0, 5: 13.0})
    merged = replace(held, table({3: 5.5, 4: 6.2, 5: 6.5, 8: 7.0}), why, daily=True)
    assert [(finding.code, finding.row, finding.time) for finding in merged.findings] == [
        ("rescaled", None, None),
        ("revised", 1, "2024-01-04"),
        ("withdrawn", None, "2024-01-02"),
    ]
    assert (len(merged.frame), merged.n_new) == (4, 1)


DAYS = st.dictionaries(st.integers(1, 31), st.floats(1.0, 1e4), min_size=1)


@given(held=DAYS, fresh=DAYS)
def test_a_merged_table_holds_every_time_once_and_what_came_last(held: dict[int, float], fresh: dict[int, float]) -> None:
    old, new = (table(dict(sorted(side.items()))) for side in (held, fresh))
    merged = merge(old, new, daily=True)
    expected = dict(sorted({**held, **fresh}.items()))
    assert merged.frame["close"].tolist() == list(expected.values())
    assert merged.n_new == len(expected) - len(held)
    changed = [day for day in held if day in fresh and abs(fresh[day] - held[day]) > 1e-6 * max(fresh[day], held[day])]
    assert len(merged.findings) == len(changed)


@given(held=DAYS, ratio=st.sampled_from([0.1, 0.5, 2.0, 3.0, 0.987]))
def test_a_history_times_any_ratio_is_seen(held: dict[int, float], ratio: float) -> None:
    old = table(dict(sorted(held.items())), 1.0)
    assert rescaling(old, old.assign(adj_close=old["adj_close"] * ratio)) is not None
    assert rescaling(old, old) is None
