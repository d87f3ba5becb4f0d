"""Every source the lab knows. To add one: a file beside this one, and a line here."""

from __future__ import annotations

from nullalpha.data.sources import arch_samples
from nullalpha.data.sources.csv_file import read_csv_file
from nullalpha.data.sources.series import SourceSeries

SAMPLES: tuple[SourceSeries, ...] = arch_samples.SERIES
"""Series that need no file and no question asked; the main job runs on them."""

FILE_READERS = {"csv": read_csv_file}
"""Readers of a user's files, by format."""
