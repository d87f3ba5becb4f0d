"""The end of a campaign on a terminal: headline, leaderboard, lessons, budgets and where the report lies.

Renderables for rich, meant for stderr. Columns go as the terminal narrows; a row stays one line. Names and reasons come from outside: they
are text, never markup.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from nullalpha.reports import figures
from nullalpha.reports.standing import headline, ranked, why_not_repeatable
from nullalpha.tools.contract import CampaignResult, ExperimentRecord, Metrics

DEFAULT_ROWS = 10
_REASON_WIDTH = 140  # from this width on, reasons stand in the table; below, under it
_MIN_REASON = 40
_FEW_REASONS_WIDTH = 100  # below this, only the first three
_GAP = 2
_VERDICT_STYLES = {"shortlist": "bold green", "iterate": "yellow", "reject": "dim"}
_NO_FIGURES = Metrics()


@dataclass(frozen=True)
class _Column:
    """A column: its head, how wide it is, from which terminal width it is shown, and what a cell says."""

    head: str
    width: int
    from_width: int
    cell: Callable[[ExperimentRecord, Metrics], str]
    right: bool = True


_FIGURE_COLUMNS = (
    _Column("Sharpe", 6, 66, lambda record, metrics: figures.ratio(metrics.sharpe)),
    _Column("Excess", 6, 0, lambda record, metrics: figures.ratio(metrics.excess_sharpe)),
    _Column("90 % interval", 14, 96, lambda record, metrics: figures.interval(metrics.excess_sharpe_low, metrics.excess_sharpe_high)),
    _Column("Drawdown", 8, 74, lambda record, metrics: figures.percent(metrics.max_drawdown)),
    _Column("Trades", 6, 0, lambda record, metrics: figures.count(metrics.n_trades)),
    _Column("Random p", 8, 170, lambda record, metrics: figures.probability(metrics.random_entry_p)),
    _Column("Valid. p", 8, 70, lambda record, metrics: figures.probability(record.validation.p_stepm if record.validation else None)),
)


def campaign_summary(
    result: CampaignResult, width: int, *, report: str | None = None, budget_seconds: float | None = None, rows: int = DEFAULT_ROWS
) -> RenderableType:
    """Return everything that a person reads when a campaign ends.

    Args:
        result: as `--json` prints it.
        width: columns of the terminal.
        report: path of the HTML report; by default the result's own.
        budget_seconds: what it was allowed, if it was.
        rows: how many experiments at most.
    """
    opening = headline(result)
    parts: list[RenderableType] = [Text(opening.text, style="bold"), *(Text(sentence) for sentence in opening.support), Text()]
    if result.experiments:
        parts.extend(leaderboard(result, width, rows))
    if result.lessons:
        parts.extend([Text(), lessons(result)])
    parts.extend([Text(), budgets(result, budget_seconds), closing(result, report)])
    return Group(*parts)


def leaderboard(result: CampaignResult, width: int, rows: int = DEFAULT_ROWS) -> list[RenderableType]:
    """Return the table of the best experiments and, on a narrower terminal, their reasons under it."""
    shown = [record for record in ranked(result.experiments) if record.status not in ("designed", "running")][:rows]
    columns = [column for column in _FIGURE_COLUMNS if width >= column.from_width]
    wide = width >= _REASON_WIDTH
    taken = 2 + 9 + sum(column.width for column in columns) + _GAP * (len(columns) + 2)  # all but the name
    longest = max(len("Strategy"), *(len(record.name) for record in shown)) if shown else len("Strategy")
    spare = width - taken - (_MIN_REASON + _GAP if wide else 0)
    name_width = max(8, min(longest, spare, 40))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, expand=wide, header_style="dim")
    table.add_column("#", justify="right", width=2, no_wrap=True)
    table.add_column("Strategy", width=name_width, no_wrap=True, overflow="ellipsis")
    for column in columns:
        table.add_column(column.head, justify="right", width=column.width, no_wrap=True)
    table.add_column("Verdict", width=9, no_wrap=True)
    if wide:
        table.add_column("Why", ratio=1, no_wrap=True, overflow="ellipsis")
    for rank, record in enumerate(shown, start=1):
        metrics = record.metrics if record.metrics is not None else _NO_FIGURES
        cells = [Text(column.cell(record, metrics)) for column in columns]
        table.add_row(Text(str(rank)), Text(record.name), *cells, _verdict(record), *([Text(_reason(record), style="dim")] if wide else []))
    parts: list[RenderableType] = [table]
    if len(result.experiments) > len(shown):
        parts.append(Text(f"   and {len(result.experiments) - len(shown)} more", style="dim"))
    if not wide:
        explained = shown if width >= _FEW_REASONS_WIDTH else shown[:3]
        parts.append(Text())
        for rank, record in enumerate(explained, start=1):
            parts.append(Padding(Text(f"{rank}. {_reason(record)}", style="dim", overflow="fold"), (0, 0, 0, 1)))
    return parts


def lessons(result: CampaignResult) -> RenderableType:
    """Return the lessons as a list, with the span of data that they rest on."""
    first = min(lesson.window[0] for lesson in result.lessons)
    last = max(lesson.window[1] for lesson in result.lessons)
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=1, no_wrap=True)
    grid.add_column(overflow="fold")
    for lesson in result.lessons:
        grid.add_row(Text("·", style="dim"), Text(lesson.text))
    return Group(Text.assemble(("Lessons", "bold"), (f"  from {first} to {last}", "dim")), Padding(grid, (0, 0, 0, 1)))


def budgets(result: CampaignResult, budget_seconds: float | None = None) -> Text:
    """Return one line about what the campaign used and whether a rerun repeats it."""
    time = figures.duration(result.seconds) + (f" of {figures.duration(budget_seconds)}" if budget_seconds is not None else "")
    reason = why_not_repeatable(result)
    repeatable = "repeatable from its seed and what the home knew" if reason is None else f"not repeatable: {reason}"
    openings = len(result.lockbox.openings)
    times = "never opened" if not openings else f"opened {openings} time{'s' if openings > 1 else ''}"
    line = f"{result.trials} trials, {time}, designer {result.designer}, seed {result.seed}, {repeatable}; this home's lockbox {times}."
    return Text(" ".join([line, *(f"{note[0].upper()}{note[1:]}." for note in result.notes)]), style="dim")


def closing(result: CampaignResult, report: str | None = None) -> Text:
    """Return where to go on: the report, or how to resume."""
    path = report if report is not None else result.report
    parts = [f"Campaign {result.campaign_id} {result.status.replace('_', ' ')}."]
    if path is not None:
        parts.append(f"Report: {path}")
    if result.status in ("stopped", "failed", "waiting_for_model", "paused"):
        parts.append(f"Go on with: nullalpha research resume {result.campaign_id}")
    return Text("\n".join(parts), overflow="fold")


def print_summary(result: CampaignResult, console: Console, *, report: str | None = None, budget_seconds: float | None = None) -> None:
    """Print `campaign_summary` at the console's width."""
    console.print(campaign_summary(result, console.width, report=report, budget_seconds=budget_seconds), highlight=False)


def _verdict(record: ExperimentRecord) -> Text:
    if record.verdict is None:
        return Text(record.status, style="dim red" if record.status == "failed" else "dim")
    return Text(record.verdict, style=_VERDICT_STYLES[record.verdict])


def _reason(record: ExperimentRecord) -> str:
    return " ".join(record.reasons[0].split()) if record.reasons else figures.DASH
