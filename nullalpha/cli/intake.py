"""`nullalpha data`: taking bars in, from files, services and recipes, and making longer bars of shorter ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nullalpha.cli.output import Home, Json, audited, emit_json, number, open_lab

if TYPE_CHECKING:
    from nullalpha.core.errors import Finding
    from nullalpha.data.snapshots import Snapshot

Replace = Annotated[bool, typer.Option("--replace", help="Let these bars stand for a symbol that is there already.")]
Symbol = Annotated[str | None, typer.Option("--instrument", help="The symbol to know it by; of a folder, the one series to take.")]
SHOWN_FINDINGS = 20


def import_(
    path: Annotated[Path | None, typer.Argument(help="A file, or a folder of LEAN's; nothing for the packaged samples.")] = None,
    source: Annotated[str | None, typer.Option("--from", help="csv, parquet, lean, futures or samples; by what PATH is.")] = None,
    instrument: Symbol = None,
    timeframe: Annotated[str | None, typer.Option(help="1d, 1h, 5m, ...; published for an outside series.")] = None,
    kind: Annotated[str | None, typer.Option(help="equity, etf, index, future, forex, cfd, crypto, commodity, series.")] = None,
    calendar: Annotated[str | None, typer.Option(help="A code of exchange_calendars.")] = None,
    currency: str | None = None,
    fill_basis: Annotated[str | None, typer.Option(help="open: orders fill at the open of t+1; close: at its close.")] = None,
    sessions_per_year: int | None = None,
    commission: Annotated[float | None, typer.Option(help="Fraction of notional a side.")] = None,
    half_spread_bps: float | None = None,
    slippage_bps: float | None = None,
    cost: Annotated[list[str] | None, typer.Option("--cost", help="Any cost as name=value, e.g. borrow=0.01; may be given often.")] = None,
    tick: float | None = None,
    lot: float | None = None,
    multiplier: float | None = None,
    distributions: Annotated[str | None, typer.Option(help="none, adjusted or excluded.")] = None,
    survivorship: Annotated[bool | None, typer.Option(help="Chosen because it survived.")] = None,
    column: Annotated[list[str] | None, typer.Option("--column", help="ours=theirs, e.g. close=Last; ours= for none.")] = None,
    tz: Annotated[str | None, typer.Option(help="Zone of times that carry none, e.g. America/New_York.")] = None,
    bar_time: Annotated[str | None, typer.Option(help="What an intraday time is: the bar's open, or its close (so by default).")] = None,
    roll: Annotated[str | None, typer.Option(help="Of futures: days:5 before expiry (so by default), volume or open_interest.")] = None,
    adjustment: Annotated[str | None, typer.Option(help="Of futures: ratio (so by default) or difference.")] = None,
    quarantine: Annotated[bool, typer.Option("--quarantine", help="Set rows with errors apart and take in the others.")] = False,
    replace: Replace = False,
    home: Home = None,
    json: Json = False,
) -> int:
    """Take in bars; a file with errors imports nothing, unless --quarantine keeps its bad rows apart.

    What is not said of the instrument comes from the instruments file (`nullalpha data instruments`), then from its kind.
    """
    from nullalpha.app.descriptions import Description, costs_of
    from nullalpha.app.intake import FileRequest, columns_of, failures, import_bars, taken

    symbol = instrument.upper() if instrument else None
    columns = columns_of(column) if column else None
    request = FileRequest(path, source, symbol, timeframe, bar_time, columns, tz, roll, adjustment)
    description = Description(
        kind=kind,
        calendar=calendar,
        currency=currency,
        fill_basis=fill_basis,
        sessions_per_year=sessions_per_year,
        commission=commission,
        half_spread_bps=half_spread_bps,
        slippage_bps=slippage_bps,
        tick=tick,
        lot=lot,
        multiplier=multiplier,
        distributions=distributions,
        survivorship=survivorship,
        costs=costs_of(cost) if cost else None,
    )
    lab = open_lab(home)
    with audited(lab, "data_import", source=source, file=None if path is None else str(path), instrument=instrument):
        found = import_bars(lab, request, description, quarantine=quarantine, replacing=replace)
    exit_code = 2 if found.failed else 0
    if json:
        emit_json({"snapshots": [taken(s) for s in found.snapshots], "failed": failures(found), "left_out": list(found.left_out)})
        return exit_code
    for snapshot in found.snapshots:
        typer.echo(_line(snapshot))
    for sentence in found.left_out:
        typer.echo(f"left out: {sentence}", err=True)
    for symbol, frame, error in found.failed:
        typer.echo(f"error: {symbol} {frame}: {error.message}", err=True)
        _say_findings(getattr(error, "findings", ()))
    return exit_code


def fetch(
    symbol: Annotated[str, typer.Argument(help="As the service writes it: AAPL, BTC/USD, kraken:BTC/USD, CPIAUCSL, 13874A.")],
    source: Annotated[str, typer.Option("--from", help="yfinance, alpaca, fred, cftc or ccxt.")],
    instrument: Annotated[str | None, typer.Option("--instrument", help="Another symbol to know it by.")] = None,
    timeframe: Annotated[str, typer.Option(help="1d, 1h, ...")] = "1d",
    start: Annotated[str | None, typer.Option(help="ISO date; default: as far back as there is.")] = None,
    end: Annotated[str | None, typer.Option(help="ISO date; default: the present.")] = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Ask a service for what is missing of a series: the one command that uses the network, and only the service that you name."""
    from nullalpha.app.intake import taken
    from nullalpha.app.markets import fetch_bars

    lab = open_lab(home)
    with audited(lab, "data_fetch", source=source, symbol=symbol, timeframe=timeframe):
        fetched, snapshot = fetch_bars(lab, source, symbol, name=instrument, timeframe=timeframe, start=start, end=end)
    if json:
        facts = {"instrument": fetched.symbol, "timeframe": fetched.timeframe, "n_new": fetched.n_new}
        findings = [asdict(finding) for finding in fetched.findings]
        emit_json({"snapshots": [] if snapshot is None else [taken(snapshot)], **facts, "findings": findings})
        return
    _say_findings(fetched.findings)
    typer.echo(f"{fetched.symbol} {fetched.timeframe}: nothing new" if snapshot is None else f"{_line(snapshot)}, {fetched.n_new:,} new")


