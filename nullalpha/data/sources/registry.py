"""Every source the lab knows. To add one: a file beside this one, and a line here."""

from __future__ import annotations

from nullalpha.core.errors import NotFoundError, nearest
from nullalpha.data.sources import arch_samples, skfolio_samples
from nullalpha.data.sources.csv_file import read_csv_file
from nullalpha.data.sources.futures_file import read_futures
from nullalpha.data.sources.lean import open_lean
from nullalpha.data.sources.parquet_file import read_parquet_file
from nullalpha.data.sources.series import SourceSeries

SAMPLES: tuple[SourceSeries, ...] = arch_samples.SERIES
"""Series that need no file and no question asked; the main job runs on them."""

OPTIONAL_SAMPLES: tuple[SourceSeries, ...] = (*arch_samples.FURTHER, *skfolio_samples.SERIES)
"""Series that need no file either, and are taken in when asked for."""

FILE_READERS = {"csv": read_csv_file, "parquet": read_parquet_file}
"""Readers of a user's file of one series, by format."""

FOLDER_READERS = {"lean": open_lean}
"""Openers of a folder that holds many series, by format."""

CONTRACT_READERS = {"futures": read_futures}
"""Readers of a file of contracts that are joined into one series, by format."""

SAMPLE_SOURCE = "samples"
IMPORT_SOURCES = (*FILE_READERS, *FOLDER_READERS, *CONTRACT_READERS, SAMPLE_SOURCE)
"""What `data import --from` takes."""


def samples_named(symbol: str | None) -> tuple[SourceSeries, ...]:
    """Return the samples of a symbol, in any case; all of them by default.

    Raises:
        NotFoundError: if there is none; suggests the nearest.
    """
    every = (*SAMPLES, *OPTIONAL_SAMPLES)
    if symbol is None:
        return every
    chosen = tuple(sample for sample in every if sample.instrument.symbol == symbol.upper())
    if chosen:
        return chosen
    symbols = [sample.instrument.symbol for sample in every]
    near = nearest(symbol.upper(), symbols)
    advice = f"did you mean {near}?" if near else f"there are {', '.join(symbols)}"
    raise NotFoundError(f"there is no sample {symbol.upper()!r}", path="instrument", value=symbol, suggestion=advice)
