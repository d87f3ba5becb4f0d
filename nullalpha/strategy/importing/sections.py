"""Sections of a foreign document, read key by key: whatever nobody asked for is an error, so that nothing is lost unseen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nullalpha.core.errors import nearest
from nullalpha.strategy.importing.imported import Report

MAX_LISTED = 12
_FORMS = {"text": "word", "a number": "0.5", "a whole number": "10", "true or false": "true", "a list of texts": "[one, another]"}


class Section:
    """One mapping of a document. A null value counts as absent; a value of a wrong type is reported and counts as absent."""

    def __init__(self, path: str, value: object, report: Report) -> None:
        self.path = path
        self.report = report
        self._asked: dict[str, None] = {}
        self._values: Mapping[str, object] = {}
        if isinstance(value, Mapping):
            self._values = value
        elif value is not None:
            report.refuse(path, "wrong_type", "must be a mapping", value, "{key: value}")

    def place(self, key: str) -> str:
        """Return the dotted path of a key."""
        return f"{self.path}.{key[:60]}".lstrip(".") or "document"

    def names(self) -> tuple[str, ...]:
        """Return the keys that have a value."""
        return tuple(key for key, value in self._values.items() if value is not None)

    def has(self, key: str) -> bool:
        """Return whether a key has a value."""
        return self._values.get(key) is not None

    def take(self, key: str) -> object:
        """Return a value as it is; None if absent."""
        self._asked[key] = None
        return self._values.get(key)

    def section(self, key: str) -> Section:
        """Return the mapping below a key; an empty one if absent."""
        return Section(self.place(key), self.take(key), self.report)

    def text(self, key: str) -> str | None:
        """Return a text, without blanks around it."""
        value = self.take(key)
        if value is None or isinstance(value, str):
            return None if value is None else value.strip()
        self._refuse_type(key, "text", value)
        return None

    def number(self, key: str) -> float | None:
        """Return a number."""
        value = self.take(key)
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            return value
        self._refuse_type(key, "a number", value)
        return None

    def whole(self, key: str) -> int | None:
        """Return a whole number."""
        value = self.number(key)
        if value is None or float(value).is_integer():
            return None if value is None else int(value)
        self._refuse_type(key, "a whole number", value)
        return None

    def flag(self, key: str) -> bool | None:
        """Return true or false."""
        value = self.take(key)
        if value is None or isinstance(value, bool):
            return value
        self._refuse_type(key, "true or false", value)
        return None

    def words(self, key: str) -> list[str] | None:
        """Return a list of texts."""
        value = self.take(key)
        if value is None:
            return None
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return [item.strip() for item in value]
        self._refuse_type(key, "a list of texts", value)
        return None

    def require(self, key: str, fix: str) -> None:
        """Report a key that is missing."""
        if not self.has(key):
            self.report.refuse(self.place(key), "missing", f"{key!r} is missing", None, fix)

    def leave(self, keys: Iterable[str], why: str) -> None:
        """Note the keys that are known and not carried."""
        for key in keys:
            if self.take(key) is not None:
                self.report.note(self.place(key), f"left out: {why}")

    def finish(self, what: str) -> None:
        """Report every key that nobody asked for; `what` names the section in the message."""
        known = list(self._asked)
        for key in self.names():
            if key not in self._asked:
                near = nearest(key[:60], known)
                fix = f"leave it out, or write {near}" if near else f"leave it out; known keys: {', '.join(known[:MAX_LISTED])}"
                self.report.refuse(self.place(key), "unknown_key", f"{key[:60]!r} is no key of {what} here", self._values[key], fix)

    def _refuse_type(self, key: str, what: str, value: object) -> None:
        self.report.refuse(self.place(key), "wrong_type", f"must be {what}", value, f"{key[:60]}: {_FORMS[what]}")
