"""Which column of a CSV is which, its zone, its delimiter, and what its prices were adjusted by."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.core.errors import DataError, UsageError
from nullalpha.data.catalogue import Catalogue
from nullalpha.data.instruments import Instrument
from nullalpha.data.sources.csv_file import parse_table, read_csv_file

VENDOR = """Timestamp,Open,High,Low,Close,Last,Vol.
2024-07-01 09:30,10,12,9,1,11,100
2024-07-01 10:30,11,13,10,1,12,200
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "vendor.csv"
    path.write_text(text)
    return path


def test_columns_are_taken_from_where_the_user_says(tmp_path: Path, acme: Instrument) -> None:
    chosen = {"time": "Timestamp", "close": "Last", "volume": "vol."}
    raw = read_csv_file(written(tmp_path, VENDOR), acme, "1h", "open", columns=chosen, tz="America/New_York")
    catalogue = Catalogue(tmp_path / "data")
    bars = catalogue.read(catalogue.ingest(raw))
    assert [str(time)[:16] for time in bars.time] == ["2024-07-01T14:30", "2024-07-01T15:30"]
    np.testing.assert_array_equal(bars.close, [11.0, 12.0])
    np.testing.assert_array_equal(bars.volume, [100.0, 200.0])


@pytest.mark.parametrize(
    ("chosen", "error", "suggestion"),
    [
        ({"close": "Lats"}, DataError, "did you mean Last?"),
        ({"close": "zzz"}, DataError, "there are: Timestamp, Open, High, Low, Close, Last, Vol."),
        ({"clsoe": "Last"}, UsageError, "did you mean close?"),
        ({"qqqq": "Last"}, UsageError, "use time, open, high, low, close, value, volume, adj_close, factor, spread, dividend, split"),
    ],
)
def test_a_column_that_is_not_there_is_refused_with_the_nearest(
    tmp_path: Path, acme: Instrument, chosen: dict[str, str], error: type[UsageError], suggestion: str
) -> None:
    with pytest.raises(error) as caught:
        read_csv_file(written(tmp_path, VENDOR), acme, "1h", columns=chosen)
    assert caught.value.suggestion == suggestion


def test_naive_times_are_errors_until_their_zone_is_stated(tmp_path: Path, acme: Instrument) -> None:
    path = written(tmp_path, VENDOR)
    with pytest.raises(DataError) as caught:
        Catalogue(tmp_path / "data").ingest(read_csv_file(path, acme, "1h", columns={"close": "Last"}))
    assert [(finding.code, finding.row) for finding in caught.value.findings] == [("naive_time", 0), ("naive_time", 1)]


@pytest.mark.parametrize("mark", [";", "\t"])
def test_semicolons_and_tabs_part_cells_too(mark: str) -> None:
    frame = parse_table(VENDOR.replace(",", mark).encode(), "vendor.csv")
    assert list(frame.columns) == ["time", "open", "high", "low", "close", "last", "vol."]
    assert frame["last"].tolist() == ["11", "12"]


def test_quoted_cells_blank_lines_and_any_line_ends_are_read() -> None:
    plain = parse_table(VENDOR.encode(), "vendor.csv")
    quoted = "\r\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in VENDOR.splitlines())
    for text in (quoted, VENDOR.replace("\n", "\n\n"), VENDOR.replace("\n", "\r\n"), VENDOR.rstrip("\n"), "\n\n" + VENDOR):
        assert parse_table(text.encode(), "vendor.csv").equals(plain), text


def test_prices_as_traded_are_adjusted_by_the_files_factor_and_it_is_kept(tmp_path: Path, acme: Instrument) -> None:
    """A 2:1 split before the second session: prices before it are halved, spreads alike, volume stays as received."""
    text = "date,open,high,low,close,volume,factor,spread\n2024-01-02,20,24,18,22,100,0.5,0.04\n2024-01-03,11,13,10,12,200,1,0.02\n"
    raw = read_csv_file(written(tmp_path, text), acme, "1d")
    catalogue = Catalogue(tmp_path / "data")
    snapshot = catalogue.ingest(raw)
    bars = catalogue.read(snapshot)
    assert bars.factor is not None
    assert bars.spread is not None
    np.testing.assert_array_equal(bars.close, [11.0, 12.0])
    np.testing.assert_array_equal(bars.close / bars.factor, [22.0, 12.0])
    np.testing.assert_array_equal(bars.spread, [0.02, 0.02])
    np.testing.assert_array_equal(bars.volume, [100.0, 200.0])
    assert snapshot.findings == ()
    unadjusted = catalogue.ingest(read_csv_file(written(tmp_path, text.replace(",0.5,", ",1,")), acme, "1d"))
    assert catalogue.read(unadjusted).factor is None
    assert [finding.code for finding in unadjusted.findings] == ["jump"]


def test_hourly_bars_carry_the_sessions_of_their_exchange(tmp_path: Path, acme: Instrument) -> None:
    """The half day after Thanksgiving 2018 closed at 18:00 UTC; a bar stamped 12:30 local ends with it."""
    local = [f"2018-11-21 {hour}:30" for hour in ("13", "14", "15")] + [f"2018-11-23 {hour}:30" for hour in ("09", "10", "11", "12")]
    text = "time,open,high,low,close\n" + "".join(
        f"{time},1,1,1,{1 + 0.01 * row}\n".replace(",1,1,1", ",1,2,1") for row, time in enumerate(local)
    )
    raw = read_csv_file(written(tmp_path, text), acme, "1h", "open", tz="America/New_York")
    catalogue = Catalogue(tmp_path / "data")
    snapshot = catalogue.ingest(raw)
    bars = catalogue.read(snapshot)
    assert [str(time)[5:16] for time in bars.time[2:]] == ["11-21T21:00", "11-23T15:30", "11-23T16:30", "11-23T17:30", "11-23T18:00"]
    assert bars.sessions is not None
    assert [str(time)[5:16] for time in bars.sessions.open] == ["11-21T14:30", "11-23T14:30"]
    assert [str(time)[5:16] for time in bars.sessions.close] == ["11-21T21:00", "11-23T18:00"]
    assert snapshot.findings == ()


CELL = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters='\x00,"\r\n'), max_size=6),
    st.sampled_from(["1.5", "2024-01-02", " 7 ", "-3e5", "ü"]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=6), st.booleans(), st.booleans())
def test_any_table_of_text_is_read_cell_by_cell(rows: list[tuple[str, str, str]], quoted: bool, packed: bool) -> None:
    wrap = '"{}"'.format if quoted else str
    text = "\n".join(["time,open,other", *(",".join(map(wrap, row)) for row in rows)])
    data = gzip.compress(text.encode()) if packed else text.encode()
    frame = parse_table(data, "any.csv")
    assert [tuple(row) for row in frame.itertuples(index=False)] == rows


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_a_table_or_a_typed_refusal(data: bytes) -> None:
    for content in (data, b"time,open\n" + data, gzip.compress(data), b"\x1f\x8b" + data):
        try:
            frame = parse_table(content, "any.csv")
        except DataError:
            continue
        assert all(isinstance(cell, str) for column in frame for cell in frame[column])
