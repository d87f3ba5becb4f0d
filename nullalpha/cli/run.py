"""`nullalpha backtest` and `nullalpha train`: one strategy or outside signal through the search zone; each counts as a trial."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nullalpha.cli.learned import fold_lines, learned_lines
from nullalpha.cli.metrics import figure_text
from nullalpha.cli.output import Home, Json, call, emit_json, open_lab, read_file
from nullalpha.core.errors import UsageError

if TYPE_CHECKING:
    from nullalpha.app.lab import Lab
    from nullalpha.tools.backtests import Backtest
    from nullalpha.tools.contract import ExperimentRecord

File = Annotated[Path, typer.Argument(help="A strategy document, YAML or JSON; - for stdin.")]
Seed = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Of the models' initial weights and batches.")]
_SHOWN = (
    "sharpe",
    "sharpe_se",
    "excess_sharpe",
    "excess_sharpe_se",
    "buy_and_hold_sharpe",
    "annual_return",
    "annual_volatility",
    "max_drawdown",
    "n_trades",
    "turnover",
    "exposure",
    "random_entry_p",
)


def backtest(
    file: Annotated[Path | None, typer.Argument(help="A strategy document, YAML or JSON; - for stdin. None with --signal.")] = None,
    signal: Annotated[
        Path | None, typer.Option(help="A parquet file of positions decided elsewhere: time (UTC), target_position (-1..1 of equity).")
    ] = None,
    instrument: Annotated[list[str] | None, typer.Option(help="Instead of the document's instruments; repeatable.")] = None,
    timeframe: Annotated[str | None, typer.Option(help="Instead of the document's; of a signal 1d.")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="ISO date: out of sample from here; models train on what precedes.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="ISO date, not included; no later than the search zone's end.")] = None,
    engine: Annotated[str, typer.Option(help="nullalpha or vectorbt; one that cannot do what is asked refuses.")] = "nullalpha",
    seed: Seed = 0,
    home: Home = None,
    json: Json = False,
) -> int:
    """Train and backtest a strategy fold by fold through the search zone, attack it for look-ahead, and judge it.

    With --signal, backtest positions that were decided elsewhere by the same rules: a position known at a time counts from the first
    bar that closes then or later, and fills no earlier than the next.
    """
    given = _what(file, signal, instrument, timeframe)
    lab = open_lab(home)
    trials_before = lab.stores.experiments.count_trials()
    details = call(lab, given.pop("tool"), **given, from_date=from_, to_date=to, engine=engine, seed=seed)
    record, metrics = details.experiment, details.experiment.metrics
    if json:
        emit_json(_backtest_body(lab, details))
        return 0 if metrics else 1
    typer.echo(f"{record.name} ({record.id}){_kind(record)} on {', '.join(record.instruments)}: {record.verdict}")
    if details.window is not None:
        sample = "" if details.signal else " out of sample"
        typer.echo(f"  {details.n_bars:,} bars{sample}, {details.window[0]} to {details.window[1]}, by {details.engine}")
    for name in _SHOWN:
        typer.echo(f"  {name:20} {figure_text(name, getattr(metrics, name, None))}")
    if details.costs is not None:
        typer.echo(f"  {'paid':20} {', '.join(f'{name} {amount:,.2f}' for name, amount in details.costs.paid.items())}")
    for reason in record.reasons:
        typer.echo(f"  - {reason}")
    for name, path in (("equity", details.equity), ("orders", details.orders)):
        if path is not None:
            typer.echo(f"  {name:20} {path}")
    typer.echo(_counted(lab, trials_before))
    return 0 if metrics else 1


def _what(file: Path | None, signal: Path | None, instruments: list[str] | None, timeframe: str | None) -> dict[str, Any]:
    """Return the tool that runs what was asked for, and what it is given.

    Raises:
        UsageError: unless there is a document or a signal, one of them, and with a signal one instrument.
    """
    if (file is None) == (signal is None):
        raise UsageError(
            "give a strategy document or --signal, one of them",
            path="FILE",
            suggestion="nullalpha backtest FILE, or nullalpha backtest --signal FILE.parquet --instrument SPX",
        )
    if file is not None:
        return {"tool": "strategy_backtest", "document": read_file(file), "instruments": instruments or None, "timeframe": timeframe}
    if not instruments or len(instruments) != 1:
        raise UsageError(
            f"a signal is of one instrument, and {len(instruments or [])} were given",
            path="--instrument",
            value=",".join(instruments or []) or None,
            suggestion="--instrument SPX; `nullalpha data list` shows what there is",
        )
    return {"tool": "signal_backtest", "path": str((signal or Path()).resolve()), "instrument": instruments[0], "timeframe": timeframe}


def _backtest_body(lab: Lab, details: Backtest) -> dict[str, Any]:
    record, metrics = details.experiment, details.experiment.metrics
    return {
        "engine": details.engine,
        "experiment": record.id,
        "kind": record.kind,
        "fingerprint": record.fingerprint,
        "instruments": record.instruments,
        "snapshot": details.snapshot,
        "zone": "search",
        "window": details.window,
        "n_bars": details.n_bars,
        "metrics": metrics.model_dump() if metrics else None,
        "costs": details.costs.model_dump() if details.costs else None,
        "trades": details.trades,
        "verdict": record.verdict,
        "reasons": record.reasons,
        "equity": details.equity,
        "orders": details.orders,
        "series": _path(lab, details.artifacts["series"]),
        "folds": details.folds,
        "signal": details.signal.model_dump() if details.signal else None,
    }


def _kind(record: ExperimentRecord) -> str:
    return ", an outside signal," if record.kind == "signal" else ""


def train(file: File, seed: Seed = 0, home: Home = None, json: Json = False) -> int:
    """Train a strategy fold by fold through the search zone and show its losses beside baselines, and its rules after training."""
    lab = open_lab(home)
    document, trials_before = read_file(file), lab.stores.experiments.count_trials()
    details = call(lab, "strategy_backtest", document=document, seed=seed)
    record = details.experiment
    if json:
        emit_json(
            {
                "experiment": record.id,
                "fingerprint": record.fingerprint,
                "folds": details.folds,
                "rules": details.rules,
                "pruning": details.pruning,
                "weights": _path(lab, details.artifacts["weights"]),
            }
        )
        return 0 if details.folds else 1
    for fold in details.folds:
        for line in fold_lines(fold):
            typer.echo(line)
    for line in learned_lines(details.rules, details.pruning, details.folds):
        typer.echo(line)
    for reason in record.reasons if not details.folds else []:
        typer.echo(reason, err=True)
    typer.echo(_counted(lab, trials_before))
    return 0 if details.folds else 1


def _counted(lab: Lab, before: int) -> str:
    """Say what a run added to the trials by which the home's best is deflated."""
    now = lab.stores.experiments.count_trials()
    return f"counts as trial {now} of this home" if now > before else f"the same run is on record: the trials of this home stay {now}"


def _path(lab: Lab, digest: str | None) -> str | None:
    return str(lab.artifacts.path(digest)) if digest else None
