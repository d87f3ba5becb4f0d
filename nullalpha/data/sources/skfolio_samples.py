"""Twenty constituents of the S&P 500 that the `skfolio` package ships: daily closes, 1990-01-02 to 2022-12-28.

The file is read from the installed package without importing it. What its numbers are:

- Closes alone: open, high and low are given as the close, so ranges within a bar are 0, and orders fill at the close.
- Adjusted for splits and for distributions (Apple's 20.502 of 2014-06-06 is below its split-adjusted close of 23.06 of that day), so
  returns hold dividends.
- Chosen in 2022 or later among those that still stood then: survivors, and results on them are flattered.
- Rounded to three decimals, which is up to 0.5 % of the lowest prices (Apple near 0.10 in 1997, Best Buy near 0.11 in 1990); small
  returns of such years, and runs of equal closes, are partly rounding.

Costs are those of a small order in a large stock in recent years, for one side: 0.5 bps commission, a half spread of 1.5 bps, 1 bp
slippage. Before decimal prices (2001) spreads were ten times wider.
"""

from __future__ import annotations

import io
from functools import partial

import pandas as pd

from nullalpha.core.errors import DataError
from nullalpha.data.instruments import Costs, Instrument
from nullalpha.data.sources.packaged import packaged_file
from nullalpha.data.sources.series import RawSeries, SourceSeries

SOURCE = "skfolio"
FILE = ("datasets", "data", "sp500_dataset.csv.gz")
COMPANIES = {
    "AAPL": "Apple",
    "AMD": "Advanced Micro Devices",
    "BAC": "Bank of America",
    "BBY": "Best Buy",
    "CVX": "Chevron",
    "GE": "General Electric",
    "HD": "Home Depot",
    "JNJ": "Johnson & Johnson",
    "JPM": "JPMorgan Chase",
    "KO": "Coca-Cola",
    "LLY": "Eli Lilly",
    "MRK": "Merck",
    "MSFT": "Microsoft",
    "PEP": "PepsiCo",
    "PFE": "Pfizer",
    "PG": "Procter & Gamble",
    "RRC": "Range Resources",
    "UNH": "UnitedHealth",
    "WMT": "Walmart",
    "XOM": "Exxon Mobil",
}


def company(symbol: str) -> Instrument:
    """Return the description of one of COMPANIES."""
    return Instrument(
        symbol,
        COMPANIES[symbol],
        "XNYS",
        "USD",
        "close",
        252,
        Costs(commission=0.00005, half_spread_bps=1.5, slippage_bps=1.0),
        SOURCE,
        survivorship=True,
        kind="equity",
        distributions="adjusted",
    )


def load_company(symbol: str) -> RawSeries:
    """Read one company's closes from the installed package.

    Raises:
        NotFoundError: if the package or its file is not installed.
        DataError: if the file is no longer what it was.
    """
    path = packaged_file(SOURCE, *FILE)
    original = path.read_bytes()
    table = pd.read_csv(io.BytesIO(original), compression="gzip", dtype=str)
    if "Date" not in table or symbol not in table:
        raise DataError(f"{path} has no longer the columns Date and {symbol}", path=str(path), value=", ".join(map(str, table.columns[:5])))
    close = table[symbol]
    frame = pd.DataFrame({"time": table["Date"], "open": close, "high": close, "low": close, "close": close})
    return RawSeries(company(symbol), "1d", frame, "/".join((SOURCE, *FILE)), original, "csv.gz")


SERIES: tuple[SourceSeries, ...] = tuple(SourceSeries(company(symbol), "1d", partial(load_company, symbol)) for symbol in COMPANIES)
