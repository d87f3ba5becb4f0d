"""Real bars that installed packages ship, taken in as a user's `data import --from samples` does."""

from __future__ import annotations

from pathlib import Path

from nullalpha.data.bars import Bars
from nullalpha.data.catalogue import Catalogue
from nullalpha.data.sources.registry import samples_named

INDICES = ("SPX", "IXIC")
COMPANIES = (
    "AAPL", "AMD", "BAC", "BBY", "CVX", "GE", "HD", "JNJ", "JPM", "KO",
    "LLY", "MRK", "MSFT", "PEP", "PFE", "PG", "RRC", "UNH", "WMT", "XOM",
)  # fmt: skip


def real_bars(folder: Path, symbols: tuple[str, ...]) -> dict[str, Bars]:
    """Return daily bars by symbol: of indices 5,031 with open, high and low; of companies 8,313 closes."""
    catalogue = Catalogue(folder)
    return {sample.instrument.symbol: catalogue.read(catalogue.ingest(sample.load())) for name in symbols for sample in samples_named(name)}
