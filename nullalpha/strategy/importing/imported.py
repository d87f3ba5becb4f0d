"""What a translation gives: a document, what had to change, and what could not be carried.

A difference that keeps what a part is for (a unit, a default, another average) is a note. A part that has no counterpart is an error:
a translation with errors has no document. Nothing of the original is lost without one or the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from nullalpha.core.errors import Issue
from nullalpha.strategy.issues import shorten


@dataclass(frozen=True)
class Note:
    """One change and its reason; `path` is the dotted place in the original."""

    path: str
    message: str


@dataclass(frozen=True)
class Imported:
    """A translated strategy; `document` is valid for `parse_strategy`, and None if there are errors."""

    document: dict[str, object] | None
    notes: tuple[Note, ...]
    errors: tuple[Issue, ...]


@dataclass
class Report:
    """Gathers notes and errors while a document is read."""

    notes: list[Note] = field(default_factory=list)
    errors: list[Issue] = field(default_factory=list)

    def note(self, path: str, message: str) -> None:
        """Add a change, once."""
        note = Note(path, message)
        if note not in self.notes:
            self.notes.append(note)

    def refuse(self, path: str, code: str, message: str, value: object, suggestion: str) -> None:
        """Add an error, once."""
        issue = Issue(path, code, message, shorten(value), suggestion)
        if issue not in self.errors:
            self.errors.append(issue)
