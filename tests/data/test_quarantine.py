"""Rows with errors set apart: the others are taken in, what was received is kept, and nothing is put right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.core.errors import DataError, Finding
from nullalpha.data.bars import Bars
from nullalpha.data.catalogue import Catalogue
from nullalpha.data.instruments import Costs, Instrument
from nullalpha.data.intake import ascending, take
from nullalpha.data.snapshots import Derivation
from nullalpha.data.sources.csv_file import read_csv_file
from nullalpha.data.sources.series import RawSeries

ACME = Instrument("ACME", "Acme Corp", "XNYS", "USD", "open", 252, Costs(0.0001, 1.0, 1.0), "csv")
DAYS = ["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09"]
GOOD = {
    "time": DAYS,
    "open": ["10", "10.5", "10.2", "10.4", "10.1", "10.3"],
    "high": ["10.6", "10.8", "10.5", "10.6", "10.4", "10.9"],
    "low": ["9.9", "10.1", "10", "10", "9.8", "10.2"],
    "close": ["10.5", "10.2", "10.4", "10.1", "10.3", "10.8"],
}


def raw_of(frame: pd.DataFrame, **changes: object) -> RawSeries:
    return replace(RawSeries(ACME, "1d", frame, "acme.csv", frame.to_csv().encode()), **changes)  # type: ignore[arg-type]


def test_bad_rows_are_kept_beside_the_snapshot_with_what_is_wrong_and_as_received(tmp_path: Path) -> None:
    frame = pd.DataFrame(GOOD)
    frame.loc[1, "close"] = "ten"
    frame.loc[3, ["high", "low"]] = ["1", "-2"]
    raw = raw_of(frame)
    catalogue = Catalogue(tmp_path / "data")
    with pytest.raises(DataError):
        catalogue.ingest(raw)
    assert not catalogue.root.exists()
    snapshot = catalogue.ingest(raw, quarantine=True)
    np.testing.assert_array_equal(catalogue.read(snapshot).close, [10.5, 10.4, 10.3, 10.8])
    apart = catalogue.quarantined(snapshot)
    assert apart is not None
    assert (snapshot.n_bars, snapshot.n_quarantined, apart.num_rows) == (4, 2, 2)
    first, second = apart.to_pylist()
    assert (first["row"], first["codes"], first["received_time"], first["received_close"]) == (1, "not_a_number", "2024-01-03", "ten")
    assert second["row"] == 3
    assert set(second["codes"].split("; ")) == {"non_positive_price", "inconsistent_high"}
    assert "high 1 is below 10.4" in second["messages"]
    assert (catalogue.root / "bronze" / f"{raw.sha256}.csv").read_bytes() == raw.original
    assert [(finding.code, finding.row, finding.severity) for finding in snapshot.findings] == [
        ("not_a_number", 1, "quarantined"),
        ("missing_sessions", 2, "warning"),
        ("non_positive_price", 3, "quarantined"),
        ("inconsistent_high", 3, "quarantined"),
        ("missing_sessions", 4, "warning"),
    ]
    assert catalogue.ingest(raw, quarantine=True) == snapshot == catalogue.get(snapshot.id)


def test_a_file_without_errors_has_nothing_set_apart(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path)
    snapshot = catalogue.ingest(raw_of(pd.DataFrame(GOOD)), quarantine=True)
    assert (snapshot.n_quarantined, catalogue.quarantined(snapshot), snapshot.n_bars) == (0, None, 6)


@pytest.mark.parametrize(
    ("order", "kept", "codes"),
    [
        ((0, 1, 1, 2), (0, 1, 3), {2: "duplicate_time"}),
        ((0, 5, 1, 2, 3), (0, 2, 3, 4), {1: "disorder"}),
        ((0, 2, 1, 3), (0, 2, 3), {1: "disorder"}),
        ((0, 1, 2, 0, 3), (0, 1, 2, 4), {3: "duplicate_time"}),
    ],
)
def test_of_times_that_do_not_ascend_the_longest_run_that_does_is_kept(
    order: tuple[int, ...], kept: tuple[int, ...], codes: dict[int, str]
) -> None:
    taken = take(raw_of(pd.DataFrame(GOOD).iloc[list(order)].reset_index(drop=True)), quarantine=True)
    expected = [float(GOOD["close"][order[row]]) for row in kept]
    np.testing.assert_array_equal(taken.bars.close, expected)
    assert taken.apart is not None
    assert dict(zip(taken.apart["row"].to_pylist(), taken.apart["codes"].to_pylist(), strict=True)) == codes


def test_rows_that_do_not_fit_the_header_can_be_set_apart(tmp_path: Path) -> None:
    rows = [",".join(cells) for cells in zip(*GOOD.values(), strict=True)]
    rows[2] += ",7"
    rows[4] = "2024-01-08,1"
    path = tmp_path / "acme.csv"
    path.write_text("\n".join(["time,open,high,low,close", *rows]))
    with pytest.raises(DataError):
        read_csv_file(path, ACME, "1d")
    catalogue = Catalogue(tmp_path / "data")
    snapshot = catalogue.ingest(read_csv_file(path, ACME, "1d", quarantine=True), quarantine=True)
    apart = catalogue.quarantined(snapshot)
    assert apart is not None
    assert apart["row"].to_pylist() == [2, 4]
    assert [codes.split("; ")[0] for codes in apart["codes"].to_pylist()] == ["ragged_row", "ragged_row"]
    with pytest.raises(DataError, match="cells where the header has 5"):
        catalogue.ingest(read_csv_file(path, ACME, "1d", quarantine=True))


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (raw_of(pd.DataFrame(GOOD).drop(columns="low")), "missing_column"),
        (raw_of(pd.DataFrame(GOOD).iloc[:0]), "empty"),
        (raw_of(pd.DataFrame(GOOD), instrument=replace(ACME, calendar="XNYSE")), "unknown_calendar"),
        (raw_of(pd.DataFrame(GOOD).assign(close="x")), "not_a_number"),
        (raw_of(pd.DataFrame(GOOD), timeframe="1h"), "naive_time"),
    ],
)
def test_what_is_wrong_with_the_whole_file_cannot_be_set_apart(tmp_path: Path, raw: RawSeries, code: str) -> None:
    with pytest.raises(DataError) as caught:
        Catalogue(tmp_path / "data").ingest(raw, quarantine=True)
    assert caught.value.value == code
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(("timeframe", "kind"), [("published", "equity"), ("1d", "series")])
def test_published_values_and_outside_series_belong_together(timeframe: str, kind: str) -> None:
    instrument = replace(ACME, kind=kind)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="kind") as caught:
        take(raw_of(pd.DataFrame(GOOD), instrument=instrument, timeframe=timeframe))
    assert caught.value.path == "timeframe"


def test_values_of_an_outside_series_may_have_any_sign_and_are_known_at_publication(tmp_path: Path) -> None:
    frame = pd.DataFrame({"time": ["2024-02-02T13:30:00Z", "2024-03-08T13:30:00Z", "2024-04-05"], "value": [-1.5, 0.0, 2.5]})
    series = replace(ACME, symbol="PAYEMS", kind="series", calendar="24/7")
    raw = raw_of(frame, instrument=series, timeframe="published")
    with pytest.raises(DataError) as caught:
        take(raw)
    assert [(finding.code, finding.row) for finding in caught.value.findings] == [("naive_time", 2)]
    zoned = raw_of(frame.assign(time=["2024-02-02 08:30", "2024-03-08 08:30", "2024-04-05"]), instrument=series, timeframe="published")
    catalogue = Catalogue(tmp_path)
    bars = catalogue.read(catalogue.ingest(replace(zoned, tz="America/New_York", derived_from=Derivation((), "made up"))))
    assert [str(time)[:16] for time in bars.time] == ["2024-02-02T13:30", "2024-03-08T13:30", "2024-04-06T04:00"]
    np.testing.assert_array_equal(bars.close, [-1.5, 0.0, 2.5])
    np.testing.assert_array_equal(bars.low, bars.high)
    late = raw_of(frame.iloc[[1, 0]].reset_index(drop=True), instrument=series, timeframe="published")
    with pytest.raises(DataError) as caught:
        take(late)
    assert caught.value.value == "disorder"
    lost = raw_of(frame.assign(value=[1.0, np.nan, 2.0], time=frame["time"].str.slice(0, 10)), instrument=series, timeframe="published")
    with pytest.raises(DataError) as caught:
        take(replace(lost, tz="UTC"))
    assert [(finding.code, finding.row) for finding in caught.value.findings] == [("missing_price", 1)]


@given(st.lists(st.integers(0, 9), max_size=12))
def test_a_longest_ascending_run_is_ascending_and_none_is_longer(numbers: list[int]) -> None:
    times = np.array(numbers, dtype="datetime64[ns]")
    run = ascending(times)
    assert (np.diff(run) > 0).all()
    assert (np.diff(times[run]) > np.timedelta64(0, "ns")).all()
    longest = [1] * len(numbers)  # plain dynamic programming, quadratic
    for place in range(len(numbers)):
        longest[place] = 1 + max((longest[k] for k in range(place) if numbers[k] < numbers[place]), default=0)
    assert len(run) == max(longest, default=0)


CELLS = st.sampled_from(["", "x", "nan", "inf", "-1", "0", "1e400", "10.3", "99", None, "2024-01-05", "2024-01-05T00:00:00Z", "2030-01-01"])


@settings(max_examples=150, deadline=None)
@given(
    order=st.lists(st.integers(0, 5), min_size=1, max_size=8),
    damage=st.lists(st.tuples(st.integers(0, 7), st.sampled_from(list(GOOD)), CELLS), max_size=4),
)
def test_any_permutation_or_corruption_of_a_good_table_is_found_or_harmless(
    order: list[int], damage: list[tuple[int, str, str | None]]
) -> None:
    """Whatever is imported is in order and possible, and holds of the received rows only what they say; whatever is not is named."""
    frame = pd.DataFrame(GOOD).iloc[order].reset_index(drop=True).astype(object)
    for row, column, cell in damage:
        if row < len(frame):
            frame.loc[row, column] = cell
    raw = raw_of(frame)
    refused: tuple[Finding, ...] = ()
    try:
        taken = take(raw, quarantine=True)
    except DataError as error:
        refused = error.findings
    if refused:
        assert {finding.row for finding in refused if finding.severity == "error"} == set(range(len(frame)))
        return
    assert_possible(taken.bars)
    apart = [] if taken.apart is None else taken.apart["row"].to_pylist()
    kept = [row for row in range(len(frame)) if row not in apart]
    np.testing.assert_array_equal(taken.bars.close, [float(frame.loc[row, "close"]) for row in kept])
    np.testing.assert_array_equal(taken.bars.time.astype("datetime64[D]").astype(str), [frame.loc[row, "time"][:10] for row in kept])
    if apart:
        with pytest.raises(DataError) as caught:
            take(raw)
        assert caught.value.findings
    else:
        np.testing.assert_array_equal(take(raw).bars.close, taken.bars.close)


def assert_possible(bars: Bars) -> None:
    assert (np.diff(bars.time) > np.timedelta64(0, "ns")).all()
    assert np.isfinite([bars.open, bars.high, bars.low, bars.close]).all()
    assert (bars.low > 0).all()
    assert (bars.low <= np.minimum(bars.open, bars.close)).all()
    assert (bars.high >= np.maximum(bars.open, bars.close)).all()
