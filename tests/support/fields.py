"""Every field of every part of a typed strategy, found by walking it: so that no field can be added that nothing tries."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from nullalpha.strategy.spec import StrategySpec

Document = dict[str, Any]
Path = tuple[str | int, ...]
FieldName = tuple[str, str]
PARAMETER = "<parameter>"
"""Stands for the further keys of a feature or a transform."""
SCHEMA = StrategySpec.model_json_schema()
DEFINITIONS: dict[str, Any] = {**SCHEMA["$defs"], "StrategySpec": SCHEMA}


@dataclass(frozen=True)
class Site:
    """A field of one part of a document: whose it is, where it stands, and what holds there (its default, if nothing is written)."""

    owner: str
    field: str
    path: Path
    value: Any

    @property
    def name(self) -> FieldName:
        return self.owner, self.field


def fields_of_the_language() -> set[FieldName]:
    """Return every field of every part that a strategy can be made of, further keys included."""
    fields = {(owner, field) for owner, schema in DEFINITIONS.items() for field in schema.get("properties", {})}
    return fields | {("FeatureSpec", PARAMETER), ("TransformSpec", PARAMETER)}


def sites_of(document: Document) -> list[Site]:
    """Return every field of every part of a valid document, written or not."""
    return list(_sites(StrategySpec.model_validate(document), ()))


def _sites(part: BaseModel, path: Path) -> Iterator[Site]:
    owner = type(part).__name__
    for field in type(part).model_fields:
        value = getattr(part, field)
        yield Site(owner, field, (*path, field), value)
        yield from _below(value, (*path, field))
    if type(part).model_config.get("extra") == "allow":
        yield Site(owner, PARAMETER, path, dict(part.model_extra or {}))


def _below(value: Any, path: Path) -> Iterator[Site]:
    if isinstance(value, BaseModel):
        yield from _sites(value, path)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _below(item, (*path, key))
    elif isinstance(value, tuple):
        for i, item in enumerate(value):
            yield from _below(item, (*path, i))


def at(document: Document, path: Path) -> Any:
    """Return what stands at a place of a document; None if nothing does."""
    place: Any = document
    for step in path:
        if isinstance(place, dict) and isinstance(step, int):  # one transform written without its list
            continue
        place = place.get(step) if isinstance(place, dict) else None if place is None else place[step]
    return place


def put(document: Document, path: Path, value: object) -> Document:
    """Return the document with something else at a place."""
    changed = copy.deepcopy(document)
    place: Any = changed
    *parents, last = path
    for step in parents:
        if isinstance(step, int) and isinstance(place, dict):
            continue
        if isinstance(place, dict) and place.get(step) is None:
            place[step] = {}
        place = place[step]
    place[last] = value
    return changed
