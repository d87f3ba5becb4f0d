"""The two stock indices that the `arch` package ships: daily bars of the S&P 500 and the NASDAQ Composite, 1999-2018.

The files are read from the installed package without importing it. Their closes are unadjusted index levels (price
indices: no dividends), so nothing is to be adjusted.

Costs are those of trading the index through its most used vehicle, for one side of a small order. S&P 500: an E-mini future or
SPY costs about 0.5 bps in fees, a half spread of some 0.5 bps over these years, and 1 bp is allowed for slippage: 2 bps a
side. The NASDAQ Composite has no liquid future of its own; a proxy (ONEQ, or Nasdaq-100 futures with tracking error) is
given twice the spread and slippage: 3.5 bps a side.

An index's open is no price one could have traded at (in the S&P 500 of 1999-2005 it equals the previous close on nearly every
day), so orders fill at the close.
"""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from nullalpha.core.errors import DataError, NotFoundError
from nullalpha.data.instruments import Costs, Instrument
from nullalpha.data.sources.csv_file import parse_table
from nullalpha.data.sources.series import RawSeries, SourceSeries

SOURCE = "arch"
DATE_FORMAT = "%m/%d/%Y"

SPX = Instrument(
    symbol="SPX",
    name="S&P 500",
    calendar="XNYS",
    currency="USD",
    fill_basis="close",
    sessions_per_year=252,
    costs=Costs(commission=0.00005, half_spread_bps=0.5, slippage_bps=1.0),
    source=SOURCE,
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
)


def load_sample(instrument: Instrument, name: str) -> RawSeries:
    """Read one sample file of the installed `arch` package.

    Args:
        instrument: what the file holds.
        name: the file's name in `arch/data`, e.g. `sp500`.
    Raises:
        NotFoundError: if the package or its file is not installed.
    """
    spec = find_spec("arch")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    path = Path(folders[0], "data", name, f"{name}.csv.gz") if folders else None
    if path is None or not path.is_file():
        raise NotFoundError(
            f"the sample bars of {instrument.symbol} are missing: package arch ships no {name}.csv.gz here",
            value=path,
            suggestion="run `make setup`, which installs the pinned arch",
        )
    original = path.read_bytes()
    frame = parse_table(original, str(path))
    frame["time"] = _iso_dates(frame["time"], str(path))
    return RawSeries(instrument, "1d", frame, f"arch/data/{name}/{name}.csv.gz", original, "csv.gz")


def _iso_dates(column: pd.Series, path: str) -> pd.Series:
    try:
        return pd.to_datetime(column, format=DATE_FORMAT).dt.strftime("%Y-%m-%d")
    except ValueError as error:
        raise DataError(f"{path}: dates are no longer month/day/year", path=path, value=error) from error


SERIES: tuple[SourceSeries, ...] = (
    SourceSeries(SPX, "1d", partial(load_sample, SPX, "sp500")),
    SourceSeries(IXIC, "1d", partial(load_sample, IXIC, "nasdaq")),
)
