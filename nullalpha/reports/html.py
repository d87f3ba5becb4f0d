"""One campaign as one HTML file that needs nothing else: no request leaves the page, and its own policy forbids any.

`render_campaign` is pure: the contract's result and the details in, text out. Every word from outside is escaped. The file is 5 MB, almost
all of it the charts' library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from nullalpha.data.bars import FloatArray
from nullalpha.reports import figures
from nullalpha.reports.detail import CampaignFacts, ExperimentDetail
from nullalpha.reports.standing import Luck, excess_sharpe, headline, luck, ranked, why_not_repeatable
from nullalpha.tools.contract import CampaignResult, ExperimentRecord, Metrics

MAX_SECTIONS = 8
MAX_POINTS = 6000

_NO_FIGURES = Metrics()


@dataclass(frozen=True)
class _Whisker:
    """An interval drawn in a table cell; positions in percent of the cell's width, None where there is no figure."""

    zero: float
    point: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class _Row:
    rank: int
    record: ExperimentRecord
    metrics: Metrics
    whisker: _Whisker
    has_section: bool


@dataclass(frozen=True)
class _Section:
    row: _Row
    detail: ExperimentDetail
    chart: dict[str, object]


def render_campaign(
    result: CampaignResult, details: Mapping[str, ExperimentDetail], facts: CampaignFacts | None = None, max_sections: int = MAX_SECTIONS
) -> str:
    """Return the report of a campaign as one HTML document.

    Args:
        result: as `research run --json` prints it; every experiment in it is listed.
        details: by experiment id, of at least the best ones; the best `max_sections` of them get a section of their own.
        facts: what the contract does not carry; left out where not given.
    Raises:
        DataError: from `ExperimentDetail`, when series do not fit.
    """
    order = ranked(result.experiments)
    with_section = [record.id for record in order if record.id in details][:max_sections]
    rows = _rows(order, frozenset(with_section))
    sections = [_Section(row, details[row.record.id], _chart(details[row.record.id])) for row in rows if row.has_section]
    chance = luck(result.experiments)
    template = _environment().get_template("campaign.html.jinja")
    return template.render(
        result=result,
        facts=facts if facts is not None else CampaignFacts(),
        headline=headline(result),
        rows=rows,
        sections=sections,
        luck=chance,
        not_repeatable=why_not_repeatable(result),
        payload={"luck": _luck_chart(order, chance), "sections": [section.chart for section in sections]},
        plotly_js=Markup(get_plotlyjs()),  # the library's own text, not ours to escape
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    for name in ("ratio", "signed", "percent", "count", "probability", "interval", "loss", "duration"):
        environment.filters[name] = getattr(figures, name)
    environment.filters["by_group"] = lambda lines: [(key, list(members)) for key, members in groupby(lines, key=lambda line: line.group)]
    return environment


def _rows(order: Sequence[ExperimentRecord], with_section: frozenset[str]) -> list[_Row]:
    metrics = [record.metrics if record.metrics is not None else _NO_FIGURES for record in order]
    ends = [
        value
        for one in metrics
        for value in (one.excess_sharpe, one.excess_sharpe_low, one.excess_sharpe_high)
        if value is not None and figures.known(value)
    ]
    low, high = min([-0.5, *ends]), max([0.5, *ends])

    def place(value: float | None) -> float | None:
        return round(100 * (value - low) / (high - low), 2) if value is not None and figures.known(value) else None

    return [
        _Row(
            rank,
            record,
            one,
            _Whisker(place(0.0) or 0.0, place(one.excess_sharpe), place(one.excess_sharpe_low), place(one.excess_sharpe_high)),
            record.id in with_section,
        )
        for rank, (record, one) in enumerate(zip(order, metrics, strict=True), start=1)
    ]


def _chart(detail: ExperimentDetail) -> dict[str, object]:
    """Return the series that the page draws, as JSON values; dates are days since 1970."""
    days = detail.dates.astype("datetime64[D]").astype(np.int64)
    step = max(1, -(-len(days) // MAX_POINTS))
    rows = np.unique(np.append(np.arange(0, len(days), step), len(days) - 1)) if len(days) else np.arange(0)
    return {
        "id": detail.experiment_id,
        "days": days[rows].tolist(),
        "equity": _numbers(detail.equity[rows]),
        "holding": _numbers(detail.buy_and_hold[rows]),
        "drawdown": _numbers(detail.drawdown[rows]),
        "folds": [int(np.datetime64(start, "D").astype(np.int64)) for start in detail.fold_starts],
    }


def _luck_chart(order: Sequence[ExperimentRecord], chance: Luck | None) -> dict[str, object] | None:
    if chance is None:
        return None
    scored = [(record, value) for record in order if (value := excess_sharpe(record)) is not None]
    best = max(range(len(scored)), key=lambda i: scored[i][1])
    return {
        "names": [record.name for record, _ in scored],
        "values": _numbers(np.array([value for _, value in scored])),
        "shortlisted": [record.verdict == "shortlist" for record, _ in scored],
        "best": best,
        "expected": round(chance.expected_best, 4),
        "trials": chance.n_trials,
        "grid": _numbers(chance.grid),
        "density": _numbers(chance.density),
    }


def _numbers(values: FloatArray) -> list[float | None]:
    """Round to what a screen shows; what is not finite becomes a gap."""
    return [round(float(value), 4) if np.isfinite(value) else None for value in values]
