"""`nullalpha experiments`: list, show, compare."""

from __future__ import annotations

from typing import Annotated

import typer

from nullalpha.cli.metrics import figure_text
from nullalpha.cli.output import Home, Json, call, emit_json, number, open_lab, show

MOST = 1000
"""Experiments that one list holds at most."""

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
        table.add_row(e.id, e.name, ",".join(e.instruments), *figures, e.verdict or e.status, e.reasons[0] if e.reasons else "")
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
    typer.echo(f"{record.name} ({record.id}) on {', '.join(record.instruments)}: {record.verdict or record.status}")
    typer.echo(f"  {details.hypothesis}")
    for reason in record.reasons:
        typer.echo(f"  - {reason}")
    for name, value in (record.metrics.model_dump() if record.metrics else {}).items():
        typer.echo(f"  {name:22} {figure_text(name, value, record.metrics.sessions_per_year)}")
    if look := details.lockbox:
        said = "not judged yet" if look.result is None else f"{look.result}, p {number(look.p, 4)} against level {number(look.level, 4)}"
        typer.echo(f"  lockbox opened {look.opened[:10]}: {said}")
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
        table.add_row(figure, *[figure_text(figure, v) for v in values])
    show(table)
