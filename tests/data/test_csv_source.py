from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nullalpha.core.errors import DataError, NotFoundError
from nullalpha.core.fingerprint import sha256_hex
from nullalpha.data.catalogue import Catalogue
from nullalpha.data.instruments import Instrument
from nullalpha.data.sources.csv_file import read_csv_file
from nullalpha.data.sources.registry import SAMPLES

GOOD = """Date,Open,HIGH,Low,Close,Volume,Adj Close
2024-01-02,10,12,9,11,100,5.5
2024-01-03,11,13,10,12,200,6
2024-01-04,12,14,11,13,300,13
"""


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "acme.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_csv_file_becomes_adjusted_bars_known_at_the_session_close(tmp_path: Path, acme: Instrument) -> None:
    raw = read_csv_file(written(tmp_path, GOOD), acme, "1d")
    catalogue = Catalogue(tmp_path / "data")
    bars = catalogue.read(catalogue.ingest(raw))
    assert bars.time.tolist() == np.array(["2024-01-02T21", "2024-01-03T21", "2024-01-04T21"], "datetime64[ns]").tolist()
    np.testing.assert_array_equal(bars.open, [5.0, 5.5, 12.0])
    np.testing.assert_array_equal(bars.high, [6.0, 6.5, 14.0])
    np.testing.assert_array_equal(bars.low, [4.5, 5.0, 11.0])
    np.testing.assert_array_equal(bars.close, [5.5, 6.0, 13.0])
    np.testing.assert_array_equal(bars.volume, [100.0, 200.0, 300.0])
    assert raw.sha256 == sha256_hex(GOOD)


def test_a_gzip_file_with_a_byte_order_mark_reads_the_same(tmp_path: Path, acme: Instrument) -> None:
    plain = read_csv_file(written(tmp_path, GOOD), acme, "1d")
    packed = read_csv_file(written(tmp_path, gzip.compress(b"\xef\xbb\xbf" + GOOD.encode(), mtime=0)), acme, "1d")
    pd.testing.assert_frame_equal(packed.frame, plain.frame)
    assert (plain.extension, packed.extension) == ("csv", "csv.gz")


def test_intraday_bars_stamped_at_their_open_are_known_a_bar_later(tmp_path: Path, acme: Instrument) -> None:
    text = "time,open,high,low,close\n2024-01-02T15:00:00Z,1,1,1,1\n2024-01-02T11:00:00-05:00,1,1,1,1\n"
    path = written(tmp_path, text)
    catalogue = Catalogue(tmp_path / "data")
    at_open = catalogue.read(catalogue.ingest(read_csv_file(path, acme, "1h", bar_time="open")))
    at_close = catalogue.read(catalogue.ingest(read_csv_file(path, acme, "1h", bar_time="close")))
    assert at_open.time.tolist() == np.array(["2024-01-02T16", "2024-01-02T17"], "datetime64[ns]").tolist()
    assert at_close.time.tolist() == np.array(["2024-01-02T15", "2024-01-02T16"], "datetime64[ns]").tolist()
    assert np.isnan(at_open.volume).all()


@pytest.mark.parametrize(
    ("order", "code", "rows"),
    [
        ((0, 2, 1), "disorder", [2]),
        ((2, 1, 0), "disorder", [1, 2]),
        ((0, 1, 1, 2), "duplicate_time", [2]),
        ((0, 1, 2, 0), "duplicate_time", [3]),
    ],
)
def test_shuffled_or_doubled_dates_are_refused_by_row_and_leave_nothing(
    tmp_path: Path,
    acme: Instrument,
    files_under: Callable[[Path], dict[str, bytes]],
    order: tuple[int, ...],
    code: str,
    rows: list[int],
) -> None:
    header, *lines = GOOD.splitlines()
    path = written(tmp_path, "\n".join([header, *(lines[row] for row in order)]))
    root = tmp_path / "data"
    with pytest.raises(DataError) as caught:
        Catalogue(root).ingest(read_csv_file(path, acme, "1d"))
    assert [finding.row for finding in caught.value.findings if finding.code == code] == rows
    assert f"row {rows[0]}" in caught.value.message
    assert caught.value.exit_code == 2
    assert not root.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        ("date,open,open,high,low,close\n", "more than one column open"),
        ("date,time,open,high,low,close\n", "more than one column time"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"\x1f\x8b\x00broken", "gzip"),
        (gzip.compress(GOOD.encode(), mtime=0)[:-20], "gzip"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, acme: Instrument, content: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_csv_file(written(tmp_path, content), acme, "1d")


def test_rows_with_other_than_the_headers_cells_are_named(tmp_path: Path, acme: Instrument) -> None:
    with pytest.raises(DataError) as caught:
        read_csv_file(written(tmp_path, GOOD + "2024-01-05,1,1\n"), acme, "1d")
    assert [(finding.code, finding.row) for finding in caught.value.findings] == [("ragged_row", 3)]


def test_a_table_without_prices_is_refused(tmp_path: Path, acme: Instrument) -> None:
    raw = read_csv_file(written(tmp_path, "date,price\n2024-01-02,1\n"), acme, "1d")
    with pytest.raises(DataError) as caught:
        Catalogue(tmp_path / "data").ingest(raw)
    assert [finding.code for finding in caught.value.findings] == ["missing_column"] * 4


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path, acme: Instrument) -> None:
    with pytest.raises(NotFoundError, match=r"none\.csv"):
        read_csv_file(tmp_path / "none.csv", acme, "1d")
    with pytest.raises(DataError, match="cannot read"):
        read_csv_file(tmp_path, acme, "1d")


def test_prices_are_read_to_the_last_bit(tmp_path: Path, acme: Instrument) -> None:
    price = "1228.0999760000001"
    raw = read_csv_file(written(tmp_path, f"date,open,high,low,close\n2024-01-02,{price},{price},{price},{price}\n"), acme, "1d")
    catalogue = Catalogue(tmp_path / "data")
    assert catalogue.read(catalogue.ingest(raw)).close[0] == float(price)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.instrument.symbol)
def test_a_sample_is_what_its_source_file_says(sample) -> None:  # type: ignore[no-untyped-def]
    import arch.data.nasdaq
    import arch.data.sp500

    packaged = {"SPX": arch.data.sp500.load, "IXIC": arch.data.nasdaq.load}[sample.instrument.symbol]()
    raw = sample.load()
    assert raw.frame["time"].tolist() == packaged.index.strftime("%Y-%m-%d").tolist()
    np.testing.assert_array_equal(raw.frame["close"].astype(float), packaged["Close"])
    np.testing.assert_array_equal(raw.frame["open"].astype(float), packaged["Open"])
    assert raw.instrument.fill_basis == "close"
