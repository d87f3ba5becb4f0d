"""Figures as people read them: ratios with two decimals, fractions as percent, and a dash where there is no figure.

Display only; nothing here is parsed back. A missing, NaN or infinite figure is never shown as a number.
"""

from __future__ import annotations

import math

DASH = "–"


def known(value: float | None) -> bool:
    """Return whether there is a finite figure."""
    return value is not None and math.isfinite(value)


def ratio(value: float | None) -> str:
    """Return e.g. `0.41` or `-1.20`; a value that rounds to zero has no sign."""
    if value is None or not math.isfinite(value):
        return DASH
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text


def signed(value: float | None) -> str:
    """Return a small figure with its sign and three decimals, e.g. `+0.024`; one that rounds to zero has none."""
    if value is None or not math.isfinite(value):
        return DASH
    text = f"{value:+.3f}"
    return text[1:] if float(text) == 0 else text


def percent(value: float | None, digits: int = 1) -> str:
    """Return a fraction as percent, e.g. -0.183 as `-18.3 %`."""
    if value is None or not math.isfinite(value):
        return DASH
    text = f"{100 * value:.{digits}f}"
    return f"{text.removeprefix('-') if float(text) == 0 else text} %"


def count(value: float | None) -> str:
    """Return a whole number in groups of three, e.g. `12,345`."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{round(value):,}"


def probability(value: float | None) -> str:
    """Return a p-value or probability with three decimals; the ends are said as bounds."""
    if value is None or not math.isfinite(value):
        return DASH
    if value < 0.001:
        return "<0.001"
    return ">0.999" if 0.999 < value < 1 else f"{value:.3f}"


def interval(low: float | None, high: float | None) -> str:
    """Return `[-0.12, 0.93]`, or a dash unless both ends are known."""
    return f"[{ratio(low)}, {ratio(high)}]" if known(low) and known(high) else DASH


def amount(value: float) -> str:
    """Return a setting as people write it, in groups of three and without an exponent, e.g. `1,000,000` or `0.15`."""
    return f"{value:,.10g}"


def loss(value: float | None) -> str:
    """Return a loss with four significant digits."""
    return f"{value:.4g}" if value is not None and math.isfinite(value) else DASH


def duration(seconds: float | None) -> str:
    """Return e.g. `8.4 s`, `2 min 31 s` or `3 h 05 min`."""
    if seconds is None or not math.isfinite(seconds):
        return DASH
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
