"""Names and symbols of other programs as legal ones of the language."""

from __future__ import annotations

import re
from collections.abc import Collection

from nullalpha.strategy.spec import MAX_SYMBOL, RESERVED_WORDS, slug

MAX_NAME = 32

_SYMBOL = re.compile(r"[A-Z0-9^][A-Z0-9._^=-]*")


def legal_name(text: str, taken: Collection[str] = ()) -> str:
    """Return a text as a name that nothing else has: lower-case letters, digits and `_`, no word of the rules."""
    plain = re.sub(r"[^a-z0-9]+", "_", slug(text).lower()).strip("_") or "x"
    name = plain if plain[0].isalpha() else f"x_{plain}"
    name = f"{name}_" if name in RESERVED_WORDS else name[:MAX_NAME]
    unique, n = name, 1
    while unique in taken:
        n += 1
        unique = f"{name[: MAX_NAME - len(str(n)) - 1]}_{n}"
    return unique


def legal_symbol(text: str) -> str | None:
    """Return a symbol in upper case, or None if it has characters that no symbol may have."""
    symbol = text.strip().upper()
    return symbol if len(symbol) <= MAX_SYMBOL and _SYMBOL.fullmatch(symbol) else None
