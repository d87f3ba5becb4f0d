from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nullalpha.core.errors import DataError, NotFoundError, UsageError
from nullalpha.data.catalogue import Catalogue
from nullalpha.data.instruments import Instrument
from nullalpha.data.sources.csv_file import read_csv_file
from nullalpha.data.sources.parquet_file import read_parquet_file

DAYS = ["2024-01-02", "2024-01-03", "2024-01-04"]
PRICES = {"Open": [10.0, 11.0, 12.0], "High": [12.0, 13.0, 14.0], "Low": [9.0, 10.0, 11.0], "Close": [11.0, 12.0, 13.0]}


def written(folder: Path, columns: dict[str, pa.Array]) -> Path:
    path = folder / "acme.parquet"
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize(
    "times",
    [
        pa.array(DAYS),
        pa.array([date.fromisoformat(day) for day in DAYS]),
        pa.array([date.fromisoformat(day) for day in DAYS], pa.date64()),
        pa.array(pd.to_datetime(DAYS)),
        pa.array(pd.to_datetime(DAYS), pa.timestamp("ms")),
        pa.array(pd.to_datetime(DAYS).tz_localize("America/New_York")),
        pa.array(DAYS).dictionary_encode(),
        pa.array([20240102, 20240103, 20240104]),
    ],
    ids=lambda column: str(column.type),
)
def test_a_parquet_file_is_the_same_snapshot_as_its_csv_whatever_its_types(tmp_path: Path, acme: Instrument, times: pa.Array) -> None:
    prices = {name: pa.array(values) for name, values in PRICES.items()}
    path = written(tmp_path, {"Date": times, **prices, "Volume": pa.array([100, None, 300])})
    catalogue = Catalogue(tmp_path / "data")
    raw = read_parquet_file(path, acme, "1d")
    snapshot = catalogue.ingest(raw)
    text = tmp_path / "acme.csv"
    pd.DataFrame({"Date": DAYS, **PRICES, "Volume": ["100", "", "300"]}).to_csv(text, index=False)
    assert catalogue.ingest(read_csv_file(text, acme, "1d")).id == snapshot.id
    assert (catalogue.root / "bronze" / f"{raw.sha256}.parquet").read_bytes() == path.read_bytes()
    assert [(finding.code, finding.row) for finding in snapshot.findings] == [("missing_volume", 1)]


def test_decimals_and_integers_are_numbers(tmp_path: Path, acme: Instrument) -> None:
    exact = {name: pa.array([Decimal(str(value)) for value in values]) for name, values in PRICES.items()}
    whole = pa.array([11, 12, 13], pa.int32())
    catalogue = Catalogue(tmp_path / "data")
    bars = catalogue.read(
        catalogue.ingest(read_parquet_file(written(tmp_path, {"Date": pa.array(DAYS), **exact, "Close": whole}), acme, "1d"))
    )
    np.testing.assert_array_equal(bars.open, PRICES["Open"])
    np.testing.assert_array_equal(bars.close, PRICES["Close"])


def test_an_index_that_pandas_wrote_is_a_column(tmp_path: Path, acme: Instrument) -> None:
    path = tmp_path / "hourly.parquet"
    index = pd.DatetimeIndex(["2024-01-02 10:30", "2024-01-02 11:30", "2024-01-02 12:30"], name="Datetime").tz_localize("America/New_York")
    pd.DataFrame(PRICES, index=index).to_parquet(path)
    catalogue = Catalogue(tmp_path / "data")
    bars = catalogue.read(catalogue.ingest(read_parquet_file(path, acme, "1h")))
    assert [str(time)[:16] for time in bars.time] == ["2024-01-02T15:30", "2024-01-02T16:30", "2024-01-02T17:30"]
    assert bars.sessions is not None
    assert [str(time)[:16] for time in bars.sessions.close] == ["2024-01-02T21:00"]


def test_missing_values_are_named_by_row(tmp_path: Path, acme: Instrument) -> None:
    prices = {name: pa.array(values) for name, values in PRICES.items()}
    holes = {"Date": pa.array([*DAYS[:2], None]), **prices, "Close": pa.array([11.0, None, 13.0])}
    with pytest.raises(DataError) as caught:
        Catalogue(tmp_path / "data").ingest(read_parquet_file(written(tmp_path, holes), acme, "1d"))
    assert [(finding.code, finding.row) for finding in caught.value.findings if finding.severity == "error"] == [
        ("missing_price", 1),
        ("unreadable_time", 2),
    ]


def test_columns_are_mapped_and_naive_times_have_the_stated_zone(tmp_path: Path, acme: Instrument) -> None:
    stamps = pa.array(pd.to_datetime(["2024-07-01 09:30", "2024-07-01 10:30", "2024-07-01 11:30"]))
    path = written(
        tmp_path, {"when": stamps, **{name: pa.array(values) for name, values in PRICES.items()}, "Last": pa.array([11.5, 12.5, 13.5])}
    )
    catalogue = Catalogue(tmp_path / "data")
    raw = read_parquet_file(path, acme, "1h", "open", columns={"time": "when", "close": "Last"}, tz="America/New_York")
    bars = catalogue.read(catalogue.ingest(raw))
    assert [str(time)[:16] for time in bars.time] == ["2024-07-01T14:30", "2024-07-01T15:30", "2024-07-01T16:30"]
    np.testing.assert_array_equal(bars.close, [11.5, 12.5, 13.5])


def test_what_is_no_parquet_file_or_has_no_numbers_is_refused(tmp_path: Path, acme: Instrument) -> None:
    path = tmp_path / "broken.parquet"
    path.write_bytes(b"PAR1 but no more")
    with pytest.raises(DataError, match="no parquet file"):
        read_parquet_file(path, acme, "1d")
    with pytest.raises(NotFoundError):
        read_parquet_file(tmp_path / "none.parquet", acme, "1d")
    nested = written(
        tmp_path, {"Date": pa.array(DAYS), **{name: pa.array(values) for name, values in PRICES.items()}, "extra": pa.array([[1]] * 3)}
    )
    with pytest.raises(DataError, match="'extra' is of type list"):
        read_parquet_file(nested, acme, "1d")
    with pytest.raises(UsageError) as caught:
        read_parquet_file(nested, acme, "1d", columns={"closing": "Close"})
    assert caught.value.suggestion == "did you mean close?"
