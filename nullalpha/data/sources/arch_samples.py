"""What the `arch` package ships: daily bars of the S&P 500 and the NASDAQ Composite, 1999-2018; crude oil and the VIX, closes alone.

The files are read from the installed package without importing it. The indices' closes are unadjusted levels (price
indices: no dividends), so nothing is to be adjusted.

Costs are those of trading the index through its most used vehicle, for one side of a small order. S&P 500: an E-mini future or
SPY costs about 0.5 bps in fees, a half spread of some 0.5 bps over these years, and 1 bp is allowed for slippage: 2 bps a
side. The NASDAQ Composite has no liquid future of its own; a proxy (ONEQ, or Nasdaq-100 futures with tracking error) is
given twice the spread and slippage: 3.5 bps a side.

An index's open is no price one could have traded at (in the S&P 500 of 1999-2005 it equals the previous close on nearly every
day), so orders fill at the close.

WTI (1986-2019, from FRED) is the spot price of oil at Cushing: open, high and low are given as the close. Nobody can hold spot oil;
a future or fund that stands for it pays or earns the roll, which these prices do not show. One side is taken to cost 1 bp of half spread
(a tick of a crude oil future is about 2 bps), 2 bps of slippage and 0.5 bps of fees. It is dated as a price that the market knows at
the New York close; its publication by the EIA follows days later.

The VIX (2014-2019) is no price but a level that options imply, and cannot be traded: an outside series, known when Cboe's session ends,
a quarter of an hour after the stocks that it describes.

Days on which either has no value (FRED writes `.`, on holidays) are no rows.
"""

from __future__ import annotations

import io
from functools import partial

import pandas as pd

from nullalpha.core.errors import DataError
from nullalpha.data.calendars import session_closes
from nullalpha.data.instruments import Costs, Instrument
from nullalpha.data.sources.csv_file import parse_table
from nullalpha.data.sources.packaged import packaged_file
from nullalpha.data.sources.series import RawSeries, SourceSeries
from nullalpha.data.timeframes import PUBLISHED

SOURCE = "arch"
DATE_FORMAT = "%m/%d/%Y"
ABSENT = "."

SPX = Instrument(
    symbol="SPX",
    name="S&P 500",
    calendar="XNYS",
    currency="USD",
    fill_basis="close",
    sessions_per_year=252,
    costs=Costs(commission=0.00005, half_spread_bps=0.5, slippage_bps=1.0),
    source=SOURCE,
    kind="index",
    distributions="excluded",
)
IXIC = Instrument(
    symbol="IXIC",
    name="NASDAQ Composite",
    calendar="XNAS",
    currency="USD",
    fill_basis="close",
    sessions_per_year=252,
    costs=Costs(commission=0.00005, half_spread_bps=1.0, slippage_bps=2.0),
    source=SOURCE,
    kind="index",
    distributions="excluded",
)
WTI = Instrument(
    symbol="WTI",
    name="Crude oil, West Texas Intermediate, spot",
    calendar="XNYS",
    currency="USD",
    fill_basis="close",
    sessions_per_year=252,
    costs=Costs(commission=0.00005, half_spread_bps=1.0, slippage_bps=2.0),
    source=SOURCE,
    kind="commodity",
)
VIX = Instrument(
    symbol="VIX",
    name="Cboe Volatility Index",
    calendar="XCBF",
    currency="USD",
    fill_basis="close",
    sessions_per_year=252,
    costs=Costs(commission=0.0, half_spread_bps=0.0, slippage_bps=0.0),
    source=SOURCE,
    kind="series",
)


def load_sample(instrument: Instrument, name: str) -> RawSeries:
    """Read one sample file of the installed `arch` package.

    Args:
        instrument: what the file holds.
        name: the file's name in `arch/data`, e.g. `sp500`.
    Raises:
        NotFoundError: if the package or its file is not installed.
    """
    path = packaged_file(SOURCE, "data", name, f"{name}.csv.gz")
    original = path.read_bytes()
    frame = parse_table(original, str(path))
    frame["time"] = _iso_dates(frame["time"], str(path))
    return RawSeries(instrument, "1d", frame, f"arch/data/{name}/{name}.csv.gz", original, "csv.gz")


def load_wti() -> RawSeries:
    """Read the price of crude oil.

    Raises:
        NotFoundError, DataError: as `_values`.
    """
    dates, close, source, original = _values("wti", "DCOILWTICO")
    frame = pd.DataFrame({"time": dates, "open": close, "high": close, "low": close, "close": close})
    return RawSeries(WTI, "1d", frame, source, original, "csv.gz")


def load_vix() -> RawSeries:
    """Read the VIX, each value at the end of its session.

    Raises:
        NotFoundError, DataError: as `_values`.
    """
    dates, value, source, original = _values("vix", "vix")
    known = session_closes(VIX.calendar, pd.to_datetime(dates).to_numpy().astype("datetime64[ns]"))
    frame = pd.DataFrame({"time": pd.DatetimeIndex(known).tz_localize("UTC"), "value": value})
    return RawSeries(VIX, PUBLISHED, frame, source, original, "csv.gz")


def _values(name: str, column: str) -> tuple[pd.Series, pd.Series, str, bytes]:
    """Return the ISO dates and the values, as text, of a file of two columns, its name for people, and its bytes.

    Raises:
        NotFoundError: if the package or its file is not installed.
        DataError: if the file is no longer what it was.
    """
    path = packaged_file(SOURCE, "data", name, f"{name}.csv.gz")
    original = path.read_bytes()
    table = pd.read_csv(io.BytesIO(original), compression="gzip", dtype=str)
    if list(table.columns) != ["Date", column]:
        raise DataError(f"{path} has no longer the columns Date and {column}", path=str(path), value=", ".join(map(str, table.columns)))
    rows = table[table[column] != ABSENT].reset_index(drop=True)
    return _iso_dates(rows["Date"], str(path)), rows[column], f"arch/data/{name}/{name}.csv.gz", original


def _iso_dates(column: pd.Series, path: str) -> pd.Series:
    try:
        return pd.to_datetime(column, format=DATE_FORMAT).dt.strftime("%Y-%m-%d")
    except ValueError as error:
        raise DataError(f"{path}: dates are no longer month/day/year", path=path, value=error) from error


SERIES: tuple[SourceSeries, ...] = (
    SourceSeries(SPX, "1d", partial(load_sample, SPX, "sp500")),
    SourceSeries(IXIC, "1d", partial(load_sample, IXIC, "nasdaq")),
)

FURTHER: tuple[SourceSeries, ...] = (SourceSeries(WTI, "1d", load_wti), SourceSeries(VIX, PUBLISHED, load_vix))
"""Series that are taken in only when asked for."""
