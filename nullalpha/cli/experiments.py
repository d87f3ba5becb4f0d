"""`nullalpha experiments`: list, show, trades, compare."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nullalpha.cli.learned import learned_lines
from nullalpha.cli.metrics import figure_text
from nullalpha.cli.output import Home, Json, call, emit_json, number, open_lab, show, write_file

if TYPE_CHECKING:
    from rich.table import Table

    from nullalpha.app.lab import Lab
    from nullalpha.tools.backtests import ReplayRecord

MOST = 1000
"""Experiments that one list holds at most."""

_FINE = ("entry_price", "exit_price", "price", "mae", "mfe")

app = typer.Typer(help="Every strategy that was ever tried here.", no_args_is_help=True)


@app.command("list")
def list_(
    campaign: Annotated[str | None, typer.Option(help="Only this campaign's.")] = None,
    verdict: Annotated[str | None, typer.Option(help="reject, iterate or shortlist.")] = None,
    limit: Annotated[int, typer.Option(help="How many at most; up to 1000.")] = 50,
    home: Home = None,
    json: Json = False,
) -> None:
    """List experiments, best first."""
    lab = open_lab(home)
    found = call(lab, "experiment_list", campaign_id=campaign, verdict=verdict, limit=limit)
    if json:
        emit_json(found)
        return
    if not found.experiments:
        chosen = "no such experiments; leave out --campaign or --verdict to see all"
        typer.echo(chosen if campaign or verdict else "no experiments yet; `nullalpha research run` designs some")
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("experiment", "name", "instruments", "Sharpe", "excess", "trades", "verdict", "why"):
        table.add_column(column, no_wrap=column != "why", overflow="ellipsis")
    for e in found.experiments:
        m = e.metrics
        figures = (number(m.sharpe), number(m.excess_sharpe), str(m.n_trades)) if m else ("–", "–", "–")
        table.add_row(
            e.id,
            e.name if e.kind == "strategy" else f"{e.name} (signal)",
            ",".join(e.instruments),
            *figures,
            e.verdict or e.status,
            e.reasons[0] if e.reasons else "",
        )
    show(table)
    if len(found.experiments) == limit < MOST:
        total = len(call(lab, "experiment_list", campaign_id=campaign, verdict=verdict, limit=MOST).experiments)
        if total > limit:
            typer.echo(f"{limit} of {total}{' or more' if total == MOST else ''}; --limit {min(total, MOST)} lists them", err=True)


@app.command("show")
def show_(id: str, home: Home = None, json: Json = False) -> None:  # noqa: A002  (the word of the contract)
    """Show one experiment: what it does, its figures, its rules after training, and why it was judged so."""
    details = call(open_lab(home), "experiment_get", id=id)
    if json:
        emit_json(details)
        return
    record = details.experiment
    kind = ", an outside signal," if record.kind == "signal" else ""
    typer.echo(f"{record.name} ({record.id}){kind} on {', '.join(record.instruments)}: {record.verdict or record.status}")
    typer.echo(f"  {details.hypothesis}")
    if signal := details.signal:
        beyond = f", {signal.rows_beyond:,} from beyond the search zone left out" if signal.rows_beyond else ""
        typer.echo(f"  {signal.rows:,} positions, content {signal.sha256[:12]}{beyond}")
    for reason in record.reasons:
        typer.echo(f"  - {reason}")
    for name, value in (record.metrics.model_dump() if record.metrics else {}).items():
        typer.echo(f"  {name:22} {figure_text(name, value, record.metrics.sessions_per_year)}")
    if look := details.lockbox:
        said = "not judged yet" if look.result is None else f"{look.result}, p {number(look.p, 4)} against level {number(look.level, 4)}"
        typer.echo(f"  lockbox opened {look.opened[:10]}: {said}")
    for line in learned_lines(details.rules, details.pruning, details.folds):
        typer.echo(f"  {line}")


@app.command()
def trades(
    id: str,  # noqa: A002  (the word of the contract)
    orders: Annotated[bool, typer.Option("--orders", help="Every fill instead of round trips.")] = False,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write them here as CSV.")] = None,
    parquet: Annotated[Path | None, typer.Option("--parquet", help="Write them here as parquet.")] = None,
    home: Home = None,
    json: Json = False,
) -> int:
    """List what an experiment traded out of sample, and replay its orders: bar by bar they must give its equity, or this fails."""
    lab = open_lab(home)
    log = call(lab, "experiment_trades", id=id, orders=orders)
    written = _write(lab, id, orders, csv, parquet) if csv or parquet else []
    if json:
        emit_json(log)
        return 0 if log.replay.equal else 1
    rows, what = (log.orders, "orders") if orders else (log.trades, "trades")
    if not written:
        show(_listed(rows))
    typer.echo(f"{len(rows):,} {what}{''.join(f', in {path}' for path in written)}")
    typer.echo(_replayed(log.replay), err=not log.replay.equal)
    return 0 if log.replay.equal else 1


def _write(lab: Lab, experiment_id: str, orders: bool, csv: Path | None, parquet: Path | None) -> list[Path]:
    """Write what was traded as files and return their paths."""
    from nullalpha.tools.backtests import account_of
    from nullalpha.tools.tables import orders_table, to_csv, to_parquet, trades_table

    account = account_of(lab.desk("cli", person=True, path_root=Path("/")), experiment_id)
    table = orders_table(account) if orders else trades_table(account)
    wanted = [(path, form) for path, form in ((csv, to_csv), (parquet, to_parquet)) if path is not None]
    for path, form in wanted:
        write_file(path, form(table))
    return [path for path, _ in wanted]


def _listed(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return orders or trades for people: money and units with two decimals, prices and fractions with four."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in rows[0] if rows else ():
        table.add_column(column.replace("_", " "), no_wrap=True)
    for row in rows:
        table.add_row(*[_cell(name, value) for name, value in row.items()])
    return table


def _cell(name: str, value: Any) -> str:
    if not isinstance(value, float):
        return "–" if value is None else str(value)
    return f"{value:,.4f}" if name in _FINE else f"{value:,.2f}"


def _replayed(replay: ReplayRecord) -> str:
    bars = f"replayed: {replay.n_bars:,} bars"
    if replay.first_difference is not None:
        first = replay.first_difference
        return f"{bars}, and equity differs first at {first['time']}: {first['replayed']!r} replayed, {first['stored']!r} stored"
    largest = replay.largest_difference
    return f"{bars}, equity equal to " + (f"1e{math.ceil(math.log10(largest))}" if largest else "the bit")


@app.command()
def compare(ids: list[str], home: Home = None, json: Json = False) -> None:
    """Put experiments side by side."""
    compared = call(open_lab(home), "experiment_compare", ids=ids)
    if json:
        emit_json(compared)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("figure")
    for name, id_ in zip(compared.names, compared.ids, strict=True):
        table.add_column(f"{name}\n{id_}", justify="right")
    table.add_row("verdict", *[str(v) for v in compared.verdicts])
    for figure, values in compared.figures.items():
        table.add_row(figure, *[figure_text(figure, v) for v in values])
    show(table)
