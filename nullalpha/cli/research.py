"""`nullalpha research`: run, resume, list, show, stop, promote."""

from __future__ import annotations

import json as json_module
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nullalpha.cli.output import Home, Json, audited, call, console, emit_json, number, open_lab, show

if TYPE_CHECKING:
    from nullalpha.app.hosting import Host
    from nullalpha.app.lab import Lab
    from nullalpha.tools.contract import CampaignResult

app = typer.Typer(help="Research campaigns: run, follow, resume, read.", no_args_is_help=True)
JsonLines = Annotated[bool, typer.Option("--jsonl", help="Print every event as a JSON line, then the result.")]
Workers = Annotated[int | None, typer.Option(min=1, max=256, help="Worker processes; no figure depends on it.")]
FOLLOW_SECONDS = 0.25
SUMMARY_WIDTH = 160
_STOPPED = {"stopped": "is stopped; `nullalpha research resume` goes on from here"} | {
    over: f"is already {over.replace('_', ' ')}" for over in ("done", "failed", "budget_exhausted", "waiting_for_model", "paused")
}
RESUMABLE = ("stopped", "paused", "waiting_for_model", "failed")
FINAL = {"done": 0, "failed": 1, "budget_exhausted": 4, "stopped": 130, "paused": 1, "waiting_for_model": 1}


@app.command()
def run(
    brief: Annotated[str, typer.Option(help="What to look for, in words, for designers that read.")] = "",
    instruments: Annotated[str, typer.Option(help="Symbols, comma-separated.")] = "SPX,IXIC",
    timeframe: str = "1d",
    trials: Annotated[int | None, typer.Option(min=1, max=100_000, help="Strategies to try; default 24.")] = None,
    designer: Annotated[str, typer.Option(help="search, random or llm.")] = "search",
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1)] = 0,
    workers: Workers = None,
    budget_seconds: Annotated[float | None, typer.Option(help="Stop designing after this long; voids repeatability.")] = None,
    model: Annotated[str | None, typer.Option(help="For --designer llm: openai/NAME, hosted_vllm/NAME or ollama_chat/NAME.")] = None,
    api_base: Annotated[str | None, typer.Option(help="Where that model is served, e.g. http://127.0.0.1:8000/v1.")] = None,
    require_shortlist: Annotated[bool, typer.Option("--require-shortlist", help="Exit 3 unless something is shortlisted.")] = False,
    home: Home = None,
    json: Json = False,
    jsonl: JsonLines = False,
) -> int:
    """Design, train, backtest and judge strategies; validate the best once; report. Ctrl-C stops cleanly, `resume` goes on."""
    from nullalpha.app.campaigns import create_campaign

    lab = open_lab(home)
    config = _config(
        lab,
        brief=brief,
        instruments=tuple(part.strip().upper() for part in instruments.split(",") if part.strip()),
        timeframe=timeframe,
        trials=trials or lab.settings.research.trials,
        designer=designer,
        seed=seed,
        budget_seconds=budget_seconds,
        require_shortlist=require_shortlist,
        model=model or lab.settings.model.name,
        api_base=api_base or lab.settings.model.api_base,
        training_cutoff=lab.settings.model.training_cutoff,
    )
    with audited(lab, "campaign_start", trials=config.trials, designer=config.designer, seed=config.seed):
        campaign_id = create_campaign(lab, config)
    return _host_or_follow(lab, campaign_id, workers, json, jsonl)


@app.command()
def resume(campaign_id: str, workers: Workers = None, home: Home = None, json: Json = False, jsonl: JsonLines = False) -> int:
    """Go on with a stopped, interrupted or killed campaign: nothing is lost, nothing is done twice."""
    from nullalpha.app.campaigns import queue_again

    lab = open_lab(home)
    with audited(lab, "campaign_resume", campaign_id=campaign_id):
        queue_again(lab, campaign_id)
    return _host_or_follow(lab, campaign_id, workers, json, jsonl)


