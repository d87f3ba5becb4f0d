"""What a terminal shows at the end: every row on one line at every width, and nothing taken for markup."""

import io
import re
from collections.abc import Callable

import pytest
from rich.cells import cell_len
from rich.console import Console

from nullalpha.reports.leaderboard import campaign_summary, leaderboard, print_summary
from nullalpha.reports.standing import ranked
from nullalpha.tools.contract import CampaignResult

Make = Callable[..., CampaignResult]


def printed(result: CampaignResult, width: int, **options: object) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(campaign_summary(result, width, **options), highlight=False)  # type: ignore[arg-type]
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def table_rows(lines: list[str]) -> list[str]:
    start = next(i for i, line in enumerate(lines) if line.startswith("──"))
    return [line for line in lines[start + 1 : start + 40] if re.match(r"^ ?\d+  \S.*(reject|iterate|shortlist|failed|invalid)", line)]


@pytest.mark.parametrize("width", [60, 80, 96, 100, 120, 140, 160, 170, 200])
@pytest.mark.parametrize("rows", [3, 10, 24])
def test_each_experiment_is_one_line_at_every_width(width: int, rows: int, make_campaign: Make) -> None:
    lines = printed(make_campaign(24, n_shortlisted=1), width, rows=rows)
    assert len(table_rows(lines)) == rows
    assert max(cell_len(line) for line in lines) <= width
    head = next(line for line in lines if "Strategy" in line)
    assert "…" not in head


@pytest.mark.parametrize(
    ("width", "there", "gone"),
    [
        (60, ["Excess", "Trades", "Verdict"], ["Sharpe", "Drawdown", "90 % interval", "Why"]),
        (80, ["Sharpe", "Excess", "Drawdown", "Trades", "Valid. p", "Verdict"], ["90 % interval", "Why"]),
        (120, ["Sharpe", "Drawdown", "90 % interval", "Valid. p"], ["Why"]),
        (170, ["Sharpe", "Drawdown", "Random p", "Valid. p", "Why"], []),
    ],
)
def test_columns_go_as_the_terminal_narrows(width: int, there: list[str], gone: list[str], make_campaign: Make) -> None:
    head = next(line for line in printed(make_campaign(24), width) if "Strategy" in line)
    assert all(name in head for name in there)
    assert not any(name in head for name in gone)


@pytest.mark.parametrize(("width", "expected"), [(80, 3), (120, 10), (170, 10)])
def test_reasons_are_read_at_every_width(width: int, expected: int, make_campaign: Make) -> None:
    result = make_campaign(24)
    lines = printed(result, width)
    starts = [record.reasons[0][:24] for record in ranked(result.experiments)[:10]]
    assert sum(any(start in line for line in lines) for start in starts) >= expected


def test_missing_figures_are_dashes(make_campaign: Make) -> None:
    failed = next(line for line in printed(make_campaign(24), 120, rows=24) if line.rstrip().endswith("failed"))
    assert failed.count("–") == 6
    assert "0.00" not in failed


def test_the_end_says_report_budgets_and_what_is_left_out(make_campaign: Make) -> None:
    lines = printed(make_campaign(24), 100, report="/tmp/r.html", budget_seconds=600.0)
    text = " ".join(" ".join(lines).split())
    assert lines[-1] == "Report: /tmp/r.html"
    assert "2 min 11 s of 10 min 00 s" in text
    assert "this home's lockbox never opened" in text
    assert "repeatable from its seed and what the home knew" in text
    assert "and 14 more" in text
    assert "resume" not in text


def test_a_stopped_campaign_says_how_to_go_on(make_campaign: Make) -> None:
    stopped = make_campaign(24).model_copy(update={"status": "stopped", "deterministic": False})
    text = " ".join(printed(stopped, 100))
    assert f"nullalpha research resume {stopped.campaign_id}" in text
    assert "not repeatable: the clock could end it" in text


def test_a_model_that_designed_is_not_blamed_on_the_clock(make_campaign: Make) -> None:
    note = "a language model designed: a rerun may be answered otherwise"
    designed = make_campaign(3).model_copy(update={"deterministic": False, "designer": "llm", "notes": [note]})
    text = " ".join(" ".join(printed(designed, 100)).split())
    assert "not repeatable: a language model designed it" in text
    assert note in text.replace("A language", "a language")
    assert "clock" not in text


def test_markup_in_names_and_reasons_is_text(make_campaign: Make) -> None:
    result = make_campaign(3)
    record = result.experiments[0].model_copy(update={"name": "[red]x[/red]", "reasons": ["[bold]because[/nope]\nreally"]})
    lines = printed(result.model_copy(update={"experiments": [record]}), 100)
    assert any("[red]x[/red]" in line for line in lines)
    assert any("[bold]because[/nope] really" in line for line in lines)


def test_an_empty_campaign_prints(make_campaign: Make) -> None:
    assert printed(make_campaign(0), 80)[0] == "No strategy was tried."
    assert leaderboard(make_campaign(0), 80)


def test_print_summary_takes_the_width_of_its_console(make_campaign: Make) -> None:
    console = Console(file=io.StringIO(), width=84, force_terminal=False)
    print_summary(make_campaign(24), console)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == printed(make_campaign(24), 84)
