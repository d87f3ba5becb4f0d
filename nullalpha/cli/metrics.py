"""Figures of an experiment for people: ratios with two decimals, fractions as percent, counts as whole numbers, a dash for none."""

from __future__ import annotations

from collections.abc import Callable

from nullalpha.reports import figures

YEARS_BEYOND_USE = 100
_DAILY_SESSIONS = 252
_KINDS: dict[str, Callable[[float | None], str]] = {
    **dict.fromkeys(("psr", "dsr", "random_entry_p"), figures.probability),
    **dict.fromkeys(("dsr_trials", "n_trades", "sessions", "sessions_per_year"), figures.count),
    **dict.fromkeys(("annual_return", "annual_volatility", "max_drawdown", "exposure", "hit_rate", "alpha"), figures.percent),
    **dict.fromkeys(("mean_mae", "mean_mfe"), lambda value: figures.percent(value, 2)),
    **dict.fromkeys(("capacity_1_percent", "capacity_5_percent"), figures.count),
    "fees_fraction": lambda value: figures.percent(value, 2),
    "turnover": lambda value: f"{figures.ratio(value)} times equity a year" if figures.known(value) else figures.DASH,
}


def figure_text(name: str, value: float | None, sessions_per_year: int | None = None) -> str:
    """Return one of the contract's figures as people read it; whatever is not listed is a ratio.

    Args:
        sessions_per_year: of the instrument; a track length beyond a hundred years is said as that.
    """
    if name == "min_track_sessions":
        return _track(value, sessions_per_year or _DAILY_SESSIONS)
    return _KINDS.get(name, figures.ratio)(value)


def _track(value: float | None, sessions_per_year: int) -> str:
    if value is None or not figures.known(value):
        return figures.DASH
    beyond = value > YEARS_BEYOND_USE * sessions_per_year
    return f">{YEARS_BEYOND_USE} years" if beyond else f"{figures.count(value)} sessions"