@app.command("list")
def list_(home: Home = None, json: Json = False) -> None:
    """List campaigns, newest first."""
    found = call(open_lab(home), "campaign_list")
    if json:
        emit_json(found)
        return
    if not found.campaigns:
        typer.echo("no campaigns yet; `nullalpha research run` starts one")
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("campaign", "status", "started", "trials", "best Sharpe"):
        table.add_column(column)
    for c in found.campaigns:
        table.add_row(c.campaign_id, c.status, c.started[:16].replace("T", " "), str(c.trials), number(c.best_sharpe))
    show(table)


@app.command("show")
def show_(campaign_id: str, home: Home = None, json: Json = False) -> None:
    """Show one campaign whole."""
    result = call(open_lab(home), "campaign_result", campaign_id=campaign_id)
    if json:
        emit_json(result)
    else:
        _summary(result, stdout=True)


@app.command()
def stop(campaign_id: str, home: Home = None, json: Json = False) -> None:
    """Ask a running campaign to stop at the next safe point."""
    ref = call(open_lab(home), "campaign_stop", campaign_id=campaign_id)
    if json:
        emit_json(ref)
    else:
        typer.echo(f"{ref.campaign_id} {_STOPPED.get(ref.status, 'is running and will stop at the next safe point')}")


@app.command()
def promote(experiment_id: str, home: Home = None, json: Json = False) -> int:
    """Open the lockbox, once, for a shortlisted strategy; the opening is recorded before it is read. Exit 3 if it does not pass."""
    from nullalpha.app.promotion import promote as open_lockbox

    lab = open_lab(home)
    with audited(lab, "lockbox_open", experiment_id=experiment_id):
        outcome = open_lockbox(lab, experiment_id, "cli")
    if json:
        emit_json(outcome)
    else:
        word = "promoted" if outcome.promoted else "not promoted"
        p_value = f"p {number(outcome.p, 4)} against level {outcome.level:.4f}"
        typer.echo(f"{experiment_id}: {word}; {p_value}, {outcome.openings_so_far} openings so far")
    return 0 if outcome.promoted else 3


def _config(lab: Lab, **values: Any) -> Any:
    from pydantic import ValidationError

    from nullalpha.core.campaign import CampaignConfig
    from nullalpha.core.complaints import complaint, shown
    from nullalpha.core.errors import UsageError, nearest

    known = ["search", "random", "llm"]
    if values["designer"] not in known:
        near = nearest(values["designer"], known)
        fix = f"did you mean {near}?" if near else f"use one of {', '.join(known)}"
        raise UsageError(f"unknown designer {values['designer']!r}", path="--designer", value=values["designer"], suggestion=fix)
    if values["designer"] == "llm" and not values["model"]:
        raise UsageError(
            "--designer llm needs a model", path="--model", suggestion="e.g. --model openai/NAME --api-base http://127.0.0.1:8000/v1"
        )
    if values["designer"] != "llm":
        values |= {"model": None, "api_base": None, "training_cutoff": None}
    try:
        return CampaignConfig(**values)
    except ValidationError as error:
        first = error.errors()[0]
        where = "--" + ".".join(str(part) for part in first["loc"]).replace("_", "-")
        raise UsageError(complaint(first, where), path=where, value=shown(first["input"])) from error


def _host_or_follow(lab: Lab, campaign_id: str, workers: int | None, json: bool, jsonl: bool) -> int:
    """Host the campaign here, or follow it while another process hosts this home; return the exit code.

    When that process ends or was busy with another campaign, this one takes over.
    """
    from nullalpha.app.campaigns import SupervisedCampaigns
    from nullalpha.app.hosting import Host, stop_on_signals
    from nullalpha.core.errors import CancelledError, NullAlphaError

    over, host = threading.Event(), Host(lab, workers)
    watcher = threading.Thread(target=_follow, args=(lab, campaign_id, over, json, jsonl), daemon=True)
    hosting, waiting = threading.Event(), threading.Event()
    watcher.start()
    try:
        with stop_on_signals(lambda: host.stop() if hosting.is_set() else SupervisedCampaigns(lab).stop(campaign_id)):
            while watcher.is_alive() and not _hosted(lab, host, campaign_id, hosting, waiting):
                watcher.join(FOLLOW_SECONDS)
    except CancelledError:
        pass  # the status says it, and so does the exit code
    except NullAlphaError as error:
        if lab.stores.campaigns.get(campaign_id).status not in FINAL:
            raise
        sys.stderr.write(f"error: {error.message}\n")
    finally:
        over.set()
        watcher.join(timeout=10)
    return _finish(lab, campaign_id, json, jsonl)


