"""`nullalpha experiments`: list, show, compare."""

from __future__ import annotations

from typing import Annotated

import typer

from nullalpha.cli.output import Home, Json, call, emit_json, number, open_lab, show

app = typer.Typer(help="Every strategy that was ever tried here.", no_args_is_help=True)


@app.command("list")
def list_(
    campaign: Annotated[str | None, typer.Option(help="Only this campaign's.")] = None,
    verdict: Annotated[str | None, typer.Option(help="reject, iterate or shortlist.")] = None,
    limit: int = 50,
    home: Home = None,
    json: Json = False,
) -> None:
    """List experiments, best first."""
    found = call(open_lab(home), "experiment_list", campaign_id=campaign, verdict=verdict, limit=limit)
    if json:
        emit_json(found)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("experiment", "name", "instruments", "Sharpe", "excess", "trades", "verdict", "why"):
        table.add_column(column, no_wrap=column != "why", overflow="ellipsis")
    for e in found.experiments:
        m = e.metrics
        figures = (number(m.sharpe), number(m.excess_sharpe), str(m.n_trades)) if m else ("–", "–", "–")
        table.add_row(e.id, e.name, ",".join(e.instruments), *figures, e.verdict or e.status, e.reasons[0] if e.reasons else "")
    show(table)


@app.command("show")
def show_(id: str, home: Home = None, json: Json = False) -> None:  # noqa: A002  (the word of the contract)
    """Show one experiment: what it does, its figures, its rules after training, and why it was judged so."""
    details = call(open_lab(home), "experiment_get", id=id)
    if json:
        emit_json(details)
        return
    record = details.experiment
    typer.echo(f"{record.name} ({record.id}) on {', '.join(record.instruments)}: {record.verdict or record.status}")
    typer.echo(f"  {details.hypothesis}")
    for reason in record.reasons:
        typer.echo(f"  - {reason}")
    for name, value in (record.metrics.model_dump() if record.metrics else {}).items():
        typer.echo(f"  {name:22} {number(value, 4) if isinstance(value, float) or value is None else value}")
    for symbol, rules in details.rules.items():
        for rule in rules:
            typer.echo(f"  [{symbol}] {rule['text']}  fires {rule['firing_share']:.0%}, contributes {rule['contribution']:+.3f}")


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
        table.add_row(figure, *[number(v, 3) for v in values])
    show(table)
