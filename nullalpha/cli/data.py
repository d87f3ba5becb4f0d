"""`nullalpha data`: what there is of bars, what is wrong with them, questions to them; taking them in is `nullalpha.cli.intake`'s."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from nullalpha.cli import intake
from nullalpha.cli.output import Home, Json, audited, call, emit_json, open_lab, show

app = typer.Typer(help="Bars: what there is, what is wrong with them, and taking in your own.", no_args_is_help=True)


@app.command("list")
def list_(home: Home = None, json: Json = False) -> None:
    """List the series that the lab has bars of, as they were last taken in or described."""
    found = call(open_lab(home), "data_list")
    if json:
        emit_json(found)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("instrument", "kind", "timeframe", "first", "last", "bars", "fills at", "costs a side", "snapshot"):
        table.add_column(column)
    for s in found.snapshots:
        traded = s.kind != "series"
        basis, costs = (f"{s.fill_basis} of t+1", _a_side(s.costs)) if traded else ("not traded", "")
        kind = s.kind + (", survivors" if s.survivorship else "")
        table.add_row(s.instrument, kind, s.timeframe, s.first, s.last, f"{s.n_bars:,}", basis, costs, s.snapshot[:12])
    show(table)


@app.command("show")
def show_(
    instrument: str,
    timeframe: Annotated[str | None, typer.Option(help="By default the daily bars, else what there is.")] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Also draw the closes of the search zone.")] = False,
    home: Home = None,
    json: Json = False,
) -> None:
    """Show one instrument: span, costs, fill basis, where its bars came from, and where the sealed zones begin."""
    lab = open_lab(home)
    facts = call(lab, "data_show", instrument=instrument.upper(), timeframe=timeframe)
    if json:
        emit_json(facts)
        return
    for key, value in {**facts.model_dump(exclude={"zones", "lineage", "costs"}), **facts.costs}.items():
        typer.echo(f"{key:18} {value}")
    for step in facts.lineage:
        typer.echo(f"{'made of':18} {step}")
    zones = facts.zones.model_dump() if facts.zones else {"zones": "set by the first campaign"}
    for key, value in zones.items():
        typer.echo(f"{key:18} {value}")
    if plot:
        from nullalpha.cli.charts import draw_closes
        from nullalpha.tools.bars import search_bars

        typer.echo(draw_closes(search_bars(lab.desk("cli", person=True, path_root=Path("/")), facts.instrument, facts.timeframe)))


@app.command()
def check(
    target: str,
    timeframe: Annotated[str | None, typer.Option(help="Of a file 1d by default.")] = None,
    calendar: Annotated[str | None, typer.Option(help="A code of exchange_calendars; of a file XNYS by default.")] = None,
    column: Annotated[list[str] | None, typer.Option("--column", help="ours=theirs, e.g. close=Last; ours= for none.")] = None,
    tz: Annotated[str | None, typer.Option(help="Zone of times that carry none, e.g. America/New_York.")] = None,
    bar_time: Annotated[str | None, typer.Option(help="What an intraday time is: the bar's open, or its close (so by default).")] = None,
    home: Home = None,
    json: Json = False,
) -> int:
    """Check bars row by row: an instrument by its symbol, or a CSV or parquet file. Exit 2 when there are errors."""
    from nullalpha.app.intake import columns_of

    lab, target = open_lab(home), _absolute(target)
    columns = columns_of(column) if column else None
    found = call(lab, "data_check", target=target, timeframe=timeframe, calendar=calendar, columns=columns, tz=tz, bar_time=bar_time)
    if json:
        emit_json(found)
        return 0 if found.ok else 2
    for f in found.findings:
        typer.echo(f"{f.severity}: row {f.row} {f.time or ''} {f.code}: {f.message}")
    typer.echo(f"{found.target}: {found.n_bars} bars, {len(found.findings)} findings, {'usable' if found.ok else 'not usable'}")
    return 0 if found.ok else 2


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help='One SELECT, e.g. "SELECT year(time), avg(volume) FROM SPX GROUP BY 1 ORDER BY 1".')],
    rows: Annotated[int, typer.Option("--rows", help="At most so many.")] = 200,
    seconds: Annotated[float, typer.Option("--seconds", help="Stopped after so many.")] = 10.0,
    home: Home = None,
    json: Json = False,
) -> None:
    """Ask the bars of the search zone in SQL. Relations: SPX (daily), SPX_1h, ..., and snapshots, which lists them."""
    answer = call(open_lab(home), "data_query", sql=sql, max_rows=rows, seconds=seconds)
    if json:
        emit_json(answer)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in answer.columns:
        table.add_column(Text(column))
    for row in answer.rows:
        cells = ("" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value) for value in row)
        table.add_row(*map(Text, cells))
    show(table)
    if answer.truncated:
        typer.echo(f"(there are more than {rows} rows; --rows N shows more)", err=True)
    typer.echo(f"(bars known before {answer.bars_before}: the search zone)", err=True)


app.command("import")(intake.import_)
app.command()(intake.fetch)
app.command()(intake.synth)
app.command()(intake.resample)


@app.command("instruments")
def instruments_(
    symbol: Annotated[str | None, typer.Argument(help="One instrument; all by default.")] = None,
    changes: Annotated[list[str] | None, typer.Option("--set", help="field=value, e.g. slippage_bps=2 or calendar=XLON.")] = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Print the instruments file, or change what it says of an instrument; changes hold for campaigns that begin later."""
    from nullalpha.app.descriptions import describe_instrument, instrument_changes, instruments
    from nullalpha.core.errors import NotFoundError, UsageError, nearest

    lab = open_lab(home)
    name = None if symbol is None else symbol.upper()
    if changes:
        if name is None:
            raise UsageError("--set needs an instrument", path="SYMBOL", suggestion="nullalpha data instruments SPX --set slippage_bps=2")
        with audited(lab, "data_instruments", instrument=name, changes=changes):
            describe_instrument(lab, name, instrument_changes(changes))
    known = instruments(lab)
    if name is not None and name not in known:
        near = nearest(name, list(known))
        fix = f"did you mean {near}?" if near else f"there is {', '.join(known)}"
        raise NotFoundError(f"there is no instrument {name!r}", path="SYMBOL", value=symbol, suggestion=fix)
    chosen = known if name is None else {name: known[name]}
    if json:
        emit_json({"file": str(lab.book.path), "instruments": [{**asdict(one), "in_file": listed} for one, listed in chosen.values()]})
        return
    typer.echo(f"# {lab.book.path}")
    for one, listed in chosen.values():
        fields = asdict(one)
        costs = fields.pop("costs")
        typer.echo(f"{fields.pop('symbol')}:" + ("" if listed else "   # as its source describes it"))
        for key, value in fields.items():
            typer.echo(f"  {key}: {value}")
        typer.echo("  costs:")
        for key, value in costs.items():
            typer.echo(f"    {key}: {value}")


def _a_side(costs: Mapping[str, Any]) -> str:
    """Return what one side of a trade costs, in words; a quoted spread and what depends on size and volatility are named."""
    quoted = costs["spread"] == "quoted"
    bps = costs["commission"] * 1e4 + costs["slippage_bps"] + (0.0 if quoted else costs["half_spread_bps"])
    per_unit, least = costs["commission_per_unit"], costs["commission_minimum"]
    words = [f"{bps:.1f} bps", *(["half the quote"] if quoted else []), *([f"{per_unit:g} a unit"] if per_unit else [])]
    words += [name.replace("_", " ") for name in ("volatility_slippage", "impact") if costs[name]]
    return " + ".join(words) + (f", at least {least:g}" if least else "")


def _absolute(target: str) -> str:
    path = Path(target)
    return str(path.absolute()) if path.suffix or path.exists() else target