def _hosted(lab: Lab, host: Host, campaign_id: str, hosting: threading.Event, waiting: threading.Event) -> bool:
    """Host the campaign to its end if nobody else hosts this home; return False if somebody does."""
    from nullalpha.core.errors import RefusedError
    from nullalpha.operations.lease import HomeLease

    lease = HomeLease(lab.home)
    if lease.held_elsewhere():
        if not waiting.is_set() and lab.stores.campaigns.get(campaign_id).status == "queued":
            busy = [row.id for row in lab.stores.campaigns.with_status("running")]
            console().print(
                f"waiting: pid {lease.holder()} hosts this home, now with {', '.join(busy) or 'nothing'}; this campaign is queued"
            )
        waiting.set()
        return False
    hosting.set()
    try:
        host.run(campaign_id)
    except RefusedError:
        if not HomeLease(lab.home).held_elsewhere():
            raise
        hosting.clear()  # somebody was quicker
        return False
    return True


def _finish(lab: Lab, campaign_id: str, json: bool, jsonl: bool) -> int:
    result: CampaignResult = call(lab, "campaign_result", campaign_id=campaign_id)
    if jsonl:
        sys.stdout.write(json_module.dumps({"kind": "result", "body": result.model_dump(mode="json")}) + "\n")
    elif json:
        emit_json(result)
    else:
        _summary(result, stdout=False)
    if result.status in RESUMABLE:
        sys.stderr.write(f"{result.status}; `nullalpha research resume {campaign_id}` goes on from here\n")
    code = FINAL.get(result.status, 1)
    wanted = lab.stores.campaigns.get(campaign_id).config["require_shortlist"]
    if code == 0 and wanted and not any(e.verdict == "shortlist" for e in result.experiments):
        return 3
    return code


def _follow(lab: Lab, campaign_id: str, over: threading.Event, json: bool, jsonl: bool) -> None:
    """Show progress until the campaign is over: drawn on a terminal, a line a stage elsewhere, JSON lines with --jsonl."""
    from nullalpha.reports.progress import CampaignProgress
    from nullalpha.tools.research import campaign_status

    desk = lab.desk("cli", person=True, path_root=Path("/"))
    seen = 0
    with CampaignProgress(console(), title=f"campaign {campaign_id} in {lab.home}") as progress:
        while True:
            ended = over.wait(FOLLOW_SECONDS)
            status = campaign_status(desk, campaign_id=campaign_id, after=seen)
            for event in status.events:
                seen = event.seq
                if jsonl:
                    sys.stdout.write(json_module.dumps(event.model_dump(mode="json")) + "\n")
                    sys.stdout.flush()
                if not jsonl:
                    progress.update(_frame(event.kind, event.body, status))
            if ended or (not status.events and status.status in FINAL):
                return


def _frame(kind: str, body: dict[str, Any], status: Any) -> dict[str, Any]:
    frame: dict[str, Any] = {
        "event": kind,
        "n_generations": status.n_generations,
        "best_name": status.best_name,
        "best_excess_sharpe": status.best_excess_sharpe,
        "trials_done": status.trials_done,
        "trials_total": status.trials,
        "seconds": status.seconds,
        "budget_seconds": status.budget_seconds,
    }
    if kind == "stage":
        frame |= {"stage": body["stage"], "generation": min(body["generation"] + 1, status.n_generations)}
    if kind == "progress" and "epoch" in body:
        frame |= {"done": body["epoch"], "total": body["epochs"]}
    return frame


def _summary(result: CampaignResult, *, stdout: bool) -> None:
    from rich.console import Console

    from nullalpha.reports.leaderboard import print_summary

    stream = sys.stdout if stdout else sys.stderr
    console = Console(stderr=not stdout, width=None if stream.isatty() else SUMMARY_WIDTH)
    print_summary(result, console, report=result.report)
