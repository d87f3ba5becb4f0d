"""Live progress of a campaign on stderr: drawn in place on a terminal, one plain line a stage elsewhere.

Driven by events alone: what it shows is what it was last told. Everything in an event is optional; what was never told is not shown.
Seconds are those of the events (the campaign's own), not this process's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import TracebackType
from typing import Any, Self

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from nullalpha.reports import figures

_REFRESH_PER_SECOND = 8


@dataclass(frozen=True)
class CampaignEvent:
    """What an event may say; generations and counts are shown as given.

    Attributes:
        event: what happened, e.g. `stage`, `trial`, `done`.
        stage: what the campaign does now, e.g. `design`, `train`.
        generation, n_generations: which cycle of how many.
        done, total: of the stage's own work.
        best_name, best_excess_sharpe: best trial so far.
        trials_done, trials_total: of the campaign.
        seconds, budget_seconds: used and allowed.
        message: a sentence for people, shown once.
    """

    event: str | None = None
    stage: str | None = None
    generation: int | None = None
    n_generations: int | None = None
    done: int | None = None
    total: int | None = None
    best_name: str | None = None
    best_excess_sharpe: float | None = None
    trials_done: int | None = None
    trials_total: int | None = None
    seconds: float | None = None
    budget_seconds: float | None = None
    message: str | None = None


_KNOWN = frozenset(field.name for field in fields(CampaignEvent))


class CampaignProgress:
    """Shows a campaign while it runs; a context manager fed by `update`.

    Args:
        console: on stderr; whether it is a terminal decides how to draw.
        title: shown first, e.g. the campaign's id.
    """

    def __init__(self, console: Console, title: str = "") -> None:
        self._console = console
        self._title = title
        self._state = CampaignEvent()
        self._line = ""
        self._spinner = Spinner("dots")
        self._live = Live(self, console=console, refresh_per_second=_REFRESH_PER_SECOND, transient=True) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._title:
            self._print(self._title)
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    @property
    def state(self) -> CampaignEvent:
        """What was told so far; the latest word on each thing."""
        return self._state

    def update(self, event: Mapping[str, Any]) -> None:
        """Take an event; keys that this display does not know, and None, change nothing."""
        told = {name: value for name, value in event.items() if name in _KNOWN and value is not None}
        before = self._state
        moved = (told.get("stage", before.stage), told.get("generation", before.generation)) != (before.stage, before.generation)
        if moved:
            told = {"done": None, "total": None, **told}
        self._state = replace(before, **told)
        if told.get("message"):
            self._print(str(told["message"]))
        if self._live is None and moved:
            line = "  ".join(part for part in (self._where(), *self._standing()) if part)
            if line != self._line:
                self._print(line)
            self._line = line

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        grid = Table.grid(padding=(0, 1))
        done, total = self._work()
        bar = ProgressBar(total=total, completed=done, width=max(10, min(40, options.max_width // 3)), pulse=total is None)
        counted = f"{done:.0f}/{total:.0f}" if total else ""
        grid.add_row(self._spinner, Text(self._where() or "starting"), bar, Text(counted, style="dim"))
        yield grid
        standing = "  ".join(self._standing())
        room = options.max_width - 2
        yield Text("  " + (standing if cell_len(standing) <= room else set_cell_size(standing, room - 1) + "…"), style="dim", no_wrap=True)

    def _work(self) -> tuple[float, float | None]:
        state = self._state
        if state.total:
            return float(state.done or 0), float(state.total)
        return float(state.trials_done or 0), float(state.trials_total) if state.trials_total else None

    def _where(self) -> str:
        state = self._state
        cycle = ""
        if state.generation is not None:
            cycle = f"cycle {state.generation}" + (f"/{state.n_generations}" if state.n_generations is not None else "")
        stage = (state.stage or "").replace("_", " ")
        return "  ".join(part for part in (cycle, stage) if part)

    def _standing(self) -> list[str]:
        state = self._state
        parts = []
        if state.trials_done is not None:
            parts.append(f"{state.trials_done}" + (f"/{state.trials_total}" if state.trials_total is not None else "") + " trials")
        if state.best_excess_sharpe is not None and math.isfinite(state.best_excess_sharpe):
            name = f" ({state.best_name})" if state.best_name else ""
            parts.append(f"best excess Sharpe {figures.ratio(state.best_excess_sharpe)}{name}")
        if state.seconds is not None:
            parts.append(figures.duration(state.seconds))
        if state.seconds is not None and state.budget_seconds is not None:
            parts.append(f"{figures.duration(max(0.0, state.budget_seconds - state.seconds))} left")
        return parts

    def _print(self, text: str) -> None:
        self._console.print(Text(text, no_wrap=True), soft_wrap=True)
