"""Progress without a terminal (one line a stage) and on one (drawn in place, gone at the end)."""

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from nullalpha.reports.progress import CampaignProgress

EVENTS = (
    {"event": "stage", "stage": "design", "generation": 1, "n_generations": 3, "trials_done": 0, "trials_total": 24, "seconds": 0.4},
    {"event": "progress", "stage": "train", "generation": 1, "done": 0, "total": 8, "seconds": 2.0, "unknown_key": object()},
    {"event": "progress", "stage": "train", "generation": 1, "done": 5, "total": 8, "seconds": 9.0},
    {
        "event": "stage",
        "stage": "assess",
        "generation": 1,
        "trials_done": 8,
        "best_name": "rsi_[red]1",
        "best_excess_sharpe": 0.414,
        "seconds": 12.0,
    },
    {"event": "stage", "stage": "design", "generation": 2, "seconds": 12.5, "budget_seconds": 60.0, "best_name": None},
)


def console(width: int = 100, *, terminal: bool) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=terminal, no_color=True)


def text(of: Console) -> str:
    assert isinstance(of.file, io.StringIO)
    return of.file.getvalue()


def test_without_a_terminal_each_stage_is_one_plain_line() -> None:
    plain = console(terminal=False)
    with CampaignProgress(plain, "c-1") as progress:
        for event in EVENTS:
            progress.update(event)
    assert text(plain).splitlines() == [
        "c-1",
        "cycle 1/3  design  0/24 trials  0.4 s",
        "cycle 1/3  train  0/24 trials  2.0 s",
        "cycle 1/3  assess  8/24 trials  best excess Sharpe 0.41 (rsi_[red]1)  12 s",
        "cycle 2/3  design  8/24 trials  best excess Sharpe 0.41 (rsi_[red]1)  12 s  48 s left",
    ]


def test_plain_lines_are_not_folded_on_a_narrow_console() -> None:
    plain = console(20, terminal=False)
    with CampaignProgress(plain) as progress:
        for event in EVENTS:
            progress.update(event)
    assert len(text(plain).splitlines()) == 4
    assert "\x1b" not in text(plain)


def test_a_message_is_said_once_and_in_full() -> None:
    plain = console(terminal=False)
    with CampaignProgress(plain) as progress:
        progress.update({"message": "the model server does not answer; waiting"})
        progress.update({"seconds": 3.0})
    assert text(plain).count("waiting") == 1


def test_a_missing_or_undefined_best_is_not_shown_as_a_figure() -> None:
    plain = console(terminal=False)
    with CampaignProgress(plain) as progress:
        progress.update({"stage": "train", "best_excess_sharpe": float("nan"), "best_name": "x"})
    assert text(plain) == "train\n"


def test_a_new_stage_forgets_the_count_of_the_last_one() -> None:
    with CampaignProgress(console(terminal=False)) as progress:
        progress.update({"stage": "train", "generation": 1, "done": 5, "total": 8})
        progress.update({"stage": "assess"})
        assert (progress.state.done, progress.state.total, progress.state.generation) == (None, None, 1)


@pytest.mark.parametrize("width", [40, 80, 160])
def test_on_a_terminal_it_draws_two_lines_that_fit(width: int) -> None:
    screen = console(width, terminal=True)
    progress = CampaignProgress(screen)
    for event in EVENTS[:4]:
        progress.update(event)
    shown = ["".join(segment.text for segment in line) for line in screen.render_lines(progress, pad=False)]
    assert len(shown) == 2
    assert all(cell_len(line) <= width for line in shown)
    assert "assess" in shown[0]
    assert "8/24" in shown[1]


def test_on_a_terminal_nothing_is_left_behind_but_messages() -> None:
    screen = console(terminal=True)
    with CampaignProgress(screen) as progress:
        progress.update(EVENTS[1])
        progress.update({"message": "kept"})
    drawn = text(screen)
    assert "train" in drawn
    assert drawn.endswith("\x1b[1A\x1b[2K")
    assert "\x1b[?25h" in drawn


def test_an_error_inside_gives_the_cursor_back() -> None:
    screen = console(terminal=True)
    with pytest.raises(AttributeError), CampaignProgress(screen) as progress:
        progress.update(None)  # type: ignore[arg-type]
    assert "\x1b[?25h" in text(screen)
