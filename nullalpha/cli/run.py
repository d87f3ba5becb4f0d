"""`nullalpha backtest FILE` and `nullalpha train FILE`: one strategy, walk-forward through the search zone; each counts as a trial."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nullalpha.cli.metrics import figure_text
from nullalpha.cli.output import Home, Json, call, emit_json, number, open_lab, read_file

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


def backtest(file: File, seed: Seed = 0, home: Home = None, json: Json = False) -> int:
    """Train and backtest a strategy fold by fold through the search zone, attack it for look-ahead, and judge it."""
    lab = open_lab(home)
    document, trials_before = read_file(file), lab.stores.experiments.count_trials()
    details = call(lab, "strategy_backtest", document=document, seed=seed)
    record, metrics = details.experiment, details.experiment.metrics
    body: dict[str, Any] = {
        "engine": "nullalpha",
        "experiment": record.id,
        "fingerprint": record.fingerprint,
        "instruments": record.instruments,
        "zone": "search",
        "metrics": metrics.model_dump() if metrics else None,
        "trades": metrics.n_trades if metrics else None,
        "verdict": record.verdict,
        "reasons": record.reasons,
        "series": _path(lab, details.artifacts["series"]),
        "folds": details.folds,
    }
    if json:
        emit_json(body)
        return 0 if metrics else 1
    typer.echo(f"{record.name} ({record.id}) on {', '.join(record.instruments)}: {record.verdict}")
    for name in _SHOWN:
        typer.echo(f"  {name:20} {figure_text(name, getattr(metrics, name, None))}")
    for reason in record.reasons:
        typer.echo(f"  - {reason}")
    typer.echo(_counted(lab, trials_before))
    return 0 if metrics else 1


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
                "weights": _path(lab, details.artifacts["weights"]),
            }
        )
        return 0 if details.folds else 1
    for fold in details.folds:
        base = fold["baselines"] or {}
        typer.echo(
            f"{fold['instrument']} fold {fold['fold']}: trained {fold['train'][0]} to {fold['train'][1]}, best epoch "
            f"{fold['best_epoch']} of {fold['epochs_run']}, loss {number(fold['stop_loss'], 4)} (zero {number(base.get('zero_loss'), 4)}, "
            f"linear {number(base.get('ridge_loss'), 4)})"
        )
    for symbol, rules in details.rules.items():
        for rule in rules:
            typer.echo(f"[{symbol}] {rule['text']}  fires {rule['firing_share']:.0%}, leans {rule['lean']:+.3f}")
    for reason in record.reasons if not details.folds else []:
        typer.echo(reason, err=True)
    typer.echo(_counted(lab, trials_before))
    return 0 if details.folds else 1


def _counted(lab: Any, before: int) -> str:
    """Say what a run added to the trials by which the home's best is deflated."""
    now = lab.stores.experiments.count_trials()
    return f"counts as trial {now} of this home" if now > before else f"the same run is on record: the trials of this home stay {now}"


def _path(lab: Any, digest: str | None) -> str | None:
    return str(lab.artifacts.path(digest)) if digest else None
