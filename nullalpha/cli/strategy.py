"""`nullalpha strategy`: schema, validate, compile, explain, similar, import, indicators."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nullalpha.cli.output import Home, Json, call, emit_json, number, open_lab, read_file, show, write_file

app = typer.Typer(help="Strategy documents: check them, read them, see what can be said.", no_args_is_help=True)
File = Annotated[Path, typer.Argument(help="A strategy document, YAML or JSON; - for stdin.")]


@app.command()
def schema(
    decoder: Annotated[bool, typer.Option("--decoder", help="The form that constrained decoding can hold a model to.")] = False,
    instruments: Annotated[str, typer.Option(help="With --decoder: what may be traded.")] = "SPX,IXIC",
    home: Home = None,
) -> None:
    """Print the JSON Schema of strategy documents."""
    emit_json(call(open_lab(home), "strategy_schema", decoder=decoder, instruments=_symbols(instruments)).json_schema)


def _symbols(text: str) -> list[str]:
    return [symbol.strip().upper() for symbol in text.split(",") if symbol.strip()]


@app.command()
def validate(
    file: File,
    on_bars: Annotated[bool, typer.Option("--on-bars", help="Also look at the search zone: dead zones, rules that never fire.")] = False,
    home: Home = None,
    json: Json = False,
) -> int:
    """Check a document: all errors at once, with path and nearest fix. Exit 2 when it is invalid."""
    result = call(open_lab(home), "strategy_validate", document=read_file(file), on_bars=on_bars)
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
def explain(
    target: Annotated[str, typer.Argument(help="A strategy document, - for stdin, or the id of an experiment.")],
    home: Home = None,
    json: Json = False,
) -> None:
    """Say in English what a strategy does; of an experiment, also what it learned."""
    is_experiment = target.startswith("e-") and not Path(target).exists()
    given = {"experiment": target} if is_experiment else {"document": read_file(Path(target))}
    result = call(open_lab(home), "strategy_explain", **given)
    if json:
        emit_json(result)
    else:
        typer.echo(result.text)


@app.command()
def similar(file: File, k: Annotated[int, typer.Option("-k", help="How many.")] = 8, home: Home = None, json: Json = False) -> None:
    """Show the known experiments nearest to a document: by what they do, and by what they claim."""
    found = call(open_lab(home), "strategy_similar", document=read_file(file), k=k)
    if json:
        emit_json(found)
        return
    if not found.nearest:
        typer.echo("there are no experiments in this home yet")
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("likeness", "structure", "text", "experiment", "strategy", "verdict", "excess Sharpe", "hypothesis"):
        table.add_column(column)
    for item in found.nearest:
        same = " (the same)" if item.same else ""
        figures = (number(item.likeness), number(item.structure), number(item.text))
        table.add_row(*figures, item.experiment_id, item.name + same, item.verdict or "", number(item.excess_sharpe), item.hypothesis[:80])
    show(table)


@app.command("import")
def import_(
    file: File,
    source: Annotated[str, typer.Option("--from", help="Whose strategy file it is: ktrdr.")] = "ktrdr",
    out: Annotated[Path | None, typer.Option("--out", help="Write the document here instead of to stdout.")] = None,
    home: Home = None,
    json: Json = False,
) -> int:
    """Translate a strategy file of another system; what changed and why is said, what cannot be carried is an error. Exit 2 then."""
    found = call(open_lab(home), "strategy_import", document=read_file(file), source=source)
    if out is not None and found.strategy is not None:
        from nullalpha.strategy.yaml_form import to_yaml

        write_file(out, to_yaml(found.strategy))
    if json:
        emit_json(found)
        return 2 if found.errors else 0
    for note in found.notes:
        typer.echo(f"note: {note.path}: {note.message}", err=True)
    for issue in found.errors:
        typer.echo(f"error: {issue.path}: {issue.message}" + (f"\n    fix: {issue.suggestion}" if issue.suggestion else ""), err=True)
    if found.strategy is not None and out is None:
        from nullalpha.strategy.yaml_form import to_yaml

        typer.echo(to_yaml(found.strategy), nl=False)
    return 2 if found.errors else 0


@app.command()
def indicators(home: Home = None, json: Json = False) -> None:
    """List every indicator."""
    found = call(open_lab(home), "strategy_indicators")
    if json:
        emit_json(found)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("indicator", "parameters", "applied to", "outputs", "stability", "what it is"):
        table.add_column(column)
    for item in found.indicators:
        parameters = ", ".join(f"{name} {p['default']:g} ({p['low']:g}..{p['high']:g})" for name, p in item.parameters.items())
        outputs = ", ".join(f"{output} ({unit.replace('_', ' ')})" for output, unit in item.units.items())
        applied = ", ".join(item.takes_input) or f"bars ({', '.join(item.inputs)})"
        table.add_row(item.name, parameters, applied, outputs, item.stability, item.summary)
    show(table)