def synth(
    kind: Annotated[str, typer.Argument(help="gbm, garch, bootstrap, permutation, regime, momentum, ...; `list` says what there is.")],
    instrument: Annotated[str, typer.Option("--instrument", help="The symbol to know it by.")] = "SYN",
    bars: Annotated[int, typer.Option("--bars", help="How many.")] = 5000,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    like: Annotated[str | None, typer.Option("--like", help="A real instrument to resample or to fit to, search zone alone.")] = None,
    sharpe: Annotated[float | None, typer.Option("--sharpe", help="Of a planted edge: the oracle's annual net Sharpe ratio.")] = None,
    options: Annotated[list[str] | None, typer.Option("--set", help="Another option of the kind, e.g. volatility=0.2.")] = None,
    timeframe: Annotated[str | None, typer.Option(help="1d, 1h, ...; by default that of --like, else 1d.")] = None,
    calendar: Annotated[str | None, typer.Option(help="By default that of --like, else XNYS.")] = None,
    fill_basis: Annotated[str | None, typer.Option(help="By default that of --like, else open.")] = None,
    first: Annotated[str | None, typer.Option(help="ISO date; by default that of --like, else that of the packaged indices.")] = None,
    replace: Replace = False,
    home: Home = None,
    json: Json = False,
) -> None:
    """Make a market by a recipe and a seed: nulls without an edge, and planted edges of stated strength."""
    from nullalpha.app.intake import taken
    from nullalpha.app.markets import MarketRequest, make_market, numbers_of

    if kind == "list":
        _list_kinds(json)
        return
    lab = open_lab(home)
    given = numbers_of([*(options or []), *([] if sharpe is None else [f"sharpe={sharpe}"])])
    request = MarketRequest(kind, instrument, bars, seed, like, timeframe, calendar, fill_basis, first, given)
    with audited(lab, "data_synth", kind=kind, instrument=instrument, bars=bars, seed=seed):
        market, snapshot = make_market(lab, request, replacing=replace)
    truth = market.truth
    if json:
        figures = {"stated_sharpe": truth.stated_sharpe, "realised_sharpe": truth.realised_sharpe, "parameters": truth.parameters}
        emit_json({"snapshots": [taken(snapshot)], "recipe": market.recipe, "truth": figures})
        return
    typer.echo(_line(snapshot))
    if truth.stated_sharpe is not None:
        typer.echo(
            f"the oracle's net Sharpe ratio: {truth.stated_sharpe:g} in the long run, {number(truth.realised_sharpe)} over these bars"
        )


def resample(
    instrument: str,
    to: Annotated[str, typer.Option("--to", help="A longer timeframe: 15m, 1h, 1d, 1w, 1mo.")],
    timeframe: Annotated[str | None, typer.Option(help="Of the bars that it is made of; by default the shortest there are.")] = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Make longer bars of shorter ones by the exchange's calendar: sessions, half days and changes of the clock as they were."""
    from nullalpha.app.intake import taken
    from nullalpha.app.markets import resample_bars

    lab = open_lab(home)
    with audited(lab, "data_resample", instrument=instrument, timeframe=timeframe, to=to):
        snapshot = resample_bars(lab, instrument.upper(), timeframe, to)
    if json:
        emit_json({"snapshots": [taken(snapshot)]})
    else:
        typer.echo(_line(snapshot))


def _list_kinds(json: bool) -> None:
    from nullalpha.data.synthetic.kinds import KINDS

    if json:
        emit_json(
            {"kinds": [{"name": k.name, "text": k.text, "like": k.like, "options": [asdict(o) for o in k.options]} for k in KINDS.values()]}
        )
        return
    for kind in KINDS.values():
        typer.echo(f"{kind.name}: {kind.text} (real bars: {kind.like})")
        for option in kind.options:
            default = "" if option.default is None else f", default {option.default:g}"
            typer.echo(f"    {option.name}: {option.text}, {option.low:g} to {option.high:g}{default}")


def _line(snapshot: Snapshot) -> str:
    span = f"{snapshot.first[:10]} to {snapshot.last[:10]}"
    apart = f", {snapshot.n_quarantined:,} rows set apart" if snapshot.n_quarantined else ""
    warnings = sum(f.severity == "warning" for f in snapshot.findings)
    return f"{snapshot.instrument.symbol} {snapshot.timeframe}: {snapshot.n_bars:,} bars, {span}, {warnings} warnings{apart}"


def _say_findings(findings: Sequence[Finding]) -> None:
    for finding in findings[:SHOWN_FINDINGS]:
        row = "" if finding.row is None else f"row {finding.row} "
        typer.echo(f"  {finding.severity}: {row}{finding.time or ''} {finding.code}: {finding.message}", err=True)
    if len(findings) > SHOWN_FINDINGS:
        typer.echo(f"  ... and {len(findings) - SHOWN_FINDINGS} more", err=True)
