"""Dividends and splits that a file names: the factor that they make, and what is refused because prices would be wrong."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.core.errors import DataError
from nullalpha.data.bars import Bars
from nullalpha.data.instruments import Costs, Instrument
from nullalpha.data.intake import take
from nullalpha.data.sources.csv_file import read_csv_file
from nullalpha.data.sources.parquet_file import read_parquet_file
from nullalpha.data.sources.series import RawSeries

TRADED = [
    ("2024-01-02", 100.0, "", ""),
    ("2024-01-03", 104.0, "2", ""),
    ("2024-01-04", 102.0, "0", "1"),
    ("2024-01-05", 52.0, "0.51", "2"),
    ("2024-01-08", 50.0, "", "0"),
]
"""Date, close, dividend, split: a dividend of 2, then units are split in two and each of the new ones pays 0.51."""


def line(day: str, close: float, *cells: str) -> str:
    return ",".join([day, f"{close}", f"{close + 1}", f"{close - 1}", f"{close}", "1000", *cells])


def written(folder: Path, rows: list[str], columns: str = "dividend,split") -> Path:
    path = folder / "bars.csv"
    path.write_text("\n".join([f"date,open,high,low,close,volume,{columns}", *rows]) + "\n")
    return path


def bars_of(path: Path, instrument: Instrument, **columns: str) -> Bars:
    return take(read_csv_file(path, instrument, "1d", columns=columns or None)).bars


def errors_of(path: Path, instrument: Instrument, *, quarantine: bool = False, **columns: str) -> list[tuple[str, int | None]]:
    with pytest.raises(DataError) as caught:
        take(read_csv_file(path, instrument, "1d", columns=columns or None, quarantine=quarantine), quarantine=quarantine)
    assert "Traceback" not in caught.value.message
    return [(finding.code, finding.row) for finding in caught.value.findings if finding.severity == "error"]


def test_a_dividend_and_a_split_make_the_factor_worked_by_hand(tmp_path: Path, acme: Instrument) -> None:
    """Of the close 100, 2 are paid out: times 1 - 2/100 = 0.98.

    Of the close 102 there become two units of 51 each, and each pays 0.51: times (1 - 0.51/51) / 2 = 0.495.
    Factors: 0.495 x 0.98 = 0.4851 before the dividend, 0.495 before the split, 1 from then on.
    """
    bars = bars_of(written(tmp_path, [line(*row) for row in TRADED]), acme)
    assert bars.factor is not None
    np.testing.assert_allclose(bars.factor, [0.4851, 0.495, 0.495, 1.0, 1.0], rtol=1e-14)
    np.testing.assert_allclose(bars.close, [48.51, 51.48, 50.49, 52.0, 50.0], rtol=1e-14)
    np.testing.assert_allclose(bars.high, [48.9951, 51.975, 50.985, 53.0, 51.0], rtol=1e-14)
    np.testing.assert_allclose(bars.close / bars.factor, [100.0, 104.0, 102.0, 52.0, 50.0], rtol=1e-14)
    np.testing.assert_array_equal(bars.volume, np.full(5, 1000.0))


@pytest.mark.parametrize("columns", ["dividend,stock", "split,stock"])
def test_either_column_is_enough(tmp_path: Path, acme: Instrument, columns: str) -> None:
    event = "2" if columns.startswith("dividend") else "0.5"
    path = written(tmp_path, [line("2024-01-02", 100.0, "", ""), line("2024-01-03", 200.0, event, "")], columns)
    np.testing.assert_allclose(bars_of(path, acme).close, [98.0 if event == "2" else 200.0, 200.0], rtol=1e-14)


def test_a_parquet_file_gives_what_the_csv_gives(tmp_path: Path, acme: Instrument) -> None:
    path = written(tmp_path, [line(*row) for row in TRADED])
    pd.read_csv(path).to_parquet(tmp_path / "bars.parquet")
    parquet = take(read_parquet_file(tmp_path / "bars.parquet", acme, "1d")).bars
    np.testing.assert_array_equal(parquet.close, bars_of(path, acme).close)


def test_an_event_on_the_first_row_and_empty_columns_change_nothing(tmp_path: Path, acme: Instrument) -> None:
    first = bars_of(written(tmp_path, [line("2024-01-02", 50.0, "3", "2"), line("2024-01-03", 51.0, "", "")]), acme)
    assert first.factor is None
    empty = bars_of(written(tmp_path, [line("2024-01-02", 50.0, "", ""), line("2024-01-03", 51.0, "0", "1")]), acme)
    assert empty.factor is None
    np.testing.assert_array_equal(empty.close, [50.0, 51.0])


EVENT = st.tuples(
    st.floats(-0.2, 0.2),
    st.one_of(st.just(0.0), st.floats(0.001, 0.4)),
    st.one_of(st.just(Fraction(1)), st.sampled_from([Fraction(2), Fraction(7), Fraction(3, 2), Fraction(1, 10), Fraction(21, 20)])),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(EVENT, min_size=1, max_size=30))
def test_a_file_of_events_and_one_of_adjusted_closes_give_the_same_bars(events: list[tuple[float, float, Fraction]]) -> None:
    """The adjusted closes are made by the other road: forward, as the wealth of who puts each dividend back into what pays it."""
    close, wealth, rows = 100.0, [1.0], [(100.0, 0.0, 1.0)]
    for move, share, split in events:
        unit = close / float(split)
        ex = unit * (1.0 - share)
        close = ex * float(np.exp(move))
        wealth.append(wealth[-1] * close / ex)
        rows.append((close, share * unit, float(split)))
    frame = pd.DataFrame(rows, columns=["close", "dividend", "split"])
    days = np.busday_offset("2010-01-04", np.arange(len(rows))).astype(str)
    frame = frame.assign(time=days, open=frame["close"] * 0.999, high=frame["close"] * 1.01, low=frame["close"] * 0.99, volume=1000.0)
    adjusted = np.array(wealth) / wealth[-1] * close
    instrument = Instrument("X", "X", "24/7", "USD", "open", 365, Costs(0.0, 0.0, 0.0), "csv")
    by_events, by_close = (
        take(RawSeries(instrument, "1d", one, "events", b"")).bars
        for one in (frame, frame.drop(columns=["dividend", "split"]).assign(adj_close=adjusted))
    )
    for name in ("open", "high", "low", "close", "volume"):
        np.testing.assert_allclose(getattr(by_events, name), getattr(by_close, name), rtol=1e-9)
    np.testing.assert_allclose(frame["close"] / by_events.close * (1.0 if by_events.factor is None else by_events.factor), 1.0, rtol=1e-12)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("2024-01-03", 104.0, "-1", "")], [("negative_dividend", 1)]),
        ([("2024-01-03", 104.0, "", "-2")], [("impossible_split", 1)]),
        ([("2024-01-03", 104.0, "100", "")], [("impossible_dividend", 1)]),
        ([("2024-01-03", 52.0, "50", "2")], [("impossible_dividend", 1)]),
        ([("2024-01-03", 104.0, "much", "")], [("not_a_number", 1)]),
        ([("2024-01-03", 104.0, "inf", "")], [("not_a_number", 1)]),
        ([("2024-01-03", 104.0, "", "2:1")], [("not_a_number", 1)]),
        ([("2024-01-03", 101.0, "", ""), ("2024-01-04", 104.0, "", "2")], [("split_in_prices", 2)]),
        (
            [("2024-01-03", 101.0, "-1", "-1"), ("2024-01-04", 104.0, "-2", "")],
            [("negative_dividend", 1), ("impossible_split", 1), ("negative_dividend", 2)],
        ),
    ],
)
def test_an_event_that_cannot_be_is_an_error_of_its_row(
    tmp_path: Path, acme: Instrument, rows: list[tuple[str, float, str, str]], expected: list[tuple[str, int]]
) -> None:
    path = written(tmp_path, [line("2024-01-02", 100.0, "", ""), *(line(*row) for row in rows)])
    assert errors_of(path, acme) == expected


@pytest.mark.parametrize("other", ["adj_close", "factor"])
def test_events_beside_another_adjustment_are_an_error_until_one_is_left_out(tmp_path: Path, acme: Instrument, other: str) -> None:
    value = {"adj_close": ("98", "104"), "factor": ("0.98", "1")}[other]
    rows = [line("2024-01-02", 100.0, "", value[0]), line("2024-01-03", 104.0, "2", value[1])]
    path = written(tmp_path, rows, f"dividend,{other}")
    assert errors_of(path, acme) == [("two_adjustments", 1)]
    for left_out in ("dividend", other):
        np.testing.assert_allclose(bars_of(path, acme, **{left_out: ""}).close, [98.0, 104.0], rtol=1e-14)
    none = written(tmp_path, [row.replace(",2,", ",0,") for row in rows], f"dividend,{other}")
    np.testing.assert_allclose(bars_of(none, acme).close, [98.0, 104.0], rtol=1e-14)


def test_a_row_with_an_event_is_never_set_apart(tmp_path: Path, acme: Instrument) -> None:
    rows = [line(*row) for row in TRADED]
    path = written(tmp_path, [rows[0], rows[1].replace("105.0", "1.0"), *rows[2:]])
    assert ("event_apart", 1) in errors_of(path, acme, quarantine=True)
    unread = written(tmp_path, [rows[0], rows[1].replace(",2,", ",two,"), *rows[2:]])
    assert errors_of(unread, acme, quarantine=True) == [("not_a_number", 1), ("event_apart", 1)]
    path = written(tmp_path, [*rows[:2], rows[2].replace("103.0", "1.0"), *rows[3:]])
    kept = take(read_csv_file(path, acme, "1d", quarantine=True), quarantine=True)
    assert kept.bars.factor is not None
    np.testing.assert_allclose(kept.bars.factor[:2], [(1 - 2 * 0.51 / 104) / 2 * 0.98, (1 - 2 * 0.51 / 104) / 2], rtol=1e-14)


YAHOO = "Dividends,Stock Splits"


def test_yahoos_events_are_in_its_adjusted_close_already(tmp_path: Path, acme: Instrument) -> None:
    """As yfinance writes it with auto_adjust=False: closes contain the split, the adjusted close the dividend too."""
    rows = [line("2024-01-02", 50.0, "49", "0.0", "0.0"), line("2024-01-03", 52.0, "52", "1.0", "2.0")]
    bars = bars_of(written(tmp_path, rows, f"Adj Close,{YAHOO}"), acme)
    np.testing.assert_allclose(bars.close, [49.0, 52.0], rtol=1e-14)


def test_yahoos_events_without_an_adjusted_close_are_asked_about(tmp_path: Path, acme: Instrument) -> None:
    rows = [line("2024-01-02", 100.0, "0.0", "0.0"), line("2024-01-03", 104.0, "2.0", "0.0"), line("2024-01-04", 104.0, "1.0", "0.0")]
    path = written(tmp_path, rows, YAHOO)
    assert errors_of(path, acme) == [("unstated_events", 1)]
    np.testing.assert_array_equal(bars_of(path, acme, dividend="", split="").close, [100.0, 104.0, 104.0])
    stated = bars_of(path, acme, dividend="Dividends", split="Stock Splits").close
    np.testing.assert_allclose(stated, [100 * 0.98 * (1 - 1 / 104), 104 * (1 - 1 / 104), 104.0], rtol=1e-14)
    quiet = written(tmp_path, [row.replace("2.0,0.0", "0.0,0.0").replace("1.0,0.0", "0.0,0.0") for row in rows], YAHOO)
    np.testing.assert_array_equal(bars_of(quiet, acme).close, [100.0, 104.0, 104.0])


def test_one_of_yahoos_columns_named_as_ours_leaves_the_other_to_be_asked_about(tmp_path: Path, acme: Instrument) -> None:
    rows = [line("2024-01-02", 100.0, "0", "0"), line("2024-01-03", 104.0, "2", "0"), line("2024-01-04", 100.0, "0", "1.05")]
    path = written(tmp_path, rows, YAHOO)
    assert errors_of(path, acme, dividend="Dividends") == [("unstated_events", 1)]
    np.testing.assert_allclose(bars_of(path, acme, dividend="Dividends", split="").close, [98.0, 104.0, 100.0], rtol=1e-14)
    unsplit = written(tmp_path, [row.replace("1.05", "0") for row in rows], YAHOO)
    np.testing.assert_allclose(bars_of(unsplit, acme, dividend="Dividends").close, [98.0, 104.0, 100.0], rtol=1e-14)


def test_prices_that_show_a_split_say_that_they_are_as_traded(tmp_path: Path, acme: Instrument) -> None:
    rows = [line(*row) for row in TRADED]
    ours = bars_of(written(tmp_path, rows), acme)
    yahoos = bars_of(written(tmp_path, rows, YAHOO), acme)
    np.testing.assert_array_equal(yahoos.close, ours.close)
    contained = [line("2024-01-02", 50.0, "0.0", "0.0"), line("2024-01-03", 52.0, "1.0", "2.0")]
    assert errors_of(written(tmp_path, contained, YAHOO), acme) == [("split_in_prices", 1)]


def test_a_split_that_is_adjusted_for_is_no_jump(tmp_path: Path, acme: Instrument) -> None:
    rows = [line("2024-01-02", 100.0, ""), line("2024-01-03", 51.0, "2")]
    assert take(read_csv_file(written(tmp_path, rows, "split"), acme, "1d")).findings == ()
    unadjusted = take(read_csv_file(written(tmp_path, rows, "split"), acme, "1d", columns={"split": ""}))
    assert [finding.code for finding in unadjusted.findings] == ["jump"]
