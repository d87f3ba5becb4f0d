"""`nullalpha data`: list, show, check, import."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from nullalpha.cli.output import Home, Json, audited, call, emit_json, open_lab, show

app = typer.Typer(help="Bars: what there is, what is wrong with them, and taking in your own.", no_args_is_help=True)


@app.command("list")
def list_(home: Home = None, json: Json = False) -> None:
    """List the instruments that the lab has bars of."""
    found = call(open_lab(home), "data_list")
    if json:
        emit_json(found)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("instrument", "timeframe", "first", "last", "bars", "fills at", "costs a side", "snapshot"):
        table.add_column(column)
    for s in found.snapshots:
        side = s.costs["commission"] * 1e4 + s.costs["half_spread_bps"] + s.costs["slippage_bps"]
        basis = f"{s.fill_basis} of t+1"
        table.add_row(s.instrument, s.timeframe, s.first, s.last, f"{s.n_bars:,}", basis, f"{side:.1f} bps", s.snapshot[:12])
    show(table)


@app.command("show")
def show_(instrument: str, timeframe: str = "1d", home: Home = None, json: Json = False) -> None:
    """Show one instrument: span, costs, fill basis, and where the sealed zones begin."""
    facts = call(open_lab(home), "data_show", instrument=instrument.upper(), timeframe=timeframe)
    if json:
        emit_json(facts)
        return
    for key, value in facts.model_dump(exclude={"zones"}).items():
        typer.echo(f"{key:18} {value}")
    zones = facts.zones.model_dump() if facts.zones else {"zones": "set by the first campaign"}
    for key, value in zones.items():
        typer.echo(f"{key:18} {value}")


@app.command()
def check(target: str, timeframe: str = "1d", calendar: str = "XNYS", home: Home = None, json: Json = False) -> int:
    """Check bars row by row: an instrument by its symbol, or a CSV file. Exit 2 when there are errors."""
    found = call(open_lab(home), "data_check", target=_absolute(target), timeframe=timeframe, calendar=calendar)
    if json:
        emit_json(found)
        return 0 if found.ok else 2
    for f in found.findings:
        typer.echo(f"{f.severity}: row {f.row} {f.time or ''} {f.code}: {f.message}")
    typer.echo(f"{found.target}: {found.n_bars} bars, {len(found.findings)} findings, {'usable' if found.ok else 'not usable'}")
    return 0 if found.ok else 2


@app.command("import")
def import_(
    file: Path,
    instrument: Annotated[str, typer.Option(help="The symbol to know it by.")],
    source: Annotated[str, typer.Option("--from", help="The file's form.")] = "csv",
    timeframe: str = "1d",
    calendar: str = "XNYS",
    currency: str = "USD",
    fill_basis: Annotated[str, typer.Option(help="open: orders fill at the open of t+1; close: at its close.")] = "open",
    sessions_per_year: int = 252,
    commission: Annotated[float, typer.Option(help="Fraction of notional a side.")] = 0.0001,
    half_spread_bps: float = 1.0,
    slippage_bps: float = 1.0,
    replace: Annotated[bool, typer.Option("--replace", help="Let these bars stand for a symbol that is there already.")] = False,
    home: Home = None,
    json: Json = False,
) -> None:
    """Take in a CSV of bars; a file with errors imports nothing."""
    from nullalpha.core.errors import RefusedError, UsageError, nearest
    from nullalpha.data.instruments import Costs, Instrument
    from nullalpha.data.sources.registry import FILE_READERS

    if source not in FILE_READERS:
        raise UsageError(
            f"there is no source {source!r}", path="--from", value=source, suggestion=f"use {nearest(source, list(FILE_READERS)) or 'csv'}"
        )
    if fill_basis not in ("open", "close"):
        raise UsageError(f"--fill-basis is {fill_basis!r}", path="--fill-basis", value=fill_basis, suggestion="use open or close")
    costs = Costs(commission, half_spread_bps, slippage_bps)
    described = Instrument(
        instrument.upper(), file.stem, calendar, currency, "open" if fill_basis == "open" else "close", sessions_per_year, costs, source
    )
    lab = open_lab(home)
    standing = [s for s in lab.catalogue.snapshots() if s.instrument.symbol == described.symbol]
    if standing and standing[-1].instrument != described and not replace:
        raise RefusedError(
            f"{described.symbol} is there already ({standing[-1].instrument.name}, from {standing[-1].source})",
            path="--instrument",
            value=described.symbol,
            suggestion="choose another symbol, or --replace it for campaigns from now on (earlier ones keep their bars)",
        )
    with audited(lab, "data_import", file=str(file), instrument=described.symbol):
        snapshot = lab.catalogue.ingest(FILE_READERS[source](file, described, timeframe))
    findings = [asdict(f) for f in snapshot.findings]
    body = {
        "instrument": snapshot.instrument.symbol,
        "timeframe": snapshot.timeframe,
        "snapshot": snapshot.id,
        "n_bars": snapshot.n_bars,
        "first": snapshot.first,
        "last": snapshot.last,
        "findings": findings,
    }
    if json:
        emit_json({"snapshots": [body]})
        return
    span = f"{snapshot.first[:10]} to {snapshot.last[:10]}"
    typer.echo(f"{snapshot.instrument.symbol}: {snapshot.n_bars} bars, {span}, {len(findings)} warnings")


def _absolute(target: str) -> str:
    path = Path(target)
    return str(path.absolute()) if path.suffix or path.exists() else target
