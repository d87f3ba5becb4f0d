"""`nullalpha memory`: search, lessons, rebuild."""

from __future__ import annotations

from typing import Annotated

import typer

from nullalpha.cli.output import Home, Json, call, emit_json, open_lab

CLOSE = 0.25
"""Cosine similarity from which a text is about what was asked: questions on other matters stay below it."""
app = typer.Typer(help="What the lab remembers.", no_args_is_help=True)


@app.command()
def search(query: str, k: Annotated[int, typer.Option("-k", help="How many.")] = 8, home: Home = None, json: Json = False) -> None:
    """Ask by meaning: `nullalpha memory search "what do we know about momentum"`."""
    answer = call(open_lab(home), "memory_search", query=query, k=k)
    if json:
        emit_json(answer)
        return
    if not answer.hits:
        typer.echo("nothing is remembered yet; `nullalpha research run` makes the first memories")
    elif answer.hits[0].similarity < CLOSE:
        typer.echo("nothing close; nearest:")
    for hit in answer.hits:
        typer.echo(f"{hit.similarity:.2f}  {hit.kind:10} {hit.ref}\n      {hit.text}")


@app.command()
def lessons(campaign: str | None = None, limit: int = 20, home: Home = None, json: Json = False) -> None:
    """List what campaigns learned."""
    found = call(open_lab(home), "memory_lessons", campaign_id=campaign, limit=limit)
    if json:
        emit_json(found)
        return
    if not found.lessons:
        typer.echo("no lessons yet; `nullalpha research run` learns some from its trials")
    for lesson in found.lessons:
        typer.echo(f"- {lesson.text}\n  ({len(lesson.evidence)} experiments, data {lesson.window[0]} to {lesson.window[1]})")


@app.command()
def rebuild(home: Home = None, json: Json = False) -> None:
    """Make the index again from the ledger, which is the truth."""
    from nullalpha.app.recollection import rebuild as rebuild_index

    lab = open_lab(home)
    n = rebuild_index(lab.home, lab.stores, lab.index_folder)
    if json:
        emit_json({"indexed": n})
    else:
        typer.echo(f"{n} memories indexed")
