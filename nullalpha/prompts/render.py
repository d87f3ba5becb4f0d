"""Renders the prompt files beside this module: a missing value is an error, and so is a value that the file does not use.

What was retrieved (lessons, hypotheses of earlier trials, a user's brief) goes through the filter `quoted`, which makes it one JSON string:
data between quotation marks, on one line, of bounded length.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateNotFound, UndefinedError, meta

from nullalpha.core.errors import NotFoundError, UsageError, nearest
from nullalpha.core.fingerprint import sha256_hex

FOLDER = Path(__file__).parent
SUFFIX = ".md.jinja"
MAX_QUOTED_CHARACTERS = 400


@dataclass(frozen=True)
class RenderedPrompt:
    """A prompt as a model reads it, with its own hash and that of the file it came from."""

    name: str
    text: str
    sha256: str
    template_sha256: str


def render(name: str, **values: object) -> RenderedPrompt:
    """Render `prompts/<name>.md.jinja`.

    Raises:
        NotFoundError: if there is no such file.
        UsageError: if a value is missing, or is given and not used.
    """
    environment = _environment()
    try:
        source, _, _ = FileSystemLoader(FOLDER).get_source(environment, name + SUFFIX)
    except TemplateNotFound:
        known = prompt_names()
        raise NotFoundError(f"there is no prompt {name!r}", path="prompt", value=name, suggestion=nearest(name, known)) from None
    wanted = meta.find_undeclared_variables(environment.parse(source))
    if extra := sorted(values.keys() - wanted):
        raise UsageError(f"the prompt {name!r} does not use {', '.join(extra)}", path=f"prompts.{name}", value=extra[0])
    try:
        text = environment.from_string(source).render(**values)
    except UndefinedError as error:
        raise UsageError(f"the prompt {name!r} lacks a value: {error.message}", path=f"prompts.{name}") from error
    return RenderedPrompt(name, text, sha256_hex(text), sha256_hex(source))


def prompt_names() -> tuple[str, ...]:
    """Return the names of all prompts, sorted."""
    return tuple(sorted(path.name.removesuffix(SUFFIX) for path in FOLDER.glob(f"*{SUFFIX}")))


def quoted(text: str) -> str:
    """Return text as one JSON string of at most 400 characters of content."""
    shown = text if len(text) <= MAX_QUOTED_CHARACTERS else text[: MAX_QUOTED_CHARACTERS - 3] + "..."
    return json.dumps(shown, ensure_ascii=False)


@cache
def _environment() -> Environment:
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False)
    environment.filters["quoted"] = quoted
    return environment
