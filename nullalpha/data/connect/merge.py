"""Old and new together: what came fits what is there, was revised, or shows that all history was rescaled.

Relative tolerances. A source that adjusts its history multiplies all of it when a share splits or pays out; then the rows that overlap
differ by one ratio, and only a history fetched as a whole is of one piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from nullalpha.core.errors import Finding
from nullalpha.data.connect.gaps import as_time, plain_times
from nullalpha.data.connect.received import Span
from nullalpha.data.parse import iso

TOLERANCE = 1e-6
ADJUSTED_TOLERANCE = 1e-5
"""Of adjusted closes, which sources compute in single precision; the smallest distributions are ten times that."""
SAME_RATIO = 1e-4
COMPARED = ("open", "high", "low", "close", "adj_close", "volume", "value")


@dataclass(frozen=True)
class Merged:
    """Old and new as one table.

    Attributes:
        frame: rows in order of time.
        n_new: rows that were not there before.
        findings: warnings: `revised`, `withdrawn`, `rescaled`; rows count in `frame`.
    """

    frame: pd.DataFrame = field(repr=False)
    n_new: int
    findings: tuple[Finding, ...]


def rescaling(held: pd.DataFrame, fresh: pd.DataFrame) -> Finding | None:
    """Return how the source has multiplied its history since, or that it adjusts it in another way; None where it has done neither.

    Args:
        held, fresh: tables of one series; only rows of the same time are compared.
    """
    if set(held.columns) != set(fresh.columns):
        return Finding(
            "rescaled", None, None, "adjusted closes are wanted now and were not, or the reverse; all was fetched again", "warning"
        )
    both = held.merge(fresh, on="time", suffixes=("_held", "_fresh"))
    for name, tolerance in (("adj_close", ADJUSTED_TOLERANCE), ("close", TOLERANCE)):
        if f"{name}_held" not in both.columns or both.empty:
            continue
        ratio = (both[f"{name}_fresh"] / both[f"{name}_held"]).to_numpy(dtype=np.float64)
        if np.isfinite(ratio).all() and np.ptp(ratio) <= SAME_RATIO * abs(ratio[-1]) and (np.abs(ratio - 1.0) > tolerance).all():
            text = f"the source has multiplied {name} by {ratio[-1]:.8g}: a split, or a distribution; all was fetched again"
            return Finding("rescaled", None, None, text, "warning")
    return None


def merge(held: pd.DataFrame, fresh: pd.DataFrame, *, daily: bool, asked: Sequence[Span] = ()) -> Merged:
    """Return both tables as one; where both have a row, what came now counts and a difference is a finding.

    Args:
        asked: stretches that `fresh` covers; a row that is there and was not given again is kept, and found to be `withdrawn`.
    """
    frame = pd.concat([held, fresh], ignore_index=True).drop_duplicates("time", keep="last").sort_values("time", ignore_index=True)
    times = plain_times(frame)
    covered = np.zeros(len(frame), dtype=bool)
    for span in asked:
        covered |= (times >= as_time(span.start)) & (times < as_time(span.end)) if span.start else times < as_time(span.end)
    gone = np.flatnonzero(covered & ~np.isin(times, plain_times(fresh)))
    findings = [
        Finding("withdrawn", int(row), iso(times[row], daily), "the source does not give this row any more", "warning") for row in gone
    ]
    return Merged(frame, len(frame) - len(held), (*revisions(held, fresh, frame, daily=daily), *findings))


def replace(held: pd.DataFrame, fresh: pd.DataFrame, finding: Finding, *, daily: bool) -> Merged:
    """Return the new table of a series whose history was multiplied; rows that differ by more than their column's ratio are findings.

    Args:
        finding: why it is replaced as a whole.
    """
    both = held.merge(fresh, on="time", suffixes=("_held", "_fresh"))
    scaled = held.copy()
    for name in COMPARED:
        if f"{name}_held" in both.columns:
            scaled[name] = held[name] * float((both[f"{name}_fresh"] / both[f"{name}_held"]).median())
    times, old = plain_times(fresh), plain_times(held)
    lost = old[~np.isin(old, times)]
    gone = [Finding("withdrawn", None, iso(time, daily), "the source does not give this row any more", "warning") for time in lost]
    findings = (finding, *revisions(scaled, fresh, fresh, daily=daily), *gone)
    return Merged(fresh, int(np.count_nonzero(~np.isin(times, old))), findings)


def revisions(held: pd.DataFrame, fresh: pd.DataFrame, frame: pd.DataFrame, *, daily: bool) -> tuple[Finding, ...]:
    """Return a `revised` finding for each row that both tables have and that differs beyond rounding; rows count in `frame`."""
    both = held.merge(fresh, on="time", suffixes=("_held", "_fresh"))
    texts: dict[int, list[str]] = {}
    for name in COMPARED:
        if f"{name}_held" not in both.columns:
            continue
        old, new = (both[f"{name}_{side}"].to_numpy(dtype=np.float64) for side in ("held", "fresh"))
        tolerance = ADJUSTED_TOLERANCE if name == "adj_close" else TOLERANCE
        same = (np.isnan(old) & np.isnan(new)) | (np.abs(new - old) <= tolerance * np.maximum(np.abs(old), np.abs(new)))
        for place in np.flatnonzero(~same):
            texts.setdefault(int(place), []).append(f"{name} was {old[place]:.10g} and is {new[place]:.10g}")
    times, shared = plain_times(frame), plain_times(both)
    rows = {place: int(np.searchsorted(times, shared[place])) for place in texts}
    return tuple(Finding("revised", rows[p], iso(times[rows[p]], daily), "; ".join(texts[p]), "warning") for p in sorted(texts))
