"""`nullalpha strategy`: schema, validate, compile, explain, indicators."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nullalpha.cli.output import Home, Json, call, emit_json, open_lab, read_file, show

app = typer.Typer(help="Strategy documents: check them, read them, see what can be said.", no_args_is_help=True)
File = Annotated[Path, typer.Argument(help="A strategy document, YAML or JSON; - for stdin.")]


@app.command()
def schema(home: Home = None) -> None:
    """Print the JSON Schema of strategy documents."""
    emit_json(call(open_lab(home), "strategy_schema").json_schema)


@app.command()
def validate(file: File, home: Home = None, json: Json = False) -> int:
    """Check a document: all errors at once, with path and nearest fix. Exit 2 when it is invalid."""
    result = call(open_lab(home), "strategy_validate", document=read_file(file))
    if json:
        emit_json(result)
        return 0 if result.valid else 2
    for kind, issues in (("error", result.errors), ("warning", result.warnings)):
        for issue in issues:
            fix = f"\n    fix: {issue.suggestion}" if issue.suggestion else ""
            typer.echo(f"{kind}: {issue.path}: {issue.message}{fix}", err=kind == "error")
    if result.valid:
        typer.echo(f"valid, fingerprint {result.fingerprint}")
    return 0 if result.valid else 2


@app.command("compile")
def compile_(file: File, home: Home = None, json: Json = False) -> None:
    """Compile a document to its canonical form and print its fingerprint."""
    plan = call(open_lab(home), "strategy_compile", document=read_file(file))
    if json:
        emit_json(plan)
        return
    typer.echo(f"{plan.name}: fingerprint {plan.fingerprint}")
    typer.echo(f"{plan.n_features} features, {plan.n_rules} rules, {plan.n_parameters} parameters, warm-up {plan.warmup_bars} bars")


@app.command()
def explain(file: File, home: Home = None, json: Json = False) -> None:
    """Say in English what a strategy does."""
    result = call(open_lab(home), "strategy_explain", document=read_file(file))
    if json:
        emit_json(result)
    else:
        typer.echo(result.text)


@app.command()
def indicators(home: Home = None, json: Json = False) -> None:
    """List every indicator."""
    found = call(open_lab(home), "strategy_indicators")
    if json:
        emit_json(found)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("indicator", "parameters", "outputs", "unit", "what it is"):
        table.add_column(column)
    for item in found.indicators:
        parameters = ", ".join(f"{name} {p['default']:g} ({p['low']:g}..{p['high']:g})" for name, p in item.parameters.items())
        table.add_row(item.name, parameters, ", ".join(item.outputs), item.unit, item.summary)
    show(table)
